//! DNS queries through a tunnel. What a query asks and an answer says is the caller's business.

use super::attempt::{self, Attempt, Retry, UNHEARD};
use super::link::Link;
use super::open::{self, OpenError};
use super::session_pool::{self, Wanted};
use super::status::TransportKind;
use super::udp::SessionError;
use crate::dns_message::{self, HEADER};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tunnel_proto::connector::{ConnectorVersion, VIRTUAL_RESOLVER};
use tunnel_proto::origin::DialFailure;
use uuid::Uuid;

/// A query by UDP is sent again after this time, once and then after twice that.
const RETRANSMIT: Duration = Duration::from_millis(1000);
/// The largest message of DNS over TCP.
const MAX_MESSAGE: usize = 65535;

/// Which resolver is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resolver {
    /// The one that the connector's own machine uses.
    Virtual,
    /// One at an address that the connector reaches.
    Address(SocketAddr),
}

impl Resolver {
    fn address(self) -> SocketAddr {
        match self {
            Self::Virtual => VIRTUAL_RESOLVER,
            Self::Address(address) => address,
        }
    }
}

impl std::fmt::Display for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Virtual => f.write_str("the connector's own resolver"),
            Self::Address(address) => write!(f, "resolver {address}"),
        }
    }
}

/// How a resolver is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DnsTransport {
    /// One datagram each way. The answer may be truncated (TC).
    Udp,
    /// A TCP flow with 2-byte lengths.
    Tcp,
}

/// Why a DNS query got no answer. An answer that says NXDOMAIN or SERVFAIL is an answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DnsQueryError {
    /// The tunnel has no live connector that takes flows.
    #[error("the tunnel has no live connector")]
    NoConnector,
    /// No connector has the virtual resolver.
    #[error(
        "connector {connector} is version {version}, which cannot resolve host names for the edge: update cloudflared to {} or newer, or give the service an IP address",
        ConnectorVersion::VIRTUAL_RESOLVER
    )]
    ConnectorTooOld {
        /// One of them.
        connector: Uuid,
        /// Its version.
        version: String,
    },
    /// No connector is connected in a way that carries UDP.
    #[error(
        "connector {connector} is connected by HTTP/2, which carries no UDP, so host names cannot be resolved: open UDP to the edge and run the connector with --protocol quic, or give the service an IP address"
    )]
    NoDatagrams {
        /// One of them.
        connector: Uuid,
    },
    /// Nothing listens where the resolver should be.
    #[error("{resolver} refused the query: {text}")]
    ResolverRefused {
        /// Which resolver.
        resolver: Resolver,
        /// The connector's words.
        text: String,
    },
    /// The connector has no route to the resolver.
    #[error("{resolver} cannot be reached: {text}")]
    ResolverUnreachable {
        /// Which resolver.
        resolver: Resolver,
        /// The connector's words.
        text: String,
    },
    /// The connector has as many flows as it may have.
    #[error("the connector takes no more flows: {text}")]
    TooManyFlows {
        /// The connector's words.
        text: String,
    },
    /// No answer in time.
    #[error("no answer from {resolver} within {after:?}")]
    TimedOut {
        /// Which resolver.
        resolver: Resolver,
        /// How long was waited.
        after: Duration,
    },
    /// The connection to the connector was lost before the answer.
    #[error("connector {connector} was lost before the answer: {reason}")]
    ConnectorLost {
        /// Which.
        connector: Uuid,
        /// Why, in words.
        reason: String,
    },
    /// The query is no DNS message, or too large for the transport.
    #[error("a query of {0} bytes cannot be sent")]
    BadQuery(usize),
    /// Anything else that the connector said.
    #[error("the connector failed: {text}")]
    Other {
        /// The connector's words.
        text: String,
    },
}

impl Attempt for DnsQueryError {
    fn retry(&self) -> Retry {
        match self {
            // Sessions of other connections may be lent there.
            Self::ConnectorLost { .. } | Self::TooManyFlows { .. } => Retry::OtherConnection,
            Self::NoConnector | Self::ConnectorTooOld { .. } | Self::NoDatagrams { .. } | Self::BadQuery(_) => {
                Retry::Never
            }
            Self::ResolverRefused { .. }
            | Self::ResolverUnreachable { .. }
            | Self::TimedOut { .. }
            | Self::Other { .. } => Retry::OtherConnector,
        }
    }

