//! The JSON form of a workflow's configuration, against what Styx 2.x writes, takes and refuses.

use styx_core::workflow::{DeploymentSource, JsonError, PodTemplate, Secret, Span, Strictness, WorkflowConfiguration};

const REPORT: &str = r##"{"id":"daily-report","schedule":"days","offset":"P1DT2H","commit_sha":"4f1c9e","docker_image":"registry.example.org/report:7","docker_args":["--day","{}"],"docker_termination_logging":false,"service_account":null,"resources":["warehouse"],"env":{"MODE":"full"},"running_timeout":5400.000000000,"retry_condition":"#tries < 4","flyte_exec_conf":null,"deployment_source":{"repository":"acme/reports","source":"deployer/eu1/reports.yaml"},"deployment_time":"2024-05-06T09:10:11.120Z"}"##;
const ECHO: &str = r#"{"id":"daily-report","schedule":"days","offset":null,"commit_sha":null,"docker_image":"busybox:1.36","docker_args":["echo","{}"],"docker_termination_logging":false,"service_account":null,"resources":[],"env":{},"running_timeout":null,"retry_condition":null,"flyte_exec_conf":null,"deployment_source":null,"deployment_time":"2024-05-06T09:10:11.120Z"}"#;
const PING: &str = r#"{"id":"ping","schedule":"hours","offset":null,"commit_sha":null,"docker_image":"busybox","docker_args":null,"docker_termination_logging":false,"service_account":null,"resources":[],"env":{},"running_timeout":null,"retry_condition":null,"flyte_exec_conf":null,"deployment_source":null,"deployment_time":null}"#;
const FLYTE: &str = r#"{"reference_id":{"resource_type":"LAUNCH_PLAN","project":"ml","domain":"production","name":"score.users","version":"v12"},"input_fields":{"day":"{}"}}"#;

