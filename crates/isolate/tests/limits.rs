//! Termination: CPU, memory, requests. What is stopped must not catch it, and nothing may take long.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Log, Modules, isolate, isolate_with, on_thread, run, run_for, termination, text};
use isolate::{Arguments, Engine, HostFunction, IsolateOptions, Ledger, Module, Scope, Termination, Throw, Value};

const BUDGET: Duration = Duration::from_millis(50);
/// Generous, because the tests share two cores, and leaving ten thousand frames takes its time there: the accuracy is measured by `bench/run overrun`.
const SLACK: Duration = Duration::from_secs(1);

fn stopped_by_cpu(source: &str) -> Rc<Log> {
    let (mut isolate, log) = isolate();
    let begin = Instant::now();
    let entry = run_for(&mut isolate, Some(BUDGET), source);
    let wall = begin.elapsed();
    let cpu = entry.cpu;
    match termination(entry) {
        Termination::CpuLimit { used } => assert!(used >= BUDGET && used <= BUDGET + SLACK, "{used:?}: {source}"),
        other => panic!("{other}: {source}"),
    }
    assert!(cpu >= BUDGET && cpu <= BUDGET + SLACK, "{cpu:?}: {source}");
    assert!(wall < Duration::from_secs(10), "{wall:?}: {source}");
    // Nothing of what it had begun or queued runs later, but later entries do.
    assert_eq!(text(&mut isolate, "'alive'"), "alive", "{source}");
    assert_eq!(text(&mut isolate, "(async () => { await null; log('microtask') })(); 'queued'"), "queued");
    assert_eq!(*log.0.borrow(), ["microtask"], "{source}");
    let again = run_for(&mut isolate, Some(BUDGET), "for (;;);");
    assert!(matches!(termination(again), Termination::CpuLimit { .. }));
    log
}

#[test]
fn script_cannot_catch_the_end() {
    on_thread(120, || {
        for source in [
            "for (;;);",
            "try { for (;;); } catch { log('catch') } finally { log('finally') }",
            "(function f() { try { for (;;); } finally { log('finally'); f() } })()",
            "Promise.resolve().then(() => { for (;;); }).then(() => log('then'), () => log('rejected')).finally(() => log('finally'))",
            "(async () => { try { await null; for (;;); } catch { log('catch') } finally { log('finally') } })()",
            "function* g() { try { yield 1; for (;;); } finally { log('finally') } } for (const x of g());",
            "function* g() { try { yield 1 } finally { log('return') } } for (const x of g()) for (;;);",
            "(async function* () { try { yield 1; for (;;); } finally { log('finally') } })().next(); (async () => { for await (const x of (async function* () { yield 1; for (;;); })()) ; log('after') })()",
            "new Proxy({}, { get() { for (;;); } }).x; log('after')",
            "try { Reflect.ownKeys(new Proxy({}, { ownKeys() { for (;;); } })) } catch { log('catch') }",
            "({ get x() { for (;;); } }).x; log('after')",
            "[3, 2, 1].sort(() => { for (;;); }); log('after')",
            "[1].map(() => { for (;;); }); log('after')",
            "'x'.replace(/x/, () => { for (;;); }); log('after')",
            "JSON.stringify({ toJSON() { for (;;); } }); log('after')",
            "JSON.parse('[1]', () => { for (;;); }); log('after')",
            "String({ toString() { for (;;); } }); log('after')",
            "class A { static { for (;;); } } log('after')",
            "new (class { constructor() { for (;;); } })(); log('after')",
            "const f = () => Promise.resolve().then(f); f(); log2 = 1",
            "(async () => { for (;;) await null })()",
            "queue = []; (function f() { Promise.resolve().then(f); Promise.resolve().then(f) })()",
            "using: for (;;) { try { continue using } finally { } }",
            "Function.prototype.call.call(function f() { for (;;); }); log('after')",
            "Reflect.construct(Date, [], new Proxy(Date, { get() { for (;;); } })); log('after')",
            "let n = 0n; for (;;) n = (n * 3n) % (2n ** 4096n)",
            "let i = 0; function even(n) { return n === 0 ? true : odd(n - 1) } function odd(n) { return n === 0 ? false : even(n - 1) } for (;;) even(1000)",
            "const error = Error; for (;;) { try { throw new error('x') } catch { } }",
            "(function deep(n) { try { deep(n + 1) } finally { for (;;); } })(0)",
            "for (const x of { [Symbol.iterator]() { return { next() { return { done: false } }, return() { log('return') } } } });",
            "Object.defineProperty(globalThis, 'z', { get() { for (;;); } }); z; log('after')",
        ] {
            stopped_by_cpu(source);
        }
    });
}

