//! Dialling private services, and saying what failed in cloudflared's words.

use super::resolver;
use super::state::{FlowPlace, State};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tunnel_proto::connector::VIRTUAL_RESOLVER;
use tunnel_proto::origin::{self, DialFailure, Network};
use tunnel_proto::stream::ConnectResponse;

/// How long a resolver may take to accept a connection.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(5);

/// A destination that was not reached.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct DialError {
    pub(crate) cause: DialFailure,
    pub(crate) text: String,
    errno: Option<i32>,
    phase: &'static str,
}

impl DialError {
    pub(super) fn of(network: Network, destination: SocketAddr, cause: DialFailure, phase: &'static str) -> Self {
        Self { cause, text: origin::dial_error_text(network, destination, cause, ""), errno: None, phase }
    }

    /// The connector's own limit and not the destination's fault.
    pub(crate) fn is_limit(&self) -> bool {
        self.cause == DialFailure::TooManyFlows
    }

    /// More UDP sessions than one connection may have.
    pub(crate) fn too_many_sessions(destination: SocketAddr) -> Self {
        Self::of(Network::Udp, destination, DialFailure::TooManyFlows, "limit")
    }

    /// A name that does not exist, or has no address.
    pub(super) fn no_such_host(host: &str) -> Self {
        let cause = DialFailure::NoSuchHost;
        Self { cause, text: format!("dial tcp: lookup {host}: {}", cause.words()), errno: None, phase: "resolve" }
    }

    /// A name whose resolver does not answer.
    pub(super) fn lookup_timed_out(host: &str) -> Self {
        let cause = DialFailure::TimedOut;
        Self { cause, text: format!("dial tcp: lookup {host}: {}", cause.words()), errno: None, phase: "resolve" }
    }

    pub(super) fn from_io(network: Network, destination: SocketAddr, error: &io::Error) -> Self {
        let cause = cause_of(error);
        let detail = error.to_string().to_lowercase();
        Self {
            cause,
            text: origin::dial_error_text(network, destination, cause, &detail),
            errno: error.raw_os_error(),
            phase: "dial",
        }
    }

    /// A socket of this machine that does not answer, in the words of Go.
    pub(super) fn from_socket(path: &Path, error: &io::Error) -> Self {
        let cause = cause_of(error);
        let words =
            if cause == DialFailure::Other { error.to_string().to_lowercase() } else { cause.words().to_owned() };
        let text = format!("dial unix {}: connect: {words}", path.display());
        Self { cause, text, errno: error.raw_os_error(), phase: "dial" }
    }

    /// A socket of this machine, where rules allow networks only.
    pub(super) fn socket_not_allowed(path: &Path) -> Self {
        let cause = DialFailure::NotAllowed;
        Self { cause, text: format!("dial unix {}: {}", path.display(), cause.words()), errno: None, phase: "policy" }
    }

    /// The answer to the edge: cloudflared's text, and ours beside it.
    pub(crate) fn to_response(&self) -> ConnectResponse {
        let mut metadata = vec![(origin::PHASE.to_owned(), self.phase.to_owned())];
        if let Some(errno) = self.errno {
            metadata.push((origin::ERRNO.to_owned(), errno.to_string()));
        }
        if self.cause == DialFailure::TooManyFlows {
            metadata.push((origin::RATE_LIMITED.to_owned(), "true".to_owned()));
        }
        ConnectResponse { error: self.text.clone(), metadata }
    }
}

fn cause_of(error: &io::Error) -> DialFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialFailure::Refused,
        io::ErrorKind::NetworkUnreachable => DialFailure::NetworkUnreachable,
        io::ErrorKind::HostUnreachable => DialFailure::NoRouteToHost,
        io::ErrorKind::TimedOut => DialFailure::TimedOut,
        _ => DialFailure::Other,
    }
}

