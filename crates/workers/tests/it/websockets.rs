//! WebSockets between visitors, Workers and private services.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Request;
use invocation::{Body, Duplex, Entrypoint, Outcome, Upgraded};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use workers::{Binding, BindingKind, WorkerVersion};

use crate::support::*;

type Socket = WebSocketStream<Box<dyn Duplex>>;

fn asking(path: &str) -> Request<Body> {
    Request::get(format!("http://worker.localhost{path}"))
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-extensions", "permessage-deflate")
        .body(invocation::empty())
        .unwrap()
}

/// Opens a WebSocket to a Worker, as a visitor does.
async fn open(world: &World, version: &Arc<WorkerVersion>, path: &str) -> Socket {
    let response = world.send(version, asking(path)).await.unwrap();
    assert_eq!(response.status(), 101);
    let connection = response.extensions().get::<Upgraded>().unwrap().take().unwrap();
    WebSocketStream::from_raw_socket(connection, Role::Client, None).await
}

async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message in time").unwrap().unwrap()
}

/// Closes, and waits for the answer and the end.
async fn close(socket: &mut Socket, code: u16, reason: &str) {
    socket.send(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))).await.unwrap();
    while let Some(Ok(_)) = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an end in time") {}
}

fn sockets() -> WorkerVersion {
    let mut version = worker(&["websockets.js"]);
    version.limits.cpu = Duration::from_millis(200);
    version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_talks_to_its_visitor() {
    let world = World::new();
    let version = Arc::new(sockets());
    let mut socket = open(&world, &version, "/echo").await;
    socket.send(Message::text("one")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("echo one"));
    socket.send(Message::binary(vec![0; 100_000])).await.unwrap();
    assert_eq!(next(&mut socket).await.len(), 100_000);
    assert_eq!(world.records.count(), 0, "the invocation lasts as long as its socket");
    close(&mut socket, 4000, "that is all").await;
    drop(socket);
    let record = world.records.next().await;
    assert_eq!((record.outcome, record.status), (Outcome::Ok, Some(101)));
    assert_eq!(record.logs[0].message, [json!("closed"), json!(4000), json!("that is all"), json!(true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_may_close_and_what_it_sent_before_arrives() {
    let world = World::new();
    let version = Arc::new(sockets());
    let mut socket = open(&world, &version, "/greeting").await;
    for index in 0..3 {
        assert_eq!(next(&mut socket).await, Message::text(format!("greeting {index}")));
    }
    assert_eq!(next(&mut socket).await, Message::Close(None));
    let mut socket = open(&world, &version, "/echo").await;
    socket.send(Message::text("close")).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut socket).await else { panic!("a close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4001, "as asked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_vanishes_is_a_close_event() {
    let world = World::new();
    let version = Arc::new(sockets());
    let socket = open(&world, &version, "/echo").await;
    drop(socket);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    let expected =
        [json!("closed"), json!(1006), json!("WebSocket disconnected without sending Close frame."), json!(false)];
    assert_eq!(record.logs[0].message, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_time_is_that_of_the_events_and_its_limit_ends_the_socket() {
    let world = World::new();
    let version = Arc::new(sockets());
    let mut socket = open(&world, &version, "/echo").await;
    socket.send(Message::text("throw")).await.unwrap();
    socket.send(Message::text("still there")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("echo still there"));
    socket.send(Message::text("spin")).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an end in time");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::ExceededCpu);
    assert_eq!(record.exceptions[0].message, "in a listener");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untouched_socket_of_a_service_is_piped_to_the_visitor() {
    let world = World::new();
    let version = Arc::new(sockets());
    let mut socket = open(&world, &version, "/relay").await;
    for index in 0..100 {
        socket.send(Message::text(format!("{index}"))).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text(format!("service {index}")));
    }
    close(&mut socket, 1000, "").await;
    drop(socket);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    assert_eq!(record.subrequests[0].status, Some(101));
    let asked = std::mem::take(&mut *world.fake.headers.lock().unwrap());
    assert_eq!(asked[0].get("upgrade").unwrap(), "websocket");
    assert!(asked[0].get("sec-websocket-extensions").is_none(), "nobody here could agree on one");

    let mut socket = open(&world, &version, "/bridge").await;
    socket.send(Message::text("x")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("upstream: service x"));
    close(&mut socket, 1000, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_goes_through_a_service_binding() {
    let world = World::new();
    world.serve("other", sockets(), Vec::new());
    let kind = BindingKind::Service { worker: "other".into(), entrypoint: Entrypoint::default() };
    let version = world.serve("first", sockets(), vec![Binding { name: "OTHER".into(), kind }]);
    let mut socket = open(&world, &version, "/service").await;
    socket.send(Message::text("one")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("echo one"));
    close(&mut socket, 1000, "").await;
    drop(socket);
    for _ in 0..2 {
        assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_a_client_too() {
    let world = World::new();
    let version = Arc::new(sockets());
    let talk = json!({
        "text": "service text", "bytes": ["Blob", 1, 2, 3], "code": 1000, "reason": "done", "wasClean": true, "state": 3,
    });
    let with = |more: Value| {
        let mut all = talk.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let ask = async |path: &str| serde_json::from_str::<Value>(&world.text(&version, path).await.1).unwrap();
    assert_eq!(ask("/client").await, with(json!({"status": 101})));
    assert_eq!(ask("/new").await, with(json!({"before": 0, "url": "ws://public.example/ws", "protocol": "chat"})));
    let mut older = sockets();
    older.compatibility_flags = vec!["no_websocket_standard_binary_type".to_owned()];
    let (_, body) = world.text(&Arc::new(older), "/client").await;
    let client: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(client["bytes"], json!(["ArrayBuffer", 1, 2, 3]));
    let refused = ask("/new-refused").await;
    assert!(refused[0].as_str().unwrap().contains("the server answered 200"), "{refused}");
    assert_eq!((&refused[1], &refused[2]), (&json!(1006), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_of_a_pair_may_be_scripts_own() {
    let world = World::new();
    let version = Arc::new(sockets());
    let (_, body) = world.text(&version, "/pair").await;
    let expected = json!({"early": "before the other accepts", "loud": "LOUD", "code": 3000, "reason": "enough"});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misuse_is_told_in_cloudflares_words() {
    let world = World::new();
    let version = Arc::new(sockets());
    let (_, body) = world.text(&version, "/misuse").await;
    let told: Vec<String> = serde_json::from_str(&body).unwrap();
    for (index, words) in [
        "TypeError: You must call accept() on this WebSocket before sending messages.",
        "TypeError: Response with a WebSocket cannot have a body.",
        "RangeError: Responses with a WebSocket must have status code 101.",
        "RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
        "InvalidAccessError: Invalid WebSocket close code: 999.",
        "SyntaxError: WebSocket.close: the reason is longer than 123 bytes.",
        "InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code.",
        "TypeError: Can't call WebSocket send() after close().",
        "SyntaxError: WebSocket constructor: the URL's scheme must be ws, wss, http or https.",
        "SyntaxError: WebSocket constructor: the URL has a fragment.",
        "SyntaxError: WebSocket constructor: the protocol 'b c' is not a token.",
        "SyntaxError: WebSocket constructor: the protocol 'A' is given twice.",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(&told[index], words);
    }
    let ended = world.get(&version, "/echo").await.unwrap_err();
    assert!(ended.message.contains("Upgrade: websocket"), "{}", ended.message);
}
