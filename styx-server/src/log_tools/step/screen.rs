//! What the interactive `step` shows and how keys change it: no terminal in it, so that tests can press its keys.

use owo_colors::Style;
use styx_core::id::Position;
use unicode_width::UnicodeWidthChar;

use super::text::{self, Evidence, Line};
use crate::log_tools::{life::Step, wording};

/// What is at the foot of the screen.
const KEYS: &str = "n next  p back  g N go to  r raw  w why  ? keys  q quit";

/// All keys.
const HELP: [&str; 9] = [
    "n, space, right, enter   the next record",
    "p, left, backspace       the record before",
    "home, end                the first, the last record",
    "g N                      the Nth record of this life (enter)",
    "up, down, page up, down  move within a long record",
    "r                        raw evidence and requests, spread out",
    "w                        why: what the run waits for after this record",
    "?                        these keys",
    "q, escape, Ctrl-C        quit; escape first leaves a number or these keys",
];

/// A key, as far as it means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Backspace,
    Escape,
    /// Ctrl-C.
    Interrupt,
}

/// What has to be done after a key, beside showing the screen again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// Find out what the run waits for after this record, and [`tell`](Screen::tell).
    Why(Position),
    Quit,
}

/// The screen: which record it shows, and how.
pub(super) struct Screen {
    title: String,
    steps: Vec<Step>,
    /// The record that is shown, from 0 on.
    at: usize,
    /// Lines of it that are above the screen.
    scrolled: usize,
    evidence: Evidence,
    /// The number that is being typed after `g`.
    number: Option<String>,
    /// What is said below the record.
    said: Vec<String>,
    shows_keys: bool,
}

impl Screen {
    /// Shows the first of these steps; there must be one.
    pub(super) fn new(title: String, steps: Vec<Step>) -> Self {
        Self {
            title,
            steps,
            at: 0,
            scrolled: 0,
            evidence: Evidence::OneLine,
            number: None,
            said: Vec::new(),
            shows_keys: false,
        }
    }

    /// What a key does.
    pub(super) fn press(&mut self, key: Key) -> Wish {
        if let Some(number) = self.number.take() {
            return self.type_number(number, key);
        }
        let moves = matches!(key, Key::Up | Key::Down | Key::PageUp | Key::PageDown);
        if self.shows_keys && !moves {
            (self.shows_keys, self.scrolled) = (false, 0);
            if matches!(key, Key::Char('?') | Key::Escape) {
                return Wish::Nothing;
            }
        }
        let last = self.steps.len() - 1;
        match key {
            Key::Char('q') | Key::Escape | Key::Interrupt => return Wish::Quit,
            Key::Char('n' | ' ') | Key::Right | Key::Enter => self.go_to((self.at + 1).min(last)),
            Key::Char('p') | Key::Left | Key::Backspace => self.go_to(self.at.saturating_sub(1)),
            Key::Home => self.go_to(0),
            Key::End => self.go_to(last),
            Key::Up => self.scrolled = self.scrolled.saturating_sub(1),
            Key::Down => self.scrolled += 1,
            Key::PageUp => self.scrolled = self.scrolled.saturating_sub(10),
            Key::PageDown => self.scrolled += 10,
            Key::Char('g') => self.number = Some(String::new()),
            Key::Char('r') => {
                self.evidence = match self.evidence {
                    Evidence::OneLine => Evidence::Spread,
                    Evidence::Spread => Evidence::OneLine,
                }
            }
            Key::Char('w') => return Wish::Why(self.steps[self.at].record.position),
            Key::Char('?') => (self.shows_keys, self.scrolled) = (true, 0),
            Key::Char(_) => {}
        }
        Wish::Nothing
    }

    fn type_number(&mut self, mut number: String, key: Key) -> Wish {
        match key {
            Key::Interrupt => return Wish::Quit,
            Key::Escape => return Wish::Nothing,
            Key::Enter => match number.parse::<usize>() {
                Ok(wanted) if (1..=self.steps.len()).contains(&wanted) => self.go_to(wanted - 1),
                _ => self.said = vec![format!("  there are the records 1 to {}", self.steps.len())],
            },
            Key::Backspace => {
                number.pop();
                self.number = Some(number);
            }
            Key::Char(digit) if digit.is_ascii_digit() => {
                number.push(digit);
                self.number = Some(number);
            }
            _ => self.number = Some(number),
        }
        Wish::Nothing
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.scrolled = 0;
        self.said.clear();
    }

