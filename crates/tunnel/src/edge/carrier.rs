//! How the bytes of a registered connection travel.

use super::status::TransportKind;
use crate::body::{BodyReader, BodyWriter};
use crate::http2;
use crate::quic::CloseCode;
use bytes::Bytes;
use h2::client::SendRequest;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tunnel_proto::rpc::ConfigurationUpdate;

/// How long a connector may take to take a configuration.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer to that, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

#[derive(Serialize)]
struct Update<'a> {
    version: i32,
    config: &'a RawValue,
}

#[derive(Deserialize)]
struct Updated {
    #[serde(rename = "lastAppliedVersion")]
    last_applied_version: i32,
    err: Option<serde_json::Value>,
}

/// A connection of one kind or the other.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// QUIC.
    Quic(quinn::Connection),
    /// HTTP/2.
    Http2(Http2),
}

/// An HTTP/2 connection on which the edge is the client.
#[derive(Debug)]
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    round_trip_micros: AtomicU64,
    pongs: AtomicU64,
    closed: CancellationToken,
}

impl Http2 {
    pub(crate) fn new(requests: SendRequest<Bytes>) -> Self {
        Self {
            requests,
            round_trip_micros: AtomicU64::new(0),
            pongs: AtomicU64::new(0),
            closed: CancellationToken::new(),
        }
    }

    pub(crate) fn requests(&self) -> SendRequest<Bytes> {
        self.requests.clone()
    }

    /// The peer answered a ping.
    pub(crate) fn heard(&self, round_trip: Duration) {
        self.round_trip_micros.store(round_trip.as_micros() as u64, Ordering::Relaxed);
        self.pongs.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives the connector a configuration: a PUT with JSON both ways. It must be JSON for that.
    pub(crate) async fn update_configuration(&self, version: i32, json: &str) -> Result<ConfigurationUpdate, String> {
        let config: &RawValue = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let body = serde_json::to_vec(&Update { version, config }).map_err(|error| error.to_string())?;
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("https://{}/", http2::SERVER_NAME))
            .header(http2::UPGRADE, http2::UPDATE_CONFIGURATION)
            .header(CONTENT_LENGTH, body.len())
            .body(());
        let request = request.map_err(|error| error.to_string())?;
        let exchange = async {
            let mut requests = self.requests().ready().await.map_err(std::io::Error::other)?;
            let (response, stream) = requests.send_request(request, false).map_err(std::io::Error::other)?;
            let mut writer = BodyWriter::new(stream);
            writer.write_all(&body).await?;
            writer.shutdown().await?;
            let response = response.await.map_err(std::io::Error::other)?;
            let mut answer = Vec::new();
            BodyReader::new(response.into_body()).take(MAX_ANSWER).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(UPDATE_TIMEOUT, exchange).await;
        let answer =
            answer.map_err(|_| format!("no answer within {UPDATE_TIMEOUT:?}"))?.map_err(|error| error.to_string())?;
        let answer: Updated =
            serde_json::from_slice(&answer).map_err(|error| format!("its answer is malformed: {error}"))?;
        let error = match answer.err {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(error)) => error,
            // Go writes its errors so, without their text.
            Some(_) => "it refused the configuration and does not say why by HTTP/2".to_owned(),
        };
        Ok(ConfigurationUpdate { latest_applied_version: answer.last_applied_version, error })
    }

    /// Ready when [`Carrier::close`] was called.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Carrier {
    pub(crate) fn kind(&self) -> TransportKind {
        match self {
            Self::Quic(_) => TransportKind::Quic,
            Self::Http2(_) => TransportKind::Http2,
        }
    }

    /// Smoothed or last round-trip time.
    pub(crate) fn rtt(&self) -> Duration {
        match self {
            Self::Quic(connection) => connection.rtt(),
            Self::Http2(http2) => Duration::from_micros(http2.round_trip_micros.load(Ordering::Relaxed)),
        }
    }

    /// A number that grows when something is heard from the peer.
    pub(crate) fn heard(&self) -> u64 {
        match self {
            Self::Quic(connection) => connection.stats().udp_rx.datagrams,
            Self::Http2(http2) => http2.pongs.load(Ordering::Relaxed),
        }
    }

    /// Whether everything that is sent is answered with a packet at once; TCP does that out of our sight.
    pub(crate) fn acknowledges(&self) -> bool {
        matches!(self, Self::Quic(_))
    }

    /// Whether UDP can be carried.
    pub(crate) fn has_datagrams(&self) -> bool {
        match self {
            Self::Quic(connection) => connection.max_datagram_size().is_some(),
            Self::Http2(_) => false,
        }
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        match self {
            Self::Quic(connection) => code.close(connection, reason),
            Self::Http2(http2) => http2.closed.cancel(),
        }
    }
}
