//! The async context through every way of going on later.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;

use common::{Log, log, on_thread, run};
use isolate::{Arguments, Engine, HostFunction, Isolate, IsolateOptions, Scope, Throw, Value};

fn get(scope: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(scope.async_context())
}

fn swap(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(scope.set_async_context(&arguments.value(0)?)?)
}

static FUNCTIONS: &[HostFunction] = &[
    HostFunction { name: "log", length: 1, call: log },
    HostFunction { name: "get", length: 0, call: get },
    HostFunction { name: "swap", length: 1, call: swap },
];

/// `run(name, f)` runs `f` with a context of that name; `note(text)` logs the text with the name of the context.
const BOOTSTRAP: &str = "
    const { get, swap, log } = __host;
    globalThis.run = (name, f) => { const previous = swap({ name }); try { return f() } finally { swap(previous) } };
    globalThis.note = text => log(text + ' ' + (get()?.name ?? '-'));
    globalThis.capture = f => { const context = get(); return (...a) => { const p = swap(context); try { return f(...a) } finally { swap(p) } } };
    globalThis.swap = swap;";

fn isolate() -> (Isolate, Rc<Log>) {
    let engine = Engine::start().unwrap();
    let bootstrap = vec![engine.compile_script("bootstrap.js", BOOTSTRAP).unwrap()];
    let log = Rc::new(Log::default());
    let options = IsolateOptions { bootstrap, ..IsolateOptions::default() };
    (Isolate::new(&engine, options, FUNCTIONS, log.clone()).unwrap(), log)
}

#[test]
fn work_runs_in_the_context_it_was_started_in() {
    on_thread(20, || {
        for (source, expected) in [
            ("note('none'); run('a', () => { note('in'); run('b', () => note('nested')); note('out') }); note('after')",
             "none -, in a, nested b, out a, after -"),
            // Settled promises.
            ("run('a', () => Promise.resolve().then(() => note('1'))); run('b', () => Promise.resolve().then(() => note('2'))); Promise.resolve().then(() => note('3'))",
             "1 a, 2 b, 3 -"),
            ("Promise.resolve().then(() => note('1')); run('a', () => Promise.resolve().then(() => note('2'))); Promise.resolve().then(() => note('3'))",
             "1 -, 2 a, 3 -"),
            // Pending promises: the context of `then`, not that of the resolution.
            ("let go; const p = new Promise(r => go = r); run('a', () => p.then(() => note('1'))); p.then(() => note('2')); run('b', () => p.then(() => note('3'))); run('c', go)",
             "1 a, 2 -, 3 b"),
            // Async functions, before and after awaits of both kinds.
            ("let go; const p = new Promise(r => go = r);
              const f = async () => { note('1'); await null; note('2'); await p; note('3'); await { then(r) { note('then'); r() } }; note('4') };
              run('a', f).then(() => note('done')); run('b', () => { note('b'); go() })",
             "1 a, b b, 2 a, 3 a, then a, 4 a, done -"),
            ("run('a', async () => { for (let i = 0; i < 3; i++) { await i; note(String(i)) } }); run('b', async () => { for (let i = 5; i < 8; i++) { await i; note(String(i)) } })",
             "0 a, 5 b, 1 a, 6 b, 2 a, 7 b"),
            // A context set in the middle of a job applies to what that job starts afterwards.
            ("Promise.resolve().then(() => { note('1'); run('a', () => Promise.resolve().then(() => note('2'))); Promise.resolve().then(() => note('3')) })",
             "1 -, 2 a, 3 -"),
            ("run('a', () => Promise.resolve().then(() => { swap({ name: 'left' }) }).then(() => note('1'))); Promise.resolve().then(() => note('2'))",
             "2 -, 1 a"),
            ("run('a', () => Promise.all([1, Promise.resolve(2), new Promise(r => Promise.resolve().then(r))]).then(() => note('all')))", "all a"),
            ("run('a', () => Promise.reject(1).catch(() => note('caught')).finally(() => note('finally')))", "caught a, finally a"),
            ("run('a', async () => { for await (const x of (async function* () { yield 1; note('gen'); yield 2 })()) note('x' + x) })", "x1 a, gen a, x2 a"),
            ("let saved; run('a', () => { saved = capture(() => note('captured')) }); Promise.resolve().then(saved); run('b', () => saved()); note('end')",
             "captured a, end -, captured a"),
            ("run('a', () => { throw 1 })", ""),
            ("const p = run('a', async () => { await null; throw new Error('x') }); p.catch(() => note('1'))", "1 -"),
            ("for (let i = 0; i < 3; i++) run('a' + i, () => { for (let j = 0; j < 2; j++) Promise.resolve().then(() => note(String(j))) })",
             "0 a0, 1 a0, 0 a1, 1 a1, 0 a2, 1 a2"),
        ] {
            let (mut isolate, log) = isolate();
            let _ = run(&mut isolate, source);
            assert_eq!(log.0.borrow().join(", "), expected, "{source}");
            // The next entry begins without a context, even if script left one.
            log.0.borrow_mut().clear();
            let _ = run(&mut isolate, "note('next'); Promise.resolve().then(() => note('later')); swap({ name: 'left' })");
            let _ = run(&mut isolate, "note('last')");
            assert_eq!(log.0.borrow().join(", "), "next -, later -, last -", "{source}");
        }
    });
}

#[test]
fn a_promise_of_the_host_keeps_the_context_of_its_reactions() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        let promise = isolate
            .enter(None, |scope| {
                let promise = scope.promise()?;
                let script = Engine::start().unwrap().compile_script(
                    "t.js",
                    "p => { run('a', () => p.then(() => note('1'))); run('b', async () => { await p; note('2') }); p.then(() => note('3')) }",
                );
                let Value::Object(wait) = scope.run_script(&script.unwrap())? else { panic!() };
                scope.call(&wait, &[Value::Object(promise.clone())])?;
                Ok(promise)
            })
            .result
            .unwrap();
        isolate
            .enter(None, |scope| {
                scope.collect_garbage();
                let context = scope.handle(Value::List(Vec::new()))?;
                scope.set_async_context(&Value::Object(context))?;
                scope.resolve(&promise, Value::Undefined)?;
                assert!(scope.set_async_context(&Value::from(1)).is_err());
                Ok(())
            })
            .result
            .unwrap();
        assert_eq!(log.0.borrow().join(", "), "1 a, 2 b, 3 -");
    });
}

#[test]
fn many_contexts_do_not_mix() {
    on_thread(60, || {
        let (mut isolate, log) = isolate();
        let entry = run(
            &mut isolate,
            "let wrong = 0; const check = name => { let seen; const l = globalThis.probe; if (l() !== name) wrong++ };
             globalThis.probe = () => { const c = swap(null); swap(c); return c?.name };
             const work = async name => { for (let i = 0; i < 50; i++) { await (i % 3 ? null : new Promise(r => Promise.resolve().then(r))); check(name) } };
             const all = []; for (let i = 0; i < 200; i++) all.push(run('n' + i, () => work('n' + i)));
             Promise.all(all).then(() => note('wrong ' + wrong))",
        );
        entry.result.unwrap();
        assert_eq!(*log.0.borrow(), ["wrong 0 -"]);
    });
}
