//! No two modules of the core need each other: what stands at the root of `src` imports only from below.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The modules at the root, each with those that it names as `crate::…`.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let within = path.strip_prefix(&root).expect("it is in the folder").with_extension("");
            let module = within.iter().next().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a source");
            // Tests may use what they like, and comments may name it.
            let text = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let used: &mut BTreeSet<String> = found.entry(module).or_default();
            if !within.components().any(|part| part.as_os_str() == "tests") {
                used.extend(code.join("\n").split("crate::").skip(1).flat_map(first_names));
            }
        }
    }
    found.remove("lib");
    found
}

/// The first names of what follows `crate::`: one name, or those of a list in braces.
fn first_names(text: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(list) = text.strip_prefix('{') else { return vec![name(text)] };
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, true);
    for (at, char) in list.char_indices() {
        if begins && !char.is_whitespace() {
            names.push(name(&list[at..]));
            begins = false;
        }
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ => {}
        }
    }
    names.retain(|name: &String| !name.is_empty());
    names
}

#[test]
fn the_modules_have_an_order() {
    let mut left = imports();
    assert!(left.len() > 20 && left["scheduler"].contains("decide") && left["decide"].contains("world"), "{left:?}");
    let modules: BTreeSet<String> = left.keys().cloned().collect();
    for (module, used) in &mut left {
        used.retain(|other| other != module && modules.contains(other));
    }
    // What needs nothing that is left goes, until nothing does.
    while let Some(lowest) = left.iter().find(|(_, used)| used.is_empty()).map(|(module, _)| module.clone()) {
        left.remove(&lowest);
        left.values_mut().for_each(|used| used.retain(|other| *other != lowest));
    }
    assert!(left.is_empty(), "these need each other: {left:#?}");
}
