//! Prints what an isolate costs: time and resident memory per isolate, an empty entry, a call, the overrun past a CPU limit.
//!
//! `cargo run --release -p isolate --example measure [ISOLATES]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use isolate::{Arguments, Engine, HostFunction, Isolate, IsolateOptions, Scope, Stencil, Throw, Value};

fn echo(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    arguments.value(0)
}

static FUNCTIONS: &[HostFunction] = &[HostFunction { name: "echo", length: 1, call: echo }];

/// Resident memory of this process in KiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4.0
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

/// A bootstrap about as large as a platform's: many small classes and functions.
fn bootstrap(engine: &Engine) -> Stencil {
    let mut source = String::from("globalThis.host = __host.echo;\n");
    for n in 0..100 {
        source.push_str(&format!(
            "class C{n} {{ #a = {n}; constructor(x) {{ this.x = x }} get a() {{ return this.#a }} m(y) {{ return y + this.x }} static make(v) {{ return new C{n}(v) }} }}\n\
             globalThis.C{n} = C{n}; globalThis.f{n} = function (a, b) {{ return a * {n} + b }};\n"
        ));
    }
    engine.compile_script("bootstrap.js", &source).unwrap()
}

fn new(engine: &Engine, bootstrap: &[Stencil]) -> Isolate {
    let options = IsolateOptions { bootstrap: bootstrap.to_vec(), ..IsolateOptions::default() };
    Isolate::new(engine, options, FUNCTIONS, Rc::new(())).unwrap()
}

fn on_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> std::thread::JoinHandle<R> {
    std::thread::Builder::new().stack_size(Isolate::STACK_SIZE).spawn(f).unwrap()
}

fn creation(engine: &Engine, name: &str, bootstrap: Vec<Stencil>, count: usize) {
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let (engine, bootstrap) = (*engine, bootstrap.clone());
            let begin = Instant::now();
            let thread = on_thread(move || {
                let isolate = new(&engine, &bootstrap);
                (begin.elapsed(), isolate.control())
            });
            thread.join().unwrap().0
        })
        .collect();
    let (median, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("{name}: thread and isolate ready in {median:?} (median), {p99:?} (p99)");

    let before = resident();
    let (ready, leave) = (Arc::new(Barrier::new(count + 1)), Arc::new(Barrier::new(count + 1)));
    let begin = Instant::now();
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let (engine, bootstrap, ready, leave) = (*engine, bootstrap.clone(), ready.clone(), leave.clone());
            on_thread(move || {
                let mut isolate = new(&engine, &bootstrap);
                let hello = engine.compile_script("hello.js", "'hello ' + 'world'").unwrap();
                isolate.enter(None, |scope| scope.run_script(&hello)).result.unwrap();
                ready.wait();
                leave.wait();
            })
        })
        .collect();
    ready.wait();
    println!(
        "{name}: {count} isolates in {:?}, {:.0} KiB resident each",
        begin.elapsed(),
        (resident() - before) / count as f64
    );
    leave.wait();
    for thread in threads {
        thread.join().unwrap();
    }
    println!("{name}: {:.0} KiB more than before, after all have ended", resident() - before);
}

fn entries(engine: Engine) {
    let mut isolate = new(&engine, &[]);
    const ROUNDS: u32 = 200_000;
    for (name, budget) in [("without a limit", None), ("with a CPU limit", Some(Duration::from_secs(30)))] {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            isolate.enter(budget, |_| Ok(())).result.unwrap();
        }
        println!("an empty entry {name}: {:?}", begin.elapsed() / ROUNDS);
    }
    let script =
        engine.compile_script("f.js", "globalThis.f = (a, b) => a + b; globalThis.g = async () => {}; f").unwrap();
    let Value::Object(f) = isolate.enter(None, |scope| scope.run_script(&script)).result.unwrap() else { return };
    let Value::Object(g) = isolate.enter(None, |scope| scope.global("g")).result.unwrap() else { return };
    let arguments = [Value::from("hello "), Value::from("world")];
    for (name, function) in [("a call with two strings", &f), ("a call of an async function", &g)] {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            isolate.enter(Some(Duration::from_secs(30)), |scope| scope.call(function, &arguments)).result.unwrap();
        }
        println!("an entry with {name}: {:?}", begin.elapsed() / ROUNDS);
    }
}

fn overrun(engine: Engine) {
    const BUDGET: Duration = Duration::from_millis(20);
    let script = engine.compile_script("loop.js", "for (;;);").unwrap();
    let mut over: Vec<Duration> = (0..100)
        .map(|_| {
            let mut isolate = new(&engine, &[]);
            isolate.enter(Some(BUDGET), |scope| scope.run_script(&script)).cpu - BUDGET
        })
        .collect();
    println!(
        "overrun past a CPU limit of {BUDGET:?}: {:?} (median), {:?} (p99)",
        percentile(&mut over, 50),
        percentile(&mut over, 99)
    );
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100);
    let begin = Instant::now();
    let engine = Engine::start().unwrap();
    println!("engine started in {:?}, {:.0} KiB resident", begin.elapsed(), resident());
    let begin = Instant::now();
    let bootstrap = bootstrap(&engine);
    println!("bootstrap compiled in {:?}", begin.elapsed());
    creation(&engine, "bare", Vec::new(), count);
    creation(&engine, "with bootstrap", vec![bootstrap], count);
    on_thread(move || entries(engine)).join().unwrap();
    on_thread(move || overrun(engine)).join().unwrap();
}
