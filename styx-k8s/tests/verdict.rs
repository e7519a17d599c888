//! What pods say, rule by rule: each case with its siblings, which differ in one thing.

#[path = "common/pods.rs"]
mod pods;

use chrono::DateTime;
use pods::{TestPod, empty_pod, ended, ended_as, invented, pod, running, waiting};
use serde_json::json;
use styx_core::observation::Observed;
use styx_k8s::verdict::{History, Outcome, StopAsked};

/// The outcome in a word or two.
fn verdict(pod: &TestPod) -> String {
    shown(&History::default().observe(&pod.view(), None))
}

/// The outcome of a pod that we asked to stop.
fn verdict_of_stopped(pod: &TestPod) -> String {
    let at = DateTime::from_timestamp(1_767_225_600, 0).expect("a time");
    shown(&History::default().observe(&pod.view(), Some(StopAsked { at })))
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Waiting(waiting) => format!("waiting {}", waiting.reason),
        Outcome::Running(_) => "running".to_owned(),
        Outcome::Ended(end) => match end.code {
            Some(code) => format!("{} {code}", end.class.as_str()),
            None => end.class.as_str().to_owned(),
        },
    }
}

#[track_caller]
fn check(cases: &[(TestPod, &str)]) {
    for (pod, expected) in cases {
        assert_eq!(verdict(pod), *expected, "{:#}", pod.0);
    }
}

#[test]
fn a_real_end_beats_phase_reason_and_conditions() {
    for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown", ""] {
        check(&[
            (pod(phase, ended(0, 5), running()), "user 0"),
            (pod(phase, ended(0, 5), waiting("ErrImagePull", "")), "user 0"),
            (pod(phase, ended(20, 5), running()), "user 20"),
            (pod(phase, ended(50, 5), ended(0, 20)), "user 50"),
            (pod(phase, ended(0, 5), invented()).disrupted("DeletionByPodGC").deleting(), "user 0"),
            (pod(phase, ended_as(0, "OOMKilled", ""), running()), "user 0"),
            (pod(phase, ended_as(255, "Error", ""), running()), "user 255"),
            (
                pod(phase, ended(0, 5), ended(137, 6)).because("Evicted", "The node was low on resource: memory. "),
                "user 0",
            ),
            (pod(phase, ended(3, 5), running()).because("NodeLost", ""), "user 3"),
        ]);
    }
}

#[test]
fn the_job_is_found_by_its_name() {
    let crowd = empty_pod("Running").container("a-proxy", ended(9, 1)).container("keepalive", running());
    check(&[
        (crowd.clone().container("styx-run", ended(20, 5)).container("z", running()), "user 20"),
        (crowd.clone().container("styx-run", running()), "running"),
        (crowd.container("Styx-Run", ended(20, 5)), "waiting ContainerCreating"),
    ]);
}

#[test]
fn an_invented_end_has_no_code() {
    let unknown = || json!({"terminated": {"exitCode": 255, "reason": "Unknown"}});
    check(&[
        (pod("Failed", unknown(), unknown()), "lost"),
        (pod("Running", unknown(), running()), "lost"),
        (pod("Failed", json!({"terminated": {"reason": "Unknown"}}), unknown()), "lost"),
        // The job may end with 255 itself, and the reason may be another's.
        (pod("Failed", json!({"terminated": {"exitCode": 255, "reason": "Error"}}), unknown()), "user 255"),
        (pod("Failed", json!({"terminated": {"exitCode": 1, "reason": "Unknown"}}), unknown()), "user 1"),
        (pod("Failed", invented(), invented()), "lost"),
        (pod("Failed", json!({"terminated": {"exitCode": 0, "reason": "ContainerStatusUnknown"}}), invented()), "lost"),
        (pod("Failed", invented(), invented()).deleting(), "infrastructure"),
        (pod("Failed", invented(), invented()).disrupted("TerminationByKubelet"), "infrastructure"),
        (pod("Failed", invented(), invented()).because("Terminated", ""), "infrastructure"),
        // A keepalive that runs proves nothing of an end that nobody saw.
        (pod("Failed", invented(), running()).deleting(), "infrastructure"),
        // A container that is started again in its pod hasn't ended.
        (pod("Running", waiting("ContainerCreating", ""), running()), "waiting ContainerCreating"),
    ]);
}

