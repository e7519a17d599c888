//! The history of an instance in Styx's own events (E-23). Records that Styx has no event for are not shown.

use styx_client::{EventKind, TimestampedEvent};
use styx_core::{
    event::{Event, TriggerParameters},
    id::{InstanceId, Position},
    log::{LogError, LogReader},
    record::{Fact, RunEvent, Subject},
};

use super::{Descriptions, message, trigger, trigger_parameters};

/// All events of an instance, over all its runs, in order, a page at a time. The pages are to be read from one snapshot.
#[derive(Debug)]
pub(crate) struct Events {
    instance: InstanceId,
    from: Position,
    /// Those of the last trigger.
    parameters: Option<TriggerParameters>,
    ended: bool,
}

impl Events {
    /// How many records are read at a time.
    const PAGE: usize = 100;

    /// Those of an instance.
    pub(crate) fn of(instance: InstanceId) -> Self {
        Self { instance, from: Position::FIRST, parameters: None, ended: false }
    }

    /// Whether there are no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next ones.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn next_page(
        &mut self,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
    ) -> Result<Vec<TimestampedEvent>, LogError> {
        let page = reader.history(&Subject::Run(self.instance.clone()), self.from, Self::PAGE)?;
        self.ended = page.len() < Self::PAGE;
        let mut events = Vec::new();
        for record in &page {
            self.from = record.position.next();
            let Fact::Run(_, RunEvent::Styx { event, .. } | RunEvent::Ignored { event, .. }) = &record.fact else {
                continue;
            };
            if let Event::TriggerExecution { parameters, .. } = event {
                self.parameters = Some(parameters.clone());
            }
            let kind = kind(event, &self.instance, self.parameters.as_ref(), descriptions)?;
            let event = styx_client::Event { workflow_instance: self.instance.key(), kind };
            events.push(TimestampedEvent { event, timestamp: record.happened_at().timestamp_millis() });
        }
        Ok(events)
    }
}

fn kind(
    event: &Event,
    instance: &InstanceId,
    parameters: Option<&TriggerParameters>,
    descriptions: &Descriptions<'_>,
) -> Result<EventKind, LogError> {
    Ok(match event {
        Event::TriggerExecution { trigger: by, parameters, .. } => {
            EventKind::TriggerExecution { trigger: trigger(by), parameters: trigger_parameters(parameters) }
        }
        Event::Info { message: said } => EventKind::Info { message: message(said) },
        Event::Dequeue { resources } => {
            EventKind::Dequeue { resource_ids: resources.iter().map(ToString::to_string).collect() }
        }
        Event::Submit { description, execution, .. } => EventKind::Submit {
            execution_description: Box::new(descriptions.spell_out(instance, description, parameters)?),
            execution_id: execution.as_ref().map(ToString::to_string),
        },
        Event::Submitted { execution, runner } => EventKind::Submitted {
            execution_id: execution.as_ref().map(ToString::to_string),
            runner_id: runner.as_ref().map(ToString::to_string),
        },
        Event::Started => EventKind::Started {},
        Event::Terminate { exit_code } => EventKind::Terminate { exit_code: *exit_code },
        Event::RunError { message, .. } => EventKind::RunError { message: message.to_string() },
        Event::Success => EventKind::Success {},
        Event::RetryAfter { delay_millis } => EventKind::RetryAfter { delay_millis: *delay_millis },
        Event::Stop { .. } => EventKind::Stop {},
        Event::Timeout { .. } => EventKind::Timeout {},
        Event::Halt { .. } => EventKind::Halt {},
        Event::TimeTrigger => EventKind::TimeTrigger {},
        Event::Retry => EventKind::Retry {},
        Event::Created { execution, docker_image } => {
            EventKind::Created { execution_id: execution.to_string(), docker_image: docker_image.to_string() }
        }
    })
}
