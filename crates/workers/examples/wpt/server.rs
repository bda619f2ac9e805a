//! The tests' own server (`wpt serve`), and the way of a Worker's subrequests to it.
//!
//! It listens on loopback only, and by HTTP and WebSocket only: what a test asks of its ports for HTTPS goes to it unencrypted, since TLS is not
//! what these tests are about.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use invocation::{
    Answer, Body, BodyError, BoxFuture, CallFailed, Connect, Ended, FetchError, Outbound, Outcome, Socket, Subrequest,
    Upgraded, WorkerCall,
};
use telemetry::{ConnectionEvent, InvocationRecord, Sink};
use tempfile::TempDir;
use tokio::net::TcpStream;
use uuid::Uuid;

/// The host that tests are at.
pub const HOST: &str = "web-platform.test";
/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ports of the server: two for HTTP, two that stand for HTTPS, WebSocket, and WebSocket over TLS.
#[derive(Clone, Copy)]
struct Ports {
    http: [u16; 2],
    https: [u16; 2],
    ws: u16,
    wss: u16,
}

/// The server, until it is dropped.
pub struct TestServer {
    child: Child,
    ports: Ports,
    client: Client<Connector, Body>,
    _directory: TempDir,
}

impl TestServer {
    /// Starts the server of a checkout.
    ///
    /// # Errors
    /// Why it does not start, as a sentence.
    pub async fn start(root: &Path) -> Result<TestServer, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let [a, b, c, d, e, f] = free_ports().map_err(|error| error.to_string())?;
        let ports = Ports { http: [a, b], https: [c, d], ws: e, wss: f };
        let configuration = serde_json::json!({
            "browser_host": HOST,
            "alternate_hosts": { "alt": format!("not-{HOST}") },
            "server_host": "127.0.0.1",
            "bind_address": true,
            "check_subdomains": false,
            "ssl": { "type": "none" },
            "ports": {
                "http": ports.http, "https": ports.https, "ws": [ports.ws], "wss": [ports.wss], "h2": [], "http-local": [],
                "https-local": [], "http-public": [], "https-public": [], "webtransport-h3": [], "dns": [],
            },
        });
        let file = directory.path().join("config.json");
        std::fs::write(&file, configuration.to_string()).map_err(|error| error.to_string())?;
        let log = std::fs::File::create(directory.path().join("log")).map_err(|error| error.to_string())?;
        let child = Command::new("python3")
            .args(["wpt", "serve", "--no-h2", "--config"])
            .arg(&file)
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|error| error.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("python3 does not start: {error}"))?;
        // Some answers have bytes behind their end, which the next one on the same connection would begin with.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(Connector { ports });
        let server = TestServer { child, ports, client, _directory: directory };
        let until = Instant::now() + PATIENCE;
        while server.get("common/blank.html").await.is_err() {
            if Instant::now() > until {
                let log = std::fs::read_to_string(server._directory.path().join("log")).unwrap_or_default();
                return Err(format!("`wpt serve` did not start in {} s:\n{log}", PATIENCE.as_secs()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(server)
    }

    /// Where a file is.
    pub fn url(&self, path: &str, https: bool) -> String {
        let (scheme, [port, _]) = if https { ("https", self.ports.https) } else { ("http", self.ports.http) };
        format!("{scheme}://{HOST}:{port}/{path}")
    }

    /// A file with the names and ports that the server would put into it. The server itself cannot: without TLS it knows of no ports for it.
    pub fn substituted(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else { break };
            result.push_str(before);
            result.push_str(&self.substitution(name).unwrap_or_else(|| format!("{{{{{name}}}}}")));
            rest = behind;
        }
        result + rest
    }

    /// What stands for `host`, `domains[www]`, `hosts[alt][www]` or `ports[http][0]`.
    fn substitution(&self, name: &str) -> Option<String> {
        let parts: Vec<&str> = name.split('[').map(|part| part.trim_end_matches(']')).collect();
        let under = |subdomain: &str, host: &str| {
            if subdomain.is_empty() { host.to_owned() } else { format!("{subdomain}.{host}") }
        };
        match parts.as_slice() {
            ["host"] => Some(HOST.to_owned()),
            ["domains", subdomain] => Some(under(subdomain, HOST)),
            ["hosts", "alt", subdomain] => Some(under(subdomain, &format!("not-{HOST}"))),
            ["ports", scheme, index] => {
                let Ports { http, https, ws, wss } = self.ports;
                let ports = match *scheme {
                    "http" => http.to_vec(),
                    "https" => https.to_vec(),
                    "ws" => vec![ws],
                    "wss" => vec![wss],
                    // Nobody listens for HTTP/2; the tests that would ask there are not run.
                    "h2" => vec![0],
                    _ => return None,
                };
                ports.get(index.parse::<usize>().ok()?).map(u16::to_string)
            }
            _ => None,
        }
    }

    /// The name of a test without the ports, which are others in each run.
    pub fn without_ports(&self, name: &str) -> String {
        let Ports { http, https, ws, wss } = self.ports;
        let ports = http.into_iter().chain(https).chain([ws, wss]);
        ports.fold(name.to_owned(), |name, port| name.replace(&format!("{HOST}:{port}"), HOST))
    }

    async fn get(&self, path: &str) -> Result<Bytes, String> {
        let request =
            Request::get(self.url(path, false)).body(invocation::empty()).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("{path}: {}", response.status()));
        }
        Ok(response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes())
    }

    /// The way of subrequests.
    pub fn outbound(&self) -> ToServer {
        ToServer(self.client.clone())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Its processes end with the first one when that is asked to.
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Ports that nobody has now.
fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    let mut probes = Vec::new();
    for port in &mut ports {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = probe.local_addr()?.port();
        probes.push(probe);
    }
    Ok(ports)
}