#[test]
fn long_natives_are_stopped() {
    on_thread(120, || {
        for source in [
            "for (;;) /a+b/.test('a'.repeat(1e4))",
            "for (;;) /(?:a|b|ab)*c/.test('ab'.repeat(1000))",
            "const a = new Array(2e6).fill(0).map((_, i) => (i * 7919) % 1000003); for (;;) a.slice().sort((x, y) => x - y)",
            "const a = new Float64Array(1e6).map(Math.random); for (;;) a.slice().sort()",
            "const o = Array.from({ length: 20000 }, (_, i) => ({ i, s: 'x'.repeat(20) })); for (;;) JSON.parse(JSON.stringify(o))",
            "for (;;) 'abc'.repeat(1e6).split('b').join('d')",
            "for (;;) [...'x'.repeat(1e6)].reverse()",
            "for (;;) 'x'.repeat(1e6).replace(/x/g, 'yy')",
            "for (;;) new Map(Array.from({ length: 1e5 }, (_, i) => [i, i]))",
            "for (;;) new Uint8Array(1e7).fill(1).indexOf(2)",
            "for (;;) structured = [1e6].flatMap(n => new Array(n).fill(1)).concat([1]).includes(2)",
        ] {
            stopped_by_cpu(source);
        }
    });
}

/// `(module (func (export "f") (loop (br 0))))`
const LOOP: &[u8] = &[
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 0x0a, 9, 1, 7, 0, 3,
    0x40, 0x0c, 0, 0x0b, 0x0b,
];

#[test]
fn webassembly_is_stopped() {
    on_thread(60, || {
        stopped_by_cpu(&format!(
            "const m = new WebAssembly.Module(new Uint8Array({LOOP:?}));
             try {{ new WebAssembly.Instance(m).exports.f() }} catch {{ log('catch') }} finally {{ log('finally') }}"
        ));
        stopped_by_cpu(&format!(
            "WebAssembly.instantiate(new Uint8Array({LOOP:?})).then(r => r.instance.exports.f()).finally(() => log('finally'))"
        ));
    });
}

#[test]
fn modules_are_stopped_while_they_start() {
    on_thread(60, || {
        for main in [
            "for (;;);",
            "await null; for (;;);",
            "import './endless.js'; log('main ran')",
            "try { await import('./endless.js') } catch { log('catch') } finally { log('finally') }",
        ] {
            let (mut isolate, log) = isolate();
            isolate.set_modules(Rc::new(
                Modules::default().js("main.js", main).js("endless.js", "\nfunction f() {\n  for (;;);\n}\nf()"),
            ));
            let entry = isolate.enter(Some(BUDGET), |scope| scope.import("main.js"));
            let place = entry.stopped_at.clone();
            assert!(matches!(termination(entry), Termination::CpuLimit { .. }), "{main}");
            assert!(log.0.borrow().is_empty(), "{main}: {:?}", log.0.borrow());
            let place = place.unwrap();
            if main.contains("endless.js") {
                assert!(place.file == "endless.js" && (2..=3).contains(&place.line), "{main}: {place}");
            } else {
                assert_eq!((place.file.as_str(), place.line), ("main.js", 1), "{main}");
            }
        }
    });
}

/// The CPU clock of the thread, in milliseconds.
fn clock(_: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Ok(Value::Number(time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6))
}

