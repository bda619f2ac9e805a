//! Rejections, microtasks, finalization, security, many isolates on many threads, and the end of the process.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{isolate, isolate_with, on_thread, run, text, thrown};
use isolate::{Engine, Failure, Isolate, IsolateOptions, PromiseState, Throw, Value};

fn rejections(isolate: &mut Isolate, source: &str) -> Vec<String> {
    run(isolate, source).rejections.iter().map(isolate::Exception::summary).collect()
}

#[test]
fn unhandled_rejections_are_reported_once() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        assert_eq!(rejections(&mut isolate, "Promise.reject(new Error('a')); Promise.reject(1)"), ["Error: a", "1"]);
        assert!(rejections(&mut isolate, "0").is_empty());
        assert_eq!(
            rejections(&mut isolate, "(async () => { await null; throw new TypeError('late') })()"),
            ["TypeError: late"]
        );
        // A handler that comes before the checkpoint ends withdraws it.
        assert!(
            rejections(
                &mut isolate,
                "{ const p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => {})) }"
            )
            .is_empty()
        );
        assert!(rejections(&mut isolate, "{ const p = Promise.reject(1); p.then().catch(() => {}) }").is_empty());
        // One that comes later does not.
        assert_eq!(rejections(&mut isolate, "globalThis.p = Promise.reject('x')"), ["x"]);
        assert!(rejections(&mut isolate, "p.catch(() => {})").is_empty());
        // What rejects with its own promise is not described twice.
        assert_eq!(
            rejections(&mut isolate, "{ const e = new Error('same'); Promise.reject(e); Promise.reject(e) }").len(),
            2
        );
        assert_eq!(rejections(&mut isolate, "for (let i = 0; i < 1000; i++) Promise.reject(i)").len(), 64);
        // Also when the script itself throws.
        let entry = run(&mut isolate, "Promise.reject('r'); throw 't'");
        assert!(matches!(entry.result, Err(Failure::Exception(exception)) if exception.message == "t"));
        assert_eq!(entry.rejections.len(), 1);
    });
}

#[test]
fn microtasks_run_in_order_at_the_end_of_the_entry() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        run(
            &mut isolate,
            "log('1'); Promise.resolve().then(() => { log('3'); Promise.resolve().then(() => log('6')) });
             (async () => { await null; log('4'); await null; log('7') })(); Promise.resolve().then(() => log('5')); log('2')",
        )
        .result
        .unwrap();
        assert_eq!(*log.0.borrow(), ["1", "2", "3", "4", "5", "6", "7"]);
    });
}

#[test]
fn promises_of_the_host() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        let (good, bad) = isolate
            .enter(None, |scope| {
                let (good, bad) = (scope.promise()?, scope.promise()?);
                let script = Engine::start().unwrap().compile_script(
                    "t.js",
                    "(a, b) => { a.then(v => log('good ' + v)); b.catch(e => log('bad ' + e + (e instanceof TypeError))) }",
                );
                let Value::Object(wait) = scope.run_script(&script.unwrap())? else { panic!() };
                scope.call(&wait, &[Value::Object(good.clone()), Value::Object(bad.clone())])?;
                assert!(matches!(scope.promise_state(&good), Some(PromiseState::Pending)));
                assert!(scope.promise_state(&wait).is_none());
                Ok((good, bad))
            })
            .result
            .unwrap();
        let entry = isolate.enter(None, |scope| {
            scope.resolve(&good, Value::from("v"))?;
            scope.reject(&bad, Throw::TypeError("t".to_owned()))?;
            scope.reject(&bad, Throw::Error("again".to_owned()))?;
            Ok(())
        });
        entry.result.unwrap();
        assert!(entry.rejections.is_empty());
        assert_eq!(*log.0.borrow(), ["good v", "bad TypeError: ttrue"]);
        let entry = isolate.enter(None, |scope| {
            assert!(
                matches!(scope.promise_state(&good), Some(PromiseState::Fulfilled(Value::String(text))) if text == "v")
            );
            let Some(PromiseState::Rejected(reason)) = scope.promise_state(&bad) else { panic!() };
            assert_eq!(scope.exception(&reason).summary(), "TypeError: t");
            let error = scope.error(Throw::RangeError("made".to_owned()))?;
            assert_eq!(scope.exception(&error).summary(), "RangeError: made");
            let object = scope.handle(Value::List(Vec::new()))?;
            assert!(scope.resolve(&object, Value::Null).is_err());
            Ok(())
        });
        entry.result.unwrap();
    });
}

