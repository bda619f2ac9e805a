//! What a flow that could not be opened means. Pure.

use std::fmt::Display;
use std::net::SocketAddr;

use connection_error::{ConnectionError, ErrorCode, Phase};
use uuid::Uuid;

use crate::connect::NotConnected;
use crate::network::{NotOpened, OpenError};

/// Whether another address behind the same tunnel would fare no better.
pub(crate) fn concerns_the_tunnel(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::ConnectorLost { .. }
            | OpenError::NoConnector
            | OpenError::NoTunnel
            | OpenError::TooManyFlows { .. }
            | OpenError::Unsupported { .. }
    )
}

/// How much a failure says about the service: with several addresses the one that says most is reported.
/// An unreachable family is the rule rather than the news; a refusal says that the machine is there.
fn weight(error: &OpenError) -> u8 {
    match error {
        error if concerns_the_tunnel(error) => 5,
        OpenError::Refused { .. } => 4,
        OpenError::TimedOut { .. } => 3,
        OpenError::NotAllowed { .. } => 2,
        OpenError::Other { .. } => 1,
        _ => 0,
    }
}

/// The failure of a service none of whose addresses could be connected to: the one that says most, and the others in words.
pub(crate) fn of_all(tunnel: Uuid, failures: &[(SocketAddr, NotOpened)]) -> NotConnected {
    // Of equals the first one: the order is that of preference.
    let most_telling = failures.iter().enumerate().rev().max_by_key(|(_, (_, failed))| weight(&failed.error));
    let Some((chosen, (address, failed))) = most_telling else {
        let error = Box::new(ConnectionError::internal(Phase::Connect, "There was no address to connect to."));
        return NotConnected { error, tried: None };
    };
    let mut error = of_one(tunnel, address, &failed.error);
    for (_, (address, failed)) in failures.iter().enumerate().filter(|(position, _)| *position != chosen) {
        error.detail.push_str(&format!(" {address}: {failed}."));
    }
    NotConnected { error, tried: Some((*address, failed.connector)) }
}

/// What it means that one destination could not be reached.
pub(crate) fn of_one(tunnel: Uuid, destination: &dyn Display, error: &OpenError) -> Box<ConnectionError> {
    let (code, phase, detail) = match error {
        OpenError::Refused { text } => (
            ErrorCode::ConnectionRefused,
            Phase::Connect,
            format!(
                "{destination} refused the connection (ECONNREFUSED): nothing listens there. The connector says: {text}."
            ),
        ),
        OpenError::TimedOut { after } => (
            ErrorCode::ConnectionTimeout,
            Phase::Connect,
            format!("{destination} did not answer the connection attempt within {:.1} s.", after.as_secs_f64()),
        ),
        OpenError::Unreachable { text } => (
            ErrorCode::DestinationIpUnroutable,
            Phase::Connect,
            format!("The connector's machine has no route to {destination}. The connector says: {text}."),
        ),
        OpenError::TooManyFlows { text } => (
            ErrorCode::ConnectionLimitReached,
            Phase::Connect,
            format!(
                "The connector carries no more connections, so {destination} was not tried. The connector says: {text}."
            ),
        ),
        OpenError::NotAllowed { text } => (
            ErrorCode::DestinationIpProhibited,
            Phase::Route,
            format!("The connector is not allowed to connect to {destination}. The connector says: {text}."),
        ),
        OpenError::NoTunnel => {
            (ErrorCode::DestinationNotFound, Phase::Route, format!("The service's tunnel {tunnel} does not exist."))
        }
        OpenError::NoConnector => (
            ErrorCode::DestinationUnavailable,
            Phase::Route,
            format!("The service's tunnel {tunnel} has no connected connector."),
        ),
        OpenError::ConnectorLost { text } => (
            ErrorCode::DestinationUnavailable,
            Phase::Route,
            format!("The connector went away while it was connecting to {destination}: {text}."),
        ),
        OpenError::Unsupported { reason } => (
            ErrorCode::DestinationUnavailable,
            Phase::Route,
            format!("The connector cannot connect to {destination}: {reason}."),
        ),
        OpenError::Other { text } => (
            ErrorCode::DestinationUnavailable,
            Phase::Route,
            format!("The connector could not connect to {destination}. It says: {text}."),
        ),
    };
    Box::new(ConnectionError::new(code, phase, detail))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn failures(list: &[(&str, OpenError)]) -> Box<ConnectionError> {
        let list: Vec<_> =
            list.iter().map(|(address, error)| (address.parse().unwrap(), error.clone().into())).collect();
        of_all(Uuid::nil(), &list).error
    }

    fn text() -> String {
        "dial tcp".to_owned()
    }

    #[test]
    fn the_most_telling_failure_is_reported_with_the_others() {
        let error = failures(&[
            ("[fd00::1]:80", OpenError::Unreachable { text: text() }),
            ("10.0.0.1:80", OpenError::Refused { text: text() }),
            ("10.0.0.2:80", OpenError::Refused { text: text() }),
        ]);
        assert_eq!((error.code, error.phase), (ErrorCode::ConnectionRefused, Phase::Connect));
        assert!(error.detail.starts_with("10.0.0.1:80 refused"), "{}", error.detail);
        assert!(error.detail.contains("[fd00::1]:80: unreachable"), "{}", error.detail);
        assert!(error.detail.contains("10.0.0.2:80: connection refused"), "{}", error.detail);
    }

    #[test]
    fn every_failure_has_a_row_that_knows_its_phase() {
        let all = [
            OpenError::ConnectorLost { text: text() },
            OpenError::NoConnector,
            OpenError::NoTunnel,
            OpenError::NotAllowed { text: text() },
            OpenError::Other { text: text() },
            OpenError::Refused { text: text() },
            OpenError::TimedOut { after: std::time::Duration::from_secs(5) },
            OpenError::TooManyFlows { text: text() },
            OpenError::Unreachable { text: text() },
            OpenError::Unsupported { reason: text() },
        ];
        for error in all {
            let failure = failures(&[("10.0.0.1:80", error.clone())]);
            assert!(
                connection_error::rows_of(failure.code).any(|row| row.phases.contains(&failure.phase)),
                "{error:?} gives {failure:?}"
            );
        }
        assert_eq!(failures(&[]).code, ErrorCode::ProxyInternalError);
    }
}
