//! Texts for people.

use std::{borrow::Cow, fmt};

use chrono::TimeDelta;

/// A span of time: its two largest units in whole seconds.
///
/// ```
/// use chrono::TimeDelta;
/// use styx_core::text::HumanSpan;
///
/// let text = |seconds| HumanSpan(TimeDelta::seconds(seconds)).to_string();
/// assert_eq!([text(0), text(62), text(7_200), text(90_061)], ["0 s", "1 min 2 s", "2 h", "1 d 1 h"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanSpan(pub TimeDelta);

impl fmt::Display for HumanSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let units = [("d", 86_400, i64::MAX), ("h", 3_600, 24), ("min", 60, 60), ("s", 1, 60)];
        let parts = units.map(|(name, length, most)| (name, seconds / length % most));
        let parts = parts.iter().skip_while(|(_, count)| *count == 0).take(2).filter(|(_, count)| *count > 0);
        let text: Vec<String> = parts.map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(if text.is_empty() { "0 s" } else { "" })?;
        f.write_str(&text.join(" "))
    }
}

/// The name that is written almost like this one: at most one letter in three differs, case and separators aside.
///
/// ```
/// use styx_core::text::nearest;
///
/// assert_eq!(nearest("dockerImgae", &["docker_image", "docker_args"]), Some("docker_image"));
/// assert_eq!(nearest("timeout", &["docker_image", "docker_args"]), None);
/// ```
pub fn nearest(name: &str, names: &[&'static str]) -> Option<&'static str> {
    let plain =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let name = plain(name);
    let near = names.iter().map(|known| (strsim::osa_distance(&name, &plain(known)), *known));
    near.filter(|(distance, known)| distance * 3 <= known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The first `most` characters of a text, with dots behind them where it is longer.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
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

    #[test]
    fn letters_that_are_swapped_with_their_neighbour_are_one_step() {
        // One in three may differ: of three letters one, of two none.
        for (name, known, is_near) in [
            ("acb", "abc", true),
            ("ab", "abc", true),
            ("abc", "abc", true),
            ("cab", "abc", false),
            ("ba", "ab", false),
            ("sitting", "kitten", false),
            ("kittens", "kitten", true),
        ] {
            assert_eq!(nearest(name, &[known]).is_some(), is_near, "{name}");
        }
    }
}