/// Reads a destination as cloudflared does: a literal address and a port, no names.
pub(crate) fn parse_destination(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.rsplit_once(':') {
        Some((host, _)) if !host.is_empty() && !host.contains([':', '[']) => {
            Err(format!("ParseAddr(\"{host}\"): unable to parse IP"))
        }
        _ => Err("not an ip:port".to_owned()),
    }
}

/// Connects to `destination`, or to this machine's resolver when that is the virtual one.
pub(crate) async fn tcp(state: &Arc<State>, destination: SocketAddr) -> Result<(TcpStream, FlowPlace), DialError> {
    let result = dial_tcp(state, destination).await;
    result.inspect_err(|error| state.counters.count_failure(error.cause))
}

async fn dial_tcp(state: &Arc<State>, destination: SocketAddr) -> Result<(TcpStream, FlowPlace), DialError> {
    let network = Network::Tcp;
    let place =
        state.enter_flow().ok_or_else(|| DialError::of(network, destination, DialFailure::TooManyFlows, "limit"))?;
    let (timeout, keep_alive) = {
        let routing = state.routing();
        (routing.connect_timeout, routing.keep_alive)
    };
    let (destination, timeout) = resolve(state, network, destination)
        .await
        .map(|(to, resolver)| (to, if resolver { RESOLVER_TIMEOUT } else { timeout }))?;
    let stream = tokio::time::timeout(timeout, TcpStream::connect(destination))
        .await
        .map_err(|_| DialError::of(network, destination, DialFailure::TimedOut, "dial"))?
        .map_err(|error| DialError::from_io(network, destination, &error))?;
    // Neither is needed for the flow to work.
    let _ = stream.set_nodelay(true);
    if !keep_alive.is_zero() {
        let _ = SockRef::from(&stream)
            .set_tcp_keepalive(&TcpKeepalive::new().with_time(keep_alive).with_interval(keep_alive));
    }
    Ok((stream, place))
}

/// A UDP socket connected to `destination`, or to this machine's resolver when that is the virtual one.
pub(crate) async fn udp(state: &Arc<State>, destination: SocketAddr) -> Result<(UdpSocket, FlowPlace), DialError> {
    let result = dial_udp(state, destination).await;
    result.inspect_err(|error| state.counters.count_failure(error.cause))
}

async fn dial_udp(state: &Arc<State>, destination: SocketAddr) -> Result<(UdpSocket, FlowPlace), DialError> {
    let network = Network::Udp;
    let place =
        state.enter_flow().ok_or_else(|| DialError::of(network, destination, DialFailure::TooManyFlows, "limit"))?;
    let (destination, _) = resolve(state, network, destination).await?;
    let local: SocketAddr = if destination.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let connect = async {
        let socket = UdpSocket::bind(local).await?;
        socket.connect(destination).await?;
        Ok(socket)
    };
    let socket = connect.await.map_err(|error: io::Error| DialError::from_io(network, destination, &error))?;
    Ok((socket, place))
}

/// Where a flow really goes, and whether that is a resolver behind the virtual one. Those are always allowed.
async fn resolve(state: &State, network: Network, destination: SocketAddr) -> Result<(SocketAddr, bool), DialError> {
    if destination == VIRTUAL_RESOLVER {
        return Ok((resolver::pick(&state.dns_resolvers).await, true));
    }
    if !state.policy.allows(destination) {
        return Err(DialError::of(network, destination, DialFailure::NotAllowed, "policy"));
    }
    Ok((destination, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_literal_addresses() {
        assert_eq!(parse_destination("127.0.0.1:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert_eq!(parse_destination("[2606:4700:0cf1:2000:0:0:0:1]:53"), Ok(VIRTUAL_RESOLVER));
        assert_eq!(parse_destination("localhost:80"), Err("ParseAddr(\"localhost\"): unable to parse IP".to_owned()));
        for text in ["127.0.0.1", "", ":80", "[::1]", "::1"] {
            assert_eq!(parse_destination(text), Err("not an ip:port".to_owned()), "{text}");
        }
    }
}
