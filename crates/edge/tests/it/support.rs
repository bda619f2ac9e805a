//! A running edge, a dispatcher made of a closure, and a client that sends and reads plain bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge::{Counters, Edge, EdgeOptions};
use http::Response;
use invocation::{Body, BoxFuture, Dispatch, Ended, Invocation, Outcome, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How long anything may take that is waited for. Only a failing test takes it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Answer = BoxFuture<'static, Result<Response<Body>, Ended>>;

/// Every host has a Worker but those under `none`.
struct Closure<F>(F);

impl<F: Fn(Invocation) -> Answer + Send + Sync + 'static> Dispatch for Closure<F> {
    fn route(&self, host: &str, _: &str) -> Option<Route> {
        (!host.starts_with("none")).then(|| Route { worker: host.into(), version: Uuid::nil() })
    }

    fn dispatch(&self, _: Route, invocation: Invocation) -> Answer {
        (self.0)(invocation)
    }
}

pub struct Running {
    pub address: SocketAddr,
    pub counters: Arc<Counters>,
    pub stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<()>,
}

pub async fn start(options: EdgeOptions, worker: impl Fn(Invocation) -> Answer + Send + Sync + 'static) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let edge = Edge::new(Arc::new(Closure(worker)), options);
    let counters = edge.counters();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        // A test that drops its end without stopping lets the edge run until the runtime ends.
        let shutdown = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        edge.serve(listener, shutdown).await;
    });
    Running { address, counters, stop: Some(stop), task }
}

/// Every request is answered at once with this text.
pub async fn start_hello(options: EdgeOptions) -> Running {
    start(options, |_| Box::pin(async { Ok(text("hello")) })).await
}

impl Running {
    pub async fn connect(&self) -> Client {
        Client { socket: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One connection, one request, the whole answer.
    pub async fn ask(&self, request: &str) -> Reply {
        let mut client = self.connect().await;
        client.send(request).await;
        client.reply().await
    }
}

pub fn text(text: &str) -> Response<Body> {
    Response::new(invocation::full(text.to_owned()))
}

pub fn ended(outcome: Outcome) -> Ended {
    Ended::new(outcome, "SECRET of the Worker")
}

pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Sends when it is dropped.
pub struct Dropped(mpsc::UnboundedSender<&'static str>, &'static str);

pub struct Drops(mpsc::UnboundedReceiver<&'static str>);

impl Drops {
    pub fn new() -> (Self, impl Fn(&'static str) -> Dropped + Clone + Send + Sync + 'static) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(receiver), move |name| Dropped(sender.clone(), name))
    }

    pub async fn next(&mut self) -> &'static str {
        patiently("something to be dropped", self.0.recv()).await.unwrap()
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// The last invocation's head, for tests that look at what a Worker sees.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<http::request::Parts>>>);

impl Seen {
    pub fn note(&self, invocation: Invocation) -> Body {
        let (head, body) = invocation.request.into_parts();
        self.0.lock().unwrap().push(head);
        body
    }

    pub fn last(&self) -> http::request::Parts {
        self.0.lock().unwrap().last().expect("a request was dispatched").clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

pub struct Client {
    pub socket: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Client {
    pub async fn send(&mut self, text: &str) {
        patiently("a write", self.socket.write_all(text.as_bytes())).await.unwrap();
    }

    /// More bytes; false at the end of input.
    async fn more(&mut self) -> bool {
        let mut buffer = [0_u8; 64 * 1024];
        match patiently("bytes from the edge", self.socket.read(&mut buffer)).await {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return String::from_utf8(line[..end].to_vec()).unwrap();
            }
            assert!(self.more().await, "the connection ended in a line: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "the connection ended in a body");
        }
        self.read.drain(..count).collect()
    }

    pub async fn head(&mut self) -> Reply {
        let status_line = self.line().await;
        let status = status_line.split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return Reply { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    pub async fn chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(&self.line().await, 16).unwrap();
        let chunk = self.exactly(size).await;
        assert_eq!(self.line().await, "");
        chunk
    }

    pub async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        if let Some(length) = reply.header("content-length") {
            reply.body = self.exactly(length.parse().unwrap()).await;
        } else if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                reply.body.extend(chunk);
            }
        }
        reply
    }

    /// All there is until the edge closes the connection.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}
