//! Answers for callers without a token: JSON in which the values of environments are hidden, whatever route it is from.
//!
//! The text is changed while it passes by, since most lists are made piece by piece. So no route can forget it, and all else in
//! an answer stays as it was, to the last digit of a number.

use axum::{
    BoxError,
    body::{Body, Bytes},
    response::Response,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::{
    body::Body as _,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
};

/// What stands for a value; exports have the same.
const HIDDEN: &[u8] = b"\"***\"";

/// The response without the values of environments.
pub(super) fn without_env(response: Response) -> Response {
    if !is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    // What is whole already stays whole, so that its length is known before it is sent.
    let body = if body.size_hint().exact().is_some() { at_once(body) } else { piece_by_piece(body) };
    Response::from_parts(parts, body)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().windows(4).any(|part| part == b"json"))
}

/// A body that is there: collecting it waits for nothing.
fn at_once(body: Body) -> Body {
    use futures_util::FutureExt;
    match body.collect().now_or_never() {
        Some(Ok(collected)) => Body::from(EnvFilter::default().pass(&collected.to_bytes())),
        // Bodies with a length are made of one piece that is in memory.
        Some(Err(_)) | None => Body::empty(),
    }
}

fn piece_by_piece(body: Body) -> Body {
    let pieces =
        stream::unfold((body.into_data_stream(), EnvFilter::default()), |(mut pieces, mut filter)| async move {
            let piece = pieces.next().await?;
            let piece = piece.map(|bytes| Bytes::from(filter.pass(&bytes))).map_err(BoxError::from);
            Some((piece, (pieces, filter)))
        });
    Body::from_stream(pieces)
}

/// Hides the values of environments in JSON, or in lines of JSON, that comes in pieces.
///
/// Whatever is called `env`, in any case, is an environment: all texts, numbers and truth values in it are hidden, and names
/// and nulls are not.
#[derive(Debug, Default)]
struct EnvFilter {
    /// The lists and objects around the next byte.
    around: Vec<Level>,
    inside: Inside,
    /// The byte before was a backslash in a text.
    escaped: bool,
    /// The beginning of the last name.
    name: Vec<u8>,
    /// What has been seen of a hidden word or number.
    word: Vec<u8>,
}

/// A list or an object.
#[derive(Debug, Clone, Copy)]
struct Level {
    is_object: bool,
    /// All in it is hidden.
    hidden: bool,
    /// A name comes next, not a value.
    expects_name: bool,
    /// The value that comes next is an environment.
    env_comes: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    Name,
    Text {
        hidden: bool,
    },
    /// A number, a truth value or null.
    Word {
        hidden: bool,
    },
}

impl EnvFilter {
    /// The next piece as it may be shown.
    fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            self.take(*byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.inside {
            Inside::Name => {
                out.push(byte);
                if self.ends_text(byte) {
                    self.inside = Inside::Nothing;
                } else if self.name.len() <= b"env".len() {
                    self.name.push(byte);
                }
            }
            Inside::Text { hidden } => {
                if !hidden {
                    out.push(byte);
                }
                if self.ends_text(byte) {
                    self.inside = Inside::Nothing;
                }
            }
            Inside::Word { hidden } if !matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t') => {
                if hidden {
                    self.word.push(byte)
                } else {
                    out.push(byte)
                }
            }
            Inside::Word { hidden } => {
                if hidden {
                    out.extend_from_slice(if self.word == b"null" { b"null" } else { HIDDEN });
                }
                self.inside = Inside::Nothing;
                self.between(byte, out);
            }
            Inside::Nothing => self.between(byte, out),
        }
    }

    fn between(&mut self, byte: u8, out: &mut Vec<u8>) {
        let hidden = self.around.last().is_some_and(|level| level.hidden || level.env_comes);
        match byte {
            b'"' if self.around.last().is_some_and(|level| level.expects_name) => {
                self.name.clear();
                self.inside = Inside::Name;
                out.push(byte);
            }
            b'"' => {
                self.inside = Inside::Text { hidden };
                out.extend_from_slice(if hidden { HIDDEN } else { b"\"" });
            }
            b'{' | b'[' => {
                let is_object = byte == b'{';
                self.around.push(Level { is_object, hidden, expects_name: is_object, env_comes: false });
                out.push(byte);
            }
            b'}' | b']' => {
                self.around.pop();
                out.push(byte);
            }
            b':' | b',' => {
                if let Some(level) = self.around.last_mut() {
                    level.expects_name = byte == b',' && level.is_object;
                    level.env_comes = byte == b':' && self.name.eq_ignore_ascii_case(b"env");
                }
                out.push(byte);
            }
            b' ' | b'\n' | b'\r' | b'\t' => out.push(byte),
            _ => {
                self.inside = Inside::Word { hidden };
                self.word.clear();
                if hidden { self.word.push(byte) } else { out.push(byte) }
            }
        }
    }

    /// Whether a byte of a text is its end.
    fn ends_text(&mut self, byte: u8) -> bool {
        if self.escaped {
            self.escaped = false;
            return false;
        }
        self.escaped = byte == b'\\';
        byte == b'"'
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn filtered(text: &str) -> String {
        String::from_utf8(EnvFilter::default().pass(text.as_bytes())).unwrap()
    }

    #[test]
    fn only_values_of_environments_change() {
        for (text, shown) in [
            (r#"{"env":{"A":"s","B":"t\"}"},"c":"d"}"#, r#"{"env":{"A":"***","B":"***"},"c":"d"}"#),
            (
                r#"[{"ENV":[{"name":"B","value":1.50}]},7200.000000000]"#,
                r#"[{"ENV":[{"name":"***","value":"***"}]},7200.000000000]"#,
            ),
            (r#"{"env" : null, "x":"env", "y":"z"}"#, r#"{"env" : null, "x":"env", "y":"z"}"#),
            (r#"{"env":true,"a":["env","b"]}"#, r#"{"env":"***","a":["env","b"]}"#),
            (r#"{"env":{},"envs":{"A":"s"},"en":"v"}"#, r#"{"env":{},"envs":{"A":"s"},"en":"v"}"#),
            ("{\"env\":\"a\"}\n{\"b\":\"c\"}\n", "{\"env\":\"***\"}\n{\"b\":\"c\"}\n"),
            (r#"{"env":"a\\"}"#, r#"{"env":"***"}"#),
            ("[]", "[]"),
            ("", ""),
        ] {
            assert_eq!(filtered(text), shown, "{text}");
        }
    }

    /// What the filter is to do, said in terms of values.
    fn hide(value: &Value, hidden: bool) -> Value {
        match value {
            Value::Null => Value::Null,
            Value::Array(items) => items.iter().map(|item| hide(item, hidden)).collect(),
            Value::Object(members) => {
                let hide_member = |(name, value): (&String, &Value)| {
                    (name.clone(), hide(value, hidden || name.eq_ignore_ascii_case("env")))
                };
                Value::Object(members.iter().map(hide_member).collect::<Map<_, _>>())
            }
            _ if hidden => "***".into(),
            other => other.clone(),
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![Just("env".to_owned()), Just("Env".to_owned()), "[\\PC\"\\\\]{0,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_the_pieces_are_values_of_environments_are_hidden(value in json(), size in 1..20_usize, pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let mut filter = EnvFilter::default();
            let shown: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| filter.pass(piece)).collect();
            let read: Value = serde_json::from_slice(&shown).unwrap();
            prop_assert_eq!(read, hide(&value, false));
        }
    }
}
