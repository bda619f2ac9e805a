//! Handlers that answer nobody: `scheduled` and `tail`.

use std::sync::Arc;

use invocation::{Answer, Call, CallFailed, Entrypoint, Event, Outcome, RayId};
use serde_json::{Value, json};

use crate::support::*;

async fn run(world: &World, event: Event) -> Result<Answer, CallFailed> {
    let call = Call { event, entrypoint: Entrypoint::default(), ray_id: RayId(9), depth: 0, trace: None };
    let answer = world.platform.call(Arc::new(worker(&["events.js"])), call);
    tokio::time::timeout(PATIENCE, answer).await.expect("an end in time")
}

fn trigger(cron: &str) -> Event {
    Event::Scheduled { cron: cron.to_owned(), time: 1_764_324_060_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_runs_scheduled_to_the_end_of_its_wait_until() {
    let world = World::new();
    let answer = run(&world, trigger("*/5 * * * *")).await.unwrap();
    assert!(matches!(answer, Answer::Done), "{answer:?}");
    let record = world.records.next().await;
    assert_eq!((record.outcome, record.event_type), (Outcome::Ok, "scheduled"));
    let trigger = Value::Object(record.trigger.unwrap());
    assert_eq!(trigger, json!({"cron": "*/5 * * * *", "scheduledTime": 1_764_324_060_000_i64}));
    let lines: Vec<_> = record.logs.iter().map(|line| &line.message).collect();
    let first = vec![json!("*/5 * * * *"), json!(1_764_324_060_000_i64), json!("scheduled"), json!(true)];
    assert_eq!(lines, [&first, &vec![json!("waited")]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_fails_or_hangs_is_recorded() {
    let world = World::new();
    let failed = run(&world, trigger("throw")).await.unwrap_err();
    assert_eq!(failed.ended.outcome, Outcome::Exception);
    let record = world.records.next().await;
    assert_eq!((record.outcome, record.exceptions[0].message.as_str()), (Outcome::Exception, "in scheduled"));
    let failed = run(&world, trigger("hang")).await.unwrap_err();
    assert_eq!(failed.ended.outcome, Outcome::Exception);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_gets_what_happened() {
    let world = World::new();
    let events = json!([{"scriptName": "shop", "outcome": "ok", "event": {"request": {"url": "http://shop/"}},
                         "logs": [{"message": ["sold"], "level": "log", "timestamp": 1}]}]);
    let event = Event::Tail { producers: vec!["shop".to_owned()], events: events.to_string() };
    run(&world, event).await.unwrap();
    let record = world.records.next().await;
    assert_eq!(record.event_type, "tail");
    assert_eq!(Value::Object(record.trigger.unwrap()), json!({"consumedEvents": [{"scriptName": "shop"}]}));
    assert_eq!(record.logs[0].message, [json!("shop"), json!("ok"), json!("http://shop/"), json!(["sold"])]);
}
