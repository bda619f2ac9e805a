//! The texts with which a connector says that it could not reach an origin, in both directions: written as cloudflared
//! writes them, and read back into causes.

use crate::stream::ConnectResponse;
use std::fmt;
use std::net::SocketAddr;

/// Metadata key: the errno of the failed call, decimal. Sent by Culvert's connector only.
pub const ERRNO: &str = "CulvertErrno";
/// Metadata key: what was being done (`resolve`, `dial`, `policy`, `limit`). Sent by Culvert's connector only.
pub const PHASE: &str = "CulvertPhase";
/// Metadata key, value `true`: the connector has too many flows.
pub const RATE_LIMITED: &str = "FlowConnectRateLimited";

/// The text for a flow over the connector's limit.
pub const TOO_MANY_TCP_FLOWS: &str = "failed to start tcp flow due to rate limiting: too many active flows";
/// The text for a UDP session over the connector's limit.
pub const TOO_MANY_UDP_FLOWS: &str = "failed to start udp session due to rate limiting: too many active flows";

/// Why an origin was not reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DialFailure {
    /// ECONNREFUSED.
    Refused,
    /// No answer within the connect timeout.
    TimedOut,
    /// The name does not exist (http origins only: tcp takes addresses).
    NoSuchHost,
    /// ENETUNREACH.
    NetworkUnreachable,
    /// EHOSTUNREACH.
    NoRouteToHost,
    /// The connector's limit of active flows.
    TooManyFlows,
    /// The connector's own policy forbids the destination.
    NotAllowed,
    /// Any other text.
    Other,
}

/// Texts end in these words; what comes before names addresses.
const SUFFIXES: [(&str, DialFailure); 7] = [
    ("connection refused", DialFailure::Refused),
    ("i/o timeout", DialFailure::TimedOut),
    ("no such host", DialFailure::NoSuchHost),
    ("network is unreachable", DialFailure::NetworkUnreachable),
    ("no route to host", DialFailure::NoRouteToHost),
    ("too many active flows", DialFailure::TooManyFlows),
    ("not allowed by this connector", DialFailure::NotAllowed),
];

impl DialFailure {
    /// The cause that an error text of cloudflared or Culvert's connector tells.
    pub fn classify(text: &str) -> Self {
        let text = text.trim_end();
        SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix)).map_or(Self::Other, |(_, cause)| *cause)
    }

    /// The last words of cloudflared's text for this cause.
    pub fn words(self) -> &'static str {
        SUFFIXES.iter().find(|(_, cause)| *cause == self).map_or("input/output error", |(words, _)| words)
    }
}

/// The transport of a dial.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Network {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// cloudflared's text for a failed dial. `detail` is used where the cause is [`DialFailure::Other`].
pub fn dial_error_text(network: Network, destination: SocketAddr, cause: DialFailure, detail: &str) -> String {
    let head = format!("unable to dial {network} to origin {destination}");
    match cause {
        DialFailure::TimedOut => format!("{head}: dial {network} {destination}: {}", cause.words()),
        DialFailure::NotAllowed => format!("{head}: {}", cause.words()),
        DialFailure::TooManyFlows if network == Network::Tcp => TOO_MANY_TCP_FLOWS.to_owned(),
        DialFailure::TooManyFlows => TOO_MANY_UDP_FLOWS.to_owned(),
        DialFailure::Other => format!("{head}: dial {network} {destination}: connect: {detail}"),
        DialFailure::Refused
        | DialFailure::NoSuchHost
        | DialFailure::NetworkUnreachable
        | DialFailure::NoRouteToHost => {
            format!("{head}: dial {network} {destination}: connect: {}", cause.words())
        }
    }
}

/// A failure that a connector reported, read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginError {
    /// The cause.
    pub cause: DialFailure,
    /// The connector's text.
    pub text: String,
    /// The errno, where the connector says it.
    pub errno: Option<i32>,
    /// What the connector was doing, where it says it.
    pub phase: Option<String>,
}

impl OriginError {
    /// The error of a response, `None` when it says that the connection stands.
    pub fn from_response(response: &ConnectResponse) -> Option<Self> {
        if response.error.is_empty() {
            return None;
        }
        let limited = response.metadata(RATE_LIMITED) == Some("true");
        let cause = if limited { DialFailure::TooManyFlows } else { DialFailure::classify(&response.error) };
        let errno = response.metadata(ERRNO).and_then(|errno| errno.parse().ok());
        let phase = response.metadata(PHASE).map(str::to_owned);
        Some(Self { cause, text: response.error.clone(), errno, phase })
    }

    /// The connector's text, with what it says beside it: `… connection refused (dial, errno 111)`.
    pub fn words(&self) -> String {
        match (&self.phase, self.errno) {
            (Some(phase), Some(errno)) => format!("{} ({phase}, errno {errno})", self.text),
            (None, Some(errno)) => format!("{} (errno {errno})", self.text),
            (_, None) => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_written_are_read_back() {
        let destination = SocketAddr::from(([127, 0, 0, 1], 9));
        for (_, cause) in SUFFIXES {
            for network in [Network::Tcp, Network::Udp] {
                assert_eq!(DialFailure::classify(&dial_error_text(network, destination, cause, "")), cause);
            }
        }
        assert_eq!(
            DialFailure::classify(&dial_error_text(Network::Tcp, destination, DialFailure::Other, "permission denied")),
            DialFailure::Other
        );
    }

    #[test]
    fn texts_are_those_of_cloudflared() {
        let destination = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(
            dial_error_text(Network::Tcp, destination, DialFailure::Refused, ""),
            "unable to dial tcp to origin 127.0.0.1:9: dial tcp 127.0.0.1:9: connect: connection refused"
        );
        assert_eq!(
            dial_error_text(Network::Tcp, destination, DialFailure::TimedOut, ""),
            "unable to dial tcp to origin 127.0.0.1:9: dial tcp 127.0.0.1:9: i/o timeout"
        );
    }
}
