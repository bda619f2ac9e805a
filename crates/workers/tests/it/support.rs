//! A platform with a fake outbound, and Workers from `tests/workers/`.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use connection_error::{ConnectionError, ErrorCode, Phase};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use invocation::{
    Answer, Body, BodyError, BoxFuture, CallFailed, Connect, Ended, FetchError, Invocation, Outbound, Outcome,
    PrivateNetwork, RayId, Socket, Subrequest, Target, Upgraded, WorkerCall,
};
use telemetry::{ConnectionEvent, InvocationRecord, Sink};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;
use workers::{Binding, BindingKind, Limits, ModuleKind, Platform, PlatformOptions, WorkerModule, WorkerVersion};

/// Bytes, compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(bytes).unwrap();
    coder.finish().unwrap()
}

/// Nothing here takes longer, even on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps records and lets tests wait for them.
#[derive(Default)]
pub struct Records {
    kept: Mutex<VecDeque<InvocationRecord>>,
    arrival: watch::Sender<usize>,
}

impl Sink for Records {
    fn invocation(&self, record: InvocationRecord) {
        self.kept.lock().unwrap().push_back(record);
        self.arrival.send_modify(|count| *count += 1);
    }

    fn connection(&self, _: ConnectionEvent) {}
}

impl Records {
    /// The next record, in order of endings.
    pub async fn next(&self) -> InvocationRecord {
        let mut arrival = self.arrival.subscribe();
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(record) = self.kept.lock().unwrap().pop_front() {
                    return record;
                }
                arrival.changed().await.unwrap();
            }
        })
        .await
        .expect("an invocation record in time")
    }

    pub fn count(&self) -> usize {
        *self.arrival.borrow()
    }
}

/// Answers subrequests by their path, with real bodies.
#[derive(Default)]
pub struct Fake {
    /// Pieces that readers of `/pieces` have taken.
    pub taken: Arc<AtomicUsize>,
    /// Futures of `/never` that exist.
    pub waiting: watch::Sender<usize>,
    /// What was asked.
    pub asked: Mutex<Vec<(Target, String, String)>>,
    /// The headers of what asked for a WebSocket.
    pub headers: Mutex<Vec<HeaderMap>>,
    /// `/gate` answers once this is true.
    pub gate: watch::Sender<bool>,
    /// Requests that came to `/gate`.
    pub at_gate: watch::Sender<usize>,
    /// What runs the Workers that are called.
    pub platform: OnceLock<Platform>,
    /// The Workers that can be called, by name.
    pub workers: Mutex<HashMap<String, Arc<WorkerVersion>>>,
}

struct Waiting(watch::Sender<usize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// A body of `count` pieces of `size` bytes that counts those taken.
pub struct Pieces {
    pub left: usize,
    pub size: usize,
    pub taken: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.size])))))
    }
}

