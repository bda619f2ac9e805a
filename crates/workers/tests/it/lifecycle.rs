//! Isolates come and go; requests are not dropped.

use std::sync::Arc;
use std::time::Duration;

use invocation::Outcome;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploying_drops_nothing() {
    let world = Arc::new(World::new());
    let mut version = Arc::new(worker(&["hello.js"]));
    for _ in 0..10 {
        let load: Vec<_> = (0..50)
            .map(|_| {
                let (world, version) = (world.clone(), version.clone());
                tokio::spawn(async move { world.text(&version, "/").await })
            })
            .collect();
        tokio::task::yield_now().await;
        world.platform.retire(version.id);
        let mut next = worker(&["hello.js"]);
        next.name = "next".into();
        version = Arc::new(next);
        for answer in load {
            assert_eq!(answer.await.unwrap(), (200, "Hello World!".into()));
        }
    }
    for _ in 0..500 {
        assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_isolate_lives_as_long_as_its_last_body() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let (pieces, body) = channel();
    let response = world.send(&version, post("/upper", body)).await.unwrap();
    world.platform.retire(version.id);
    pieces.send("late".into()).await.unwrap();
    drop(pieces);
    assert_eq!(text(response).await.1, "LATE");
    assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_isolates() {
    let world = World::new();
    for round in 0..100 {
        let answers: Vec<_> = (0..10)
            .map(|_| {
                let version = Arc::new(worker(&["hello.js"]));
                let answer = world.platform.dispatch(version.clone(), invoke(get("/")));
                let platform = world.platform.clone();
                tokio::spawn(async move {
                    let answer = text(answer.await.unwrap()).await;
                    platform.retire(version.id);
                    answer
                })
            })
            .collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap(), (200, "Hello World!".into()), "round {round}");
        }
    }
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_isolates_go() {
    let world = World::with(|options| options.keep_idle = Duration::from_millis(50));
    let version = Arc::new(worker(&["hello.js"]));
    world.text(&version, "/").await;
    assert_eq!(world.platform.isolates(), 1);
    world.settled().await;
    // It comes back when needed.
    assert_eq!(world.text(&version, "/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_budget_ends_idle_isolates() {
    let world = World::with(|options| options.memory_budget = 1);
    let version = Arc::new(worker(&["hello.js"]));
    world.text(&version, "/").await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_sheds_load() {
    let world = World::with(|options| {
        options.queue = 5;
        options.isolates_per_worker = 1;
    });
    let version = with_cpu(worker(&["failures.js"]), 300);
    world.text(&version, "/").await;
    world.records.next().await;
    let answers: Vec<_> =
        (0..20).map(|_| tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/loop"))))).collect();
    let mut shed = 0;
    for answer in answers {
        let ended = answer.await.unwrap().unwrap_err();
        match ended.outcome {
            Outcome::LoadShed => shed += 1,
            outcome => assert_eq!(outcome, Outcome::ExceededCpu),
        }
    }
    assert!(shed >= 10, "{shed}");
    for _ in 0..20 {
        world.records.next().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_waits_and_then_stops() {
    let world = World::with(|options| options.grace = Duration::from_millis(100));
    let version = Arc::new(worker(&["failures.js"]));
    let looping = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/loop"))));
    let waiting = Arc::new(worker(&["subrequests.js"]));
    let asking = tokio::spawn(world.platform.dispatch(waiting, invoke(get("/gate"))));
    reaches(&world.fake.at_gate, 1).await;
    tokio::time::timeout(PATIENCE, world.platform.shutdown()).await.expect("an end in time");
    assert_eq!(looping.await.unwrap().unwrap_err().outcome, Outcome::Canceled);
    assert_eq!(asking.await.unwrap().unwrap_err().outcome, Outcome::Canceled);
    assert_eq!(world.platform.isolates(), 0);
    assert_eq!(world.get(&version, "/").await.unwrap_err().outcome, Outcome::LoadShed);
}
