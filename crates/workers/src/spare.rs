//! Isolates that wait with the built-ins loaded, so that the first request of a version need not wait for that.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};

use isolate::Isolate;
use uuid::Uuid;

use crate::boot::{Prepared, prepare};
use crate::host::Host;
use crate::seat::Seat;
use crate::services::Services;
use crate::version::{Limits, WorkerVersion};

/// What a spare isolate is to do with the rest of its thread.
pub(crate) type Task = Box<dyn FnOnce(Rc<Host>, Prepared) + Send>;

/// An isolate that waits for a version.
pub(crate) struct Spare {
    /// Its place in a pool, once it has one.
    pub seat: Arc<Seat>,
    task: mpsc::Sender<Task>,
}

impl Spare {
    /// Gives it something to do; gives the task back when its thread has ended.
    pub(crate) fn begin(self, task: Task) -> Result<(), Task> {
        self.task.send(task).map_err(|error| error.0)
    }
}

/// The isolates that wait.
#[derive(Default)]
pub(crate) struct Spares {
    ready: Mutex<VecDeque<Spare>>,
    starting: AtomicUsize,
}

impl Spares {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Spare>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them.
    pub(crate) fn take(&self) -> Option<Spare> {
        self.lock().pop_front()
    }

    /// Ends all that wait.
    pub(crate) fn clear(&self) {
        let ended = std::mem::take(&mut *self.lock());
        drop(ended);
    }

    /// Starts one if there are fewer than wanted. They end with the last reference to `self`.
    pub(crate) fn refill(self: &Arc<Self>, services: &Arc<Services>) {
        if self.lock().len() + self.starting.load(Ordering::Relaxed) >= services.options.spare_isolates {
            return;
        }
        self.starting.fetch_add(1, Ordering::Relaxed);
        let spares = Arc::downgrade(self);
        let services = services.clone();
        let thread = std::thread::Builder::new()
            .name("isolate".to_owned())
            .stack_size(Isolate::STACK_SIZE)
            .spawn(move || wait(&spares, services));
        if let Err(error) = thread {
            self.starting.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%error, "the thread of a spare isolate could not be started");
        }
    }
}

/// The thread of a spare isolate.
fn wait(spares: &Weak<Spares>, services: Arc<Services>) {
    let runtime = services.options.runtime.clone();
    let _runtime = runtime.enter();
    let seat = Arc::new(Seat::new(services.options.isolate_memory));
    let host = Rc::new(Host::new(no_version(), seat.clone(), services));
    let prepared = prepare(&host);
    let (task, tasks) = mpsc::channel();
    let Some(all) = spares.upgrade() else { return };
    all.starting.fetch_sub(1, Ordering::Relaxed);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            tracing::warn!(%failure, "a spare isolate did not start");
            return;
        }
    };
    all.lock().push_back(Spare { seat, task });
    drop(all);
    if let Ok(task) = tasks.recv() {
        task(host, prepared);
    }
}

/// Stands in until there is a version.
fn no_version() -> Arc<WorkerVersion> {
    Arc::new(WorkerVersion {
        id: Uuid::nil(),
        name: "".into(),
        main_module: String::new(),
        modules: Vec::new(),
        bindings: Vec::new(),
        limits: Limits::default(),
        compatibility_date: String::new(),
        compatibility_flags: Vec::new(),
    })
}
