//! Published services: HTTP and WebSocket requests through a tunnel to the service of an ingress rule. What a connector must
//! do is said once, here, and asked of Culvert's connector and of stock cloudflared, by both transports.

use crate::outages::Process;
use crate::setup::{Edge, PATIENCE, Relay, TUNNEL, closed_port, eventually, origin};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tunnel::Uuid;
use tunnel::connector::{ConnectorOptions, DestinationPolicy, Protocol};
use tunnel::edge::{Answer, BodyFailure, OpenError, RequestBody, Tunnels};

type ServiceBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

fn full(bytes: impl Into<Bytes>) -> ServiceBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// What the private service does, by path.
async fn answer(mut request: Request<Incoming>) -> Result<Response<ServiceBody>, Infallible> {
    let response = match request.uri().path() {
        "/stream" => {
            let pieces = stream::iter(0..64).map(|_| Ok(Frame::data(Bytes::from(vec![b's'; 32 * 1024]))));
            Response::new(BodyExt::boxed(StreamBody::new(pieces)))
        }
        "/cookies" => Response::builder()
            .status(StatusCode::CREATED)
            .header(header::SET_COOKIE, "a=1")
            .header(header::SET_COOKIE, "b=2; Path=/")
            .body(full("made"))
            .unwrap(),
        "/broken" => {
            let pieces =
                stream::iter([Ok(Frame::data(Bytes::from_static(b"some"))), Err(std::io::Error::other("gone"))]);
            // The head and the first piece are on their way before the connection breaks.
            let pieces = pieces.then(|piece| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                piece
            });
            Response::new(BodyExt::boxed(StreamBody::new(pieces)))
        }
        "/trailers" => {
            let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), "7".parse().unwrap())]);
            let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))]);
            let body = BodyExt::boxed(StreamBody::new(frames));
            Response::builder().header(header::TRAILER, "x-checksum").body(body).unwrap()
        }
        "/socket" if request.headers().contains_key(header::UPGRADE) => {
            let key = request.headers()[header::SEC_WEBSOCKET_KEY].clone();
            tokio::spawn(async move {
                let mut stream = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                let mut bytes = [0; 1024];
                while let Ok(length) = stream.read(&mut bytes).await
                    && length > 0
                {
                    stream.write_all(&bytes[..length]).await.unwrap();
                }
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_ACCEPT, key)
                .body(full(""))
                .unwrap()
        }
        "/socket" => Response::builder().status(StatusCode::FORBIDDEN).body(full("no")).unwrap(),
        _ => {
            let (head, body) = request.into_parts();
            let length = body.collect().await.map(|body| body.to_bytes().len()).unwrap_or_default();
            let field =
                |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            let text = format!(
                "{} {} host={} mine={} encoding={} length={length}",
                head.method,
                head.uri,
                field("host"),
                field("x-mine"),
                field("accept-encoding")
            );
            Response::builder().header("x-service", "yes").body(full(text)).unwrap()
        }
    };
    Ok(response)
}

pub async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .with_upgrades();
    let _ = connection.await;
}

/// A private HTTP service.
pub async fn service() -> SocketAddr {
    origin(serve_connection).await
}

/// The same behind a listener.
pub async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream));
    }
}

fn body(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn no_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn request(method: Method, path: &str, body: RequestBody) -> Request<RequestBody> {
    Request::builder()
        .method(method)
        .uri(format!("http://app.example{path}"))
        .header("x-mine", "1")
        .header("cf-cloudflared-proxy-src", "forged")
        .body(body)
        .unwrap()
}

async fn send(tunnels: &Tunnels, request: Request<RequestBody>) -> Result<Answer, OpenError> {
    tunnels.send_http(TUNNEL, request, false, PATIENCE).await.map_err(|failed| failed.error)
}

async fn response(edge: &Edge, method: Method, path: &str, body: RequestBody) -> (Response<()>, Bytes) {
    match send(&edge.tunnels, request(method, path, body)).await.unwrap() {
        Answer::Response(response) => {
            let (head, body) = response.into_parts();
            (Response::from_parts(head, ()), body.collect().await.unwrap().to_bytes())
        }
        Answer::Upgraded(..) => panic!("nobody asked for it"),
    }
}

/// Configures the tunnel to publish `service`, and others beside it.
pub async fn publish(edge: &Edge, version: i32, service: SocketAddr) {
    let nobody = closed_port().await;
    let configuration = serde_json::json!({ "ingress": [
        { "hostname": "app.example", "path": "^/teapot", "service": "http_status:418" },
        { "hostname": "app.example", "path": "^/nobody", "service": format!("http://{nobody}") },
        { "hostname": "*.example", "service": format!("http://{service}") },
        { "service": "http_status:404" },
    ]});
    let pushed = edge.tunnels.push_configuration(TUNNEL, version, &configuration.to_string()).await;
    assert!(!pushed.is_empty() && pushed.iter().all(|push| push.result == Ok(version)), "{pushed:?}");
}

/// All that is asked of a connector that is registered. By HTTP/2, trailers pass; by QUIC cloudflared has no place for them.
pub async fn serves_published_requests(edge: &Edge, trailers: bool) {
    let (head, _) = response(edge, Method::GET, "/", no_body()).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE, "before it was configured");
    publish(edge, 7, service().await).await;
    get_and_post(edge).await;
    let (head, bytes) = response(edge, Method::GET, "/stream", no_body()).await;
    assert_eq!((head.status(), bytes.len()), (StatusCode::OK, 64 * 32 * 1024));
    let (head, bytes) = response(edge, Method::GET, "/cookies", no_body()).await;
    let cookies: Vec<_> = head.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!((head.status(), &bytes[..]), (StatusCode::CREATED, &b"made"[..]));
    assert_eq!(cookies, ["a=1", "b=2; Path=/"]);
    let (head, bytes) = response(edge, Method::HEAD, "/head", no_body()).await;
    assert_eq!((head.status(), bytes.len()), (StatusCode::OK, 0));
    assert!(head.headers().contains_key(header::CONTENT_LENGTH));
    let (head, _) = response(edge, Method::GET, "/teapot", no_body()).await;
    assert_eq!(head.status(), StatusCode::IM_A_TEAPOT);
    let Answer::Response(answer) = send(&edge.tunnels, request(Method::GET, "/trailers", no_body())).await.unwrap()
    else {
        panic!("nobody asked for an upgrade");
    };
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().is_some_and(|fields| fields["x-checksum"] == "7"), trailers);
    assert_eq!(&collected.to_bytes()[..], b"body");
    fails_as_it_should(edge).await;
    carries_a_websocket(edge).await;
}

