//! What the callbacks of the engine need to know about the isolate of their thread.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::arguments::HostFunction;
use crate::context::AsyncContext;
use crate::failure::Termination;
use crate::jobs::AsyncTasks;
use crate::memory::Watch;
use crate::modules::ModuleSource;
use crate::roots::{Handle, Roots};
use crate::watchdog::{self, Monitor};

/// The state of one isolate, owned by it and by the scopes inside it.
pub(crate) struct State {
    pub(crate) roots: Rc<Roots>,
    pub(crate) data: Rc<dyn Any>,
    pub(crate) functions: &'static [HostFunction],
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) async_tasks: Arc<AsyncTasks>,
    pub(crate) instantiate: mozjs::jsapi::InstantiateOptions,
    /// Set once the isolate is stopped for good; nothing runs in it afterwards.
    pub(crate) condemned: Cell<Option<Termination>>,
    /// Set once the present entry is stopped; nothing runs in it afterwards, but in the next one.
    pub(crate) halted: Cell<Option<Termination>>,
    /// Where script was when it was stopped.
    pub(crate) stopped_at: RefCell<Option<crate::failure::Place>>,
    /// The thread's CPU clock at the beginning of the entry, in nanoseconds.
    pub(crate) entry_start: Cell<u64>,
    pub(crate) memory: Watch,
    /// Whether the clock stands still during an entry.
    pub(crate) freeze_clock: Cell<bool>,
    /// What the clock shows while it stands still, in microseconds since 1970.
    pub(crate) frozen_time: Cell<Option<f64>>,
    pub(crate) allow_eval: Cell<bool>,
    pub(crate) allow_wasm: Cell<bool>,
    pub(crate) modules: RefCell<Option<Rc<dyn ModuleSource>>>,
    /// Module records by URL.
    pub(crate) records: RefCell<HashMap<String, Record>>,
    /// The function `specifier => import(specifier)`, made on first use.
    pub(crate) importer: RefCell<Option<Handle>>,
    /// `Scope::on_unhandled_rejection`.
    pub(crate) rejection_listener: RefCell<Option<Handle>>,
    /// What asynchronous work carries along.
    pub(crate) context: AsyncContext,
    /// Promises rejected without a handler since the last checkpoint.
    pub(crate) rejected: RefCell<Vec<Handle>>,
    /// Exceptions that escaped from a microtask.
    pub(crate) uncaught: RefCell<Vec<crate::failure::Exception>>,
    /// Functions that run the callbacks of `FinalizationRegistry` objects.
    pub(crate) cleanups: RefCell<Vec<Handle>>,
}

/// An instantiated module.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) record: Handle,
    pub(crate) form: Form,
}

/// What kind of source a module was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    EsModule,
    Json,
    Text,
    Data,
    Wasm,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

/// The isolate of this thread. `None` before and after its life, when the engine still calls back.
pub(crate) fn current() -> Option<Rc<State>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Makes `state` the isolate of this thread, or removes it.
pub(crate) fn set_current(state: Option<Rc<State>>) {
    let previous = CURRENT.with(|current| std::mem::replace(&mut *current.borrow_mut(), state));
    drop(previous);
}

impl State {
    /// Stops the entry, and the isolate as well when the cause is not the entry's alone; the first cause wins.
    pub(crate) fn stop(&self, termination: Termination) {
        if self.noticed().is_some() {
            return;
        }
        if termination.is_of_entry() {
            self.halted.set(Some(termination));
        } else {
            self.condemned.set(Some(termination));
        }
    }

    /// The stop that was noticed, if any.
    pub(crate) fn noticed(&self) -> Option<Termination> {
        self.condemned.get().or(self.halted.get())
    }

    /// Whether script must not run: stopped already, or a stop is due that script has not noticed yet.
    pub(crate) fn stopped(&self) -> Option<Termination> {
        if let Some(termination) = self.noticed() {
            return Some(termination);
        }
        if let Some(reason) = self.monitor.stop() {
            self.stop(Termination::Requested(reason));
        } else if self.monitor.expired() {
            self.stop(Termination::CpuLimit { used: self.used() });
        }
        self.noticed()
    }

    /// CPU time of the entry so far.
    fn used(&self) -> Duration {
        Duration::from_nanos(watchdog::thread_cpu().saturating_sub(self.entry_start.get()))
    }
}