#[test]
fn the_infrastructure_takes_the_blame_only_for_what_it_did() {
    let killed = |code| pod("Failed", ended(code, 20), ended(0, 20));
    for reason in ["TerminationByKubelet", "DeletionByPodGC"] {
        check(&[(killed(143).disrupted(reason), "infrastructure 143"), (killed(0).disrupted(reason), "user 0")]);
    }
    for reason in ["EvictionByEvictionAPI", "PreemptionByScheduler", "DeletionByTaintManager", "ByAnother", ""] {
        check(&[
            // A condition without a deletion is left from one that failed.
            (killed(143).disrupted(reason), "user 143"),
            (killed(143).disrupted(reason).deleting(), "infrastructure 143"),
        ]);
    }
    check(&[
        (killed(137).condition("DisruptionTarget", "False", "TerminationByKubelet"), "user 137"),
        (killed(137).condition("DisruptionTarget", "Unknown", "DeletionByPodGC"), "user 137"),
        (killed(137).condition("TerminationTarget", "True", "TerminationByKubelet"), "user 137"),
        (killed(137), "user 137"),
        (killed(137).deleting(), "infrastructure 137"),
        (killed(143).because("Evicted", "The node was low on resource: ephemeral-storage. "), "infrastructure 143"),
        (killed(143).because("Evicted", "The node was low on resource: [MemoryPressure]. "), "infrastructure 143"),
        (killed(137).because("UnexpectedAdmissionError", "Allocate failed"), "infrastructure 137"),
        (killed(137).because("OutOfpods", "Pod was rejected: too many"), "infrastructure 137"),
        (killed(137).because("SomethingNew", "Pod was rejected: of a later release"), "infrastructure 137"),
        (killed(137).because("SomethingNew", "of a later release"), "user 137"),
    ]);
    for reason in ["Terminated", "Shutdown", "NodeShutdown", "Preempting"] {
        check(&[(killed(143).because(reason, ""), "infrastructure 143"), (killed(0).because(reason, ""), "user 0")]);
    }
}

#[test]
fn a_job_that_failed_by_itself_is_told_from_one_that_was_killed() {
    let drained = |job, keepalive| pod("Failed", job, keepalive).disrupted("EvictionByEvictionAPI").deleting();
    let without_time = || json!({"terminated": {"exitCode": 50, "reason": "Error"}});
    check(&[
        // The keepalive's end shows when the killing began, give or take 10 s.
        (drained(ended(50, 9), ended(0, 20)), "user 50"),
        (drained(ended(50, 10), ended(0, 20)), "infrastructure 50"),
        (drained(ended(50, 19), ended(0, 20)), "infrastructure 50"),
        (drained(ended(50, 50), ended(0, 20)), "infrastructure 50"),
        (drained(ended(50, 9), ended(137, 20)), "user 50"),
        // The kubelet reports the containers of a killed pod together.
        (drained(ended(50, 20), running()), "user 50"),
        (drained(ended(50, 9), waiting("ImagePullBackOff", "")), "infrastructure 50"),
        (drained(ended(50, 9), invented()), "infrastructure 50"),
        (drained(ended(50, 9), json!({})), "infrastructure 50"),
        (drained(without_time(), ended(0, 20)), "infrastructure 50"),
        (drained(ended(50, 9), json!({"terminated": {"exitCode": 0, "finishedAt": "soon"}})), "infrastructure 50"),
        (empty_pod("Failed").container("styx-run", ended(50, 9)).deleting(), "infrastructure 50"),
    ]);
}

