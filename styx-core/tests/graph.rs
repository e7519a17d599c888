//! The run graph as one table: every state and every event, under both rule sets. The table draws the diagram in the docs.

use std::fmt::Write as _;

use expect_test::expect_file;
use styx_core::{
    event::EventKind,
    run::{Rules, State},
};

#[test]
fn every_edge_is_in_the_golden_table() {
    let mut table = String::from("state      event            ours        styx 2\n");
    for state in State::ALL {
        for event in EventKind::ALL {
            let next = |rules| state.next(event, rules).map_or("-", State::as_str);
            let _ = writeln!(
                table,
                "{:<10} {:<16} {:<11} {}",
                state.as_str(),
                event.as_str(),
                next(Rules::Ours),
                next(Rules::Styx2)
            );
        }
    }
    expect_file!["golden/graph.txt"].assert_eq(&table);
}

#[test]
fn ours_is_a_part_of_styx_2() {
    for state in State::ALL {
        for event in EventKind::ALL {
            if let Some(next) = state.next(event, Rules::Ours) {
                assert_eq!(state.next(event, Rules::Styx2), Some(next), "{event} in {state}");
            }
        }
    }
}

#[test]
fn the_diagram_in_the_docs_is_drawn_from_the_table() {
    let mut diagram = String::from("```mermaid\nstateDiagram-v2\n");
    for from in State::ALL {
        for to in State::ALL {
            // Halt and time-out lead out of every active state: said in a sentence, they would hide the rest.
            let is_drawn = |event: &EventKind| !matches!(event, EventKind::Halt | EventKind::Timeout);
            let events = EventKind::ALL.into_iter().filter(is_drawn);
            let names: Vec<_> =
                events.filter(|event| from.next(*event, Rules::Ours) == Some(to)).map(EventKind::as_str).collect();
            if !names.is_empty() {
                let _ = writeln!(diagram, "    {from} --> {to}: {}", names.join(", "));
            }
        }
    }
    diagram.push_str("```\n");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md is there");
    assert!(page.contains(&diagram), "ARCHITECTURE.md must hold this diagram:\n{diagram}");
}