async fn get_and_post(edge: &Edge) {
    let (head, bytes) = response(edge, Method::GET, "/a%20b?q=1&r", no_body()).await;
    assert_eq!((head.status(), &head.headers()["x-service"]), (StatusCode::OK, &"yes".parse().unwrap()));
    assert_eq!(bytes, "GET /a%20b?q=1&r host=app.example mine=1 encoding=identity length=0");
    let (_, bytes) = response(edge, Method::POST, "/known", body(vec![1; 300_000])).await;
    assert_eq!(bytes, "POST /known host=app.example mine=1 encoding=identity length=300000");
    let pieces = stream::iter((0..100).map(|_| Ok::<_, BodyFailure>(Frame::data(Bytes::from(vec![2; 1000])))));
    let (_, bytes) = response(edge, Method::PUT, "/unknown", StreamBody::new(pieces).boxed_unsync()).await;
    assert_eq!(bytes, "PUT /unknown host=app.example mine=1 encoding=identity length=100000");
    let (_, bytes) = response(edge, Method::POST, "/empty", no_body()).await;
    assert_eq!(bytes, "POST /empty host=app.example mine=1 encoding=identity length=0");
}

async fn fails_as_it_should(edge: &Edge) {
    let error = send(&edge.tunnels, request(Method::GET, "/nobody", no_body())).await.unwrap_err();
    let by_http2 = edge.tunnels.connectors(TUNNEL)[0].connections[0].transport == tunnel::edge::TransportKind::Http2;
    match &error {
        OpenError::Refused { text } => assert!(text.contains("connection refused"), "{text}"),
        // A stock connector gives no reason there.
        OpenError::Other { text } if by_http2 => assert!(text.contains("--protocol quic"), "{text}"),
        other => panic!("{other:?}"),
    }
    // The head may be lost with the rest: QUIC drops what is unread when a stream is reset.
    match send(&edge.tunnels, request(Method::GET, "/broken", no_body())).await {
        Ok(Answer::Response(response)) => drop(response.into_body().collect().await.unwrap_err()),
        Ok(Answer::Upgraded(..)) => panic!("nobody asked for it"),
        Err(error) => assert!(matches!(error, OpenError::ConnectorLost { .. } | OpenError::Other { .. }), "{error:?}"),
    }
    let pieces = stream::iter([Ok(Frame::data(Bytes::from_static(b"x"))), Err(BodyFailure::from("the visitor left"))]);
    let broken = request(Method::POST, "/upload", StreamBody::new(pieces).boxed_unsync());
    let error = send(&edge.tunnels, broken).await.unwrap_err();
    assert!(matches!(&error, OpenError::Other { text } if text.contains("the visitor left")), "{error:?}");
}