#[test]
fn an_end_seen_before_the_pod_was_condemned_stands() {
    let mut history = History::default();
    let first = history.observe(&pod("Running", ended(50, 20), running()).view(), None);
    let later = pod("Failed", invented(), invented()).disrupted("DeletionByPodGC").deleting();
    assert_eq!((shown(&first).as_str(), history.observe(&later.view(), None)), ("user 50", first));
    let mut history = History::default();
    history.observe(&pod("Running", running(), running()).deleting().view(), None);
    assert_eq!(
        shown(&history.observe(&pod("Failed", ended(50, 20), ended(0, 20)).deleting().view(), None)),
        "infrastructure 50"
    );
}

#[test]
fn a_limit_of_its_own_is_the_users() {
    for message in [
        "Container styx-run exceeded its local ephemeral storage limit \"1Gi\". ",
        "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
        "Usage of EmptyDir volume \"v\" exceeds the limit \"20Mi\". ",
    ] {
        let evicted = |job| pod("Failed", job, invented()).because("Evicted", message);
        check(&[
            (evicted(ended(137, 20)), "user 137"),
            (evicted(ended(9, 20)), "user 9"),
            (evicted(ended(0, 20)), "user 0"),
            (evicted(invented()), "user"),
            // The node is lost later, which says nothing about the end.
            (evicted(invented()).disrupted("DeletionByTaintManager").deleting(), "user"),
            (evicted(ended(137, 20)).disrupted("DeletionByPodGC").deleting(), "user 137"),
            (empty_pod("Failed").because("Evicted", message), "not launchable"),
            (pod("Failed", running(), running()).because("Evicted", message), "user"),
        ]);
    }
    check(&[
        (pod("Failed", running(), running()).because("DeadlineExceeded", "too long"), "user"),
        (pod("Failed", ended(143, 20), ended(0, 20)).because("DeadlineExceeded", "too long"), "user 143"),
        (pod("Failed", ended(0, 20), ended(0, 20)).because("DeadlineExceeded", "too long"), "user 0"),
        (pod("Failed", invented(), invented()).because("DeadlineExceeded", "too long").deleting(), "user"),
        (pod("Running", running(), running()).because("DeadlineExceeded", "too long"), "running"),
    ]);
}

#[test]
fn a_program_that_cannot_start_is_the_users_unless_the_runtime_is_in_trouble() {
    let start = |message: &str| pod("Running", ended_as(128, "StartError", message), running());
    for message in [
        "runc create failed: exec: \"run\": executable file not found in $PATH",
        "exec: \"/lib/systemd/systemd\": stat /lib/systemd/systemd: no such file or directory: unknown",
        "exec: \"timed out\": permission denied",
        "exec /app: exec format error",
        "crun: executable file `ttrpc` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command",
        "error mounting \"cgroup\" to rootfs at \"/etc/timed out\": not a directory",
        "unable to start container process: unknown capability \"no space left on device\"",
        "",
    ] {
        check(&[(start(message), "user 128")]);
    }
    for message in [
        "failed to create containerd task: failed to create shim task: context deadline exceeded: unknown",
        "runc create failed: write /run/x: No space left on device",
        "fork/exec /usr/bin/containerd-shim: resource temporarily unavailable",
        "ttrpc: closed: unknown",
        // The sandbox is gone (containerd, issues 7388 and 9160).
        "unable to create new parent process: namespace path: lstat /proc/0/ns/ipc: no such file or directory: unknown",
        "process_linux.go:402: getting the final child's pid from pipe caused: EOF: unknown",
        "unable to apply cgroup configuration: mkdir /sys/fs/x: cannot allocate memory",
    ] {
        check(&[
            (start(message), "infrastructure 128"),
            (pod("Failed", ended_as(127, "ContainerCannotRun", message), ended(0, 30)), "infrastructure 127"),
            // The same words of a job that ran are the job's.
            (pod("Running", ended_as(1, "Error", message), running()), "user 1"),
        ]);
    }
    check(&[(pod("Running", json!({"terminated": {"exitCode": 128, "reason": "StartError"}}), running()), "user 128")]);
    // 1970 is no time.
    let mut old = start("executable file not found");
    old.0["status"]["containerStatuses"][1]["state"]["terminated"]["startedAt"] = "1970-01-01T00:00:00Z".into();
    let Outcome::Ended(end) = History::default().observe(&old.view(), None) else { panic!("it has ended") };
    assert!(end.started_at.is_none() && end.finished_at.is_some());
}

