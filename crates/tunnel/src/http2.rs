//! What both ends of a tunnel over HTTP/2 agree on: names, header fields, windows.
//!
//! The edge is the HTTP/2 client although the connector opened the TCP connection. Source: the protocol notes, section 6.

use h2::PingPong;
use std::time::Duration;
use tokio::time::Instant;

/// The name that connectors ask for; there is no ALPN.
pub(crate) const SERVER_NAME: &str = "h2.cftunnel.com";

/// Request field: what the request is for, other than HTTP or TCP.
pub(crate) const UPGRADE: &str = "cf-cloudflared-proxy-connection-upgrade";
/// [`UPGRADE`]: the body is the control stream.
pub(crate) const CONTROL_STREAM: &str = "control-stream";
/// [`UPGRADE`]: the body is a configuration.
pub(crate) const UPDATE_CONFIGURATION: &str = "update-configuration";
/// [`UPGRADE`]: the request asks its service for a WebSocket.
pub(crate) const WEBSOCKET: &str = "websocket";
/// Request field: not empty on a TCP flow, whose destination is the authority.
pub(crate) const TCP_SOURCE: &str = "cf-cloudflared-proxy-src";
/// Response field: the header fields of the private service's response, in one text.
pub(crate) const RESPONSE_FIELDS: &str = "cf-cloudflared-response-headers";
/// Response field: JSON, who made the response.
pub(crate) const META: &str = "cf-cloudflared-response-meta";
/// [`META`] of a response that comes from the private service.
pub(crate) const META_ORIGIN: &str = r#"{"src":"origin"}"#;
/// [`META`] of a response that the connector made itself.
pub(crate) const META_CONNECTOR: &str = r#"{"src":"cloudflared"}"#;
/// [`META`] of a response that says that there are too many flows.
pub(crate) const META_RATE_LIMITED: &str = r#"{"src":"cloudflared","flow_rate_limited":true}"#;
/// Response field of Culvert's connector: why a flow was not opened, in cloudflared's words.
pub(crate) const ERROR: &str = "culvert-error";

/// What one stream may have under way, in bytes.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
/// What one connection may have under way, in bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;
/// The largest header section, in bytes.
pub(crate) const HEADERS: u32 = 64 * 1024;

/// How often the peer is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the peer again and again whether it is there, and gives the round-trip time of each answer to `heard`.
/// Ends when there is none.
pub(crate) async fn keep_alive(mut pings: PingPong, heard: impl Fn(Duration)) -> String {
    loop {
        let sent = Instant::now();
        match tokio::time::timeout(PING_TIMEOUT, pings.ping(h2::Ping::opaque())).await {
            Ok(Ok(_)) => heard(sent.elapsed()),
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no answer to a ping".to_owned(),
        }
        tokio::time::sleep(PING_INTERVAL).await;
    }
}