#[test]
fn each_entry_is_charged_what_the_clock_of_the_thread_shows() {
    on_thread(120, || {
        static CLOCK: &[HostFunction] = &[HostFunction { name: "clock", length: 0, call: clock }];
        let engine = Engine::start().unwrap();
        let bootstrap =
            engine.compile_script("b.js", "globalThis.clock = __host.clock; globalThis.began = {};").unwrap();
        let options = IsolateOptions { bootstrap: vec![bootstrap], ..IsolateOptions::default() };
        let mut isolate = isolate::Isolate::new(&engine, options, CLOCK, Rc::new(())).unwrap();
        // Turn by turn, as the invocations of one isolate run; some of the work in microtasks.
        for turn in 0..40 {
            let rounds = (turn % 4) * 2_000_000;
            let source = format!(
                "before = clock(); after = 0; for (let i = 0; i < {rounds}; i++); Promise.resolve().then(() => {{ for (let i = 0; i < {rounds}; i++); after = clock() }}); 0"
            );
            let entry = run(&mut isolate, &source);
            let used = isolate.enter(None, |scope| {
                let (Value::Number(before), Value::Number(after)) = (scope.global("before")?, scope.global("after")?)
                else {
                    panic!("no numbers");
                };
                Ok(after - before)
            });
            let (used, charged) = (used.result.unwrap(), entry.cpu.as_secs_f64() * 1e3);
            assert!(charged >= used && charged - used < 2.0, "turn {turn}: {charged} ms charged, {used} ms used");
        }
    });
}

#[test]
fn only_running_is_charged() {
    on_thread(60, || {
        let (mut isolate, _) = isolate();
        let entry = isolate.enter(Some(Duration::from_millis(100)), |_| {
            std::thread::sleep(Duration::from_millis(400));
            Ok(())
        });
        entry.result.unwrap();
        assert!(entry.cpu < Duration::from_millis(50), "{:?}", entry.cpu);
        // The budget is per entry.
        for _ in 0..5 {
            let entry = run_for(
                &mut isolate,
                Some(Duration::from_secs(5)),
                "{ const end = Date.now() + 30; while (Date.now() < end); 'busy' }",
            );
            assert!(matches!(entry.result, Ok(Value::String(text)) if text == "busy"));
            assert!(entry.cpu <= Duration::from_millis(500), "{:?}", entry.cpu);
        }
        // Microtasks are charged to the entry that runs them.
        let entry = run(&mut isolate, "Promise.resolve().then(() => { for (let i = 0; i < 3e7; i++); }); 0");
        assert!(entry.cpu > Duration::from_millis(5), "{:?}", entry.cpu);
    });
}

#[test]
fn a_request_stops_what_runs() {
    on_thread(60, || {
        let (mut isolate, log) = isolate();
        let control = isolate.control();
        let other = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            control.terminate(7);
            control.terminate(8);
            control
        });
        let entry = run(&mut isolate, "try { for (;;); } finally { log('finally') }");
        assert_eq!(termination(entry), Termination::Requested(7), "the first reason wins");
        assert!(log.0.borrow().is_empty());
        let control = other.join().unwrap();
        drop(isolate);
        // After the isolate is gone a request does nothing.
        control.terminate(9);
        // Nor does it hit the next isolate of the thread.
        let (mut next, _) = common::isolate();
        assert_eq!(text(&mut next, "'next'"), "next");
    });
}

#[test]
fn a_request_between_entries_condemns() {
    on_thread(60, || {
        let (mut isolate, log) = isolate();
        isolate.control().terminate(0);
        assert_eq!(termination(run(&mut isolate, "log('ran')")), Termination::Requested(0));
        assert!(log.0.borrow().is_empty());
    });
}