#[test]
fn a_terminal_phase_without_an_end_of_the_job_is_the_infrastructures() {
    for phase in ["Succeeded", "Failed"] {
        check(&[
            (empty_pod(phase), "infrastructure"),
            (pod(phase, running(), running()), "infrastructure"),
            (pod(phase, waiting("PodInitializing", ""), waiting("PodInitializing", "")), "infrastructure"),
            (pod(phase, waiting("InvalidImageName", ""), running()), "infrastructure"),
            (pod(phase, json!({}), json!(null)), "infrastructure"),
            (empty_pod(phase).because("OutOfcpu", "Pod was rejected: no"), "infrastructure"),
            (
                empty_pod(phase).because("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. "),
                "infrastructure",
            ),
            (empty_pod(phase).because("Evicted", ""), "infrastructure"),
        ]);
    }
}

#[test]
fn what_runs_runs() {
    for phase in ["Pending", "Running", "Unknown", ""] {
        check(&[
            (pod(phase, running(), waiting("ErrImagePull", "")), "running"),
            (pod(phase, running(), running()).deleting(), "running"),
            (pod(phase, running(), running()).deleting().disrupted("DeletionByTaintManager"), "running"),
            (pod(phase, running(), running()).because("NodeLost", "Node x is unresponsive"), "running"),
            (pod(phase, running(), ended(137, 9)), "running"),
            (pod(phase, json!({"running": {}}), running()), "running"),
            (pod(phase, json!({"running": {}, "waiting": {"reason": "ErrImagePull"}}), running()), "running"),
            (pod(phase, json!({"running": {}, "terminated": {"exitCode": 3}}), running()), "user 3"),
        ]);
    }
    check(&[
        (empty_pod("Unknown"), "waiting ContainerCreating"),
        (empty_pod("Running").because("NodeLost", ""), "waiting NodeLost"),
    ]);
}

#[test]
fn init_containers_are_whose_they_are() {
    let blocked = || waiting("PodInitializing", "");
    let failed = |of_template| pod("Failed", blocked(), blocked()).init("prepare", ended(1, 3), of_template, None);
    check(&[
        (failed(true), "not launchable"),
        (failed(false), "infrastructure"),
        (failed(true).disrupted("TerminationByKubelet"), "infrastructure"),
        (failed(true).deleting(), "infrastructure"),
        (pod("Failed", blocked(), blocked()).init("prepare", invented(), true, None), "infrastructure"),
        (pod("Failed", blocked(), blocked()).init("proxy", ended(1, 3), true, Some("Always")), "infrastructure"),
        (pod("Failed", ended(7, 9), running()).init("prepare", ended(1, 3), true, None), "user 7"),
        (pod("Succeeded", ended(0, 9), ended(0, 9)).init("side", ended(137, 12), true, Some("Always")), "user 0"),
        (pod("Pending", blocked(), blocked()).init("prepare", running(), true, None), "waiting ContainerCreating"),
        (
            pod("Pending", blocked(), blocked()).init("prepare", waiting("ErrImagePull", "x"), true, None),
            "waiting ErrImagePull",
        ),
        (
            pod("Pending", blocked(), blocked()).init("prepare", waiting("InvalidImageName", "x"), true, None),
            "not launchable",
        ),
        (
            pod("Pending", blocked(), blocked()).init("proxy", waiting("InvalidImageName", "x"), false, None),
            "waiting InvalidImageName",
        ),
    ]);
}

