//! The data folder lies outside the workflow folder: what jobs write there would be taken for workflows.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Refuses a data folder that is listed with the workflow folder. A part of the path that begins with a dot isn't listed.
///
/// # Errors
///
/// When it is, or the paths can't be followed.
pub(super) fn check(data: &Path, workflows: &Path) -> anyhow::Result<()> {
    let place = |path: &Path| canonical(path).with_context(|| format!("following {}", path.display()));
    let (inner, outer) = (place(data)?, place(workflows)?);
    let Ok(inside) = inner.strip_prefix(&outer) else { return Ok(()) };
    if inside.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".")) {
        return Ok(());
    }
    bail!(
        "the data folder {} lies in the workflow folder {}: files that jobs write there would be taken for workflows; name a \
         folder outside with --data, or one whose name begins with a dot",
        data.display(),
        workflows.display()
    )
}

/// Where a path leads, also if its last parts aren't there yet.
fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for place in path.ancestors() {
        if let Ok(there) = place.canonicalize() {
            return Ok(missing.into_iter().rev().fold(there, |path: PathBuf, name| path.join(name)));
        }
        missing.extend(place.file_name());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_data_folder_that_would_be_listed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("workflows/deep")).unwrap();
        symlink(at("workflows"), at("link")).unwrap();
        symlink(at("elsewhere"), at("workflows/away")).unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        for inside in ["workflows", "workflows/data", "workflows/deep/data", "link/data", "workflows/deep/../data"] {
            for workflows in ["workflows", "link"] {
                let refused = check(&at(inside), &at(workflows)).unwrap_err().to_string();
                assert!(refused.contains(&at(inside).display().to_string()) && refused.contains("--data"), "{refused}");
            }
        }
        let apart =
            ["data", "workflows-data", "workflows/.data", "workflows/.x/data", "workflows/../data", "workflows/away"];
        for apart in apart {
            check(&at(apart), &at("workflows")).unwrap();
        }
        check(&at("data"), &at("data/workflows")).unwrap();
    }
}