    /// Says below the record why the run waits, until another one is shown.
    pub(super) fn tell(&mut self, said: Vec<String>) {
        self.said = said.iter().map(|said| format!("  why        {}", wording::one_line(said))).collect();
    }

    /// What fits on a terminal of this size, in lines that are no wider.
    pub(super) fn lines(&mut self, width: usize, height: usize) -> Vec<Line> {
        let mut body = Vec::new();
        if self.shows_keys {
            body.extend(HELP.map(|text| Line { text: text.into(), style: Style::new() }));
        } else {
            body.extend(text::lines(&self.steps[self.at], self.at + 1, self.steps.len(), self.evidence));
            body.extend(self.said.iter().map(|said| Line { text: said.clone(), style: Style::new().yellow() }));
        }
        let body: Vec<_> = body.into_iter().flat_map(|line| wrapped(line, width)).collect();
        let room = height.saturating_sub(2);
        self.scrolled = self.scrolled.min(body.len().saturating_sub(room));
        let hidden = body.len().saturating_sub(self.scrolled + room);
        let mut lines = vec![Line { text: self.title.clone(), style: Style::new().bold().reversed() }];
        lines.extend(body.into_iter().skip(self.scrolled).take(room));
        lines.resize(height.saturating_sub(1).max(1), Line { text: String::new(), style: Style::new() });
        let foot = match &self.number {
            Some(number) => format!("go to record (1 to {}): {number}_", self.steps.len()),
            None if hidden > 0 => format!("{hidden} more below (down)  {KEYS}"),
            None => KEYS.into(),
        };
        lines.push(Line { text: foot, style: Style::new().dimmed() });
        lines.truncate(height);
        for line in &mut lines {
            line.text = fitting(&line.text, width).0.to_owned();
        }
        lines
    }
}

/// A line cut into as many as it takes, each but the first indented.
fn wrapped(line: Line, width: usize) -> Vec<Line> {
    const INDENT: &str = "             ";
    let indent = if width > 2 * INDENT.len() { INDENT } else { "" };
    let mut lines = Vec::new();
    let mut text = line.text;
    loop {
        let (fits, rest) = fitting(&text, width.max(2));
        if rest.is_empty() {
            lines.push(Line { text, style: line.style });
            return lines;
        }
        lines.push(Line { text: fits.to_owned(), style: line.style });
        text = format!("{indent}{rest}");
    }
}