#[test]
fn weak_references_die_between_entries() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        run(
            &mut isolate,
            "globalThis.registry = new FinalizationRegistry(name => log('gone ' + name));
             globalThis.weak = (() => { const o = { x: [] }; registry.register(o, 'o'); return new WeakRef(o) })(); weak.deref() ? 1 : 2",
        )
        .result
        .unwrap();
        isolate
            .enter(None, |scope| {
                scope.collect_garbage();
                Ok(())
            })
            .result
            .unwrap();
        assert_eq!(text(&mut isolate, "String(weak.deref())"), "undefined");
        assert_eq!(*log.0.borrow(), ["gone o"]);
    });
}

#[test]
fn code_from_strings_is_refused_unless_allowed() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        for source in ["eval('1')", "(0, eval)('1')", "new Function('return 1')", "(async () => {}).constructor('1')"] {
            let exception = thrown(&mut isolate, source);
            assert_eq!(
                exception.summary(),
                "EvalError: Code generation from strings disallowed for this context",
                "{source}"
            );
        }
        // An eval of something that is no string makes no code.
        assert_eq!(text(&mut isolate, "eval(1) + 'x'"), "1x");
        let before = isolate.enter(None, |scope| Ok(scope.allow_eval(true))).result.unwrap();
        assert!(!before);
        assert_eq!(text(&mut isolate, "eval('1 + 1') + new Function('return \"x\"')()"), "2x");
        drop(isolate);
        let (mut isolate, _) =
            isolate_with(IsolateOptions { allow_wasm_compilation: false, ..IsolateOptions::default() });
        let exception =
            thrown(&mut isolate, "new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]))");
        assert_eq!(exception.summary(), "EvalError: Wasm code generation disallowed by embedder");
    });
}

#[test]
fn the_realm_is_the_language_and_nothing_else() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        assert_eq!(
            text(&mut isolate, "[typeof SharedArrayBuffer, typeof Atomics, typeof __host].join()"),
            "undefined,undefined,undefined"
        );
        assert_eq!(
            text(&mut isolate, "new Date(0).toString() + new Date(0).getTimezoneOffset()"),
            "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)0"
        );
        assert_eq!(
            text(&mut isolate, "(1234.5).toLocaleString() + new Intl.NumberFormat().resolvedOptions().locale"),
            "1,234.5en-US"
        );
        let names = text(
            &mut isolate,
            "Object.getOwnPropertyNames(globalThis).filter(n => n[0] === n[0].toLowerCase()).sort().join()",
        );
        assert_eq!(
            names,
            "decodeURI,decodeURIComponent,encodeURI,encodeURIComponent,escape,eval,globalThis,isFinite,isNaN,log,parseFloat,parseInt,undefined,unescape"
        );
    });
}

#[test]
fn isolates_come_and_go_on_many_threads() {
    let threads: Vec<_> = (0..6)
        .map(|thread| {
            std::thread::Builder::new()
                .stack_size(Isolate::STACK_SIZE)
                .spawn(move || {
                    for round in 0..20 {
                        let (mut isolate, _) = isolate();
                        let source = format!("const a = Array.from({{ length: 1e4 }}, (_, i) => ({{ i }})); '{thread}/{round}/' + a.length");
                        assert_eq!(text(&mut isolate, &source), format!("{thread}/{round}/10000"));
                        if round % 3 == 0 {
                            isolate.control().terminate(1);
                        }
                        if round % 4 == 0 {
                            let _ = run(&mut isolate, "new Promise(() => {}); Promise.resolve().then(() => { throw 1 })");
                        }
                    }
                })
                .unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn an_isolate_can_end_while_the_engine_compiles_for_it() {
    on_thread(60, || {
        for _ in 0..10 {
            let (mut isolate, _) = isolate();
            // Hot code goes to the optimising compiler's helper threads.
            let _ = common::run_for(
                &mut isolate,
                Some(Duration::from_millis(15)),
                "function f(n) { let x = 0; for (let i = 0; i < n; i++) x += Math.imul(i, x) ^ i; return x } for (;;) f(1000)",
            );
        }
    });
}

#[test]
fn the_clock_stands_still_when_it_is_told_to() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let passed = |isolate: &mut Isolate| {
            text(
                isolate,
                "{ const a = Date.now(); let i = 0; while (Date.now() === a && i < 2e6) i++;
                   String(Date.now() - a > 0 || new Date() - a > 0 || globalThis.Temporal?.Now.instant().epochMilliseconds - a > 0) }",
            )
        };
        assert_eq!(passed(&mut isolate), "true");
        isolate.freeze_clock(true);
        assert_eq!(passed(&mut isolate), "false");
        let now = |isolate: &mut Isolate| {
            let (inside, script) = isolate
                .enter(None, |scope| {
                    let first = scope.now();
                    std::thread::sleep(Duration::from_millis(5));
                    let script = Engine::start().unwrap().compile_script("t.js", "Date.now()").unwrap();
                    let Value::Number(date) = scope.run_script(&script)? else { panic!() };
                    assert_eq!(first.to_bits(), scope.now().to_bits());
                    Ok((first, date))
                })
                .result
                .unwrap();
            assert_eq!(inside.floor(), script);
            inside
        };
        let first = now(&mut isolate);
        let second = now(&mut isolate);
        assert!(second >= first + 5.0 && second < first + 5_000.0, "{first} {second}");
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() * 1e3;
        assert!((real - second).abs() < 5_000.0);
        isolate.freeze_clock(false);
        assert_eq!(passed(&mut isolate), "true");
    });
}

