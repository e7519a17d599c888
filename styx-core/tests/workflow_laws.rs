//! Laws that hold for every workflow configuration and every text.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use styx_core::workflow::{
    DeploymentSource, FlyteExecConf, FlyteIdentifier, PodTemplate, ScheduleText, Secret, Span, Strictness,
    WorkflowConfiguration, validate,
};

fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select("aZ09@#./:_ {}*-+\"\\\n\u{1}é😀".chars().collect::<Vec<_>>());
    prop_oneof![vec(any::<char>(), 0..8).prop_map(String::from_iter), vec(character, 0..20).prop_map(String::from_iter),]
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..4)
}

fn schedule() -> impl Strategy<Value = ScheduleText> {
    let usual = ["@Daily", "HOURS", "weekly", "@annually", "0 3 * * MON", " 0 0 1 1 *"];
    prop_oneof![
        prop::sample::select(usual.to_vec()).prop_map(ScheduleText::new),
        text().prop_map(|text| ScheduleText::new(&text)),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    let any_size = (any::<i64>(), 0..1_000_000_000_i128).prop_map(|(seconds, nanos)| {
        Span::from_nanos(i128::from(seconds) * 1_000_000_000 + nanos).expect("64 bits of seconds are enough")
    });
    prop_oneof![any_size, (-200_000..200_000_i64).prop_map(Span::from_seconds)]
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let millis = (0..1000_u32).prop_map(|millis| millis * 1_000_000);
    let nanos = prop_oneof![Just(0), millis, 0..1_000_000_000_u32];
    (-62_167_219_200..253_402_300_800_i64, nanos)
        .prop_map(|(at, nanos)| DateTime::from_timestamp(at, nanos).expect("the year has four digits"))
}

fn flyte() -> impl Strategy<Value = FlyteExecConf> {
    ([text(), text(), text(), text(), text()], texts()).prop_map(
        |([resource_type, project, domain, name, version], input_fields)| FlyteExecConf {
            reference_id: FlyteIdentifier { resource_type, project, domain, name, version },
            input_fields,
        },
    )
}

fn pod() -> impl Strategy<Value = PodTemplate> {
    prop::collection::hash_map(text(), json(), 0..3)
        .prop_map(|members| PodTemplate::from_json(&serde_json::json!(members).to_string()).expect("it is an object"))
}

fn configuration() -> impl Strategy<Value = WorkflowConfiguration> {
    let names = (text(), schedule(), option::of(text()), option::of(text()), option::of(text()));
    let lists = (option::of(vec(text(), 0..4)), any::<bool>(), option::of(text()), vec(text(), 0..8), texts());
    let rest = (
        option::of(span()),
        option::of(text()),
        option::of(flyte()),
        option::of((option::of(text()), text())),
        option::of(instant()),
        option::of((text(), text())),
        option::of(vec(text(), 0..4)),
        option::of(pod()),
    );
    (names, lists, rest).prop_map(|(names, lists, rest)| WorkflowConfiguration {
        id: names.0,
        schedule: names.1,
        offset: names.2,
        commit_sha: names.3,
        docker_image: names.4,
        docker_args: lists.0,
        docker_termination_logging: lists.1,
        service_account: lists.2,
        resources: lists.3,
        env: lists.4,
        running_timeout: rest.0,
        retry_condition: rest.1,
        flyte_exec_conf: rest.2,
        deployment_source: rest.3.map(|(repository, source)| DeploymentSource { repository, source }),
        deployment_time: rest.4,
        secret: rest.5.map(|(name, mount_path)| Secret { name, mount_path }),
        docker_command: rest.6,
        pod: rest.7,
    })
}

/// A text made of what JSON is made of, so that some of it is JSON.
fn json_like() -> impl Strategy<Value = String> {
    let tokens = "{ } [ ] , : \" \\ \"id\": \"schedule\": \"env\": \"a\" null true 1.50 -0e9 \\ud83d \\u0066 é";
    let token = prop::sample::select(tokens.split(' ').chain([" ", "\n"]).collect::<Vec<_>>());
    prop_oneof![
        vec(any::<char>(), 0..12).prop_map(String::from_iter),
        vec(token, 0..24).prop_map(|tokens| tokens.concat()),
    ]
}

/// Any JSON at all.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((text(), inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// The name of a field that a configuration has.
fn field() -> impl Strategy<Value = &'static str> {
    let names = "id schedule offset docker_args docker_termination_logging resources env running_timeout \
                 flyte_exec_conf deployment_source deployment_time secret docker_command pod";
    prop::sample::select(names.split_whitespace().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(configuration in configuration()) {
        let json = configuration.to_json();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(WorkflowConfiguration::from_json(&json), Ok(configuration));
    }

    #[test]
    fn what_is_written_is_known_to_the_strict(mut configuration in configuration()) {
        // A `Value` holds numbers as floats, which have too few digits for some spans.
        configuration.running_timeout = None;
        let value = serde_json::from_str(&configuration.to_json()).unwrap();
        prop_assert_eq!(WorkflowConfiguration::from_value(value, Strictness::Strict), Ok(configuration));
    }

    #[test]
    fn no_text_makes_reading_panic(text in json_like(), tail in json_like()) {
        _ = WorkflowConfiguration::from_json(&text);
        _ = WorkflowConfiguration::from_json(&format!("{{\"id\":\"a\",\"schedule\":\"b\",{text}}}{tail}"));
        _ = Span::parse_iso(&text);
        _ = Span::parse_decimal(&text);
    }

    #[test]
    fn text_and_value_are_read_alike(members in vec((field(), json()), 0..4)) {
        let mut object = serde_json::Map::new();
        object.insert("id".into(), "wf".into());
        object.insert("schedule".into(), "days".into());
        object.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let value = serde_json::Value::Object(object);
        let from_text = WorkflowConfiguration::from_json(&value.to_string());
        prop_assert_eq!(from_text, WorkflowConfiguration::from_value(value, Strictness::Lenient));
    }

    #[test]
    fn nothing_makes_validation_panic(
        component in text(),
        workflow in text(),
        configuration in configuration(),
        limit in option::of(any::<i64>()),
    ) {
        let limit = limit.map(TimeDelta::nanoseconds);
        let errors = validate(&component, &workflow, &configuration, limit);
        // The rules for secrets come before the one rule that only a server knows.
        let number = |rule: &str| if rule.starts_with("S-") { 25 } else { rule[2..].parse::<u32>().unwrap() };
        prop_assert!(errors.is_sorted_by_key(|error| number(error.rule)));
    }

    #[test]
    fn a_limit_only_adds_to_what_a_client_finds(configuration in configuration()) {
        let at_client = validate("c", "w", &configuration, None);
        let at_server = validate("c", "w", &configuration, Some(TimeDelta::zero()));
        prop_assert!(at_server.starts_with(&at_client));
    }

    #[test]
    fn spans_read_back(span in span()) {
        prop_assert_eq!(Span::parse_iso(&span.to_string()), Ok(span));
        prop_assert_eq!(Span::parse_decimal(&span.to_decimal()), Ok(span));
    }
}
