//! Servers by name, in `$XDG_CONFIG_HOME/styx/config.toml`.
//!
//! The file holds where servers are and where tokens are, but no token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, io};

use serde::{Deserialize, Serialize};
use styx_client::Host;
use styx_host::text::shortened;

use crate::failure::Failure;
use crate::suggest;

/// The most bytes of the file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// The longest name of a context.
const MAX_NAME: usize = 128;

/// All contexts, and which one is used if nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A server, and how to tell it who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) host: String,
    /// The file with the token, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Contexts {
    /// Reads the user's contexts; none if there is no file.
    pub(crate) fn load() -> Result<Self, Failure> {
        match path() {
            Some(path) => Self::load_from(&path),
            None => Ok(Self::default()),
        }
    }

    fn load_from(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = match styx_host::file::read_text(path, MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::Usage(format!("cannot read {shown}: {error}"))),
        };
        toml::from_str(&text)
            .map_err(|error| Failure::Usage(format!("cannot read {shown}: {}", error.to_string().trim_end())))
    }

    /// Writes the user's contexts; a crash leaves either the old file or the new one.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = path().ok_or_else(|| {
            Failure::Usage("there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set".into())
        })?;
        self.save_to(&path).map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))
    }

    fn save_to(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        if let Some(folder) = path.parent() {
            styx_host::folder::create(folder)?;
        }
        styx_host::file::write_state(path, text.as_bytes())
    }

    /// Adds a context, or replaces it, and tells whether it was new. The first one becomes the current one.
    pub(crate) fn add(&mut self, name: &str, host: &str, token_file: Option<&Path>) -> Result<bool, Failure> {
        if name.is_empty() || name.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(Failure::Usage(format!("not a name for a context: {name:?}")));
        }
        if name.chars().count() > MAX_NAME {
            let name = shortened(name, MAX_NAME);
            return Err(Failure::Usage(format!(
                "not a name for a context: {name:?}: it has more than {MAX_NAME} letters"
            )));
        }
        if host.contains('@') {
            let text =
                "a context's host holds no user name and no password: a server takes a token (--token-file FILE)";
            return Err(Failure::Usage(text.into()));
        }
        Host::parse(host).map_err(|error| Failure::Usage(error.to_string()))?;
        let token_file = token_file.map(std::path::absolute).transpose()?;
        let added = self.contexts.insert(name.into(), Context { host: host.into(), token_file }).is_none();
        self.current.get_or_insert_with(|| name.into());
        Ok(added)
    }

    /// Makes a context the current one.
    pub(crate) fn use_(&mut self, name: &str) -> Result<(), Failure> {
        self.get(name)?;
        self.current = Some(name.into());
        Ok(())
    }

    /// Removes a context. If it was the current one, there is none.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.get(name)?;
        self.contexts.remove(name);
        self.current.take_if(|current| current == name);
        Ok(())
    }

    /// A context that must be there.
    pub(crate) fn get(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let near = suggest::near(name, self.contexts.keys().map(String::as_str));
            let hint = suggest::question("context", &near).map(|question| format!("\n{question}")).unwrap_or_default();
            Failure::Usage(format!("there is no context {name:?}{hint}"))
        })
    }

    /// The context to use: the one asked for, that of the environment, or the current one.
    pub(crate) fn chosen(&self, asked: Option<&str>) -> Result<Option<(String, &Context)>, Failure> {
        let from_environment = || env::var("STYX_CONTEXT").ok().filter(|name| !name.is_empty());
        let name = asked.map(str::to_owned).or_else(from_environment).or_else(|| self.current.clone());
        name.map(|name| Ok((name.clone(), self.get(&name)?))).transpose()
    }
}

/// Where the contexts are: below the folder of the user's own configuration.
fn path() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(folder("HOME")?.join(".config"));
    Some(folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(home)?.join("styx/config.toml"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn contexts() -> impl Strategy<Value = Contexts> {
        let context = ("\\PC*", proptest::option::of("/\\PC*"))
            .prop_map(|(host, token_file)| Context { host, token_file: token_file.map(PathBuf::from) });
        (proptest::option::of("\\PC+"), proptest::collection::btree_map("\\PC+", context, 0..5))
            .prop_map(|(current, contexts)| Contexts { current, contexts })
    }

    proptest! {
        #[test]
        fn what_is_saved_is_loaded(contexts in contexts()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a/b/config.toml");
            prop_assert_eq!(Contexts::load_from(&path).unwrap(), Contexts::default());
            contexts.save_to(&path).unwrap();
            prop_assert_eq!(Contexts::load_from(&path).unwrap(), contexts);
            prop_assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }

        #[test]
        fn the_current_one_is_there(steps in proptest::collection::vec((0..3, "[ab]"), 0..20)) {
            let mut contexts = Contexts::default();
            for (step, name) in steps {
                let known = contexts.contexts.contains_key(&name);
                match step {
                    0 => prop_assert_eq!(contexts.add(&name, "http://h", None).unwrap(), !known),
                    1 => prop_assert_eq!(contexts.use_(&name).is_ok(), known),
                    _ => prop_assert_eq!(contexts.remove(&name).is_ok(), known),
                }
                prop_assert!(contexts.current.iter().all(|name| contexts.contexts.contains_key(name)));
            }
        }
    }

    #[test]
    fn names_and_hosts_are_looked_at() {
        let mut contexts = Contexts::default();
        for (name, host) in [
            ("", "http://h"),
            ("a", "http://ann:s3cret@h"),
            ("a b", "http://h"),
            ("a\n", "http://h"),
            ("a", "ftp://h"),
            ("a", ""),
        ] {
            assert!(contexts.add(name, host, None).is_err(), "{name:?} {host:?}");
        }
        assert_eq!(contexts, Contexts::default());
    }
}
