//! A strict reader of Prometheus' text form, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels.
#[derive(Debug, Default)]
pub(crate) struct Scrape(BTreeMap<(String, Labels), f64>);

type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Reads a text.
    ///
    /// # Panics
    ///
    /// When it isn't well formed: a family begins with its help and its type, comes once and in one piece, and has the samples
    /// that its type has.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is whole");
        let mut scrape = Self::default();
        let mut families = BTreeSet::new();
        let (mut family, mut kind) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a help has words");
                assert!(is_name(name) && !words.is_empty(), "{line}");
                assert!(families.insert(name.to_owned()), "{name} comes twice");
                (family, kind) = (name.to_owned(), String::new());
            } else if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, declared) = declared.split_once(' ').expect("a type has a name");
                assert_eq!(name, family, "{line}");
                assert!(kind.is_empty() && matches!(declared, "counter" | "gauge" | "histogram"), "{line}");
                assert_eq!(declared == "counter", name.ends_with("_total"), "{line}");
                kind = declared.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                assert!(!kind.is_empty(), "{line} comes before its type");
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} is not of {family}"));
                let fits = if kind == "histogram" {
                    ["_bucket", "_sum", "_count"].contains(&suffix)
                } else {
                    suffix.is_empty()
                };
                assert!(fits, "{line}");
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                assert!(scrape.0.insert((name, labels), value).is_none(), "{line} comes twice");
            }
        }
        scrape.check_histograms();
        scrape
    }

    /// The value of a sample; zero if there is none.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.get(&(name.to_owned(), labels)).copied().unwrap_or(0.0)
    }

    /// The sum of all samples of a name.
    pub(crate) fn sum(&self, wanted: &str) -> f64 {
        self.0.iter().filter(|((name, _), _)| name == wanted).map(|(_, value)| value).sum()
    }

    /// The buckets of each histogram grow, and the last one holds all.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.0 {
            if let Some(histogram) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                buckets.entry((histogram.to_owned(), labels)).or_default().push((number(&bound), *value));
            }
        }
        for ((name, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {buckets:?}");
            let (bound, all) = buckets.last().unwrap();
            let count = self.0[&(format!("{name}_count"), labels.clone())];
            assert_eq!((*bound, *all), (f64::INFINITY, count), "{name}");
            assert!(self.0.contains_key(&(format!("{name}_sum"), labels)), "{name}");
        }
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let name = &line[..end];
    assert!(is_name(name), "{line}");
    let (labels, rest) = match line[end..].strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Labels::new(), &line[end..]),
    };
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no blank before the value: {line}"));
    (name.to_owned(), labels, number(value))
}

/// The labels, and what follows the brace that ends them.
fn labels(mut text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        assert!(is_name(name) && !name.contains(':') && !name.starts_with("__"), "{name}");
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, letter @ ('\\' | '"'))) => letter,
                    other => panic!("no such escape: {other:?}"),
                }),
                (_, letter) => value.push(letter),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} comes twice");
        text = &rest[end + 1..];
        match text.split_at(1) {
            (",", rest) => text = rest,
            ("}", rest) => return (labels, rest),
            _ => panic!("after a label: {text}"),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_first = |letter: char| letter.is_ascii_alphabetic() || matches!(letter, '_' | ':');
    text.starts_with(is_first) && text.chars().all(|letter| is_first(letter) || letter.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => {
            assert!(text.starts_with(|first: char| first.is_ascii_digit() || first == '-'), "{text}");
            text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
        }
    }
}