impl Outbound for Fake {
    fn call(&self, call: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        let version = self.workers.lock().unwrap().get(&*call.worker).cloned();
        let platform = self.platform.get().unwrap().clone();
        Box::pin(async move {
            match version {
                Some(version) => platform.call(version, call.call).await,
                None => Err(Ended::new(Outcome::ScriptNotFound, "There is no such Worker.").into()),
            }
        })
    }

    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        let (head, body) = subrequest.request.into_parts();
        let path = head.uri.path().to_owned();
        self.asked.lock().unwrap().push((subrequest.target, head.method.to_string(), head.uri.to_string()));
        let taken = self.taken.clone();
        let waiting = self.waiting.clone();
        let mut gate = self.gate.subscribe();
        let at_gate = self.at_gate.clone();
        if path == "/ws" {
            self.headers.lock().unwrap().push(head.headers.clone());
        }
        Box::pin(async move {
            match path.as_str() {
                "/hello" => Ok(Response::builder().header("x-from", "fake").body(invocation::full("hello")).unwrap()),
                "/ws" => {
                    let mut response = Response::builder().status(101);
                    if let Some(protocol) = head.headers.get("sec-websocket-protocol") {
                        response = response.header("sec-websocket-protocol", protocol);
                    }
                    let mut response = response.body(invocation::empty()).unwrap();
                    response.extensions_mut().insert(socket_service());
                    Ok(response)
                }
                "/gzip" | "/not-gzip" => {
                    let bytes = if path == "/gzip" { gzip(b"hello") } else { b"hello".to_vec() };
                    let response =
                        Response::builder().header("content-encoding", "gzip").header("content-length", bytes.len());
                    Ok(response.body(invocation::full(bytes)).unwrap())
                }
                "/echo" => Ok(Response::new(body)),
                "/collect" => {
                    let size = body.collect().await.map(|body| body.to_bytes().len());
                    Ok(Response::new(invocation::full(format!("{size:?}"))))
                }
                "/pieces" => Ok(Response::new(Pieces { left: 1000, size: 16 * 1024, taken }.boxed_unsync())),
                "/endless" => Ok(Response::new(Pieces { left: usize::MAX, size: 16 * 1024, taken }.boxed_unsync())),
                "/gate" => {
                    at_gate.send_modify(|count| *count += 1);
                    gate.wait_for(|open| *open).await.unwrap();
                    Ok(Response::new(invocation::full("through")))
                }
                "/never" => {
                    waiting.send_modify(|waiting| *waiting += 1);
                    let _waiting = Waiting(waiting);
                    std::future::pending().await
                }
                "/redirect" => {
                    Ok(Response::builder().status(302).header("location", "/hello").body(invocation::empty()).unwrap())
                }
                "/refused" => {
                    let error =
                        ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "10.0.0.5:80 refused");
                    Err(FetchError::Connection(Box::new(error)))
                }
                "/broken" => {
                    let error =
                        ConnectionError::new(ErrorCode::HttpResponseIncomplete, Phase::Head, "closed after 2 bytes");
                    let frames = [Ok(Frame::data(Bytes::from_static(b"ab"))), Err(BodyError::Connection(error))];
                    Ok(Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()))
                }
                _ => Ok(Response::builder().status(404).body(invocation::empty()).unwrap()),
            }
        })
    }

    fn connect(&self, connect: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        let address = format!("{}:{}", connect.host, connect.port);
        self.asked.lock().unwrap().push((connect.target, "CONNECT".to_owned(), address));
        let mut gate = self.gate.subscribe();
        let at_gate = self.at_gate.clone();
        Box::pin(async move {
            match connect.host.as_str() {
                "refused" => {
                    let error =
                        ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "10.0.0.5:7 refused");
                    return Err(FetchError::Connection(Box::new(error)));
                }
                "gate" => {
                    at_gate.send_modify(|count| *count += 1);
                    gate.wait_for(|open| *open).await.unwrap();
                }
                _ => {}
            }
            let (near, far) = tokio::io::duplex(4096);
            // Echoes, and ends when the other side has ended.
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(far);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
            Ok(Box::new(Duplex(near)) as Box<dyn Socket>)
        })
    }
}

/// The Worker's end of a connection; the other end runs `echo`.
struct Duplex(tokio::io::DuplexStream);

impl Socket for Duplex {
    fn remote_address(&self) -> String {
        "10.0.0.5:7".to_owned()
    }

    fn start_tls(self: Box<Self>, _: String) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async { Err(FetchError::Network("this end has no TLS".to_owned())) })
    }
}

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A service that answers each message of a WebSocket.
fn socket_service() -> Upgraded {
    let (here, there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let mut socket = WebSocketStream::from_raw_socket(here, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let answer = match message {
                Message::Text(text) => Message::text(format!("service {text}")),
                Message::Binary(bytes) => Message::Binary(bytes),
                _ => continue,
            };
            if socket.send(answer).await.is_err() {
                break;
            }
        }
    });
    Upgraded::new(there)
}

