//! What was probably meant by a name that there isn't.

/// The name that is written almost like this one: at most one letter in three differs, case and separators aside.
pub(super) fn nearest(name: &str, names: &[&'static str]) -> Option<&'static str> {
    let plain =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let name = plain(name);
    let near = names.iter().map(|known| (strsim::osa_distance(&name, &plain(known)), *known));
    near.filter(|(distance, known)| distance * 3 <= known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let names = ["containers", "initContainers", "imagePullSecrets", "nodeSelector", "volumes"];
        for (name, meant) in [
            ("container", Some("containers")),
            ("init_containers", Some("initContainers")),
            ("nodeselector", Some("nodeSelector")),
            ("volums", Some("volumes")),
            ("resources", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &names), meant, "{name}");
        }
    }
}
