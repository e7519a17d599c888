//! Paths: segments, each decoded by itself. Nothing but the standard library is used here, so that the fuzzer can have it alone.

/// A text with a `%` that isn't followed by two hexadecimal digits, or that isn't UTF-8 once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadEscape;

/// The segments of a path, each decoded by itself; one slash at the end doesn't count (C-4, C-7).
pub(super) fn segments(path: &str) -> Result<Vec<String>, BadEscape> {
    let Some(path) = path.strip_prefix('/') else {
        return Ok(vec![path.to_owned()]);
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(decode).collect()
}

/// A text without its escapes.
pub(super) fn decode(text: &str) -> Result<String, BadEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(BadEscape);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| BadEscape)?);
    }
    String::from_utf8(bytes).map_err(|_| BadEscape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Vec<String> {
        segments(path).unwrap()
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        assert_eq!(split("/"), [""; 0]);
        assert_eq!(split("/a"), ["a"]);
        assert_eq!(split("/a/"), ["a"]);
        assert_eq!(split("/a//"), ["a", ""]);
        assert_eq!(split("//a"), ["", "a"]);
        assert_eq!(split("/c//state"), ["c", "", "state"]);
        assert_eq!(split("/a%2Fb%23c/%20+%C3%A9;x"), ["a/b#c", " +é;x"]);
        assert_eq!(split("*"), ["*"]);
    }

    #[test]
    fn escapes_must_be_whole_and_utf8() {
        for path in ["/%", "/%2", "/%zz", "/a%2/b", "/%ff", "/%c3"] {
            assert_eq!(segments(path), Err(BadEscape), "{path}");
        }
    }
}
