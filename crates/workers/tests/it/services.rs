//! Workers that call other Workers.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use invocation::{Entrypoint, Outcome};
use serde_json::{Value, json};
use workers::{Binding, BindingKind, WorkerVersion};

use crate::support::*;

fn service(name: &str, worker: &str, entrypoint: Option<&str>, props: Option<&str>) -> Binding {
    let entrypoint = Entrypoint { name: entrypoint.map(Arc::from), props: props.map(Arc::from) };
    Binding { name: name.to_owned(), kind: BindingKind::Service { worker: worker.into(), entrypoint } }
}

/// A Worker that calls, and the one that it calls.
fn pair(world: &World) -> Arc<WorkerVersion> {
    let name = Binding { name: "NAME".into(), kind: BindingKind::PlainText("the callee".into()) };
    let mut callee = worker(&["callee.js"]);
    callee.limits.cpu = Duration::from_millis(100);
    let itself = [service("NEXT", "callee", None, None), service("AGAIN", "callee", Some("Admin"), None)];
    world.serve("callee", callee, [name].into_iter().chain(itself).collect());
    let bindings = vec![
        service("OTHER", "callee", None, None),
        service("ADMIN", "callee", Some("Admin"), Some(r#"{"role":"boss"}"#)),
        service("PLAIN", "callee", Some("plain"), Some("[1]")),
    ];
    world.serve("caller", worker(&["caller.js"]), bindings)
}

async fn ask(world: &World, caller: &Arc<WorkerVersion>, path: &str) -> Value {
    let (status, body) = world.text(caller, path).await;
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {status} {body}: {error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_calls_fetch_of_its_entrypoint() {
    let world = World::new();
    let caller = pair(&world);
    assert_eq!(ask(&world, &caller, "/fetch").await, json!([200, "the callee", "POST /x a body"]));
    let (first, second) = (world.records.next().await, world.records.next().await);
    let (callee, caller_record) = if first.worker == "callee" { (first, second) } else { (second, first) };
    assert_eq!((callee.event_type, callee.url.as_str(), callee.outcome), ("fetch", "http://other/x", Outcome::Ok));
    assert_eq!(callee.ray_id, caller_record.ray_id);
    assert_ne!(callee.id, caller_record.id);
    let [subrequest] = &caller_record.subrequests[..] else { panic!("{caller_record:?}") };
    assert_eq!((subrequest.target.as_str(), subrequest.status), ("OTHER", Some(200)));

    assert_eq!(
        ask(&world, &caller, "/props").await,
        json!([
            {"props": {"role": "boss"}, "env": "the callee", "same": true},
            {"props": [1], "url": "http://other/z"},
        ])
    );
    assert_eq!(world.text(&caller, "/entrypoint").await.1, r#""admin http://other/y""#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_and_properties_are_reached_by_name() {
    let world = World::new();
    let caller = pair(&world);
    assert_eq!(ask(&world, &caller, "/methods").await, json!([5, "green", "hammer", 8, "QUIET the callee function"]));
    let record = loop {
        let record = world.records.next().await;
        if record.worker == "callee" {
            break record;
        }
    };
    assert_eq!((record.event_type, record.entrypoint.as_deref()), ("rpc", Some("Admin")));
    assert_eq!(Value::Object(record.trigger.unwrap()), json!({"rpcMethod": "add"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_cloned_arrives_as_it_is() {
    let world = World::new();
    let caller = pair(&world);
    let expected = json!({
        "cycle": true, "date": 7, "expression": "/x/g", "map": true, "bytes": [true, 1, 2],
        "error": [true, "far"], "headers": "1", "blob": "in a blob",
    });
    assert_eq!(ask(&world, &caller, "/values").await, expected);
    assert_eq!(ask(&world, &caller, "/streams").await, json!(["ABCD", 201, "me", "PUT /path text"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_or_found_is_told() {
    let world = World::new();
    let caller = pair(&world);
    let refused = ask(&world, &caller, "/refused").await;
    let told: Vec<_> = refused.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        told,
        ["DataCloneError", "DataCloneError", "TypeError", "TypeError", "", "DataCloneError", "TypeError", "TypeError"],
        "{refused}"
    );
    assert_eq!(
        refused[1]["message"],
        "Could not serialize object of type \"Mine\". This type does not support serialization."
    );
    assert_eq!(refused[2]["message"], "The RPC receiver does not implement the method \"nothing\".");
    assert_eq!(refused[4]["value"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_keep_their_facts_on_the_way() {
    let world = World::new();
    let caller = pair(&world);
    let errors = ask(&world, &caller, "/errors").await;
    for (index, message) in [(0, "not you"), (1, "by fetch")] {
        let error = &errors[index];
        assert_eq!((&error["name"], &error["message"]), (&json!("Denied"), &json!(message)), "{errors}");
        assert_eq!(error["isError"], true);
        assert_eq!(error["status"], 403);
        assert_eq!(error["facts"], json!({"tries": [1, 2], "when": "1970-01-01T00:00:00.005Z"}));
        assert_eq!(error["own"], json!(["status", "facts"]), "what cannot be cloned is left out");
    }
    for index in [2, 3] {
        let error = &errors[index];
        assert_eq!(error["message"], "ProxyError: connection_refused", "{errors}");
        assert_eq!(error["code"], "connection_refused");
        assert_eq!(error["category"], "Bad Upstream");
        assert_eq!(error["detail"], "10.0.0.5:80 refused");
    }

    // The facts are in the record of the Worker that let the error escape last, too.
    let ended = world.get(&caller, "/uncaught").await.unwrap_err();
    assert_eq!(ended.outcome, Outcome::Exception);
    let record = loop {
        let record = world.records.next().await;
        if record.worker == "caller" && record.outcome == Outcome::Exception {
            break record;
        }
    };
    assert_eq!(record.exceptions[0].connection.as_ref().unwrap().code.as_str(), "connection_refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_worker_pays_for_its_own_cpu_time() {
    let world = World::new();
    let caller = pair(&world);
    let spun = ask(&world, &caller, "/spin").await;
    for index in 0..2 {
        let message = spun[index]["message"].as_str().unwrap();
        assert!(message.starts_with("Worker exceeded CPU time limit."), "{spun}");
    }
    let records = [world.records.next().await, world.records.next().await, world.records.next().await];
    for record in records {
        let expected = if record.worker == "callee" { Outcome::ExceededCpu } else { Outcome::Ok };
        assert_eq!(record.outcome, expected, "{record:?}");
        if record.worker == "caller" {
            assert!(record.cpu_time < Duration::from_millis(100), "{record:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_until_of_the_one_that_is_called_goes_on() {
    let world = World::new();
    let caller = pair(&world);
    assert_eq!(ask(&world, &caller, "/later").await, "at once");
    let records = [world.records.next().await, world.records.next().await];
    let callee = records.iter().find(|record| record.worker == "callee").unwrap();
    assert_eq!(callee.outcome, Outcome::Ok);
    assert_eq!(callee.logs[0].message, [json!("after the answer")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_leaves_cancels_the_whole_chain() {
    let world = World::new();
    let caller = pair(&world);
    let answer = tokio::spawn(world.platform.dispatch(caller.clone(), invoke(get("/never"))));
    reaches(&world.fake.waiting, 1).await;
    answer.abort();
    reaches(&world.fake.waiting, 0).await;
    for _ in 0..2 {
        let record = world.records.next().await;
        assert_eq!(record.outcome, Outcome::Canceled, "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_through_both_natively() {
    let world = World::new();
    let caller = pair(&world);
    let response = world.get(&caller, "/pass").await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 1000 * 16 * 1024);
    for _ in 0..2 {
        assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_workers_may_call_one_another() {
    let world = World::new();
    let caller = pair(&world);
    assert_eq!(ask(&world, &caller, "/loop").await, json!([508, "error code: 1019"]));
    let error = ask(&world, &caller, "/loop-of-methods").await;
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Subrequest depth limit exceeded (Error 1019)."), "{error}");
    // Each time the visitor's, and sixteen that were called.
    let mut records = Vec::new();
    for _ in 0..34 {
        records.push(world.records.next().await);
    }
    assert_eq!(records.iter().filter(|record| record.worker == "callee").count(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_methods_only_is_valid_and_its_exports_are_known() {
    let world = World::new();
    let version = source(
        "import { WorkerEntrypoint } from 'cloudflare:workers';
         export class Admin extends WorkerEntrypoint { greet() { return 'hi'; } }
         export const helper = { scheduled() {} };
         export const notOne = { size: 1 };",
    );
    let validated = world.platform.validate(Arc::new(version)).await.unwrap();
    let names: Vec<_> = validated.entrypoints.iter().map(|one| (one.name.as_str(), one.handlers.join(","))).collect();
    assert_eq!(names, [("Admin", String::new()), ("helper", "scheduled".to_owned())]);
    assert_eq!(validated.handlers, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_knows_itself() {
    let world = World::new();
    let mut version = source("export default { fetch: (request, env) => Response.json(env.VERSION) };");
    let kind = BindingKind::VersionMetadata { tag: "v1".into(), timestamp: "2026-11-28T10:00:00Z".into() };
    version.bindings.push(Binding { name: "VERSION".into(), kind });
    let version = Arc::new(version);
    let (_, body) = world.text(&version, "/").await;
    let expected = json!({"id": version.id, "tag": "v1", "timestamp": "2026-11-28T10:00:00Z"});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_calls_its_own_entrypoints() {
    let world = World::new();
    let caller = pair(&world);
    // The stand-in for the rest knows Workers by name only; there is one version of this one.
    world.fake.workers.lock().unwrap().insert("caller".into(), caller.clone());
    let answer = ask(&world, &caller, "/own").await;
    assert_eq!(answer, json!([["Helper", "default"], 8, {"a": 1}, "itself"]));
}
