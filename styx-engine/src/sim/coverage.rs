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
    ClockWild: "the clock jumped further ahead than it is believed",
    ClockRightAgain: "a clock that had jumped too far was set right",
    ClockAccepted: "an operator accepted a clock that wasn't believed",
    ClockHolds: "an instant was due by a clock that isn't believed, and waited",
    ClockBehind: "an instant had passed by elapsed time, and waited for a clock that was set back",
    DelayWhileBehind: "a delay ended while the clock was set back",
    ObservationLost: "an observation got lost",
    ObservationDoubled: "an observation came twice",
    ObservationOvertaken: "an end was heard of before its start",
    ReportUnasked: "an executor reported what it wasn't asked about",
    ExecutorSilent: "an executor never said that it had reported all it knows",
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
    AlreadyTriggered: "an instant was skipped because it had been triggered before, and came to no good end",
    EditOwes: "an edit of schedule or offset found instants that were due",
    EditsOwe: "instants were owed under two earlier schedules",
    EditSkips: "an edit made instants neither due nor owed",
    EditOfText: "an edit changed the text of schedule or offset and nothing else",
    OwedTriggered: "an instant was triggered under an earlier schedule",
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
    UnitAwaited: "a run was told that it waits for a unit",
    UnitAwaitedAgain: "a run was told again, after another try",
    Overtaken: "a run went on past one that waited longer, for a unit",
    UnknownResource: "a run failed because it needs a resource that isn't defined",
    ResourceLowered: "the limit of a resource was set below what was in use",
    ResourceOfNone: "a resource had no unit at all",
    ResourceDeletedInUse: "a resource was deleted while its units were in use",
    ResourceAgainInUse: "a resource was defined again while units of before were in use",
    OtherResources: "a workflow came to need other resources while its runs waited",
    RateReached: "a ready run waited for the rate of dequeues",
    RateChanged: "the rate was changed while a run waited for it",
    OperatedLimit: "operators set a limit on executions",
    OperatedBack: "operators left the limit to the configuration again",
    ConfiguredBelow: "the configuration changed while operators' values counted",
    BackfillReverse: "a backfill began with its last partition",
    BackfillDone: "a backfill came to its end",
    BackfillPassedOver: "a backfill passed over a partition that was active",
    BackfillAgain: "a backfill ran an instance again that had finished before",
    BackfillPaced: "a backfill waited for its runs to end",
    BackfillOfNone: "a backfill with a concurrency of none waited",
    BackfillBound: "one decision triggered as many partitions as one may",
    BackfillOfDisabled: "a backfill triggered runs of a disabled workflow",
    BackfillEdited: "the concurrency of a backfill changed while partitions were left",
    BackfillEditedLate: "a backfill was edited after its end",
    HaltedGracefully: "a backfill was halted and its runs went on",
    HaltedWithRuns: "a backfill was halted with its runs",
    HaltedTwice: "a backfill was halted gracefully, and then with its runs",
    HaltedLate: "runs of a backfill were halted after its last partition was triggered",
    HaltedByDeletion: "a backfill was halted because its workflow was deleted",
    HaltedByItself: "a backfill halted itself because its workflow can't be run",
    BackfillOverlaps: "a backfill of a range with active instances was refused",
    BackfillOfFuture: "a backfill of the future was refused",
    BackfillUnaligned: "a backfill whose range isn't aligned was refused",
    TimedOutByOperator: "an operator timed out a run that executed",
    TimedOutInQueue: "an operator timed out a run that waited",
    DeclaredOver: "an operator declared an execution over that its run followed",
    DeclaredOverLate: "an operator declared an execution over after its run had moved on",
    NoSuchExecution: "an execution that doesn't live couldn't be declared over",
    CounterFits: "a request that named the last counter was done",
    CounterStale: "a request that named another counter was refused",
    Repeated: "a request came again with its key and was answered by what it had led to",
    RepeatedLater: "a request came again in a later process",
    RepeatedUnanswered: "a request came again whose first answer a crash had kept back",
    KeyOfAnother: "a key came with another request and was refused",
    KeyDecidedAgain: "a request that had changed nothing came again with its key and was done",
}

/// The situations that one or more simulations have been in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage(u128);

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

const _: () = assert!(Situation::ALL.len() <= 128, "one bit for each");
