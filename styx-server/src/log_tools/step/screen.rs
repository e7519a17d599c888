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
    "q, escape, Ctrl-C        quit",
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
            Key::Char('?') => self.shows_keys = !self.shows_keys,
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
                _ => self.said = vec![format!("there are the records 1 to {}", self.steps.len())],
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

    /// Says something below the record, until another one is shown.
    pub(super) fn tell(&mut self, said: Vec<String>) {
        self.said = said;
    }

    /// What fits on a terminal of this size, in lines that are no wider.
    pub(super) fn lines(&mut self, width: usize, height: usize) -> Vec<Line> {
        let mut body = Vec::new();
        if self.shows_keys {
            body.extend(HELP.map(|text| Line { text: text.into(), style: Style::new() }));
        } else {
            body.extend(text::lines(&self.steps[self.at], self.at + 1, self.steps.len(), self.evidence));
            let said = self.said.iter().map(|said| wording::one_line(said));
            body.extend(said.map(|text| Line { text: format!("  why        {text}"), style: Style::new().yellow() }));
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
            None if hidden > 0 => format!("{hidden} lines more (down)  {KEYS}"),
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