    fn silent(connector: Uuid) -> Self {
        Self::ConnectorLost { connector, reason: UNHEARD.to_owned() }
    }
}

impl DnsQueryError {
    fn from_session(link: &Link, resolver: Resolver, error: SessionError) -> Self {
        match error {
            SessionError::NoDatagrams => Self::NoDatagrams { connector: link.connector() },
            SessionError::Lost(reason) => Self::ConnectorLost { connector: link.connector(), reason },
            SessionError::TooLarge(size) => Self::BadQuery(size),
            SessionError::Refused(cause, text) => Self::from_cause(resolver, cause, text),
        }
    }

    fn from_cause(resolver: Resolver, cause: DialFailure, text: String) -> Self {
        match cause {
            DialFailure::Refused => Self::ResolverRefused { resolver, text },
            DialFailure::NetworkUnreachable | DialFailure::NoRouteToHost => {
                Self::ResolverUnreachable { resolver, text }
            }
            DialFailure::TooManyFlows => Self::TooManyFlows { text },
            DialFailure::TimedOut | DialFailure::NoSuchHost | DialFailure::NotAllowed | DialFailure::Other => {
                Self::Other { text }
            }
        }
    }

    fn from_open(resolver: Resolver, error: OpenError) -> Self {
        match error {
            OpenError::NoConnector => Self::NoConnector,
            OpenError::Refused { text } => Self::ResolverRefused { resolver, text },
            OpenError::TimedOut { after } => Self::TimedOut { resolver, after },
            OpenError::Unreachable { text } => Self::ResolverUnreachable { resolver, text },
            OpenError::TooManyFlows { text } => Self::TooManyFlows { text },
            OpenError::ConnectorLost { connector, reason } => Self::ConnectorLost { connector, reason },
            OpenError::NotAllowed { text } | OpenError::Unsupported { reason: text } | OpenError::Other { text } => {
                Self::Other { text }
            }
        }
    }
}

