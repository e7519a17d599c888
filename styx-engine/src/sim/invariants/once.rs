//! A request that carries a key is done once: the key is in one decision, and who asks again is answered with it.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::{
    decide::{Refusal, Reply, Request},
    id::Position,
    record::{Cause, IdempotencyKey, Record},
    world::World,
};
use uuid::Uuid;

use super::{Check, Invariant, View};

/// What followed from a key.
struct Done {
    by: Position,
    digest: Uuid,
    request: Arc<str>,
}

#[derive(Default)]
pub(super) struct Once {
    done: BTreeMap<Arc<str>, Done>,
    /// Keys by the requests that carry them.
    asked: BTreeMap<String, IdempotencyKey>,
    /// Where the log ended before this step, and where it does now.
    tails: (Position, Position),
}

impl Once {
    fn check(&self, request: &str, key: &IdempotencyKey, reply: &Reply) -> Check {
        let did_nothing = match reply {
            Reply::Refused(Refusal::KeyOfAnother) | Reply::Repeated { .. } => false,
            Reply::Nothing | Reply::Refused(_) => true,
            _ => false,
        };
        let fits = match self.done.get(&key.key) {
            None => did_nothing,
            Some(done) if *done.request == *request => {
                matches!(
                    reply,
                    Reply::Done | Reply::Stored(_) | Reply::Triggered { .. } | Reply::BackfillCreated { .. }
                )
            }
            // It came earlier in the same step and changed nothing.
            Some(done) if did_nothing => done.by > self.tails.0,
            Some(done) if done.digest == key.digest => *reply == Reply::Repeated { by: done.by },
            Some(_) => *reply == Reply::Refused(Refusal::KeyOfAnother),
        };
        let found = || self.done.get(&key.key).map(|done| done.by);
        if fits { Ok(()) } else { Err(format!("{request} with {} is answered {reply:?}: {:?}", key.key, found())) }
    }
}

impl Invariant for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn sentence(&self) -> &'static str {
        "a key leads to at most one decision, and who asks again with it is answered with that"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        let Some(IdempotencyKey { key, digest }) = record.idempotency_key.clone() else {
            return Ok(());
        };
        let Cause::Operator(operator) = &record.cause else {
            return Err(format!("record {} has a key, and nobody asked for it", record.position));
        };
        let (by, request) = (record.position, Arc::clone(&operator.request_id));
        if self.asked.get(&*request).is_none_or(|asked| asked.key != key || asked.digest != digest) {
            return Err(format!("record {by} has the key {key}, which {request} didn't carry"));
        }
        match self.done.insert(Arc::clone(&key), Done { by, digest, request }) {
            Some(before) => Err(format!("the key {key} led to record {} and to record {by}", before.by)),
            None => Ok(()),
        }
    }

    fn asked(&mut self, id: &str, _request: &Request, key: Option<&IdempotencyKey>) {
        self.asked.extend(key.map(|key| (id.to_owned(), key.clone())));
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        self.tails = (self.tails.1, view.world.tail());
        Ok(())
    }

    fn answered(&mut self, request: &str, reply: &Reply) -> Check {
        match self.asked.get(request) {
            Some(key) => self.check(request, key, reply),
            None if matches!(reply, Reply::Repeated { .. } | Reply::Refused(Refusal::KeyOfAnother)) => {
                Err(format!("{request} carries no key and is answered {reply:?}"))
            }
            None => Ok(()),
        }
    }

    fn restarted(&mut self, world: &World) -> Check {
        self.tails.1 = world.tail();
        Ok(())
    }
}
