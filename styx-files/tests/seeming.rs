//! Texts that mean something else than they seem: each is refused with what to write instead, or means what it seems.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use styx_core::workflow::Rules;
use styx_files::{FileWorkflow, configurations, read_text};

const HEAD: &str = "id: a\nschedule: daily\n";

fn read(text: &str) -> Result<Vec<FileWorkflow>, String> {
    let said = read_text("sales.yaml", text, &Rules::default());
    said.map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect())
}

/// What is said about a workflow with this line after its head.
#[track_caller]
fn refuse(line: &str, expected: &str) {
    let text = format!("{HEAD}{line}\n");
    assert_eq!(read(&text).unwrap_err(), format!("sales.yaml:{expected}\n"), "{line}");
    assert!(configurations(&text).is_err(), "{line}: `styx workflow create` takes it");
}

/// The arguments and variables that a workflow with these lines has.
#[track_caller]
fn take(lines: &str) -> (Vec<String>, Vec<(String, String)>) {
    let text = format!("{HEAD}{lines}\n");
    let workflows = read(&text).unwrap_or_else(|errors| panic!("{lines}: {errors}"));
    let configuration = workflows.into_iter().next().unwrap().configuration;
    assert_eq!(configurations(&text).unwrap(), std::slice::from_ref(&configuration));
    (configuration.docker_args.unwrap_or_default(), configuration.env.into_iter().collect())
}

#[test]
fn a_comment_in_the_place_of_a_value() {
    let hint = "has no value: an unquoted # begins a comment, so put the text into quotes, or leave the line out";
    refuse("retry_condition: #tries < 4", &format!("3:16: retry_condition: {hint}"));
    refuse("commit_sha: #4711", &format!("3:11: commit_sha: {hint}"));
    refuse("docker_args: #all", &format!("3:12: docker_args: {hint}"));
    let hint = "value cannot be null; an unquoted # begins a comment, so a text with one needs quotes";
    refuse("docker_args:\n- a\n- #tag", &format!("5:7: docker_args[1]: {hint}"));
    assert!(
        read(&format!("{HEAD}docker_args:\n- #tag\n- b\n")).unwrap_err().contains(&format!("docker_args[0]: {hint}"))
    );
    refuse("env:\n  COLOUR: #ff0000", &format!("4:9: env.COLOUR: {hint}"));
    let hint = "is cut off: an unquoted # begins a comment, so put the condition into quotes";
    refuse("retry_condition: true #tries < 4", &format!("3:18: retry_condition: {hint}"));
    for line in ["'#tries < 4' # few", "\"#tries < 4\" #tries", "(#tries < 4)", "1 < 2 # a remark", "|\n  #tries < 4"] {
        take(&format!("retry_condition: {line}"));
    }
}

#[test]
fn a_key_without_a_value() {
    let hint = "has no value: give it one, or leave the line out";
    for (line, place) in [
        ("retry_condition:", "3:16"),
        ("retry_condition: ~", "3:18"),
        ("retry_condition: null", "3:18"),
        ("offset: Null", "3:9"),
    ] {
        let field = line.split(':').next().unwrap();
        refuse(line, &format!("{place}: {field}: {hint}"));
    }
    for field in ["docker_args", "resources", "env", "docker_image", "running_timeout", "secret", "deployment_source"] {
        let said = read(&format!("{HEAD}{field}:\n")).unwrap_err();
        assert!(said.contains(&format!("{field}: {hint}")), "{said}");
    }
    // All of what it held is a comment.
    assert!(read(&format!("{HEAD}env:\n  # A: b\nresources:\n  # - x\n")).unwrap_err().lines().count() == 2);
    refuse("deployment_source: {source: s, repository: }", &format!("3:42: deployment_source.repository: {hint}"));
    // JSON as a server gives it says what it means.
    let json = "{\"id\": \"a\", \"schedule\": \"daily\", \"offset\": null, \"docker_args\": null, \"env\": {}}";
    assert_eq!(read(json).unwrap().len(), 1);
    refuse("running_timeout: ''", "3:18: running_timeout: is blank: give it a value, or leave the line out");
}

#[test]
fn a_text_in_the_place_of_a_list() {
    let one = "expected a list of texts, found one text; write";
    refuse("docker_args: ./run.sh {}", &format!("3:14: docker_args: {one} [\"./run.sh\", \"{{}}\"]"));
    refuse("docker_args: ./run.sh", &format!("3:14: docker_args: {one} [\"./run.sh\"]"));
    refuse("docker_args: 5", &format!("3:14: docker_args: {one} [\"5\"]"));
    refuse("resources: warehouse", &format!("3:12: resources: {one} [\"warehouse\"]"));
    let lines = format!("{one} each on a line of its own that begins with `- `");
    refuse("docker_args: sh -c \"a b\"", &format!("3:14: docker_args: {lines}"));
    refuse("docker_args: |\n  a\n  b", &format!("4:3: docker_args: {lines}"));
}

