//! The interactive `step` on a real terminal: draws the screen, reads keys, and always leaves the terminal as it was.

use std::{
    io::{self, Write},
    panic, process, thread,
};

use anstream::{AutoStream, ColorChoice};
use crossterm::{
    cursor::{Hide, MoveTo, Show},
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use owo_colors::OwoColorize;
use styx_core::{
    explain::explain,
    id::{InstanceId, Position},
};
use styx_store::rocks::{Replay, RocksReader};

use super::screen::{Key, Screen, Wish};
use crate::log_tools::{life::Step, signals};

/// Up to here the log is folded to answer `w`: about a second.
const QUICKLY_FOLDED: Position = Position(1_000_000);

/// Shows the steps until somebody quits.
pub(super) fn show(reader: &RocksReader, instance: &InstanceId, steps: Vec<Step>) -> io::Result<()> {
    let mut screen = Screen::new(format!("{instance}"), steps);
    let mut replay = Replay::new(reader);
    let has_colour = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    let _guard = Guard::enter()?;
    loop {
        draw(&mut screen, has_colour)?;
        let key = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key),
            _ => None,
        };
        match key.map_or(Wish::Nothing, |key| screen.press(key)) {
            Wish::Nothing => {}
            Wish::Why(position) => screen.tell(why(reader, &mut replay, instance, position)),
            Wish::Quit => return Ok(()),
        }
    }
}

fn draw(screen: &mut Screen, has_colour: bool) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let lines = screen.lines(width.into(), height.into());
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (row, line) in (0..height).zip(lines) {
        queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine))?;
        if has_colour {
            queue!(out, Print(line.text.style(line.style)))?;
        } else {
            queue!(out, Print(line.text))?;
        }
    }
    out.flush()
}

fn key_of(KeyEvent { code, modifiers, .. }: KeyEvent) -> Option<Key> {
    Some(match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}

/// What the run waits for after a record. The fold goes on from where it was asked for last.
fn why<'a>(reader: &'a RocksReader, replay: &mut Replay<'a>, instance: &InstanceId, position: Position) -> Vec<String> {
    if position > QUICKLY_FOLDED {
        return vec![format!("see: styx-server log at {position} --instance '{instance}'")];
    }
    if replay.world().tail() > position {
        *replay = Replay::new(reader);
    }
    if let Err(error) = replay.advance(position, &mut |_, _| {}) {
        return vec![error.to_string()];
    }
    match explain(replay.world(), instance, replay.world().at()) {
        Some(reasons) => reasons.iter().map(|reason| format!("the run {reason}")).collect(),
        None => vec!["the instance isn't active: it waits for nothing".into()],
    }
}

/// While it lives, the terminal is ours.
struct Guard;

impl Guard {
    fn enter() -> io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
        // Not joined: it waits for a signal that may never come.
        thread::Builder::new().name("signals".into()).spawn(|| {
            if let Some(signal) = signals::wait() {
                restore();
                process::exit(128 + signal);
            }
        })?;
        terminal::enable_raw_mode()?;
        let guard = Self;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Whatever can be restored is; a terminal that has gone away can't.
fn restore() {
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = terminal::disable_raw_mode();
}