#[test]
fn a_request_from_inside_unwinds() {
    on_thread(60, || {
        let (mut isolate, log) = isolate();
        let control = isolate.control();
        let script =
            Engine::start().unwrap().compile_script("t.js", "log('before'); try { for (;;); } catch { log('catch') }");
        let script = script.unwrap();
        let entry = isolate.enter(None, |scope| {
            control.terminate(3);
            let stopped = scope.run_script(&script);
            assert!(stopped.is_err());
            // Swallowing it does not help.
            assert!(scope.run_script(&script).is_err());
            Ok("went on")
        });
        assert_eq!(termination(entry), Termination::Requested(3));
        assert!(log.0.borrow().is_empty());
    });
}

const LIMIT: usize = 32 << 20;

fn stopped_by_memory(source: &str) {
    let (mut isolate, log) = isolate_with(IsolateOptions { memory: Ledger::new(LIMIT), ..IsolateOptions::default() });
    let begin = Instant::now();
    let entry = run_for(&mut isolate, Some(Duration::from_secs(20)), source);
    let (wall, cpu) = (begin.elapsed(), entry.cpu);
    match termination(entry) {
        Termination::MemoryLimit { used, limit } => assert!(used > LIMIT && limit == LIMIT, "{used}: {source}"),
        other => panic!("{other} after {cpu:?}: {source}"),
    }
    assert!(wall < Duration::from_secs(10), "{wall:?}: {source}");
    assert!(log.0.borrow().is_empty(), "{source}: {:?}", log.0.borrow());
    assert!(matches!(termination(run(&mut isolate, "1")), Termination::MemoryLimit { .. }));
}

#[test]
fn memory_is_limited() {
    on_thread(240, || {
        for source in [
            "const a = []; for (;;) a.push({ x: 1 })",
            "const a = []; for (;;) { try { a.push(new Array(1000).fill(1.5)) } catch { log('catch') } }",
            "let s = 'x'; for (;;) { s += s + 'y'; s.charCodeAt(1) }",
            "const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)",
            "const a = []; let i = 0; for (;;) a.push('текст' + i++)",
            "const a = []; for (;;) a.push(new ArrayBuffer(1e6))",
            "const a = []; for (;;) a.push(new Uint8Array(1e5).fill(1))",
            "const a = []; for (;;) { const b = new ArrayBuffer(1e5); a.push(b.transfer(2e5)) }",
            "const a = []; for (;;) { const b = new ArrayBuffer(10, { maxByteLength: 1e6 }); b.resize(1e6); a.push(b) }",
            "const m = new Map(); let i = 0; for (;;) m.set(i++, i)",
            "const m = new Set(); let i = 0; for (;;) m.add('k' + i++)",
            "const m = new WeakMap(); const keep = []; for (;;) { const k = {}; keep.push(k); m.set(k, new Array(10)) }",
            "const a = []; for (;;) a.push(() => a)",
            "let f = () => 0; for (;;) { const g = f; f = () => g }",
            "const a = []; for (;;) a.push(Promise.resolve().then(() => a))",
            "const a = []; for (;;) a.push(new Promise(() => {}))",
            "const a = []; for (;;) a.push(Symbol())",
            "const a = []; let n = 2n; for (;;) { n *= n + 1n; a.push(n); if (n > 2n ** 4096n) n = 3n }",
            "const a = []; for (;;) a.push(new Error('x'))",
            "const a = []; for (;;) a.push(new RegExp('a'.repeat(100) + a.length))",
            "const a = []; for (;;) a.push(new Date())",
            "const a = []; (async () => { for (;;) { a.push({}); await null } })()",
            "new Array(3e8).fill(0)",
            "Array.from({ length: 1e9 }, () => 1)",
            "let o = {}; let i = 0; for (;;) o['key' + i++] = i",
            "let s = ''; for (;;) s = JSON.stringify([s, s])",
            "const a = []; for (;;) a.push(structured()); function structured() { return { a: [1, { b: 'c'.repeat(10) }] } }",
        ] {
            stopped_by_memory(source);
        }
    });
}

