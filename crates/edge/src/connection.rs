//! Drives one visitor's connection: hyper does the protocol, [`Activity`] says when it has taken too long.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, TimedOut, Times, Verdict};
use crate::exchange;
use crate::options::EdgeOptions;
use crate::serve::{Shared, Stage};
use crate::target::KnownHost;
use crate::transport::{Transport, linger, visitor_gone};
use crate::upgrade::Successor;

/// What the requests of one connection have in common.
pub(crate) struct Peer {
    /// The visitor's address, IPv4-mapped ones unmapped.
    pub address: IpAddr,
    /// The same as a header's value.
    pub address_value: HeaderValue,
    pub activity: Arc<Activity>,
    /// The last `Host` of this connection: most visitors ask for one host only.
    pub known_host: Mutex<Option<KnownHost>>,
    /// What the connection goes on as after an upgrade.
    pub successor: Successor,
}

impl Peer {
    fn new(address: SocketAddr, activity: Arc<Activity>) -> Self {
        let address = address.ip().to_canonical();
        let address_value = HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, address_value, activity, known_host: Mutex::new(None), successor: Successor::default() }
    }
}

/// hyper's settings, made once for all connections.
pub(crate) fn protocol(options: &EdgeOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Room for a head that is over our limits, so that it is refused with a page and not with a bare 431.
        // `pipeline_flush` stays off: with it, hyper 1.12 buffers a response body without bound (`can_buffer` is always
        // true), and a visitor that reads slowly costs all memory.
        .max_buf_size(options.max_head().saturating_mul(2).max(64 * 1024));
    builder
        .http2()
        .max_concurrent_streams(options.max_concurrent_streams)
        .max_header_list_size(u32::try_from(options.max_head().saturating_mul(2)).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .enable_connect_protocol();
    builder
}

/// How a connection's life ended.
enum End {
    /// The protocol came to its end, properly or not.
    Protocol(Result<(), Box<dyn std::error::Error + Send + Sync>>),
    TimedOut(TimedOut),
    /// The visitor left while a request of his was being served.
    VisitorGone,
    /// The time for draining is over.
    Aborted,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    socket: TcpStream,
    address: SocketAddr,
    mut stage: watch::Receiver<Stage>,
    abort: CancellationToken,
) {
    let options = &shared.options;
    let times = Times { head: options.head_timeout, idle: options.idle_timeout, write: options.write_timeout };
    let activity = Arc::new(Activity::new(Instant::now()));
    let peer = Arc::new(Peer::new(address, activity.clone()));
    let socket = Arc::new(socket);
    let service = {
        let shared = shared.clone();
        let peer = peer.clone();
        service_fn(move |request| exchange::answer(shared.clone(), peer.clone(), request))
    };

    let end = {
        let transport = TokioIo::new(Transport::new(socket.clone(), activity.clone(), shared.clone()));
        let mut connection = pin!(shared.protocol.serve_connection_with_upgrades(transport, service));
        let mut gone = pin!(visitor_gone(&socket));
        let mut is_gone = false;
        let mut timer = pin!(tokio::time::sleep(times.shortest()));
        let mut stage_changed = pin!(stage.wait_for(|stage| *stage != Stage::Serving));
        let mut draining = false;
        let mut aborted = pin!(abort.cancelled());

        poll_fn(|cx| {
            if !draining && stage_changed.as_mut().poll(cx).is_ready() {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            if draining && aborted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Aborted);
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(End::Protocol(result));
            }
            is_gone = is_gone || gone.as_mut().poll(cx).is_ready();
            if is_gone && activity.is_busy() {
                return Poll::Ready(End::VisitorGone);
            }
            while timer.as_mut().poll(cx).is_ready() {
                match activity.verdict(Instant::now(), times) {
                    Verdict::AskAgain(then) => timer.as_mut().reset(then),
                    Verdict::Close(reason) => return Poll::Ready(End::TimedOut(reason)),
                }
            }
            Poll::Pending
        })
        .await
    };

    let successor = peer.successor.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (End::Protocol(Ok(())), Some(joined)) = (&end, successor) {
        tokio::select! {
            result = joined.run() => {
                if let Err(error) = result {
                    tracing::debug!(client = %address, error = %error, "a WebSocket ended by an error");
                }
            }
            () = abort.cancelled() => {
                tracing::debug!(client = %address, "a WebSocket was still open at the end of the time for draining");
            }
        }
        return;
    }
    match end {
        End::Protocol(result) => {
            if let Err(error) = result {
                tracing::debug!(client = %address, error = %error, "connection ended by an error");
            }
            if activity.has_abandoned_body() {
                linger(&socket).await;
            }
        }
        End::TimedOut(TimedOut::Idle) => {}
        End::TimedOut(reason) => {
            shared.counters.time_out();
            tracing::debug!(client = %address, ?reason, "connection closed: the visitor is too slow");
        }
        End::VisitorGone => tracing::debug!(client = %address, "the visitor left before the response was complete"),
        End::Aborted => {
            tracing::warn!(client = %address, "connection dropped: its requests did not end in the time for draining");
        }
    }
}
