//! Query strings, as Netty reads them. Nothing but the standard library is used here, so that the fuzzer can have it alone.

use super::path::{BadEscape, decode};

/// The most pairs that are read of a query (C-8).
const MAX_PAIRS: usize = 1024;

/// The pairs of a query string, decoded (C-8).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(super) fn parse(text: &str) -> Result<Self, BadEscape> {
        let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty()).take(MAX_PAIRS).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| decode(&text.replace('+', " ").replace("%%", "%25"));
            Ok((read(name)?, read(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The first value of a name; a name without `=` has the value "".
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, unless it is empty.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a value is `true` in any letter case.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_netty_reads_them() {
        let query = Query::parse("a=1&a=2;b=x+y%20z&&c&d=&e=50%%&f=a=b&A=9").unwrap();
        for (name, value) in [("a", "1"), ("b", "x y z"), ("c", ""), ("d", ""), ("e", "50%"), ("f", "a=b"), ("A", "9")]
        {
            assert_eq!(query.get(name), Some(value), "{name}");
        }
        assert_eq!(query.get("z"), None);
        assert_eq!(query.filter("c"), None);
        assert_eq!(Query::parse("a=%4"), Err(BadEscape));
        let many: String = (0..2000).map(|n| format!("n{n}=1&")).collect();
        let many = Query::parse(&many).unwrap();
        assert!(many.get("n1023").is_some() && many.get("n1024").is_none());
    }

    #[test]
    fn only_the_word_true_is_true() {
        let query = Query::parse("a=TRUE&b=1&c=yes&d").unwrap();
        assert!(query.is_true("a"));
        assert!(["b", "c", "d", "e"].iter().all(|name| !query.is_true(name)));
    }
}
