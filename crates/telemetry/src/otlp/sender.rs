//! Sends messages to a collector, again where that may help (OTLP 1.x, "Retryable Response Codes").

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::OtlpOptions;
use crate::error::TelemetryError;

/// How long one message may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses before a message is sent again.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// How much of a refusal is read.
const LARGEST_REFUSAL: usize = 4096;
/// The log is told of a collector's failures at most this often.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// The kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Logs,
    Metrics,
    Traces,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The collector refused it.
    #[error("the collector answered {status}: {text}")]
    Refused { status: StatusCode, text: String },
    /// The collector could not be reached.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(String),
}

/// A collector.
pub(super) struct Sender {
    endpoint: String,
    headers: HeaderMap,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    complained: Option<Instant>,
}

impl Sender {
    pub(super) fn new(options: &OtlpOptions) -> Result<Self, TelemetryError> {
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let invalid = |reason: String| TelemetryError::Otlp { endpoint: options.endpoint.clone(), reason };
        let uri: Uri = endpoint.parse().map_err(|error| invalid(format!("it is not a URL ({error})")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(invalid("http://HOST:PORT or https://HOST:PORT is expected".to_owned()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("culvert/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &options.headers {
            let name: HeaderName =
                name.parse().map_err(|_| invalid(format!("`{name}` cannot be the name of a header")))?;
            let value =
                value.parse().map_err(|_| invalid(format!("the value of the header `{name}` cannot be one")))?;
            headers.insert(name, value);
        }
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { endpoint, headers, client, complained: None })
    }

    /// Sends one message, several times if need be.
    pub(super) async fn send(&self, signal: Signal, message: Bytes) -> Result<(), SendError> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.send_once(signal, message.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let may_help = match &error {
                SendError::Refused { status, .. } => {
                    [429, 502, 503, 504].iter().any(|retryable| status.as_u16() == *retryable)
                }
                SendError::Unreachable(_) => true,
            };
            match pauses.next() {
                Some(pause) if may_help => tokio::time::sleep(*pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn send_once(&self, signal: Signal, message: Bytes) -> Result<(), SendError> {
        let unreachable = |reason: String| SendError::Unreachable(reason);
        let mut request = Request::post(format!("{}/v1/{}", self.endpoint, signal.name()))
            .body(Full::new(message))
            .map_err(|error| unreachable(error.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                let mut cause: &dyn std::error::Error = &error;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                unreachable(cause.to_string())
            })?;
            let status = response.status();
            // Read to its end, so that the connection can be used again.
            let body = Limited::new(response.into_body(), LARGEST_REFUSAL).collect().await;
            if status.is_success() {
                return Ok(());
            }
            let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
            Err(SendError::Refused {
                status,
                text: text.chars().filter(|letter| !letter.is_control()).take(300).collect(),
            })
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(unreachable(format!("no answer within {} s", TIMEOUT.as_secs()))))
    }

    /// Tells the log, now and then.
    pub(super) fn complain(&mut self, signal: Signal, count: usize, error: &SendError) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAINTS) {
            self.complained = Some(Instant::now());
            let endpoint = &self.endpoint;
            tracing::warn!(
                endpoint,
                "{count} {} were not exported and are lost: {error}. More of this is counted in culvert_telemetry_dropped_total and not logged for a minute",
                signal.name()
            );
        }
    }
}
