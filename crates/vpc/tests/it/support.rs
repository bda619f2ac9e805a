//! A network of plain sockets, a sink that keeps what it is told, services that misbehave on request.

pub mod certificates;
pub mod network;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connection_error::{ConnectionError, ErrorCode, Phase};
use http::{Request, Response};
use http_body_util::BodyExt;
use invocation::{Body, BodyError, Caller, RayId};
use telemetry::{ConnectionEvent, InvocationRecord, Sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use uuid::Uuid;
use vpc::{Host, Options, Policy, Service, ServiceKind, TlsSettings, Vpc};

pub use network::DirectNetwork;

/// Keeps connection events.
#[derive(Default)]
pub struct Events {
    list: Mutex<Vec<ConnectionEvent>>,
    changed: Notify,
}

impl Sink for Events {
    fn invocation(&self, _: InvocationRecord) {
        unreachable!("no Worker runs here");
    }

    fn connection(&self, event: ConnectionEvent) {
        self.list.lock().unwrap().push(event);
        self.changed.notify_one();
    }
}

/// A client with its network and its events.
pub struct World {
    pub vpc: Vpc,
    pub network: Arc<DirectNetwork>,
    events: Arc<Events>,
}

impl World {
    pub fn new() -> Self {
        Self::with(DirectNetwork::default(), Options::default())
    }

    pub fn with(network: DirectNetwork, options: Options) -> Self {
        let network = Arc::new(network);
        let world = Self::over(network.clone(), options);
        Self { network, ..world }
    }

    /// Over any network; the direct one is there and not used.
    pub fn over(way: Arc<dyn vpc::Network>, options: Options) -> Self {
        let events = Arc::new(Events::default());
        let sink: Arc<dyn Sink> = events.clone();
        Self { vpc: Vpc::new(way, sink, options), network: Arc::default(), events }
    }

    pub async fn fetch(
        &self,
        service: &Arc<Service>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Box<ConnectionError>> {
        self.vpc.fetch(Arc::clone(service), request, caller()).await
    }

    pub async fn get(&self, service: &Arc<Service>, url: &str) -> Result<Response<Body>, Box<ConnectionError>> {
        self.fetch(service, get(url)).await
    }

    /// The whole text of a good answer.
    pub async fn text(&self, service: &Arc<Service>, request: Request<Body>) -> String {
        read(self.fetch(service, request).await.unwrap()).await.unwrap()
    }

    /// The next event, once it is there.
    pub async fn event(&self) -> ConnectionEvent {
        tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let changed = self.events.changed.notified();
                if let Some(event) = {
                    let mut list = self.events.list.lock().unwrap();
                    (!list.is_empty()).then(|| list.remove(0))
                } {
                    return event;
                }
                changed.await;
            }
        })
        .await
        .expect("an event")
    }

    pub fn no_event(&self) {
        assert!(self.events.list.lock().unwrap().is_empty());
    }

    /// A GET that must fail like this, with its event and a row in the table. The error is returned.
    pub async fn fails(&self, service: &Arc<Service>, url: &str, code: ErrorCode, phase: Phase) -> ConnectionError {
        self.request_fails(service, get(url), code, phase).await
    }

    pub async fn request_fails(
        &self,
        service: &Arc<Service>,
        request: Request<Body>,
        code: ErrorCode,
        phase: Phase,
    ) -> ConnectionError {
        let error = match self.fetch(service, request).await {
            Ok(response) => panic!("{code} was expected, and there is {response:?}"),
            Err(error) => *error,
        };
        self.check(service, &error, code, phase).await;
        error
    }

    /// What every error and its event must agree on.
    pub async fn check(&self, service: &Arc<Service>, error: &ConnectionError, code: ErrorCode, phase: Phase) {
        println!("{} | {} | {} | {} | {:?}", error.code, error.category, error.phase, error.detail, error.timings);
        assert_eq!((error.code, error.phase), (code, phase), "{error:?}");
        assert!(
            connection_error::rows_of(error.code)
                .any(|row| row.category == error.category && row.phases.contains(&error.phase)),
            "no row of the table has {error:?}"
        );
        assert_eq!(error.service.as_deref(), Some(service.name.as_str()));
        assert_eq!(error.ray_id.as_deref(), Some("0000000000000abc"));
        let event = self.event().await;
        assert_eq!(event.error.as_ref(), Some(error));
        assert_eq!(event.timings, error.timings);
        assert_eq!(event.service, service.id);
        assert_eq!((event.worker.as_str(), event.invocation), ("worker", Uuid::from_u128(7)));
        assert!(!event.canceled, "{event:?}");
        if [Phase::Connect, Phase::Tls, Phase::Head, Phase::Body].contains(&phase) {
            // Through whom, and where to: failures are looked for by both.
            assert!(event.address.is_some(), "{event:?}");
        }
        self.no_event();
    }
}

pub fn caller() -> Caller {
    Caller { worker: "worker".into(), invocation: Uuid::from_u128(7), ray_id: RayId(0xabc), trace: None }
}

pub fn get(url: &str) -> Request<Body> {
    Request::get(url).body(invocation::empty()).unwrap()
}

pub fn post(url: &str, body: impl Into<Bytes>) -> Request<Body> {
    Request::post(url).body(invocation::full(body)).unwrap()
}

pub async fn read(response: Response<Body>) -> Result<String, BodyError> {
    Ok(String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned())
}

/// The error with which a response's body ends.
pub async fn body_error(response: Response<Body>) -> ConnectionError {
    match response.into_body().collect().await {
        Err(BodyError::Connection(error)) => error,
        other => panic!("the body should have failed with a connection's error, and it is {other:?}"),
    }
}

/// A service at this address, for both schemes.
pub fn service_at(address: SocketAddr) -> Service {
    let (ipv4, ipv6) = match address {
        SocketAddr::V4(v4) => (Some(*v4.ip()), None),
        SocketAddr::V6(v6) => (None, Some(*v6.ip())),
    };
    Service {
        id: Uuid::new_v4(),
        name: "orders".to_owned(),
        tunnel: Uuid::from_u128(1),
        kind: ServiceKind::Http { http_port: Some(address.port()), https_port: Some(address.port()) },
        host: Host::Addresses { ipv4, ipv6 },
        tls: TlsSettings::default(),
        policy: Policy::default(),
    }
}

/// Listens on loopback.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A service that does this with each connection; the closure gets the connection's number.
pub async fn serve<F, R>(with: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(with(number, stream));
        }
    });
    address
}

/// A service that reads one request head and answers with these bytes, then closes.
pub async fn answers(bytes: &'static [u8]) -> SocketAddr {
    serve(move |_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
    })
    .await
}

/// Reads up to the end of a request head.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Closes with a reset instead of in order.
pub fn reset(stream: TcpStream) {
    #[allow(deprecated)]
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

/// Holds a connection open without a word.
pub async fn hold(stream: TcpStream) {
    let _stream = stream;
    std::future::pending::<()>().await;
}