async fn carries_a_websocket(edge: &Edge) {
    let handshake = |key: bool| {
        let mut request = request(Method::GET, "/socket", no_body());
        if key {
            request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZQ==".parse().unwrap());
        }
        request
    };
    match edge.tunnels.send_http(TUNNEL, handshake(true), true, PATIENCE).await.unwrap() {
        Answer::Upgraded(head, mut flow) => {
            assert_eq!(head.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(head.headers()[header::SEC_WEBSOCKET_ACCEPT], "dGhlIHNhbXBsZQ==");
            for _ in 0..3 {
                flow.write_all(b"question").await.unwrap();
                let mut answer = [0; 8];
                flow.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"question");
            }
        }
        Answer::Response(response) => panic!("{response:?}"),
    }
    // A plain request to the same path: the service refuses in its own words.
    let (head, bytes) = response(edge, Method::GET, "/socket", no_body()).await;
    assert_eq!((head.status(), &bytes[..]), (StatusCode::FORBIDDEN, &b"no"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_quic() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    serves_published_requests(&edge, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http2() {
    let edge = Edge::start().await;
    let options = ConnectorOptions { protocol: Protocol::Http2, ..edge.connector_options() };
    let _connector = edge.connect(options).await;
    serves_published_requests(&edge, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connector_nobody_answers() {
    let edge = Edge::start().await;
    let error = send(&edge.tunnels, request(Method::GET, "/", no_body())).await.unwrap_err();
    assert_eq!(error, OpenError::NoConnector);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingress_rules_reach_only_what_the_connector_allows() {
    let edge = Edge::start().await;
    let allow = DestinationPolicy::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let _connector = edge.connect(ConnectorOptions { allow, ..edge.connector_options() }).await;
    publish(&edge, 1, service().await).await;
    let error = send(&edge.tunnels, request(Method::GET, "/", no_body())).await.unwrap_err();
    assert!(matches!(error, OpenError::NotAllowed { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_could_not_reach_the_service_hands_over_to_another() {
    let edge = Edge::start().await;
    let first = edge.connect_one().await;
    publish(&edge, 1, closed_port().await).await;
    let second = edge.connect_one().await;
    assert_ne!(first.id, second.id);
    // Only the second has the newer configuration's service; a body goes with the request to whoever can.
    let connected: Vec<Uuid> = edge.tunnels.connectors(TUNNEL).iter().map(|status| status.id).collect();
    assert_eq!(connected.len(), 2);
    let rules = serde_json::json!({ "ingress": [{ "service": format!("http://{}", service().await) }] }).to_string();
    // The first takes no version that is not above its own.
    let pushed = edge.tunnels.push_configuration(TUNNEL, 1, &rules).await;
    assert!(pushed.iter().all(|push| push.result == Ok(1)), "{pushed:?}");
    for _ in 0..8 {
        let (head, bytes) = response(&edge, Method::POST, "/x", body("four")).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert!(bytes.ends_with(b"length=4"), "{bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_connection_has_not_heard_goes_over_another() {
    let edge = Edge::start().await;
    let relay = Relay::start(edge.address).await;
    let dead = ConnectorOptions { edges: vec![relay.address.to_string()], ..edge.connector_options() };
    let _dead = edge.connect(dead).await;
    let _live = edge.connect_one().await;
    publish(&edge, 1, service().await).await;
    relay.cut();
    for index in 0..6 {
        let method = if index % 2 == 0 { Method::GET } else { Method::POST };
        let sent = if index % 2 == 0 { no_body() } else { body("four") };
        let (head, _) = response(&edge, method, "/x", sent).await;
        assert_eq!(head.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_costs_only_what_was_in_flight_on_it() {
    let edge = Edge::start().await;
    let mut first = Process::start(&edge).await;
    let _second = Process::start(&edge).await;
    publish(&edge, 1, service().await).await;
    killed_under_load(&edge, || first.kill()).await;
}

/// GETs and POSTs at the same time, in the middle of which `kill` kills a replica: only a request that was begun before the
/// kill may fail.
pub async fn killed_under_load(edge: &Edge, kill: impl FnOnce()) {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for worker in 0..8 {
        let (tunnels, stop, done) = (edge.tunnels.clone(), Arc::clone(&stop), Arc::clone(&done));
        load.spawn(async move {
            let mut failed = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let sent = match worker % 2 {
                    0 => request(Method::GET, "/x", no_body()),
                    _ => request(Method::POST, "/x", body("four")),
                };
                let whole = match send(&tunnels, sent).await {
                    Ok(Answer::Response(response)) => {
                        response.into_body().collect().await.map_err(|error| error.to_string())
                    }
                    Ok(Answer::Upgraded(..)) => Err("upgraded".to_owned()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(error) = whole {
                    failed.push((begun, error));
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            failed
        });
    }
    eventually("requests are answered", || done.load(Ordering::Relaxed) >= 200).await;
    kill();
    let killed = Instant::now();
    eventually("the dead one is given up", || edge.tunnels.connectors(TUNNEL).len() == 1).await;
    let given_up = done.load(Ordering::Relaxed);
    eventually("the other one goes on", || done.load(Ordering::Relaxed) >= given_up + 200).await;
    stop.store(true, Ordering::Relaxed);
    let failed: Vec<_> = load.join_all().await.into_iter().flatten().collect();
    let late: Vec<_> = failed.iter().filter(|(begun, _)| *begun > killed).collect();
    assert!(late.is_empty(), "begun after the kill, and failed: {late:?}");
}