/// A platform and what it is connected with.
pub struct World {
    pub platform: Platform,
    pub records: Arc<Records>,
    pub fake: Arc<Fake>,
}

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut PlatformOptions)) -> World {
        let records = Arc::new(Records::default());
        let fake = Arc::new(Fake::default());
        let mut options = PlatformOptions::new(fake.clone(), records.clone(), tokio::runtime::Handle::current());
        options.isolates_per_worker = 2;
        // Some of these Workers use CPU time by the clock.
        options.freeze_clock = false;
        change(&mut options);
        let platform = Platform::start(options).unwrap();
        let _ = fake.platform.set(platform.clone());
        World { platform, records, fake }
    }

    /// Lets other Workers call this one, which has this binding to another.
    pub fn serve(&self, name: &str, mut version: WorkerVersion, bindings: Vec<Binding>) -> Arc<WorkerVersion> {
        version.name = name.into();
        version.bindings.extend(bindings);
        let version = Arc::new(version);
        self.fake.workers.lock().unwrap().insert(name.to_owned(), version.clone());
        version
    }

    /// Sends a request and waits for the head.
    pub async fn send(&self, version: &Arc<WorkerVersion>, request: Request<Body>) -> Result<Response<Body>, Ended> {
        let answer = self.platform.dispatch(version.clone(), invoke(request));
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// GETs a path.
    pub async fn get(&self, version: &Arc<WorkerVersion>, path: &str) -> Result<Response<Body>, Ended> {
        self.send(version, get(path)).await
    }

    /// GETs a path and gives status and text.
    pub async fn text(&self, version: &Arc<WorkerVersion>, path: &str) -> (u16, String) {
        text(self.get(version, path).await.unwrap()).await
    }

    /// Waits until no isolate is left.
    pub async fn settled(&self) {
        tokio::time::timeout(PATIENCE, async {
            while self.platform.isolates() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("all isolates to end");
    }
}

/// Waits until a counter has this value.
pub async fn reaches(counter: &watch::Sender<usize>, value: usize) {
    let mut counter = counter.subscribe();
    tokio::time::timeout(PATIENCE, counter.wait_for(|count| *count == value)).await.expect("in time").unwrap();
}

pub fn invoke(request: Request<Body>) -> Invocation {
    Invocation { request, ray_id: RayId(7), client: None }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://worker.localhost{path}")).header("x-test", "1").body(invocation::empty()).unwrap()
}

pub fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("http://worker.localhost{path}")).body(body).unwrap()
}

pub async fn text(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("a body in time").unwrap();
    (status, String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// A body whose pieces the test sends.
pub fn channel() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let stream = futures_util::stream::poll_fn(move |context| {
        receiver.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    });
    (sender, StreamBody::new(stream).boxed_unsync())
}

/// A version whose modules are files of `tests/workers/`, the first being the main module.
pub fn worker(files: &[&str]) -> WorkerVersion {
    let folder = Path::new("tests/workers");
    let modules = files
        .iter()
        .map(|file| WorkerModule {
            name: (*file).to_owned(),
            kind: match file.rsplit_once('.').map(|(_, end)| end) {
                Some("js") => ModuleKind::EsModule,
                Some("txt") => ModuleKind::Text,
                Some("json") => ModuleKind::Json,
                Some("wasm") => ModuleKind::Wasm,
                Some("cjs") => ModuleKind::CommonJs,
                _ => ModuleKind::Data,
            },
            content: std::fs::read(folder.join(file)).unwrap().into(),
        })
        .collect();
    version(files[0], modules)
}

/// A version of one module with this source.
pub fn source(source: &str) -> WorkerVersion {
    let content = Bytes::from(source.to_owned());
    version("index.js", vec![WorkerModule { name: "index.js".into(), kind: ModuleKind::EsModule, content }])
}

fn version(main: &str, modules: Vec<WorkerModule>) -> WorkerVersion {
    WorkerVersion {
        id: Uuid::new_v4(),
        name: "test".into(),
        main_module: main.into(),
        modules,
        bindings: vec![
            Binding { name: "API".into(), kind: BindingKind::VpcService { service_id: Uuid::from_u128(1) } },
            Binding {
                name: "NETWORK".into(),
                kind: BindingKind::VpcNetwork { network: PrivateNetwork::Tunnel(Uuid::from_u128(2)) },
            },
        ],
        limits: Limits::default(),
        compatibility_date: "2026-11-01".into(),
        compatibility_flags: Vec::new(),
    }
}

/// The same with less CPU time.
pub fn with_cpu(mut version: WorkerVersion, milliseconds: u64) -> Arc<WorkerVersion> {
    version.limits.cpu = Duration::from_millis(milliseconds);
    Arc::new(version)
}
