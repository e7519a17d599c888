//! Where something is mounted in a container.

/// Where Styx mounts the keys of service accounts.
const KEYS: [&str; 2] = ["etc", "styx-wf-sa-keys"];

/// The folders of an absolute path from the root on, without what leads nowhere: two texts of the same place have the same.
///
/// ```
/// use styx_core::workflow::folders_of;
///
/// assert_eq!(folders_of("//var/./lib/../run/"), ["var", "run"]);
/// ```
pub fn folders_of(path: &str) -> Vec<&str> {
    let mut folders = Vec::new();
    for folder in path.split('/') {
        match folder {
            "" | "." => {}
            ".." => _ = folders.pop(),
            folder => folders.push(folder),
        }
    }
    folders
}

/// Whether a path in a container is where Styx mounts the keys of service accounts, `/etc/styx-wf-sa-keys`, or below it,
/// however it is written.
pub fn is_keys_path(path: &str) -> bool {
    folders_of(path).starts_with(&KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_keys() {
        for path in [
            "/etc/styx-wf-sa-keys",
            "/etc/styx-wf-sa-keys/",
            "//etc/./styx-wf-sa-keys/a",
            "/var/../etc/styx-wf-sa-keys",
        ] {
            assert!(is_keys_path(path), "{path}");
        }
        for path in
            ["/etc", "/etc/styx-wf-sa-keys-of-mine", "/etc/styx-wf-sa-keys/../mine", "/a/etc/styx-wf-sa-keys", ""]
        {
            assert!(!is_keys_path(path), "{path}");
        }
    }
}
