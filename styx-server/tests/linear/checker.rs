//! Looks for an order of what was asked of one thing that explains all answers (linearizability, by Wing and Gong).

use std::{collections::HashSet, time::Duration};

/// What was asked of an instance, or of a workflow's switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Trigger,
    Halt,
    Retry,
    Switch(bool),
    /// What is there?
    Look,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, and something was done.
    Done,
    /// 200, and there was nothing to do.
    Nothing,
    /// The state forbids it.
    Conflict,
    /// It is active, or on.
    On,
    /// It isn't.
    Off,
}

/// One request with its times; without an answer it may have happened, at any time after it began, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) asked: Asked,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) answer: Option<Answer>,
}

/// What follows when `asked` meets `on`: the state after it, if it can be answered so. Whether a run is queued or runs is
/// not told apart: a retry of an active one is done, or refused.
fn step(on: bool, asked: Asked, answer: Option<Answer>) -> Option<bool> {
    let (after, possible): (bool, &[Answer]) = match (asked, on) {
        (Asked::Trigger, false) => (true, &[Answer::Done]),
        (Asked::Trigger, true) => (true, &[Answer::Conflict]),
        (Asked::Halt, true) => (false, &[Answer::Done]),
        (Asked::Halt, false) => (false, &[Answer::Nothing]),
        (Asked::Retry, true) => (true, &[Answer::Done, Answer::Conflict]),
        (Asked::Retry, false) => (false, &[Answer::Nothing]),
        (Asked::Switch(to), on) => (to, if to == on { &[Answer::Nothing] } else { &[Answer::Done] }),
        (Asked::Look, on) => (on, if on { &[Answer::On] } else { &[Answer::Off] }),
    };
    answer.is_none_or(|answer| possible.contains(&answer)).then_some(after)
}

/// Finds an order.
///
/// # Errors
///
/// The calls that no order of the ones before them explains.
pub(crate) fn explain(history: &[Call]) -> Result<(), Vec<Call>> {
    let mut calls = history.to_vec();
    calls.sort_by_key(|call| call.began);
    let mut search = Search { calls, seen: HashSet::new(), furthest: Vec::new() };
    let start = vec![false; search.calls.len()];
    if search.from(&start, false) { Ok(()) } else { Err(search.furthest) }
}

struct Search {
    calls: Vec<Call>,
    /// Which calls have happened, and the state after them: never looked at twice.
    seen: HashSet<(Vec<bool>, bool)>,
    /// What was left in the order that went furthest.
    furthest: Vec<Call>,
}

impl Search {
    fn from(&mut self, happened: &[bool], on: bool) -> bool {
        let mut stack = vec![(happened.to_vec(), on)];
        let mut fewest = usize::MAX;
        while let Some((happened, on)) = stack.pop() {
            let open = || self.calls.iter().enumerate().filter(|(index, _)| !happened[*index]);
            // What had no answer need not have happened.
            let left: Vec<Call> = open().map(|(_, call)| *call).filter(|call| call.answer.is_some()).collect();
            if left.is_empty() {
                return true;
            }
            if left.len() < fewest {
                fewest = left.len();
                self.furthest = left.iter().take(20).copied().collect();
            }
            // Nothing can happen after another was answered that hasn't happened.
            let first_end = left.iter().map(|call| call.ended).min().unwrap_or(Duration::MAX);
            let next: Vec<(usize, bool)> = open()
                .filter(|(_, call)| call.began <= first_end)
                .filter_map(|(index, call)| Some((index, step(on, call.asked, call.answer)?)))
                // What had no answer and changes nothing tells nothing.
                .filter(|(index, after)| self.calls[*index].answer.is_some() || *after != on)
                .collect();
            for (index, after) in next {
                let mut happened = happened.clone();
                happened[index] = true;
                if self.seen.insert((happened.clone(), after)) {
                    stack.push((happened, after));
                }
            }
        }
        false
    }
}
