//! A server with a fake platform on a real socket, and a client for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use control::{
    BoxFuture, ControlState, EdgeAddresses, LogsAbout, LogsFound, NotDiagnosed, Pages, Platform, Rejected,
    ServiceProbe, TailEvent, TelemetryError, TelemetryPage, TelemetryQuery, TunnelConnection, Validated,
    WorkerCandidate,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use store::{Actor, ExportedEntrypoint, KeySource, NewToken, Permission, Store};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the API asked of the platform, and what it is to answer.
pub struct FakePlatform {
    store: Arc<Store>,
    /// Generation of the snapshot that "is served".
    pub served: AtomicUsize,
    pub candidates: Mutex<Vec<WorkerCandidate>>,
    /// Tunnels whose connections were cut.
    pub cut: Mutex<Vec<Uuid>>,
    pub connections: Mutex<HashMap<Uuid, Vec<TunnelConnection>>>,
    pub queries: Mutex<Vec<TelemetryQuery>>,
    /// What was asked of Workers' logs, and whose they are said to be.
    pub logs: Mutex<Vec<(LogsAbout, String, Value)>>,
    /// The other ends of the tails that were asked for.
    pub tails: Mutex<Vec<(String, mpsc::Sender<Arc<TailEvent>>)>>,
}

impl Platform for FakePlatform {
    fn validate_worker<'a>(&'a self, candidate: &'a WorkerCandidate) -> BoxFuture<'a, Result<Validated, Rejected>> {
        Box::pin(async move {
            self.candidates.lock().unwrap().push(candidate.clone());
            let main = candidate.modules.iter().find(|module| module.name == candidate.main_module).unwrap();
            let text = String::from_utf8_lossy(&main.body).into_owned();
            assert!(!text.contains("PANIC"), "told to panic");
            if text.contains("SYNTAX") {
                return Err(Rejected {
                    code: 10021,
                    message: "Uncaught SyntaxError: unexpected token at index.js:3:7".to_owned(),
                });
            }
            if text.contains("EMPTY") {
                return Err(Rejected {
                    code: 10068,
                    message: "The uploaded script has no registered event handlers.".to_owned(),
                });
            }
            if text.contains("QUEUE") {
                // With FETCH it has a handler that something calls.
                let mut handlers = vec!["queue".to_owned()];
                handlers.extend(text.contains("FETCH").then(|| "fetch".to_owned()));
                let default = ExportedEntrypoint { name: "default".to_owned(), handlers: handlers.clone() };
                return Ok(Validated { startup_time_ms: 3, handlers, entrypoints: vec![default] });
            }
            let entrypoint =
                |name: &str| ExportedEntrypoint { name: name.to_owned(), handlers: vec!["fetch".to_owned()] };
            Ok(Validated {
                startup_time_ms: 3,
                handlers: vec!["fetch".to_owned()],
                entrypoints: vec![entrypoint("Admin"), entrypoint("default")],
            })
        })
    }