/// Subrequests go to the server, whatever name it has in them.
pub struct ToServer(Client<Connector, Body>);

impl Outbound for ToServer {
    fn call(&self, _: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        Box::pin(async { Err(Ended::new(Outcome::ScriptNotFound, "There is no other Worker.").into()) })
    }

    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        let client = self.0.clone();
        Box::pin(async move {
            let mut request = subrequest.request;
            let upgrade = request.headers().contains_key(UPGRADE);
            if upgrade {
                let nonce = STANDARD.encode(Uuid::new_v4().into_bytes());
                let headers = request.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers
                    .insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&nonce).unwrap_or(HeaderValue::from_static("")));
            }
            let failed = |error: &dyn std::fmt::Display| FetchError::Network(error.to_string());
            let mut response = client.request(request).await.map_err(|error| failed(&error))?;
            if upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let upgraded = hyper::upgrade::on(&mut response).await.map_err(|error| failed(&error))?;
                response.extensions_mut().insert(Upgraded::new(TokioIo::new(upgraded)));
            }
            Ok(response.map(|body| body.map_err(|error| BodyError::Network(error.to_string())).boxed_unsync()))
        })
    }

    fn connect(&self, _: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }
}

/// Connects the server's names to loopback, and its ports for TLS to those without.
#[derive(Clone)]
struct Connector {
    ports: Ports,
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Ports { http, https, ws, wss } = self.ports;
        let host = uri.host().unwrap_or_default();
        let known = host.ends_with(HOST) && !host.starts_with("nonexistent");
        let port = match uri.port_u16() {
            Some(port) if port == https[0] => http[0],
            Some(port) if port == https[1] => http[1],
            Some(port) if port == wss => ws,
            Some(port) => port,
            None => 0,
        };
        Box::pin(async move {
            if !known || port == 0 {
                return Err(io::Error::other("there is no such host"));
            }
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            Ok(Stream(TokioIo::new(stream)))
        })
    }
}

/// A connection to the server.
struct Stream(TokioIo<TcpStream>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Nobody reads the records.
pub struct NoRecords;

impl Sink for NoRecords {
    fn invocation(&self, record: InvocationRecord) {
        drop(record);
    }

    fn connection(&self, _: ConnectionEvent) {}
}
