//! What script waits for. Each operation belongs to one invocation and ends with one call of `complete`, unless it is given up.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use isolate::{Arguments, Charge, Scope, Throw, Value};
use tokio::task::AbortHandle;

use super::{Host, id};
use crate::event::{Completion, Event, HostError};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most operations of one isolate that wait at a time.
const LIMIT: usize = 100_000;

/// What will end an operation.
pub(crate) enum Kind {
    /// The thread's loop, which has the completion already, or whoever takes what was written.
    Local,
    /// The clock.
    Timer(Instant),
    /// A task of the runtime.
    Task(AbortHandle),
}

/// What the platform needs for an operation, in bytes: entries in tables; and a task with its future.
const OPERATION: usize = 128;
const TASK: usize = 1024;

struct Operation {
    owner: Ticket,
    kind: Kind,
    /// The index of the record of what is asked of others by it.
    subrequest: Option<usize>,
    charge: Charge,
}

/// The operations of an isolate.
#[derive(Default)]
pub(crate) struct Operations {
    table: Table<Operation>,
    timers: BTreeSet<(Instant, u64)>,
    ready: VecDeque<(u64, Completion)>,
}

impl Operations {
    /// When the next timer is due; at once when completions wait.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.ready.is_empty() { self.timers.first().map(|(due, _)| *due) } else { Some(now) }
    }

    /// The next timer that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        let &(due, operation) = self.timers.first()?;
        if due > now {
            return None;
        }
        self.timers.pop_first();
        Some(operation)
    }

    /// How many completions wait.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The next completion that waits.
    pub(crate) fn pop_ready(&mut self) -> Option<(u64, Completion)> {
        self.ready.pop_front()
    }

    /// Ends an operation; gives its owner, unless it had ended or was given up.
    pub(crate) fn end(&mut self, operation: u64) -> Option<Ticket> {
        let ended = self.table.remove(operation)?;
        if let Kind::Timer(due) = ended.kind {
            self.timers.remove(&(due, operation));
        }
        Some(ended.owner)
    }

    /// Gives all operations of an invocation up.
    pub(crate) fn release(&mut self, owner: Ticket) -> Vec<u64> {
        let released = self.table.drain_where(|operation| operation.owner == owner);
        for (operation, Operation { kind, .. }) in &released {
            match kind {
                Kind::Local => {}
                Kind::Timer(due) => {
                    self.timers.remove(&(*due, *operation));
                }
                Kind::Task(task) => task.abort(),
            }
        }
        released.into_iter().map(|(operation, _)| operation).collect()
    }
}

impl Host {
    /// Begins an operation of an invocation.
    pub(super) fn begin(&self, owner: Ticket, kind: Kind) -> Result<u64, Throw> {
        let mut supervisor = self.supervisor.borrow_mut();
        if !supervisor.knows(owner) {
            return Err(Throw::Error("The request that this belongs to has ended.".to_owned()));
        }
        let mut operations = self.operations.borrow_mut();
        if operations.table.len() >= LIMIT {
            return Err(Throw::Error(format!("Too much is waited for at the same time: the limit is {LIMIT}.")));
        }
        let due = if let Kind::Timer(due) = kind { Some(due) } else { None };
        let operation = operations
            .table
            .insert(Operation { owner, kind, subrequest: None, charge: self.seat.ledger.charge(OPERATION) })
            .ok_or_else(|| Throw::Error("Too much is waited for at the same time.".to_owned()))?;
        operations.timers.extend(due.map(|due| (due, operation)));
        supervisor.operation_began(owner);
        Ok(operation)
    }

    /// Begins an operation that is over already; script hears of it after the present entry.
    pub(super) fn begin_ready(&self, owner: Ticket, completion: Completion) -> Result<u64, Throw> {
        let operation = self.begin(owner, Kind::Local)?;
        self.operations.borrow_mut().ready.push_back((operation, completion));
        Ok(operation)
    }

    /// Ends an operation that has begun; script hears of it after the present entry.
    pub(super) fn complete_soon(&self, operation: u64, completion: Completion) {
        self.operations.borrow_mut().ready.push_back((operation, completion));
    }

    /// Begins an operation that has failed already.
    pub(super) fn begin_failed(&self, owner: Ticket, error: HostError) -> Result<u64, Throw> {
        self.begin_ready(owner, Completion::Failed(error))
    }

    /// Begins an operation that a task of the runtime carries out.
    pub(super) fn begin_task(
        &self,
        owner: Ticket,
        task: impl Future<Output = Completion> + Send + 'static,
    ) -> Result<u64, Throw> {
        let operation = self.begin(owner, Kind::Local)?;
        let seat = self.seat.clone();
        let task = self.services.options.runtime.spawn(async move {
            let completion = task.await;
            seat.mailbox.post(Event::Completed { operation, completion });
        });
        if let Some(begun) = self.operations.borrow_mut().table.get_mut(operation) {
            begun.kind = Kind::Task(task.abort_handle());
            begun.charge.grow(TASK);
        }
        Ok(operation)
    }

    /// Begins a task that asks something of others. Its record ends with it, also when it is given up.
    pub(super) fn begin_subrequest(
        &self,
        owner: Ticket,
        record: usize,
        task: impl Future<Output = Completion> + Send + 'static,
    ) -> Result<u64, Throw> {
        let operation = self.begin_task(owner, task)?;
        if let Some(begun) = self.operations.borrow_mut().table.get_mut(operation) {
            begun.subrequest = Some(record);
        }
        Ok(operation)
    }

    /// Gives an operation up.
    pub(super) fn give_up(&self, operation: u64) {
        let Some(given_up) = self.operations.borrow_mut().table.remove(operation) else { return };
        if let Some(record) = given_up.subrequest
            && let Some(running) = self.running.borrow_mut().get_mut(&given_up.owner)
        {
            running.note_end(record, Err("given up by the Worker".to_owned()));
        }
        match given_up.kind {
            Kind::Local => {}
            Kind::Timer(due) => {
                self.operations.borrow_mut().timers.remove(&(due, operation));
            }
            Kind::Task(task) => task.abort(),
        }
        self.supervisor.borrow_mut().operation_ended(given_up.owner);
    }
}

/// `cancel(operation)`
pub(super) fn cancel(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    scope.data::<Host>().give_up(id(arguments, 0)?);
    Ok(Value::Undefined)
}
