//! Named situations: a run of many seeds that never reached one of them has tested less than it seems.

/// Declares the situations and what each means.
macro_rules! situations {
    ($($name:ident: $text:literal,)*) => {
        /// A situation that seeds must have been in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each says in words what it is")]
        #[repr(u8)]
        pub enum Situation {
            $($name,)*
        }

        impl Situation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is, in words.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

situations! {
    CrashBeforeDecision: "the process ended with inputs that it had not looked at",
    CrashForgotten: "the process ended before an append was durable",
    CrashKept: "the process ended after an append was durable and before anybody was told",
    CrashBeforeEffects: "the process ended between the append and its effects",
    CrashBetweenEffects: "the process ended between two effects",
    EffectLost: "an effect was under way when the process ended, and got lost",
    EffectLate: "an effect was under way when the process ended, and arrived later",
    Outage: "the process was away for hours",
    ClockStepsBack: "the clock stepped back",
    ClockJumps: "the clock jumped ahead",
    ObservationLost: "an observation got lost",
    ObservationDoubled: "an observation came twice",
    ObservationOvertaken: "an end was heard of before its start",
    ReportUnasked: "an executor reported what it wasn't asked about",
    RefusedLaunch: "a launch was refused for now",
    RefusedLate: "a refusal was heard of only after its time to ask again",
    NotLaunchable: "a launch was refused for good",
    NeverStarts: "an execution was taken and never started",
    Lost: "an execution was lost",
    LaunchedAgain: "a launch was asked for again",
    LaunchFoundMark: "a launch found the mark of a stop that came first",
    Tombstone: "a stop came before the launch and left a mark",
    Adopted: "an execution of an earlier process was adopted",
    HaltWhileLiving: "a run was halted while its execution lived",
    TimeoutWhileLaunching: "a run timed out while its launch was outstanding",
    TimeoutWhileRunning: "a run timed out while its execution ran",
    LateExit: "an execution ended after its run had moved on",
    LateSuccess: "an execution ended with 0 after its run had moved on",
    WaitsForEarlier: "a run waited for an earlier execution of its instance",
    CatchUpPaced: "missed instants waited for the pace of their catch-up",
    AlreadyActive: "an instant was skipped because its instance was active",
    AlreadyCompleted: "an instant was skipped because its schedule had completed it before",
    NoExecution: "an instant was skipped because the workflow names nothing to run",
    SchedulingOff: "an instant waited because scheduling was off",
    CursorMovedBack: "an operator set a cursor back",
    LimitReached: "a ready run waited for the limit on executions",
    LimitLowered: "the limit was set below what lived",
    DeletedWhileActive: "a workflow with active runs was deleted",
    FileRemoved: "a file defined a workflow no more",
    OwnedByFile: "what the API may not do to a workflow of a file was refused",
    RecreatedWhileActive: "a workflow came back while runs of its earlier life were active",
    HaltedByAdmission: "a queued run was ended because its workflow was gone or off",
    RetryOfQueued: "an operator retried a queued run",
    InstanceAgain: "an instance ran again after it had finished",
    CostLimit: "a run was given up because its tries had cost all they may",
    ConditionMet: "a run was retried because its retry condition held",
    ConditionNotMet: "a run was given up because its retry condition didn't hold",
    ConditionWithoutValue: "a run was given up because its retry condition had no value",
    Unrecoverable: "a run was given up after an exit with 50",
    MissingDependencies: "a run was retried after an exit with 20",
    InfrastructureRetry: "a run was retried after a failure that wasn't its own",
    FutureAllowed: "a run was begun for an instant of the future",
    ApiWorkflowRefused: "a workflow of the API was refused by an executor that runs those of the folder only",
    FlyteRefused: "a trigger of a workflow of Flyte was refused",
    SecretRefused: "a trigger of a workflow with a secret was refused by an executor that can't mount one",
    FutureRefused: "a run for an instant of the future was refused",
    BadParameter: "a parameter that can't be read was refused",
    TriggerOfActive: "a trigger of an active instance was refused",
    StepCut: "a step left inputs to the next one",
    BlockedByScheduling: "all that was left waited for scheduling to be switched on",
}

/// The situations that one or more simulations have been in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage(u64);

impl Coverage {
    /// Notes that a situation was reached.
    pub(super) fn reach(&mut self, situation: Situation) {
        self.0 |= 1 << situation as u8;
    }

    /// All that this or another has reached.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// What was never reached.
    pub fn missing(self) -> impl Iterator<Item = Situation> {
        Situation::ALL.iter().copied().filter(move |situation| self.0 & (1 << *situation as u8) == 0)
    }
}

const _: () = assert!(Situation::ALL.len() <= 64, "one bit for each");