/// `(module (memory (export "m") 1) (func (export "f") (loop (drop (memory.grow (i32.const 16))) (br 0))))`
const GROW: &[u8] = &[
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 9, 2, 1, 0x6d, 2, 0, 1, 0x66,
    0, 0, 0x0a, 0x0e, 1, 0x0c, 0, 3, 0x40, 0x41, 0x10, 0x40, 0, 0x1a, 0x0c, 0, 0x0b, 0x0b,
];

#[test]
fn webassembly_memory_is_limited() {
    on_thread(60, || {
        stopped_by_memory("const a = []; for (;;) a.push(new WebAssembly.Memory({ initial: 16 }))");
        stopped_by_memory("const m = new WebAssembly.Memory({ initial: 1 }); for (;;) m.grow(16)");
        stopped_by_memory(&format!(
            "new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array({GROW:?}))).exports.f()"
        ));
    });
}

#[test]
fn garbage_is_collected_before_anything_is_stopped() {
    on_thread(120, || {
        let (mut isolate, _) = isolate_with(IsolateOptions { memory: Ledger::new(LIMIT), ..IsolateOptions::default() });
        for source in [
            "for (let i = 0; i < 1000; i++) new ArrayBuffer(1e6); 'fine'",
            "for (let i = 0; i < 300; i++) new Uint8Array(2e6).fill(1); 'fine'",
            "for (let i = 0; i < 3e6; i++) ({ i, a: [i] }); 'fine'",
            "for (let i = 0; i < 200; i++) 'x'.repeat(1e6 + i).toUpperCase(); 'fine'",
            "for (let i = 0; i < 100; i++) new Array(1e5).fill(i + 0.5); 'fine'",
            "for (let i = 0; i < 50; i++) new Map(Array.from({ length: 1e4 }, (_, i) => [i, {}])); 'fine'",
            "for (let i = 0; i < 40; i++) new WebAssembly.Memory({ initial: 160 }); 'fine'",
            "for (let i = 0; i < 20; i++) { const b = new ArrayBuffer(2e7); if (i) void b.transfer() } 'fine'",
        ] {
            assert_eq!(text(&mut isolate, source), "fine", "{source}");
        }
        let memory = isolate
            .enter(None, |scope| {
                scope.collect_garbage();
                scope.collect_garbage();
                Ok(scope.memory())
            })
            .result
            .unwrap();
        assert!(memory.used < 8 << 20 && memory.limit == LIMIT, "{memory:?}");
    });
}

#[test]
fn a_wasm_bomb_of_a_module_does_not_escape_the_limit() {
    on_thread(60, || {
        let (mut isolate, _) = isolate_with(IsolateOptions { memory: Ledger::new(LIMIT), ..IsolateOptions::default() });
        let modules = Modules::default()
            .other("grow.wasm", Module::Wasm { url: "grow.wasm".into(), bytes: GROW.to_vec() })
            .js("main.js", "import m from './grow.wasm'; new WebAssembly.Instance(m).exports.f()");
        isolate.set_modules(Rc::new(modules));
        let entry = isolate.enter(Some(Duration::from_secs(20)), |scope| scope.import("main.js"));
        assert!(matches!(termination(entry), Termination::MemoryLimit { .. }));
    });
}

