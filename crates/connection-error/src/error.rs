//! One failed attempt, with its facts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Category, ErrorCode, Phase};

/// How long each phase took. A phase that was not reached, or not needed (a pooled connection), is absent.
///
/// In JSON each is a number of milliseconds with fractions: `{"dns": 0.9, "connect": 1.25}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Resolving the name through the tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub dns: Option<Duration>,
    /// From asking the connector to its answer that the connection stands.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub connect: Option<Duration>,
    /// The TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub tls: Option<Duration>,
    /// Sending the request head and body.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub request: Option<Duration>,
    /// From the end of sending to the end of the response head.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub head: Option<Duration>,
}

impl Timings {
    /// The phases that were reached, in order, with their milliseconds.
    pub fn milliseconds(&self) -> impl Iterator<Item = (Phase, f64)> {
        [
            (Phase::Dns, self.dns),
            (Phase::Connect, self.connect),
            (Phase::Tls, self.tls),
            (Phase::Request, self.request),
            (Phase::Head, self.head),
        ]
        .into_iter()
        .filter_map(|(phase, time)| time.map(|time| (phase, in_milliseconds(time))))
    }
}

/// Milliseconds with microsecond resolution.
fn in_milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

mod milliseconds {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(in_milliseconds).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let given = Option::<f64>::deserialize(deserializer)?;
        given
            .map(|milliseconds| {
                Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(|_| {
                    serde::de::Error::custom(format_args!("{milliseconds} is not a number of milliseconds"))
                })
            })
            .transpose()
    }
}

/// A failed attempt to reach a private service. A Worker sees it as an `Error` whose message is [`fmt::Display`]'s
/// `ProxyError: <code>` and which carries the same fields; telemetry keeps them in the connection event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionError {
    /// What failed.
    pub code: ErrorCode,
    /// Whose fault it is.
    pub category: Category,
    /// How far the attempt came.
    pub phase: Phase,
    /// One sentence with the facts: addresses, errno, certificate subject, seconds waited. Never a secret.
    pub detail: String,
    /// Whether sending the same request again is safe and may help.
    pub retryable: bool,
    /// The service's name, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The ray id of the visitor's request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ray_id: Option<String>,
    /// How long each phase took that was reached.
    pub timings: Timings,
}

impl ConnectionError {
    /// An error with the category of its code and no timings yet.
    pub fn new(code: ErrorCode, phase: Phase, detail: impl Into<String>) -> Self {
        Self {
            code,
            category: code.category(),
            phase,
            detail: detail.into(),
            retryable: code.never_sent(),
            service: None,
            ray_id: None,
            timings: Timings::default(),
        }
    }

    /// `dns_error` for a name that does not exist: the Client's fault, and the same answer tomorrow.
    pub fn nxdomain(detail: impl Into<String>) -> Self {
        Self { category: Category::Client, retryable: false, ..Self::new(ErrorCode::DnsError, Phase::Dns, detail) }
    }

    /// A fault of Culvert itself.
    pub fn internal(phase: Phase, detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::ProxyInternalError, phase, detail)
    }

    /// The same error with these timings.
    pub fn with_timings(self, timings: Timings) -> Self {
        Self { timings, ..self }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyError: {}", self.code)
    }
}

impl std::error::Error for ConnectionError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn prints_as_workers_vpc_does() {
        let error = ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "10.0.0.5:80 refused");
        assert_eq!(error.to_string(), "ProxyError: connection_refused");
    }

    #[test]
    fn json_has_milliseconds_and_no_absent_phase() {
        let timings = Timings { connect: Some(Duration::from_micros(1250)), ..Timings::default() };
        let error = ConnectionError::nxdomain("no such name").with_timings(timings);
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["timings"], serde_json::json!({"connect": 1.25}));
        assert_eq!(json["category"], "Client");
        assert_eq!(serde_json::from_value::<ConnectionError>(json).unwrap(), error);
    }

    #[test]
    fn negative_times_are_refused() {
        assert!(serde_json::from_str::<Timings>(r#"{"dns": -1}"#).is_err());
    }
}
