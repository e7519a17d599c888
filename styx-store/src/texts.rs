//! Texts that come again and again are read into one place in memory: names of components and workflows, parameters of one
//! run after the other, runners.

use std::{cell::RefCell, sync::Arc};

/// How many texts a thread remembers.
const REMEMBERED: usize = 256;

/// Longer texts are hardly names.
const LONGEST: usize = 64;

thread_local! {
    static SEEN: RefCell<[Option<Arc<str>>; REMEMBERED]> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// The text, shared with what this thread has read lately.
pub(crate) fn shared(text: &str) -> Arc<str> {
    if text.len() > LONGEST {
        return text.into();
    }
    SEEN.with_borrow_mut(|seen| match &mut seen[place(text.as_bytes())] {
        Some(last) if **last == *text => Arc::clone(last),
        other => Arc::clone(other.insert(text.into())),
    })
}

/// Where a text is remembered: any number will do that differs between most.
fn place(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut mixed = text.len() as u64;
    for word in words.iter().chain([&last]) {
        mixed = (mixed.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
    (mixed >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_read_is_shared_and_what_differs_is_not() {
        let texts = ["", "a", "aaaaaaaaa", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"];
        for text in texts {
            let (one, two) = (shared(text), shared(text));
            assert!(Arc::ptr_eq(&one, &two) && *one == *text);
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(*shared(&long), *long);
        let all: Vec<String> = (0..4_000).map(|number| format!("workflow-{number}")).collect();
        for text in all.iter().chain(&all) {
            assert_eq!(*shared(text), **text);
        }
    }
}