#[test]
fn one_call_cannot_use_up_the_machine() {
    on_thread(120, || {
        // An `ArrayBuffer` that does not fit is an exception that script may catch.
        for source in [
            "new ArrayBuffer(4e9)",
            "new Uint8Array(7e9).fill(1)",
            "new Float64Array(1e8).fill(1)",
            "new ArrayBuffer(1, { maxByteLength: 4e9 }).resize(3e9)",
            "new ArrayBuffer(1e6).transfer(2e9)",
            "new WebAssembly.Memory({ initial: 30000 })",
        ] {
            let (mut isolate, _) =
                isolate_with(IsolateOptions { memory: Ledger::new(LIMIT), ..IsolateOptions::default() });
            let exception = common::thrown(&mut isolate, source);
            let said = exception.summary();
            assert!(said.contains("memory") || said.contains("size") || said.contains("length"), "{source}: {said}");
            assert_eq!(text(&mut isolate, "'alive'"), "alive", "{source}");
            let memory = isolate.enter(None, |scope| Ok(scope.memory())).result.unwrap();
            assert!(memory.used < LIMIT && !memory.full, "{source}: {memory:?}");
        }
        // For anything else the isolate has outgrown its limit, caught or not.
        for source in [
            "const s = 'x'.repeat(5e8); try { s.charCodeAt(4e8); JSON.stringify(s) } catch { log('catch') }",
            "try { [...'x'.repeat(1e9)] } catch { log('catch') }",
            "try { 'x'.repeat(5e8).split('') } catch { log('catch') }",
            "try { new Array(1000).fill('x'.repeat(1e6)).join('') } catch { log('catch') }",
            "let a = ['x'.repeat(1000)]; for (let i = 0; i < 25; i++) a = [a, a]; try { JSON.stringify(a) } catch { log('catch') }",
            "try { encodeURIComponent('\\u2028'.repeat(1e8)) } catch { log('catch') }",
        ] {
            stopped_by_memory(source);
        }
    });
}

#[test]
fn what_the_embedder_holds_counts() {
    on_thread(60, || {
        let ledger = Ledger::new(LIMIT);
        let (mut isolate, _) = isolate_with(IsolateOptions { memory: ledger.clone(), ..IsolateOptions::default() });
        assert_eq!(text(&mut isolate, "keep = []; 'fine'"), "fine");
        let collected = isolate.enter(None, |scope| {
            scope.collect_garbage();
            Ok(())
        });
        collected.result.unwrap();
        let held = ledger.charge(LIMIT - (2 << 20) - run(&mut isolate, "0").memory.used);
        assert!(!run(&mut isolate, "0").memory.full);
        // Over the limit but within the margin: nothing new is to begin, and what runs goes on.
        let entry = run(&mut isolate, "for (let i = 0; i < 4; i++) keep.push(new ArrayBuffer(1e6)); 'went on'");
        assert!(matches!(entry.result, Ok(Value::String(_))) && entry.memory.full, "{entry:?}");
        assert_eq!(text(&mut isolate, "'still'"), "still");
        // Growing on it is stopped.
        let entry = run(&mut isolate, "for (;;) keep.push(new ArrayBuffer(1e6))");
        assert!(matches!(termination(entry), Termination::MemoryLimit { used, .. } if used > LIMIT + ledger.margin()));
        drop(held);
        assert_eq!(ledger.held(), 0);
    });
}

#[test]
fn deep_recursion_is_an_exception() {
    on_thread(60, || {
        let (mut isolate, _) = isolate();
        for source in [
            "(function f() { f() })()",
            "const o = {}; o.toString = () => String(o); String(o)",
            "JSON.parse('['.repeat(1e6))",
            "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; JSON.stringify(a)",
            "new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('x')",
            "let f = x => x; for (let i = 0; i < 1e5; i++) { const g = f; f = x => g(x) } f(1)",
            "new Proxy({}, { get(_, k, r) { return r[k] } }).x",
        ] {
            let exception = common::thrown(&mut isolate, source);
            assert!(
                exception.message.contains("too much recursion")
                    || exception.message.contains("too many parentheses")
                    || exception.name == "SyntaxError",
                "{source}: {}",
                exception.summary()
            );
        }
        assert_eq!(text(&mut isolate, "'alive'"), "alive");
    });
}

#[test]
fn a_watched_isolate_that_waits_is_not_disturbed() {
    on_thread(60, || {
        let (mut isolate, _) = isolate();
        // Longer than the watchdog's idle time, so that it parks and must be woken.
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(60));
            assert_eq!(text(&mut isolate, "'woken'"), "woken");
        }
        std::thread::sleep(Duration::from_millis(60));
        let entry = run_for(&mut isolate, Some(Duration::from_millis(20)), "for (;;);");
        assert!(matches!(termination(entry), Termination::CpuLimit { .. }));
    });
}
