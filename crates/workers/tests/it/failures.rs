//! Exceptions, invocations that hang, CPU time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use invocation::Outcome;

use crate::support::*;

const HUNG: &str = "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response.";

/// What the visitor is told and what the record says.
async fn fails(
    world: &World,
    version: &Arc<workers::WorkerVersion>,
    path: &str,
) -> (Outcome, String, telemetry::InvocationRecord) {
    let ended = world.get(version, path).await.expect_err(path);
    let record = world.records.next().await;
    assert_eq!(record.outcome, ended.outcome, "{path}");
    assert_eq!(record.status, None, "{path}");
    (ended.outcome, ended.message, record)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceptions() {
    let world = World::new();
    let version = Arc::new(worker(&["failures.js"]));
    for (path, name, message) in [
        ("/throw", "RangeError", "out of range"),
        ("/reject", "TypeError", "rejected"),
        ("/reject-late", "RangeError", "out of range"),
        ("/string", "", "just a string"),
        ("/undefined", "", "undefined"),
        ("/custom", "CustomError", "custom"),
        ("/nothing", "TypeError", "the Promise did not resolve to 'Response'"),
        ("/number", "TypeError", "the Promise did not resolve to 'Response'"),
        ("/used", "TypeError", "used"),
        ("/recursion", "InternalError", "too much recursion"),
        ("/proxy-error", "Error", "ProxyError: connection_refused"),
    ] {
        let (outcome, text, record) = fails(&world, &version, path).await;
        assert_eq!(outcome, Outcome::Exception, "{path}");
        assert!(text.contains(message), "{path}: {text}");
        let exception = record.exceptions.first().expect(path);
        assert_eq!(exception.name, name, "{path}");
        assert!(exception.message.contains(message), "{path}: {exception:?}");
        if path == "/throw" {
            assert!(exception.stack.contains("at thrower (failures.js:3:"), "{}", exception.stack);
        }
        if path == "/proxy-error" {
            let connection = exception.connection.as_ref().expect("the facts of the connection");
            assert_eq!(connection.detail, "10.0.0.5:80 refused");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejections_that_nobody_handles_are_recorded() {
    let world = World::new();
    let version = Arc::new(worker(&["failures.js"]));
    assert_eq!(world.text(&version, "/unhandled").await.1, "fine");
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    assert_eq!(record.exceptions.len(), 1);
    assert_eq!(record.exceptions[0].message, "nobody looked");
    assert_eq!(world.text(&version, "/handled").await.1, "fine");
    assert!(world.records.next().await.exceptions.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_can_never_come_is_found_at_once() {
    let world = World::new();
    let version = Arc::new(worker(&["failures.js"]));
    world.text(&version, "/").await;
    world.records.next().await;
    for path in ["/hung", "/hung-late"] {
        let start = Instant::now();
        let (outcome, text, record) = fails(&world, &version, path).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{path}");
        assert_eq!(outcome, Outcome::Exception);
        assert!(text.starts_with(HUNG), "{text}");
        assert!(record.exceptions[0].message.starts_with(HUNG));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_end_at_the_cpu_limit() {
    let world = World::new();
    let version = with_cpu(worker(&["failures.js"]), 50);
    for path in ["/loop", "/loop-caught", "/loop-microtasks", "/loop-timer", "/loop-getter", "/loop-regexp"] {
        let (outcome, text, record) = fails(&world, &version, path).await;
        assert_eq!(outcome, Outcome::ExceededCpu, "{path}");
        assert!(text.starts_with("Worker exceeded CPU time limit."), "{path}: {text}");
        assert_eq!(record.exceptions[0].message, "Worker exceeded CPU time limit.", "{path}");
        assert!(record.cpu_time >= Duration::from_millis(50), "{path}: {:?}", record.cpu_time);
        assert!(record.cpu_time < Duration::from_millis(500), "{path}: {:?}", record.cpu_time);
        if path == "/loop" {
            assert!(record.exceptions[0].stack.contains("at failures.js:1"), "{record:?}");
        }
        // The next request has a fresh isolate.
        assert_eq!(world.text(&version, "/").await.0, 404, "{path}");
        assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_after_the_head_end_too() {
    let world = World::new();
    let version = with_cpu(worker(&["failures.js"]), 50);
    let response = world.get(&version, "/loop-after-answer").await.unwrap();
    assert_eq!(text(response).await.1, "answered");
    assert_eq!(world.records.next().await.outcome, Outcome::ExceededCpu);

    // Script runs away while it makes the body: whether the head was out by then is up to the built-ins.
    match world.get(&version, "/loop-stream").await {
        Ok(response) => {
            use http_body_util::BodyExt as _;
            let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("an end in time");
            assert!(body.is_err(), "the body must not look complete");
        }
        Err(ended) => assert_eq!(ended.outcome, Outcome::ExceededCpu),
    }
    assert_eq!(world.records.next().await.outcome, Outcome::ExceededCpu);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_time_is_charged_to_whom_it_belongs() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = Arc::new(worker(&["failures.js"]));
    world.text(&version, "/").await;
    world.records.next().await;
    // Three at the same time on one isolate, turn by turn.
    let (a, b, c) = tokio::join!(
        world.get(&version, "/spin?ms=2&rounds=5"),
        world.get(&version, "/spin?ms=8&rounds=5"),
        world.get(&version, "/spin?ms=0&rounds=5"),
    );
    drop((a.unwrap(), b.unwrap(), c.unwrap()));
    for _ in 0..3 {
        let record = world.records.next().await;
        let asked: u64 = record.url.split("ms=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        // Waiting for the processor makes the clock run on without CPU time, so there is no lower bound.
        assert!(record.cpu_time <= Duration::from_millis(asked * 5 + 12), "{} used {:?}", record.url, record.cpu_time);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_for_the_sum_of_all_entries() {
    let world = World::new();
    let version = with_cpu(worker(&["failures.js"]), 40);
    let (outcome, _, record) = fails(&world, &version, "/spin?ms=5&rounds=1000").await;
    assert_eq!(outcome, Outcome::ExceededCpu);
    assert!(record.cpu_time >= Duration::from_millis(40) && record.cpu_time < Duration::from_millis(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_loop_goes_elsewhere() {
    let world = World::new();
    let version = with_cpu(worker(&["failures.js"]), 2000);
    world.text(&version, "/").await;
    world.records.next().await;
    let looping = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/loop"))));
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(world.text(&version, "/").await.0, 404);
    }
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(looping.await.unwrap().unwrap_err().outcome, Outcome::ExceededCpu);
}

/// Counts its requests, so that a fresh isolate shows; `/wait` answers when the gate opens.
const NEIGHBOURS: &str = "
let count = 0;
const keep = [];
export default {
  async fetch(request, env, ctx) {
    const path = new URL(request.url).pathname;
    if (path === '/wait') {
      const text = await (await env.API.fetch('http://api.internal/gate')).text();
      await new Promise((done) => setTimeout(done, 1));
      return new Response(text + (globalThis.leaked ?? ''));
    }
    if (path === '/loop') {
      const leak = (by) => () => { globalThis.leaked = by; };
      Promise.resolve().then(leak('microtask'));
      setTimeout(leak('timer'), 1);
      ctx.waitUntil(WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(leak('task')));
      try { for (;;); } finally { leak('finally')(); }
    }
    if (path === '/hoard') {
      // Over the limit of 128 MiB with the built-ins, and not by an eighth.
      while (keep.length < 136) keep.push(new ArrayBuffer(1e6));
      return new Response('kept');
    }
    if (path === '/large') return new Response(new Uint8Array(3e6));
    return new Response(`request ${++count}`);
  },
};";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_on_a_stopped_isolate_finish_and_new_ones_get_a_fresh_one() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = with_cpu(source(NEIGHBOURS), 100);
    assert_eq!(world.text(&version, "/").await.1, "request 1");
    let waiting = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/wait"))));
    reaches(&world.fake.at_gate, 1).await;
    assert_eq!(world.get(&version, "/loop").await.unwrap_err().outcome, Outcome::ExceededCpu);
    assert_eq!(world.text(&version, "/").await.1, "request 1", "a fresh isolate");
    world.fake.gate.send_replace(true);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, (200, "through".into()), "nothing of the stopped one ran");
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(world.records.next().await.outcome);
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Ok).count(), 3, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_in_flight_on_a_full_isolate_finish() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = Arc::new(source(NEIGHBOURS));
    assert_eq!(world.text(&version, "/").await.1, "request 1");
    let waiting = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/wait"))));
    reaches(&world.fake.at_gate, 1).await;
    assert_eq!(world.text(&version, "/hoard").await.1, "kept");
    assert_eq!(world.text(&version, "/").await.1, "request 1", "a fresh isolate");
    world.fake.gate.send_replace(true);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, (200, "through".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_for_an_isolate_is_its_memory() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = Arc::new(source(NEIGHBOURS));
    assert_eq!(world.text(&version, "/").await.1, "request 1");
    // Answers that nobody reads, 3 MB each: the last one makes them too many for the isolate, but not by an eighth.
    let mut unread = Vec::new();
    for _ in 0..45 {
        unread.push(world.get(&version, "/large").await.unwrap());
    }
    assert_eq!(world.text(&version, "/").await.1, "request 1", "a fresh isolate");
    drop(unread);
    assert_eq!(world.text(&version, "/").await.1, "request 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_of_rejections_and_may_deal_with_them() {
    let world = World::new();
    let version = Arc::new(worker(&["rejections.js"]));
    assert_eq!(world.text(&version, "/?message=left").await.1, "answered");
    let record = world.records.next().await;
    assert_eq!(record.exceptions.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), ["left"]);
    assert_eq!(world.text(&version, "/?message=dealt%20with").await.1, "answered");
    assert!(world.records.next().await.exceptions.is_empty());
    assert_eq!(world.text(&version, "/").await.1, r#"[["left",true,true],["dealt with",true,true]]"#);
}