    fn configuration_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let snapshot = self.store.snapshot().await.unwrap();
            self.served.fetch_max(snapshot.generation as usize, Ordering::SeqCst);
        })
    }

    fn tunnel_connections(&self, tunnel: Uuid) -> Vec<TunnelConnection> {
        self.connections.lock().unwrap().get(&tunnel).cloned().unwrap_or_default()
    }

    fn cut_tunnel(&self, tunnel: Uuid) {
        self.cut.lock().unwrap().push(tunnel);
    }

    fn invocations(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            self.queries.lock().unwrap().push(query.clone());
            let given = |wanted| query.pairs().find(|(name, _)| *name == wanted).map(|(_, value)| value);
            match given("cursor") {
                Some("wrong") => Err(TelemetryError::Invalid {
                    parameter: "cursor".to_owned(),
                    message: "`wrong` is not a value for `cursor`".to_owned(),
                }),
                Some("down") => Err(TelemetryError::Unavailable("the disk is gone".to_owned())),
                Some(_) => Ok(TelemetryPage::default()),
                None => Ok(TelemetryPage {
                    rows: vec![json!({ "outcome": "ok", "scriptName": given("worker") })],
                    next_cursor: Some("next".to_owned()),
                    lost: 3,
                }),
            }
        })
    }

    fn logs(
        &self,
        about: LogsAbout,
        account: String,
        asked: Value,
    ) -> BoxFuture<'_, Result<LogsFound, TelemetryError>> {
        Box::pin(async move {
            if let Some(wrong) = asked.get("wrong") {
                return Err(TelemetryError::Invalid {
                    parameter: "wrong".to_owned(),
                    message: format!("`{wrong}` is wrong"),
                });
            }
            let offset = asked["offset"].as_str().map(str::to_owned);
            self.logs.lock().unwrap().push((about, account, asked));
            Ok(LogsFound {
                result: json!([about == LogsAbout::Events]),
                count: 1,
                looked_back_to: offset.is_some().then_some(OffsetDateTime::UNIX_EPOCH),
                next_offset: offset,
                invocations_read: 7,
                bytes_read: 512,
                lost: 3,
            })
        })
    }

    fn connection_events(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            self.queries.lock().unwrap().push(query.clone());
            Ok(TelemetryPage { rows: vec![json!({ "code": "x" })], next_cursor: None, lost: 0 })
        })
    }

    fn worker_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>> {
        Box::pin(async move { Ok(json!({ "workers": query.0 })) })
    }

    fn connection_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>> {
        Box::pin(async move { Ok(json!({ "connections": query.0 })) })
    }

    fn connectors(&self, tunnel: Uuid) -> Vec<Value> {
        self.connections
            .lock()
            .unwrap()
            .get(&tunnel)
            .into_iter()
            .flatten()
            .map(|one| json!({ "id": one.client_id }))
            .collect()
    }

    fn edge(&self) -> EdgeAddresses {
        EdgeAddresses {
            visitors: "127.0.0.1:8787".parse().unwrap(),
            tunnel: "0.0.0.0:7844".parse().unwrap(),
            tunnel_ca: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        }
    }

    fn diagnose(&self, service: Uuid, probe: ServiceProbe) -> BoxFuture<'_, Result<Value, NotDiagnosed>> {
        Box::pin(async move {
            match probe.connector {
                Some(connector) => Err(NotDiagnosed::NoSuchConnector(connector)),
                None => Ok(json!({ "service_id": service, "request": { "host": probe.host, "path": probe.path } })),
            }
        })
    }

    fn prometheus(&self, _accept: Option<&str>) -> (&'static str, String) {
        ("text/plain", "up 1\n".to_owned())
    }

    fn tail(&self, worker: &str) -> Option<mpsc::Receiver<Arc<TailEvent>>> {
        let (sender, receiver) = mpsc::channel(16);
        self.tails.lock().unwrap().push((worker.to_owned(), sender));
        Some(receiver)
    }

    fn worker_url(&self, name: &str) -> String {
        format!("http://{name}.localhost:8787")
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The result of a successful answer.
    #[track_caller]
    pub fn result(&self) -> Value {
        let envelope = self.json();
        assert_eq!(self.status, StatusCode::OK, "{envelope}");
        assert_eq!(envelope["success"], true, "{envelope}");
        assert_eq!(envelope["errors"], json!([]), "{envelope}");
        assert!(envelope["messages"].is_array(), "{envelope}");
        envelope["result"].clone()
    }

    /// Checks that the answer is an error in the envelope, and returns its message.
    #[track_caller]
    pub fn error(&self, status: u16, code: u32) -> String {
        let envelope = self.json();
        assert_eq!(self.status.as_u16(), status, "{envelope}");
        assert_eq!(envelope["success"], false, "{envelope}");
        assert_eq!(envelope["result"], Value::Null, "{envelope}");
        assert_eq!(envelope["messages"], json!([]), "{envelope}");
        assert_eq!(envelope["errors"][0]["code"], code, "{envelope}");
        envelope["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("no message: {envelope}")).to_owned()
    }

    /// The pointer of the first error.
    #[track_caller]
    pub fn pointer(&self) -> String {
        self.json()["errors"][0]["source"]["pointer"]
            .as_str()
            .unwrap_or_else(|| panic!("no pointer: {}", self.json()))
            .to_owned()
    }
}

/// A server with everything around it.
pub struct Server {
    pub address: SocketAddr,
    pub store: Arc<Store>,
    pub platform: Arc<FakePlatform>,
    pub token: String,
    client: Client<HttpConnector, Full<Bytes>>,
    shutdown: CancellationToken,
    directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Server {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let location = crate::engine::database().await.parse().unwrap();
        let store = Arc::new(Store::open(directory.path(), &location, &KeySource::DataDirectory).await.unwrap());
        store.ensure_admin_token(directory.path()).await.unwrap();
        let token = std::fs::read_to_string(directory.path().join(store::ADMIN_TOKEN_FILE)).unwrap().trim().to_owned();
        let platform = Arc::new(FakePlatform {
            store: Arc::clone(&store),
            served: AtomicUsize::new(0),
            candidates: Mutex::default(),
            cut: Mutex::default(),
            connections: Mutex::default(),
            queries: Mutex::default(),
            logs: Mutex::default(),
            tails: Mutex::default(),
        });
        let pages = Pages::new([
            ("index.html", &b"<p>index"[..]),
            ("assets/a-1.js", &b"1"[..]),
            ("assets/a-1.js.br", &b"1, by brotli"[..]),
            ("assets/a-1.js.gz", &b"1, by gzip"[..]),
        ]);
        let state = ControlState::with_pages(Arc::clone(&store), platform.clone(), pages);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(control::serve(listener, control::router(state), shutdown.clone()));
        Server {
            address,
            store,
            platform,
            token,
            client: Client::builder(TokioExecutor::new()).build_http(),
            shutdown,
            directory,
        }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A token with these permissions only.
    pub async fn token_with(&self, name: &str, permissions: &[Permission]) -> String {
        let (_, text) = self
            .store
            .create_token(
                NewToken { name: name.to_owned(), permissions: permissions.to_vec(), expires_on: None },
                &Actor::program(),
            )
            .await
            .unwrap();
        text.expose_str().unwrap().to_owned()
    }

    /// Sends a request as it is; `path` is below the prefix unless it is absolute.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send_to(method, &format!("{}{path}", control::PREFIX), headers, body).await
    }

    /// Sends a request to a path as it is.
    pub async fn send_to(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Sends JSON, as the administrator. `path` is below the account.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.call_as(&self.token, method, path, body).await
    }

    pub async fn call_as(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/accounts/local{path}"), &[("authorization", &format!("Bearer {token}"))], body)
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    /// Uploads a multipart form, as the administrator.
    pub async fn upload(&self, method: Method, path: &str, form: &Form) -> Answer {
        self.upload_as(&self.token, method, path, form).await
    }

    pub async fn upload_as(&self, token: &str, method: Method, path: &str, form: &Form) -> Answer {
        self.send(
            method,
            &format!("/accounts/local{path}"),
            &[
                ("authorization", &format!("Bearer {token}")),
                ("content-type", &format!("multipart/form-data; boundary={BOUNDARY}")),
            ],
            form.bytes(),
        )
        .await
    }

    /// Uploads a Worker of one module.
    pub async fn deploy(&self, name: &str, metadata: Value) -> Answer {
        self.upload(Method::PUT, &format!("/workers/scripts/{name}"), &Form::worker(metadata)).await
    }

    /// Makes a tunnel and returns its identifier.
    pub async fn tunnel(&self, name: &str) -> String {
        self.call(Method::POST, "/cfd_tunnel", json!({ "name": name })).await.result()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Makes a VPC Service and returns its identifier.
    pub async fn service(&self, name: &str, tunnel: &str) -> String {
        self.call(
            Method::POST,
            "/connectivity/directory/services",
            json!({ "name": name, "type": "http",
                    "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": tunnel } } }),
        )
        .await
        .result()["service_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

pub const BOUNDARY: &str = "----formdata-undici-012345678901";

/// A multipart form.
#[derive(Default)]
pub struct Form(Vec<u8>);

impl Form {
    pub const MAIN: &'static str = "export default { fetch() { return new Response('hi') } }";

    pub fn new() -> Self {
        Form::default()
    }

    /// The metadata, with `main_module` unless it has one, and that module.
    pub fn worker(metadata: Value) -> Self {
        Form::of(metadata, Form::MAIN)
    }

    pub fn of(mut metadata: Value, main: &str) -> Self {
        if metadata.get("main_module").is_none() {
            metadata["main_module"] = "index.js".into();
        }
        Form::new().field("metadata", &metadata.to_string()).part(
            "index.js",
            "application/javascript+module",
            main.as_bytes(),
        )
    }

    pub fn field(mut self, name: &str, text: &str) -> Self {
        self.0.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").as_bytes(),
        );
        self
    }

    pub fn part(self, name: &str, content_type: &str, body: &[u8]) -> Self {
        self.file(name, name, content_type, body)
    }

    pub fn file(mut self, name: &str, file: &str, content_type: &str, body: &[u8]) -> Self {
        self.0.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: {content_type}\r\n\r\n")
                .as_bytes(),
        );
        self.0.extend_from_slice(body);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub fn bytes(&self) -> Bytes {
        let mut bytes = self.0.clone();
        bytes.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        bytes.into()
    }
}
