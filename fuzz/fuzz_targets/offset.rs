//! An offset keeps its text, doesn't leave the calendar, and is taken off by adding it with its sign turned.
#![no_main]

use chrono::{DateTime, Datelike, Utc};
use libfuzzer_sys::fuzz_target;
use styx_core::schedule::Offset;

fuzz_target!(|text: &str| {
    let Ok(offset) = Offset::parse(text) else { return };
    assert_eq!(offset.as_str(), text);
    assert_eq!(Offset::parse(offset.as_str()).as_ref(), Ok(&offset));
    let large = Offset::parse(&text.to_ascii_uppercase()).expect("the case of letters means nothing");
    let turned = Offset::parse(&turned(text)).ok();
    let has_months = text.split(['T', 't']).next().is_some_and(|date| date.contains(['Y', 'y', 'M', 'm']));
    for at in ["2024-01-31T10:00:00.250Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"] {
        let at: DateTime<Utc> = at.parse().expect("an instant");
        let (later, earlier) = (offset.add_to(at), offset.subtract_from(at));
        assert_eq!(large.add_to(at), later);
        for moved in [later, earlier].into_iter().flatten() {
            assert!((0..=9999).contains(&moved.year()), "{moved}");
        }
        if let Some(turned) = &turned {
            assert_eq!(turned.add_to(at), earlier);
            assert_eq!(turned.subtract_from(at), later);
        }
        // Months are of different lengths, so they can't be undone.
        if let (false, Some(later)) = (has_months, later) {
            assert_eq!(offset.subtract_from(later), Some(at));
        }
    }
});

fn turned(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'-') => text[1..].to_owned(),
        Some(b'+') => format!("-{}", &text[1..]),
        _ => format!("-{text}"),
    }
}
