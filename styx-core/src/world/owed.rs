//! What a workflow still owes under schedules that it no longer has (ADR 12).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Workflow;
use crate::{
    id::Position,
    record::{Cursor, CursorMove},
    schedule::{Instants, Offset, Schedule, parse_triggers},
};

/// The most earlier schedules that a workflow may owe triggers under.
pub const MAX_OWED: usize = 8;

/// An earlier schedule under which triggers were due when it was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The record by which it came to be owed: its name.
    pub since: Position,
    /// The schedule, in Styx's JSON form.
    pub schedule: Arc<str>,
    /// Its offset, as written; `None` means the schedule's own.
    pub offset: Option<Arc<str>>,
    /// The next trigger that is owed.
    pub next: Cursor,
    /// What fires at this time or before is owed, and nothing after it.
    pub until: DateTime<Utc>,
}

/// A natural trigger that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Natural<'a> {
    /// Its instant, and when it fires.
    pub cursor: Cursor,
    /// The earlier schedule that it is owed under; `None` when it is one of the workflow's own.
    pub owed: Option<&'a Owed>,
}

impl Owed {
    /// The schedule, and the offset that counts for it.
    ///
    /// # Errors
    ///
    /// What is wrong with either.
    pub fn triggers(&self) -> Result<(Schedule, Offset), String> {
        parse_triggers(&self.schedule, self.offset.as_deref())
    }

    /// The trigger after the next one; `None` when that was the last that is owed.
    pub fn following(&self, schedule: &Schedule, offset: &Offset) -> Option<Cursor> {
        let following = schedule.following(offset, self.next.instant).map(Cursor::from);
        following.filter(|following| following.fires_at <= self.until)
    }

    /// Whether an instant is still to be triggered under this schedule, unless it was triggered under another one.
    pub fn holds(&self, instant: DateTime<Utc>) -> bool {
        let Ok((schedule, offset)) = self.triggers() else { return false };
        let place = |instant| (offset.add_to(instant), instant);
        let is_due = || offset.add_to(instant).is_some_and(|at| at <= self.until);
        let is_left = || place(instant) > place(self.next.instant) && is_due();
        instant == self.next.instant || (schedule.is_aligned(instant) && is_left())
    }

    /// What is still owed; some of it may have been triggered under another schedule.
    pub fn instants(&self) -> Option<Instants> {
        let (schedule, offset) = self.triggers().ok()?;
        due(&schedule, &offset, self.next, self.until)
    }
}

/// The instants from a cursor on that fire at `until` or before. When the cursor fires is what it says, whatever its instant
/// would: an operator may have set it.
pub(crate) fn due(schedule: &Schedule, offset: &Offset, from: Cursor, until: DateTime<Utc>) -> Option<Instants> {
    if from.fires_at > until {
        return None;
    }
    let itself = Instants { first: from.instant, last: from.instant, count: 1 };
    let Some(further) = schedule.following(offset, from.instant) else { return Some(itself) };
    Some(match schedule.due(offset, further.instant, until) {
        Some(Instants { first, last, count }) => {
            Instants { first: first.min(from.instant), last: last.max(from.instant), count: count + 1 }
        }
        None => itself,
    })
}

impl Workflow {
    pub(super) fn move_cursor(&mut self, to: Option<Cursor>, why: CursorMove) {
        match why {
            CursorMove::Edited => self.chosen_cursor = false,
            // One that only fires at another time isn't another instant.
            CursorMove::Operator => {
                let instant = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.instant);
                self.chosen_cursor |= instant(to) != instant(self.cursor);
            }
            _ => {}
        }
        self.cursor = to;
    }

    pub(super) fn owe(&mut self, owed: Owed) -> Result<(), &'static str> {
        if self.owed.len() >= MAX_OWED {
            return Err("owes triggers under as many earlier schedules as may be");
        }
        self.owed.push(owed);
        Ok(())
    }

    pub(super) fn move_owed(&mut self, since: Position, to: Option<Cursor>) -> Result<(), &'static str> {
        let place = self.owed.iter().position(|owed| owed.since == since);
        let place = place.ok_or("owes nothing under that schedule")?;
        match to {
            Some(to) => self.owed[place].next = to,
            None => drop(self.owed.remove(place)),
        }
        Ok(())
    }

    /// The next natural trigger: of those that are owed and the workflow's own the one that fires first.
    pub fn next_natural(&self) -> Option<Natural<'_>> {
        self.naturals().min_by_key(|natural| (natural.cursor.fires_at, natural.cursor.instant))
    }

    /// When the natural trigger after the next one fires, of another schedule than that one's.
    pub fn other_natural_at(&self, next: Natural<'_>) -> Option<DateTime<Utc>> {
        self.naturals().filter(|other| *other != next).map(|other| other.cursor.fires_at).min()
    }

    /// The next trigger of each schedule. What is owed comes first, so that it wins a draw.
    fn naturals(&self) -> impl Iterator<Item = Natural<'_>> {
        let owed = self.owed.iter().map(|owed| Natural { cursor: owed.next, owed: Some(owed) });
        owed.chain(self.cursor.map(|cursor| Natural { cursor, owed: None }))
    }

    /// The instants of its own schedule that have fired at `now` and aren't triggered: those that wait for their turn, or that
    /// passed while it was disabled. Some may have been triggered under another schedule.
    pub fn overdue(&self, now: DateTime<Utc>) -> Option<Instants> {
        let (schedule, offset) = self.spec.triggers().ok()?;
        due(&schedule, &offset, self.cursor?, now)
    }

    /// The partition that a text names under an earlier schedule which still owes it, and that schedule.
    pub fn owed_partition(&self, text: &str) -> Option<(String, &Owed)> {
        self.owed.iter().find_map(|owed| {
            let (schedule, _) = owed.triggers().ok()?;
            let instant = schedule.partition(text).ok().filter(|instant| owed.holds(*instant))?;
            Some((schedule.parameter(instant), owed))
        })
    }

    /// When its next natural trigger fires; `None` while it is disabled.
    pub fn natural_at(&self) -> Option<DateTime<Utc>> {
        self.next_natural().filter(|_| self.enabled).map(|next| next.cursor.fires_at)
    }
}
