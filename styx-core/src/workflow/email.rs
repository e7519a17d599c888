//! E-mail addresses of service accounts.

/// Whether a text is an e-mail address as Styx knows them.
///
/// Letters are ASCII letters. A hyphen is allowed in the first label of the domain only, a `+` in the first piece of
/// the local part only.
pub(super) fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain))
}

fn is_local_part(text: &str) -> bool {
    let mut pieces = text.split('.');
    let first = pieces.next().unwrap_or_default();
    made_of(first, |b| b.is_ascii_alphanumeric() || b"_-+".contains(&b))
        && pieces.all(|piece| made_of(piece, |b| b.is_ascii_alphanumeric() || b"_-".contains(&b)))
}

fn is_domain(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let [first, middle @ .., last] = labels.as_slice() else {
        return false;
    };
    made_of(first, |b| b.is_ascii_alphanumeric() || b == b'-')
        && middle.iter().all(|label| made_of(label, |b| b.is_ascii_alphanumeric()))
        && last.len() >= 2
        && made_of(last, |b| b.is_ascii_alphabetic())
}

fn made_of(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn addresses() {
        for text in [
            "abc@abc.com",
            "sa@ab-cd.abc.com",
            "sa_abc@abc.com",
            "a+b.c@d.ee",
            "a@my-proj.iam.gserviceaccount.com",
            "-@-.aa",
        ] {
            assert!(is_email(text), "{text:?}");
        }
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b.cc",
            "sa@.abc.com",
            "sa#@abc.com",
            "sa@abc.com ",
            "sa@abc.com\n",
            "a.b+c@d.ee",
            "a@x.my-proj.com",
            "a@b.c",
            "a@b.c1",
            "a@b.cc.",
            "a@localhost",
            "a@b@c.dd",
            "ä@b.cc",
            ".a@b.cc",
            "a..b@c.dd",
            "a@b..cc",
        ] {
            assert!(!is_email(text), "{text:?}");
        }
    }
}