#[test]
fn an_item_that_is_no_item() {
    let text = "goes on over a line that begins with `-`, which is no item of its own: indent it like the first item, or put \
                the text into quotes";
    refuse("docker_args:\n  - a\n    - b\n  - c", &format!("4:5: docker_args[0]: {text}"));
    assert_eq!(take("docker_args:\n  - a\n    b\n  - c -d").0, ["a b", "c -d"]);
}

#[test]
fn letters_that_look_like_others() {
    let quote = "begins with a printed quote, which YAML takes for a letter: write \" or '";
    refuse("env: {MODE: \u{201c}full\u{201d}}", &format!("3:13: env.MODE: {quote}"));
    let unseen = "which looks like a blank or like nothing: remove it, or quote the text";
    refuse("env: {MODE: full\u{200b}}", &format!("3:13: env.MODE: has the letter U+200B, {unseen}"));
    refuse("docker_args: [a\u{a0}b]", &format!("3:15: docker_args[0]: has the letter U+00A0, {unseen}"));
    refuse("env: {MO\u{ad}DE: full}", &format!("3:7: env.MO\u{ad}DE: the name has the letter U+00AD, {unseen}"));
    assert_eq!(take("env: {MODE: '\u{201c}\u{a0}'}").1, [("MODE".into(), "\u{201c}\u{a0}".into())]);
}

#[test]
fn what_other_readers_take_for_something_else_stays_as_it_is_written() {
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "Y",
        "n",
        "True",
        "FALSE",
        "true",
        "010",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1.10",
        "1e3",
        "-0",
        "+1",
        ".5",
        "1.",
        ".inf",
        "-.INF",
        ".NaN",
        "12:30:00",
        "190:20:30",
        "2026-03-29",
        "2026-03-29T07:00:00Z",
        "12345678901234567890123",
        "a#b",
        "=",
        "007",
    ] {
        let (args, env) = take(&format!("docker_args: [{text}]\nenv: {{A: {text}}}"));
        assert_eq!((args[0].as_str(), env[0].1.as_str()), (text, text));
    }
    // Names too.
    assert_eq!(
        take("env: {1: a, yes: b, 1.10: c, True: d}").1.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["1", "1.10", "True", "yes"]
    );
    let ids = |id: &str| read(&format!("id: {id}\nschedule: daily\n")).unwrap()[0].id.workflow().to_owned();
    for id in ["007", "1.10", "yes", "2026-03-29", "12:30"] {
        assert_eq!(ids(id), id);
    }
}

#[test]
fn what_is_no_text_says_how_to_write_it() {
    for (line, said) in [
        ("env: {A:1}", "3:10: env.A:1: value cannot be null; behind the colon of a key there has to be a blank"),
        (
            "env: {A: ~}",
            "3:10: env.A: value cannot be null; without quotes it is no text: write \"~\" if it is meant, or \"\" for an empty text",
        ),
        (
            "docker_args: [x, null]",
            "3:18: docker_args[1]: value cannot be null; without quotes it is no text: write \"null\" if it is meant, or \"\" for an empty text",
        ),
        (
            "docker_args: [x, []]",
            "3:18: docker_args[1]: expected a text, found a list; a text that begins with [ needs quotes",
        ),
        (
            "docker_args:\n- x\n- a: b",
            "5:3: docker_args[1]: expected a text, found an object; a text with a colon and a blank in it needs quotes",
        ),
        ("env: {A: {B: c}}", "3:10: env.A: expected a text, found an object; a text that begins with { needs quotes"),
        (
            "env:\n- name: A\n  value: b",
            "4:3: env: expected a map of texts, found a list; write each variable as NAME: VALUE, without a `-`",
        ),
        ("docker_args: [x, {{ ds }}]", "3:19: a key has to be a text; a text that begins with {{ needs quotes"),
        (
            "commit_sha: a: b",
            "3:14: mapping values are not allowed in this context; a text with a colon and a blank in it needs quotes, and keys of one map begin in one column",
        ),
    ] {
        let text = format!("{HEAD}{line}\n");
        assert_eq!(read(&text).unwrap_err(), format!("sales.yaml:{said}\n"), "{line}");
    }
    assert_eq!(
        read("- id:x\n  docker_image:a\n  schedule:daily\n").unwrap_err(),
        "sales.yaml:1:3: expected a workflow, that is keys and values, or a list of workflows; behind the colon of a key there \
         has to be a blank\n"
    );
    assert_eq!(
        read("id: #1\nschedule: daily\n").unwrap_err(),
        "sales.yaml:1:3: id: is required, and has no value; an unquoted # begins a comment, so a text with one needs quotes\n"
    );
}