/// Asks `resolver` over the first of these connections that can, and over others when that fails.
pub(crate) async fn query(
    links: Vec<Arc<Link>>,
    resolver: Resolver,
    transport: DnsTransport,
    message: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, DnsQueryError> {
    if message.len() < HEADER || message.len() > MAX_MESSAGE {
        return Err(DnsQueryError::BadQuery(message.len()));
    }
    let links = suitable(links, resolver)?;
    let deadline = Instant::now() + timeout;
    let message = Bytes::copy_from_slice(message);
    let answer = attempt::first(links, deadline, attempt::Hedging::WhenSilent, |link| {
        let message = message.clone();
        async move {
            match transport {
                DnsTransport::Udp => query_udp(link, resolver, message).await,
                DnsTransport::Tcp => query_tcp(link, resolver, message).await,
            }
        }
    });
    answer.await.unwrap_or(Err(DnsQueryError::TimedOut { resolver, after: timeout }))
}

/// The connections that can carry a query. By HTTP/2 none can: DNS over TCP would work there, but host names over HTTP/2
/// are documented not to, and half-working would be worse.
fn suitable(mut links: Vec<Arc<Link>>, resolver: Resolver) -> Result<Vec<Arc<Link>>, DnsQueryError> {
    let Some(first) = links.first().cloned() else {
        return Err(DnsQueryError::NoConnector);
    };
    links.retain(|link| link.transport() == TransportKind::Quic);
    let Some(by_quic) = links.first().cloned() else {
        return Err(DnsQueryError::NoDatagrams { connector: first.connector() });
    };
    if resolver == Resolver::Virtual {
        links.retain(|link| link.version().has_virtual_resolver());
        if links.is_empty() {
            return Err(DnsQueryError::ConnectorTooOld {
                connector: by_quic.connector(),
                version: by_quic.client.version.clone(),
            });
        }
    }
    Ok(links)
}

async fn query_udp(link: Arc<Link>, resolver: Resolver, message: Bytes) -> Result<Vec<u8>, DnsQueryError> {
    let failed = |error| DnsQueryError::from_session(&link, resolver, error);
    let mut lease = session_pool::borrow(&link, resolver.address(), Wanted::Any).await.map_err(failed)?;
    let mut patience = RETRANSMIT;
    loop {
        let session = lease.session().map_err(failed)?;
        session.send(message.clone()).map_err(failed)?;
        let again = tokio::time::sleep(patience);
        tokio::pin!(again);
        loop {
            tokio::select! {
                answer = session.receive() => match answer {
                    Ok(answer) if answers(&message, &answer) => return Ok(answer.to_vec()),
                    // Of an earlier query, or nonsense.
                    Ok(_) => {}
                    // It may have ended since it was used last, and only now that is heard.
                    Err(SessionError::Refused(..)) if lease.was_used_before() => break,
                    Err(error) => {
                        lease.discard();
                        return Err(failed(error));
                    }
                },
                () = &mut again => {
                    patience *= 2;
                    break;
                }
            }
        }
        if lease.was_used_before() {
            lease.discard();
            lease = session_pool::borrow(&link, resolver.address(), Wanted::New).await.map_err(failed)?;
        }
    }
}

async fn query_tcp(link: Arc<Link>, resolver: Resolver, message: Bytes) -> Result<Vec<u8>, DnsQueryError> {
    let mut flow = open::open_tcp(Arc::clone(&link), resolver.address())
        .await
        .map_err(|error| DnsQueryError::from_open(resolver, error))?;
    let exchange = async {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        flow.write_all(&[&length.to_be_bytes()[..], &message].concat()).await?;
        loop {
            let length = flow.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            flow.read_exact(&mut answer).await?;
            if answers(&message, &answer) {
                return Ok(answer);
            }
        }
    };
    exchange.await.map_err(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::ConnectionAborted => {
            DnsQueryError::ConnectorLost { connector: link.connector(), reason: error.to_string() }
        }
        _ => DnsQueryError::Other { text: format!("{resolver} ended the connection without an answer: {error}") },
    })
}

/// Whether `answer` is a response (QR) with the id of `query` that names no other question. Those that tell of a failure may
/// leave the question out, and what cannot be read is the caller's to judge: only he can say what is wrong with it.
fn answers(query: &[u8], answer: &[u8]) -> bool {
    let is_response = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let has_question = answer.get(4..6).is_some_and(|count| count != [0, 0]);
    let other_question = || match (question(query), question(answer)) {
        (Some(asked), Some(found)) => !found.eq_ignore_ascii_case(asked),
        _ => false,
    };
    answer.len() >= HEADER && is_response && query.get(..2) == answer.get(..2) && !(has_question && other_question())
}

/// The first question of a message: name, type and class. `None` when there is none that can be read.
fn question(message: &[u8]) -> Option<&[u8]> {
    message.get(HEADER..dns_message::question_end(message, HEADER)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(id: u8, flags: u8, name: &[u8]) -> Vec<u8> {
        [&[0, id, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat()
    }

    #[test]
    fn an_answer_is_to_its_own_query() {
        let query = message(7, 1, b"\x02db\x08internal\x00");
        assert!(answers(&query, &message(7, 0x81, b"\x02db\x08internal\x00")));
        assert!(answers(&query, &message(7, 0x81, b"\x02DB\x08Internal\x00")), "names know no case");
        assert!(!answers(&query, &message(8, 0x81, b"\x02db\x08internal\x00")), "another id");
        assert!(!answers(&query, &message(7, 0x81, b"\x02da\x08internal\x00")), "another question");
        assert!(!answers(&query, &query), "a query");
        assert!(answers(&query, &[0, 7, 0x81, 5, 0, 0, 0, 0, 0, 0, 0, 0]), "a refusal without the question");
        assert!(!answers(&query, &[0, 7, 0x81]));
        // What is no question is not looked at, on either side.
        assert!(answers(&query, &[0, 7, 0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3]), "garbage");
        let odd = message(7, 1, &[0xff]);
        assert_eq!(question(&odd), None);
        assert!(answers(&odd, &message(7, 0x81, b"\x01x\x00")));
    }
}
