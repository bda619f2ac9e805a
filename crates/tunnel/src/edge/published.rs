//! HTTP and WebSocket requests to the services that a connector publishes by its ingress rules. The connector speaks HTTP to
//! the service; between here and there a request is a head and a body in one stream.

mod head;
mod over_http2;
mod over_quic;
mod request_body;
mod response_body;

pub use request_body::{BodyFailure, RequestBody};
pub use response_body::ResponseBody;

use super::attempt::{self, Attempt, Hedging, Retry};
use super::carrier::Carrier;
use super::flow::Flow;
use super::link::{Link, LinkUse};
use super::open::{NotOpened, OpenError};
use http::request::Parts;
use http::{Method, Request, Response};
use request_body::Replay;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tunnel_proto::origin::DialFailure;
use uuid::Uuid;

/// What a published service answered.
#[derive(Debug)]
pub enum Answer {
    /// A response, its body at the reader's pace.
    Response(Response<ResponseBody>),
    /// It agreed to change the protocol (101): from here on bytes go both ways.
    Upgraded(Response<()>, Flow),
}

impl Answer {
    /// The connector that carries it.
    pub fn connector(&self) -> Uuid {
        match self {
            Self::Response(response) => response.body().connector(),
            Self::Upgraded(_, flow) => flow.connector(),
        }
    }
}

/// A request that may be tried on several connections.
pub(super) struct Outgoing {
    head: Parts,
    is_websocket: bool,
    body: Arc<Replay>,
}

impl Outgoing {
    /// Sending it twice does no more than sending it once (RFC 9110, section 9.2.2).
    fn is_idempotent(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
            && !self.is_websocket
    }

    /// A second copy may be under way while the first is: there is nothing in it that only one of them could send.
    fn hedging(&self) -> Hedging {
        if self.is_idempotent() && self.body.is_empty() { Hedging::WhenSilent } else { Hedging::Never }
    }
}

/// Why one connection did not answer, and whether another may be asked.
pub(super) struct NotAnswered {
    failure: NotOpened,
    retry: Retry,
}

impl Attempt for NotAnswered {
    fn retry(&self) -> Retry {
        self.retry
    }

    fn silent(connector: Uuid) -> Self {
        Self { failure: NotOpened::silent(connector), retry: Retry::OtherConnection }
    }
}

/// Where the sending of a request was when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Nothing of it has left, or none of it was heard of.
    NotSent,
    /// The service may have seen it.
    Sent,
}

impl NotAnswered {
    /// Whether another connection may be asked depends on whether the service may have acted on the request already.
    fn new(link: &Link, error: OpenError, outgoing: &Outgoing, progress: Progress) -> Self {
        let again = outgoing.body.can_be_repeated() && (outgoing.is_idempotent() || progress == Progress::NotSent);
        let retry = match &error {
            _ if !again => Retry::Never,
            OpenError::ConnectorLost { .. } => Retry::OtherConnection,
            _ => Retry::OtherConnector,
        };
        Self { failure: error.over(link), retry }
    }

    /// The connector's words for a service that it could not reach.
    fn of_origin(link: &Link, cause: DialFailure, text: String, after: Duration, outgoing: &Outgoing) -> Self {
        // The connection to the service was not made, so it has not seen the request.
        let progress = if cause == DialFailure::Other { Progress::Sent } else { Progress::NotSent };
        Self::new(link, OpenError::of_dial(cause, text, after), outgoing, progress)
    }
}

/// Sends a request through the first of `links` that answers and waits for the response's head.
pub(super) async fn send(
    links: Vec<Arc<Link>>,
    request: Request<RequestBody>,
    is_websocket: bool,
    timeout: Duration,
) -> Result<Answer, NotOpened> {
    let Some(preferred) = links.first().cloned() else { return Err(NotOpened::no_connector()) };
    let (head, body) = request.into_parts();
    let outgoing = Arc::new(Outgoing { head, is_websocket, body: Arc::new(Replay::new(body)) });
    let hedging = outgoing.hedging();
    let answered = attempt::first(links, Instant::now() + timeout, hedging, |link| {
        let outgoing = Arc::clone(&outgoing);
        async move { send_over(link, &outgoing).await }
    });
    match answered.await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(failed)) => Err(failed.failure),
        None => Err(OpenError::TimedOut { after: timeout }.over(&preferred)),
    }
}

async fn send_over(link: Arc<Link>, outgoing: &Outgoing) -> Result<Answer, NotAnswered> {
    let counted = LinkUse::new(Arc::clone(&link));
    match &link.carrier {
        Carrier::Quic(connection) => over_quic::send(connection, counted, outgoing).await,
        Carrier::Http2(carrier) => over_http2::send(carrier, counted, outgoing).await,
    }
}