#[test]
fn a_wait_ends_at_once_or_with_its_time_out() {
    check(&[
        (pod("Pending", waiting("InvalidImageName", "no"), running()), "not launchable"),
        (pod("Pending", running(), waiting("InvalidImageName", "no")), "running"),
        (
            pod("Pending", waiting("ContainerCreating", ""), waiting("InvalidImageName", "no")),
            "waiting ContainerCreating",
        ),
    ]);
    let after = |pod: TestPod| match History::default().observe(&pod.view(), None) {
        Outcome::Waiting(waiting) => match waiting.timed_out() {
            Some(Observed::NotLaunchable { .. }) => "user",
            Some(Observed::Lost { .. }) => "infrastructure",
            _ => "nobody",
        },
        other => panic!("{other:?}"),
    };
    let config = |message: &str| pod("Pending", waiting("CreateContainerConfigError", message), running());
    for (pod, whose) in [
        (config("secret \"s\" not found"), "user"),
        (config("configmap \"m\" not found"), "user"),
        (config("couldn't find key k in Secret ns/s"), "user"),
        (config("couldn't find key k in ConfigMap ns/m"), "user"),
        (config("failed to sync secret cache: timed out waiting for the condition"), "infrastructure"),
        (config("container has runAsNonRoot and image will run as root"), "infrastructure"),
        (pod("Pending", waiting("ErrImagePull", "secret \"s\" not found"), running()), "infrastructure"),
        (pod("Pending", waiting("ErrImageNeverPull", ""), running()), "infrastructure"),
        (pod("Pending", waiting("CreateContainerError", "context deadline exceeded"), running()), "infrastructure"),
        (empty_pod("Pending").condition("PodScheduled", "False", "Unschedulable"), "infrastructure"),
        (empty_pod("Pending").condition("PodScheduled", "False", "SchedulingGated"), "nobody"),
        (empty_pod("Pending"), "infrastructure"),
    ] {
        assert_eq!(after(pod.clone()), whose, "{:#}", pod.0);
    }
}

#[test]
fn a_pod_that_is_ended_keeps_the_reason_of_its_wait() {
    let mut history = History::default();
    history.observe(&pod("Pending", waiting("ErrImagePull", "no such image"), running()).view(), None);
    let ending = pod("Pending", waiting("ContainerCreating", ""), running()).deleting();
    assert_eq!(shown(&history.observe(&ending.view(), None)), "waiting ErrImagePull");
    let mut history = History::default();
    history.observe(&pod("Pending", waiting("ErrImagePull", "no such image"), running()).view(), None);
    let pulled = pod("Pending", waiting("ContainerCreating", ""), running());
    assert_eq!(shown(&history.observe(&pulled.view(), None)), "waiting ContainerCreating");
}

#[test]
fn a_stop_of_ours_is_nobodys_failure() {
    for (pod, expected) in [
        (pod("Failed", ended(143, 20), ended(0, 20)).deleting(), "user 143"),
        (pod("Succeeded", ended(0, 20), ended(0, 20)).deleting(), "user 0"),
        (pod("Failed", invented(), invented()).deleting(), "stopped"),
        (pod("Failed", waiting("ContainerCreating", ""), invented()).deleting(), "stopped"),
        (pod("Failed", invented(), invented()).deleting().disrupted("EvictionByEvictionAPI"), "infrastructure"),
        (pod("Running", running(), running()).deleting(), "running"),
    ] {
        assert_eq!(verdict_of_stopped(&pod), expected, "{:#}", pod.0);
    }
}

#[test]
fn a_deletion_by_others_before_our_stop_stays_theirs() {
    let stop = Some(StopAsked { at: DateTime::from_timestamp(1_767_225_600, 0).expect("a time") });
    let killed = pod("Failed", ended(143, 20), ended(0, 20)).deleting().view();
    let after = |first: &TestPod| {
        let mut history = History::default();
        history.observe(&first.view(), None);
        shown(&history.observe(&killed, stop))
    };
    assert_eq!(after(&pod("Running", running(), running()).deleting()), "infrastructure 143");
    assert_eq!(after(&pod("Running", running(), running())), "user 143");
}