/// Reads a configuration with these members besides an id and a schedule.
fn read(members: &str) -> Result<WorkflowConfiguration, JsonError> {
    WorkflowConfiguration::from_json(&format!(r#"{{"id":"wf","schedule":"daily",{members}}}"#))
}

fn refused(members: &str) -> String {
    read(members).expect_err(members).to_string()
}

#[test]
fn what_styx_writes_is_written_again() {
    let flyte = PING.replace(r#""flyte_exec_conf":null"#, &format!(r#""flyte_exec_conf":{FLYTE}"#));
    for golden in [REPORT, ECHO, PING, &flyte] {
        assert_eq!(WorkflowConfiguration::from_json(golden).unwrap().to_json(), golden);
    }
}

#[test]
fn what_was_written_is_read() {
    let report = WorkflowConfiguration::from_json(REPORT).unwrap();
    assert_eq!(report.docker_args, Some(vec!["--day".into(), "{}".into()]));
    assert_eq!(report.running_timeout, Some(Span::from_seconds(5400)));
    let source =
        DeploymentSource { repository: Some("acme/reports".into()), source: "deployer/eu1/reports.yaml".into() };
    assert_eq!(report.deployment_source, Some(source));
    let flyte = read(&format!(r#""flyte_exec_conf":{FLYTE}"#)).unwrap().flyte_exec_conf.unwrap();
    assert_eq!(flyte.reference_id.to_string(), "LAUNCH_PLAN:ml:production:score.users:v12");
}

#[test]
fn a_secret_is_written_last_and_only_if_there_is_one() {
    let mut configuration = WorkflowConfiguration::from_json(PING).unwrap();
    configuration.secret = Some(Secret { name: "keys".into(), mount_path: "/etc/keys".into() });
    let json = configuration.to_json();
    assert_eq!(json, PING.replace(r#"null}"#, r#"null,"secret":{"name":"keys","mount_path":"/etc/keys"}}"#));
    assert_eq!(WorkflowConfiguration::from_json(&json), Ok(configuration));
}

#[test]
fn fields_of_ours_are_written_last_and_only_if_they_are_set() {
    let json = PING.replace(
        "null}",
        r#"null,"docker_command":["/bin/sh","-c"],"pod":{"spec":{"terminationGracePeriodSeconds":1.50,"a":[{},null]}}}"#,
    );
    let configuration = WorkflowConfiguration::from_json(&json).unwrap();
    assert_eq!(configuration.docker_command.as_deref(), Some(&["/bin/sh".to_owned(), "-c".to_owned()][..]));
    assert_eq!(configuration.to_json(), json);
    let twice = read(r#""pod":{"a":1,"b":2,"a":{"c":[3]}}"#).unwrap().pod;
    assert_eq!(twice, Some(PodTemplate::from_json(r#"{"b":2,"a":{"c":[3]}}"#).unwrap()));
}

#[test]
fn null_is_the_same_as_absent() {
    let all_null = r#""offset":null,"docker_args":null,"docker_termination_logging":null,"resources":null,"env":null,
        "running_timeout":null,"flyte_exec_conf":null,"deployment_source":null,"deployment_time":null,"secret":null,
        "docker_command":null,"pod":null"#;
    assert_eq!(read(all_null), Ok(WorkflowConfiguration::new("wf", "daily")));
}

#[test]
fn an_empty_list_of_arguments_is_not_the_same_as_none() {
    assert_eq!(read(r#""docker_args":[]"#).unwrap().docker_args, Some(vec![]));
    assert!(read(r#""docker_args":[]"#).unwrap().to_json().contains(r#""docker_args":[]"#));
}

#[test]
fn scalars_are_taken_for_each_other() {
    let configuration = read(
        r#""docker_args":[1,true,1.50,"x"],"env":{"A":1,"B":true,"C":1.50,"D":"x"},"resources":"r1",
           "docker_termination_logging":"true","commit_sha":5,"docker_image":1.50,"service_account":false"#,
    )
    .unwrap();
    assert_eq!(configuration.docker_args.unwrap(), ["1", "true", "1.50", "x"]);
    assert_eq!(configuration.env.into_values().collect::<Vec<_>>(), ["1", "true", "1.50", "x"]);
    assert_eq!(configuration.resources, ["r1"]);
    assert_eq!(configuration.commit_sha.as_deref(), Some("5"));
    assert_eq!(configuration.docker_image.as_deref(), Some("1.50"));
    assert_eq!(configuration.service_account.as_deref(), Some("false"));
    for (flag, expected) in
        [("true", true), ("\"True\"", true), ("\"\"", false), ("2", true), ("-1", true), ("0", false), ("-0", false)]
    {
        let read = read(&format!(r#""docker_termination_logging":{flag}"#)).unwrap();
        assert_eq!(read.docker_termination_logging, expected, "{flag}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused_by_name() {
    let flag = "docker_termination_logging";
    for (members, text) in [
        (r#""docker_termination_logging":"yes""#, &*format!(r#"{flag}: expected true or false, found the text "yes""#)),
        (r#""docker_termination_logging":1.0"#, &*format!("{flag}: expected true or false, found the number 1.0")),
        (r#""docker_image":{}"#, "docker_image: expected a text, found an object"),
        (r#""commit_sha":["a"]"#, "commit_sha: expected a text, found a list"),
        (r#""docker_args":{}"#, "docker_args: expected a list of texts, found an object"),
        (r#""docker_args":["a",[]]"#, "docker_args[1]: expected a text, found a list"),
        (r#""docker_args":["a",null]"#, "docker_args value cannot be null: 1"),
        (r#""env":[]"#, "env: expected a map of texts, found a list"),
        (r#""env":{"A":{}}"#, "env.A: expected a text, found an object"),
        (r#""env":{"A":null}"#, "env value cannot be null: A"),
        (r#""flyte_exec_conf":"x""#, r#"flyte_exec_conf: expected an object, found the text "x""#),
        (r#""flyte_exec_conf":{}"#, "flyte_exec_conf.reference_id is required"),
        (
            r#""flyte_exec_conf":{"reference_id":{"resource_type":"T"}}"#,
            "flyte_exec_conf.reference_id.project is required",
        ),
        (r#""deployment_source":{}"#, "deployment_source.source is required"),
        (r#""docker_command":["a",null]"#, "docker_command value cannot be null: 1"),
        (r#""pod":"spec""#, r#"pod: expected an object, found the text "spec""#),
        (r#""schedule":5"#, "schedule: expected a text, found the number 5"),
        (r#""schedule":null"#, "schedule is required"),
        (r#""id":null"#, "id is required"),
    ] {
        assert_eq!(refused(members), text);
    }
    assert_eq!(
        WorkflowConfiguration::from_json("5").unwrap_err().to_string(),
        "configuration: expected an object, found the number 5"
    );
    assert_eq!(read(r#""env":{"A":null}"#).unwrap_err().path(), Some("env"));
}

#[test]
fn durations() {
    for (text, decimal) in [
        ("7200", "7200.000000000"),
        ("90.5", "90.500000000"),
        ("\"PT2H\"", "7200.000000000"),
        ("\" pt2h \"", "7200.000000000"),
        ("\"P1DT30M\"", "88200.000000000"),
        ("0", "0.0"),
        ("-3", "-3.000000000"),
        ("9223372036854775807", "9223372036854775807.000000000"),
        ("172800.000000001", "172800.000000001"),
        ("\"\"", "null"),
        ("\"  \"", "null"),
    ] {
        let json = read(&format!(r#""running_timeout":{text}"#)).unwrap().to_json();
        assert!(json.contains(&format!(r#""running_timeout":{decimal},"#)), "{text}: {json}");
    }
    for text in
        ["\"7200\"", "\"2h\"", "\"P1W\"", "\"PT\"", "\"NaN\"", "true", "[7200]", "{}", "1e20", "9223372036854775808"]
    {
        let error = refused(&format!(r#""running_timeout":{text}"#));
        assert!(error.starts_with("running_timeout: expected a number of seconds"), "{error}");
    }
}

#[test]
fn instants() {
    for (text, written) in [
        ("\"2024-05-06T07:00:00Z\"", "\"2024-05-06T07:00:00Z\""),
        ("\"2024-05-06T07:00:00.12Z\"", "\"2024-05-06T07:00:00.120Z\""),
        ("\"2024-05-06T07:00:00.000001Z\"", "\"2024-05-06T07:00:00.000001Z\""),
        ("\"2024-05-06T07:00:00.123456789Z\"", "\"2024-05-06T07:00:00.123456789Z\""),
        ("\"2024-05-06T07:00:00+01:00\"", "\"2024-05-06T06:00:00Z\""),
        ("1453194000.5", "\"2016-01-19T09:00:00.500Z\""),
        ("-1", "\"1969-12-31T23:59:59Z\""),
        ("\"\"", "null"),
    ] {
        let json = read(&format!(r#""deployment_time":{text}"#)).unwrap().to_json();
        assert!(json.ends_with(&format!(r#""deployment_time":{written}}}"#)), "{text}: {json}");
    }
    for text in [
        "\"2024-05-06\"",
        "\"2024-05-06T07:00Z\"",
        "\"2024-05-06T07:00:00\"",
        "\"2024-05-06 07:00:00Z\"",
        "\"2024-05-06T07:00:00+0100\"",
        "\"2024-05-06T07:00:00.1234567890Z\"",
        "\"2024-02-30T07:00:00Z\"",
        "\"2024-05-06T23:59:60Z\"",
        "true",
        "[]",
        "1e15",
    ] {
        let error = refused(&format!(r#""deployment_time":{text}"#));
        assert!(error.starts_with("deployment_time: expected an instant"), "{error}");
    }
}

#[test]
fn what_comes_twice_counts_the_last_time_and_what_follows_does_not_count() {
    let text = r#" {"id":"a","schedule":"daily","id":"b","env":{"A":null,"A":"2"}} and more"#;
    let configuration = WorkflowConfiguration::from_json(text).unwrap();
    assert_eq!(configuration.id, "b");
    assert_eq!(configuration.env["A"], "2");
}

#[test]
fn unknown_fields_are_ignored_unless_strict() {
    assert_eq!(read(r#""docker_img":{"a":[1]}"#), Ok(WorkflowConfiguration::new("wf", "daily")));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (text, unknown) in [
        (r#"{"id":"wf","schedule":"daily","docker_img":"x"}"#, "docker_img: unknown field"),
        (
            r#"{"id":"wf","schedule":"daily","secret":{"name":"n","mount_path":"/m","mode":"0400"}}"#,
            "secret.mode: unknown field",
        ),
    ] {
        assert!(WorkflowConfiguration::from_value(value(text), Strictness::Lenient).is_ok());
        let error = WorkflowConfiguration::from_value(value(text), Strictness::Strict).unwrap_err();
        assert_eq!(error.to_string(), unknown);
    }
    let golden = WorkflowConfiguration::from_value(value(REPORT), Strictness::Strict).unwrap();
    assert_eq!(golden.to_json(), REPORT);
}