/// The start of a text that fits, and the rest.
fn fitting(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or_default();
        if used > width {
            return text.split_at(index);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use expect_test::{Expect, expect};
    use styx_core::{
        event::{Event, Trigger, TriggerParameters},
        extensions::Extensions,
        id::{Counter, Epoch, InstanceId},
        record::{Cause, Fact, Operator, Record, RunEvent},
        run::Run,
    };

    use super::*;
    use crate::log_tools::life::Both;

    /// A run that is triggered, dequeued and halted.
    fn screen() -> Screen {
        let instance = InstanceId::parse_key("sales#report#2026-03-29").unwrap();
        let trigger = Trigger::AdHoc("ad-hoc".into());
        let events = [
            Event::TriggerExecution {
                trigger,
                parameters: TriggerParameters::default(),
                missed: false,
                extensions: Extensions::default(),
            },
            Event::Dequeue { resources: ["one-at-a-time".into()].into() },
            Event::Halt { reason: Some("no more".into()) },
        ];
        let mut run = Run::new(None, DateTime::UNIX_EPOCH);
        let steps = events.into_iter().zip(1..).map(|(event, number)| {
            let position = Position(10 * number);
            let at = DateTime::from_timestamp(1_774_742_400 + 60 * number as i64, 0).unwrap();
            let request = format!(r#"{{"number":{number},"env":{{"A":"s3cret"}}}}"#);
            let operator = Operator { actor: "ann".into(), request_id: "r-1".into(), request: request.into() };
            let cause = Cause::Operator(Arc::new(operator));
            let before = Some(run.clone());
            run.apply(&event, at, styx_core::run::Rules::Ours).unwrap();
            let fact = Fact::Run(instance.clone(), RunEvent::Styx { counter: Counter(number - 1), event });
            let (epoch, decision, idempotency_key) = (Epoch(1), position, None);
            let wall_offset = chrono::TimeDelta::zero();
            let record =
                Record { position, decision, at, wall_offset, epoch, idempotency_key, cause: cause.clone(), fact };
            let run = Both { before, after: Some(run.clone()) };
            Step { record, cause, run, execution: None, refused: None }
        });
        Screen::new("sales#report#2026-03-29".into(), steps.collect())
    }

    fn press(screen: &mut Screen, keys: &[Key]) {
        for key in keys {
            assert_eq!(screen.press(*key), Wish::Nothing);
        }
    }

    fn shown(screen: &mut Screen, width: usize, height: usize) -> String {
        let lines = screen.lines(width, height);
        assert_eq!(lines.len(), height);
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// The number of the record that is shown.
    fn number(screen: &mut Screen) -> u64 {
        let text = shown(screen, 200, 50);
        let (_, rest) = text.split_once('(').unwrap();
        rest.split_once(" of 3)").unwrap().0.parse().unwrap()
    }

    fn check(screen: &mut Screen, width: usize, height: usize, expected: Expect) {
        expected.assert_eq(&shown(screen, width, height));
    }

    #[test]
    fn a_record_at_a_time() {
        let mut screen = screen();
        check(
            &mut screen,
            100,
            12,
            expect![[r#"
            sales#report#2026-03-29
            record 10  2026-03-29 00:01:00.000  (1 of 3)
              event      triggerExecution  Trigger id: ad-hoc, Parameters: {"env":{}}
              cause      operator ann, request r-1
              asked      {"number":1,"env":{"A":"***"}}
              state      NEW -> QUEUED
                trigger     - -> {"kind":"adhoc","id":"ad-hoc"}
                parameters  - -> {"env":{}}



            n next  p back  g N go to  r raw  w why  ? keys  q quit
        "#]],
        );
        press(&mut screen, &[Key::Char('n')]);
        check(
            &mut screen,
            100,
            12,
            expect![[r#"
            sales#report#2026-03-29
            record 20  2026-03-29 00:02:00.000  (2 of 3)
              event      dequeue  Resources: one-at-a-time
              cause      operator ann, request r-1
              asked      {"number":2,"env":{"A":"***"}}
              state      QUEUED -> PREPARE
                resources  - -> ["one-at-a-time"]




            n next  p back  g N go to  r raw  w why  ? keys  q quit
        "#]],
        );
        press(&mut screen, &[Key::Char('r')]);
        check(
            &mut screen,
            100,
            16,
            expect![[r#"
            sales#report#2026-03-29
            record 20  2026-03-29 00:02:00.000  (2 of 3)
              event      dequeue  Resources: one-at-a-time
              cause      operator ann, request r-1
              asked
                {
                  "number": 2,
                  "env": {
                    "A": "***"
                  }
                }
              state      QUEUED -> PREPARE
                resources  - -> ["one-at-a-time"]


            n next  p back  g N go to  r raw  w why  ? keys  q quit
        "#]],
        );
    }

    #[test]
    fn keys_lead_to_records() {
        use Key::{Backspace, Char, End, Enter, Escape, Home, Left, Right};
        let mut screen = screen();
        let mut after = |keys: &[Key]| {
            press(&mut screen, keys);
            number(&mut screen)
        };
        assert_eq!(after(&[]), 1);
        assert_eq!(after(&[Left, Char('p'), Backspace]), 1);
        assert_eq!(after(&[Right]), 2);
        assert_eq!(after(&[Char(' '), Enter, Char('n')]), 3);
        assert_eq!(after(&[Home]), 1);
        assert_eq!(after(&[End]), 3);
        assert_eq!(after(&[Char('g'), Char('2'), Enter]), 2);
        assert_eq!(after(&[Char('g'), Char('9'), Backspace, Char('x'), Char('1'), Enter]), 1);
        assert_eq!(after(&[Char('g'), Char('3'), Escape]), 1);
        assert_eq!(after(&[Char('g'), Char('4'), Enter]), 1);
        assert!(shown(&mut screen, 100, 20).contains("\n  there are the records 1 to 3\n"));
        press(&mut screen, &[Char('g'), Char('1')]);
        assert!(shown(&mut screen, 100, 20).contains("go to record (1 to 3): 1_"));
        assert_eq!(screen.press(Key::Interrupt), Wish::Quit);
        for key in [Char('q'), Escape, Key::Interrupt] {
            assert_eq!(screen.press(key), Wish::Quit);
        }
    }

    #[test]
    fn the_keys_are_shown_until_another_key_is_pressed() {
        use Key::{Char, Down, Escape};
        let mut screen = screen();
        let mut shows_keys = |keys: &[Key]| {
            press(&mut screen, keys);
            shown(&mut screen, 100, 20).contains("these keys")
        };
        assert!(shows_keys(&[Char('?')]) && shows_keys(&[Down]));
        assert!(!shows_keys(&[Escape]), "it closes what was opened last");
        assert!(shows_keys(&[Char('?')]) && !shows_keys(&[Char('?')]));
        assert!(shows_keys(&[Char('?')]) && !shows_keys(&[Char('n')]));
        assert_eq!(number(&mut screen), 2);
        assert_eq!(screen.press(Escape), Wish::Quit);
    }

    #[test]
    fn why_is_asked_and_told_until_the_next_record() {
        let mut screen = screen();
        press(&mut screen, &[Key::Char('n')]);
        assert_eq!(screen.press(Key::Char('w')), Wish::Why(Position(20)));
        screen.tell(vec!["the run\nis next".into()]);
        assert!(shown(&mut screen, 100, 20).contains("  why        the run is next\n"));
        press(&mut screen, &[Key::Char('n')]);
        assert!(!shown(&mut screen, 100, 20).contains("why        "));
    }

    #[test]
    fn whatever_its_size_nothing_is_wider_or_higher_and_all_can_be_reached() {
        for width in [1, 2, 5, 20, 40, 80] {
            for height in [1, 2, 3, 5, 10, 40] {
                let mut screen = screen();
                press(&mut screen, &[Key::Char('r')]);
                let mut seen = String::new();
                for _ in 0..400 {
                    let lines = screen.lines(width, height);
                    assert!(lines.len() <= height && lines.iter().all(|line| line.text.chars().count() <= width));
                    seen.extend(
                        lines.iter().skip(1).take(height.saturating_sub(2)).map(|line| format!("{}\n", line.text)),
                    );
                    press(&mut screen, &[Key::Down]);
                }
                if width >= 40 && height >= 3 {
                    assert!(seen.contains("state") && seen.contains("parameters"), "{width} {height}: {seen}");
                }
            }
        }
        let mut screen = screen();
        check(
            &mut screen,
            40,
            8,
            expect![[r#"
            sales#report#2026-03-29
            record 10  2026-03-29 00:01:00.000  (1 o
                         f 3)
              event      triggerExecution  Trigger i
                         d: ad-hoc, Parameters: {"en
                         v":{}}
              cause      operator ann, request r-1
            6 more below (down)  n next  p back  g N
        "#]],
        );
        press(&mut screen, &[Key::Char('?')]);
        check(
            &mut screen,
            80,
            12,
            expect![[r#"
            sales#report#2026-03-29
            n, space, right, enter   the next record
            p, left, backspace       the record before
            home, end                the first, the last record
            g N                      the Nth record of this life (enter)
            up, down, page up, down  move within a long record
            r                        raw evidence and requests, spread out
            w                        why: what the run waits for after this record
            ?                        these keys
            q, escape, Ctrl-C        quit; escape first leaves a number or these keys

            n next  p back  g N go to  r raw  w why  ? keys  q quit
        "#]],
        );
    }
}