#[test]
fn an_error_stays_short_however_long_the_text_is() {
    for text in ["*".repeat(70_000), format!("{} * * * *", "1,".repeat(40_000)), "x".repeat(70_000)] {
        let said = read(&format!("id: a\nschedule: '{text}'\n")).unwrap_err();
        assert!(said.lines().all(|line| line.len() < 600) && said.contains("schedule too long"), "{}", said.len());
    }
}

#[test]
fn what_would_be_taken_for_a_switch_or_a_time() {
    for (line, said) in [
        ("enabled: yes", "3:10: enabled: expected true or false, found the text \"yes\""),
        ("enabled: \"false\"", "3:10: enabled: expected true or false, found the text \"false\""),
        ("enabled: 0", "3:10: enabled: expected true or false, found the number 0"),
        ("enabled:", "3:8: enabled: expected true or false, found no value"),
        (
            "docker_termination_logging: 0",
            "3:29: docker_termination_logging: expected true or false, found the number 0",
        ),
    ] {
        assert_eq!(read(&format!("{HEAD}{line}\n")).unwrap_err(), format!("sales.yaml:{said}\n"), "{line}");
    }
    let time = "expected a number of seconds, or a duration such as \"PT2H\", found the text";
    for text in ["1:30:00", "010", "1_000", "0x10", "2h", "90m"] {
        refuse(&format!("running_timeout: {text}"), &format!("3:18: running_timeout: {time} {text:?}"));
    }
    assert!(read(&format!("{HEAD}offset: 60\n")).unwrap_err().contains("3:9: offset: invalid offset"));
}

#[test]
fn what_holds_nothing() {
    for text in ["", " \n", "\u{feff}", "---\n", "---\n---\n...\n"] {
        assert_eq!(
            read(text).unwrap_err(),
            "sales.yaml: is empty; a comment would say that it's meant to be\n",
            "{text:?}"
        );
    }
    assert_eq!(read("# nothing\n"), Ok(Vec::new()));
    assert_eq!(read("[]\n"), Ok(Vec::new()));
}

#[test]
fn what_has_a_key_above_it() {
    let said = read("workflows:\n- id: a\n  schedule: daily\n").unwrap_err();
    let hint = "workflows: unknown key; a file is a workflow or a list of workflows, without a key above them";
    assert!(said.contains(hint), "{said}");
    assert!(read("report:\n  id: a\n  schedule: daily\n").unwrap_err().contains("a list of workflows, without a key"));
}

#[test]
fn line_ends_marks_and_documents() {
    let unix = "id: a\nschedule: daily\ndocker_args:\n- |\n  x\n  y\n- z\nenv:\n  A: b\n";
    let expected = read(unix).unwrap();
    for text in
        [unix.replace('\n', "\r\n"), format!("\u{feff}{unix}"), format!("\u{feff}{}", unix.replace('\n', "\r\n"))]
    {
        assert_eq!(read(&text), Ok(expected.clone()), "{text:?}");
    }
    // The place of an error is the same, too.
    let bad = "id: a\nschedule: daily\nenv:\n  A: #b\n";
    for text in [bad.replace('\n', "\r\n"), format!("\u{feff}{bad}"), bad.replace('\n', "\r")] {
        assert_eq!(read(&text).unwrap_err(), read(bad).unwrap_err(), "{text:?}");
    }
    let two = format!("{HEAD}retry_condition: 'true'\n---\nid: b\nschedule: daily\nretry_condition: #x\n");
    assert!(read(&two).unwrap_err().starts_with("sales.yaml:7:16: retry_condition: has no value: an unquoted #"));
}

#[test]
fn keys_twice_tabs_and_merges() {
    refuse("env: {A: b, A: c}", "3:13: duplicate mapping key `A` is not allowed here");
    assert!(read(&format!("{HEAD}env:\n\tA: b\n")).is_err());
    let merged = "- &base {id: a, schedule: daily, env: &env {A: b}}\n- <<: *base\n  id: b\n  env: {<<: *env, C: d}\n";
    let env = &read(merged).unwrap()[1].configuration.env;
    assert_eq!(env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(), ["A=b", "C=d"]);
    assert!(read("- &base {id: a, schedule: daily, offset: }\n- {<<: *base, id: b}\n").is_err());
}
