//! What the integration tests share: a thread for each isolate, with a bound on how long it may take.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use isolate::{
    Arguments, Engine, Entry, Exception, Failure, HostFunction, Isolate, IsolateOptions, Module, ModuleError,
    ModuleSource, Scope, Termination, Throw, Value,
};

/// Runs `f` on a thread fit for an isolate. Fails when it takes longer than `seconds`; panics of `f` go on.
pub fn on_thread<R: Send + 'static>(seconds: u64, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .stack_size(Isolate::STACK_SIZE)
        .spawn(move || {
            let result = f();
            let _ = done.send(());
            result
        })
        .unwrap();
    match wait.recv_timeout(Duration::from_secs(seconds)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("took longer than {seconds} s"),
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Log lines of script, through the host function `log`.
#[derive(Default)]
pub struct Log(pub std::cell::RefCell<Vec<String>>);

pub fn log(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let line = arguments.string(0)?;
    scope.data::<Log>().0.borrow_mut().push(line);
    Ok(Value::Undefined)
}

pub static FUNCTIONS: &[HostFunction] = &[HostFunction { name: "log", length: 1, call: log }];

/// An isolate with `log` as a global function.
pub fn isolate() -> (Isolate, Rc<Log>) {
    isolate_with(IsolateOptions::default())
}

pub fn isolate_with(mut options: IsolateOptions) -> (Isolate, Rc<Log>) {
    let engine = Engine::start().unwrap();
    let log = Rc::new(Log::default());
    options.bootstrap.push(engine.compile_script("bootstrap.js", "globalThis.log = __host.log;").unwrap());
    (Isolate::new(&engine, options, FUNCTIONS, log.clone()).unwrap(), log)
}

/// Runs a classic script in an entry of its own.
pub fn run(isolate: &mut Isolate, source: &str) -> Entry<Value> {
    run_for(isolate, None, source)
}

pub fn run_for(isolate: &mut Isolate, cpu: Option<Duration>, source: &str) -> Entry<Value> {
    let script = Engine::start().unwrap().compile_script("test.js", source).unwrap();
    isolate.enter(cpu, |scope| scope.run_script(&script))
}

/// Runs a script that must succeed and end in a string.
pub fn text(isolate: &mut Isolate, source: &str) -> String {
    match run(isolate, source).result {
        Ok(Value::String(text)) => text,
        other => panic!("{source}: {other:?}"),
    }
}

/// Runs a script that must throw.
pub fn thrown(isolate: &mut Isolate, source: &str) -> Exception {
    match run(isolate, source).result {
        Err(Failure::Exception(exception)) => exception,
        other => panic!("{source}: {other:?}"),
    }
}

pub fn termination<R: std::fmt::Debug>(entry: Entry<R>) -> Termination {
    match entry.result {
        Err(Failure::Terminated(termination)) => termination,
        other => panic!("not terminated: {other:?}"),
    }
}

/// Modules by name; relative specifiers lose their `./`.
#[derive(Default)]
pub struct Modules(pub HashMap<String, Module>);

impl Modules {
    pub fn js(mut self, url: &str, source: &str) -> Self {
        let code = Engine::start().unwrap().compile_module(url, source).unwrap();
        self.0.insert(url.to_owned(), Module::EsModule { url: url.to_owned(), code });
        self
    }

    pub fn other(mut self, url: &str, module: Module) -> Self {
        self.0.insert(url.to_owned(), module);
        self
    }
}

impl ModuleSource for Modules {
    fn resolve(&self, specifier: &str, referrer: &str) -> Result<Module, ModuleError> {
        let name = specifier.strip_prefix("./").unwrap_or(specifier);
        self.0
            .get(name)
            .cloned()
            .ok_or_else(|| ModuleError(format!("No such module \"{specifier}\" (imported from \"{referrer}\")")))
    }
}