#[test]
fn a_pod_that_is_gone_is_lost_with_what_threatened_it() {
    let gone = |last: &TestPod| {
        let mut history = History::default();
        history.observe(&last.view(), None);
        history.observe_gone(None, None)
    };
    let end = gone(&pod("Running", running(), running()).because("NodeLost", "Node n is unresponsive"));
    assert_eq!(
        (end.class.as_str(), &*end.reason),
        (
            "lost",
            "the pod is gone, and nobody knows how it ended; before, the node can't be reached: NodeLost: Node n is unresponsive"
        )
    );
    assert_eq!(&*gone(&pod("Running", running(), running())).reason, "the pod is gone, and nobody knows how it ended");
}

#[test]
fn codes_come_from_the_termination_log_where_the_job_says_so() {
    let logged = |code: i32, message: &str| {
        let reason = if code == 0 { "Completed" } else { "Error" };
        pod("Running", ended_as(code, reason, message), running()).logging()
    };
    check(&[
        (logged(0, "{\"exit_code\":20}"), "user 20"),
        (logged(1, "{\"exit_code\":0}"), "user 1"),
        (logged(0, "{\"exit_code\":0}\n"), "user 0"),
        (logged(0, "{\"rc\":20}"), "user"),
        (logged(17, "{\"workf"), "user 17"),
        (logged(0, "{\"exit_code\":null}"), "user"),
        (logged(0, "null"), "user"),
        (pod("Running", ended(0, 5), running()).logging(), "user"),
        (pod("Failed", invented(), invented()).logging(), "lost"),
        // Killed after it wrote its log: the infrastructure's all the same.
        (
            pod("Failed", ended_as(143, "Error", "{\"exit_code\":20}"), ended(0, 20)).logging().deleting(),
            "infrastructure 20",
        ),
    ]);
}

#[test]
fn one_odd_field_leaves_the_rest_readable() {
    let odd = |path: &[&str], value: serde_json::Value| {
        let mut pod = pod("Running", ended(20, 5), running());
        let mut at = &mut pod.0;
        for name in path {
            at = match name.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[*name],
            };
        }
        *at = value;
        pod
    };
    let job = ["status", "containerStatuses", "1", "state", "terminated"];
    for (member, value) in [
        ("finishedAt", json!("foo")),
        ("startedAt", json!(7)),
        ("reason", json!(null)),
        ("message", json!({"a": []})),
        ("signal", json!("SIGTERM")),
        ("containerID", json!([1])),
    ] {
        check(&[(odd(&[&job[..], &[member]].concat(), value), "user 20")]);
    }
    for (path, value) in [
        (&["metadata", "creationTimestamp"][..], json!("yesterday")),
        (&["metadata", "labels"], json!("none")),
        (&["metadata", "deletionTimestamp"], json!(null)),
        (&["metadata", "managedFields"], json!({"odd": 1})),
        (&["spec"], json!(null)),
        (&["spec", "containers"], json!("c")),
        (&["spec", "initContainers"], json!({"a": 1})),
        (&["status", "phase"], json!(3)),
        (&["status", "conditions"], json!([null, 3, "x", {"type": ["DisruptionTarget"]}])),
        (&["status", "startTime"], json!({})),
        (&["status", "initContainerStatuses"], json!(false)),
        (&["status", "containerStatuses", "0"], json!(null)),
        (&["status", "containerStatuses", "1", "restartCount"], json!("many")),
        (&["status", "containerStatuses", "1", "lastState"], json!([])),
    ] {
        check(&[(odd(path, value), "user 20")]);
    }
    // An exit code that nobody can read is none, and no success.
    for code in [json!(null), json!("0"), json!(0.5), json!(99_999_999_999_i64), json!([0])] {
        check(&[(odd(&[&job[..], &["exitCode"]].concat(), code), "user")]);
    }
}