/// `big(n)`: the bytes of a WebAssembly module of `n` functions.
const BIG: &str = "const leb = n => { const b = []; do { b.push((n & 127) | (n > 127 ? 128 : 0)); n >>>= 7 } while (n); return b };
    globalThis.big = n => {
        const body = [0, 0x41, 1]; for (let i = 0; i < 200; i++) body.push(0x41, i & 63, 0x6a, 0x41, 3, 0x6c); body.push(0x0b);
        const code = [...leb(body.length), ...body], all = new Uint8Array(code.length * n);
        for (let i = 0; i < n; i++) all.set(code, i * code.length);
        const funcs = [...leb(n), ...new Array(n).fill(0)], count = leb(n);
        return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, ...leb(funcs.length), ...funcs,
            10, ...leb(all.length + count.length), ...count, ...all])
    };";

#[test]
fn asynchronous_compilation_belongs_to_its_entry() {
    on_thread(60, || {
        let (mut isolate, log) = isolate();
        run(&mut isolate, BIG).result.unwrap();
        run(&mut isolate, "WebAssembly.compile(big(300)).then(m => log(String(m)), e => log(String(e)))")
            .result
            .unwrap();
        run(&mut isolate, "WebAssembly.compile(new Uint8Array(9)).catch(e => log(e.name))").result.unwrap();
        run(&mut isolate, "WebAssembly.instantiate(big(1)).then(r => log(Object.keys(r).join()))").result.unwrap();
        assert_eq!(*log.0.borrow(), ["[object WebAssembly.Module]", "CompileError", "module,instance"]);
    });
}

#[test]
fn an_isolate_can_be_stopped_while_webassembly_compiles() {
    on_thread(60, || {
        for _ in 0..3 {
            let (mut isolate, log) = isolate();
            run(&mut isolate, BIG).result.unwrap();
            let control = isolate.control();
            let script = Engine::start()
                .unwrap()
                .compile_script("t.js", "WebAssembly.compile(big(3000)).finally(() => log('late'))");
            let script = script.unwrap();
            let entry = isolate.enter(None, |scope| {
                scope.run_script(&script)?;
                control.terminate(4);
                Ok(())
            });
            assert_eq!(common::termination(entry), isolate::Termination::Requested(4));
            drop(isolate);
            assert!(log.0.borrow().is_empty());
        }
    });
}

#[test]
fn a_panic_of_the_closure_leaves_the_isolate_usable() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ =
                isolate.enter(Some(Duration::from_millis(10)), |_| -> Result<(), Failure> { panic!("in the closure") });
        }));
        assert!(panicked.is_err());
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(text(&mut isolate, "'alive'"), "alive");
    });
}

#[test]
#[should_panic(expected = "the isolate's data is not a")]
fn data_has_the_type_it_was_given_with() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let data = isolate.enter(None, |scope| Ok(scope.data::<common::Log>())).result.unwrap();
        assert!(data.0.borrow().is_empty());
        let _ = isolate.enter(None, |scope| Ok(Rc::clone(&scope.data::<String>())));
    });
}

/// Runs again in a process of its own, which must exit with the status it chose although isolates are alive and busy.
#[test]
fn the_process_exits_while_isolates_run() {
    const CHILD: &str = "ISOLATE_TEST_EXIT";
    if std::env::var_os(CHILD).is_some() {
        let (running, wait) = std::sync::mpsc::channel();
        for source in ["for (;;);", "const a = []; for (;;) a[a.length % 1e5] = { a: new Array(10) }"] {
            let running = running.clone();
            std::thread::Builder::new()
                .stack_size(Isolate::STACK_SIZE)
                .spawn(move || {
                    let (mut isolate, _) = isolate();
                    running.send(()).unwrap();
                    let _ = run(&mut isolate, source);
                })
                .unwrap();
        }
        wait.recv().unwrap();
        wait.recv().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        std::process::exit(7);
    }
    for _ in 0..5 {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["the_process_exits_while_isolates_run", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(7), "{}", String::from_utf8_lossy(&child.stderr));
    }
}
