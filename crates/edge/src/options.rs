//! What can be set, with its defaults.

use std::time::Duration;

/// The scheme under which visitors reach a listener, as Workers see it in `request.url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTPS, ended by something in front of the edge.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Limits and times of an edge. All sizes are in bytes.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    /// The scheme that Workers see.
    pub scheme: Scheme,
    /// This edge's name in `CDN-Loop` (RFC 8586) and `Proxy-Status` (RFC 9209), a token. A request whose `CDN-Loop` has it came
    /// back and is refused.
    pub name: String,
    /// Whether every response that the edge itself makes says why in `Proxy-Status`. The refusal of a loop always does: it is how the
    /// edge recognises its own.
    pub proxy_status: bool,
    /// Connections at once, over all listeners. More wait in the listener's backlog until one closes.
    pub max_connections: usize,
    /// Streams at once on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// The longest URL; a longer one is answered with 414.
    pub max_url: usize,
    /// Header names and values together; more is answered with 431.
    pub max_headers: usize,
    /// The largest request body; a larger one is answered with 413. `None`: no limit.
    pub max_request_body: Option<u64>,
    /// From the first byte of a request to the end of its head, and from a new connection to its first byte.
    pub head_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// How long a request body may make no progress while the Worker waits for it.
    pub body_timeout: Duration,
    /// How long a visitor may take no byte of what the edge wants to send.
    pub write_timeout: Duration,
    /// Which share of the requests that belong to no trace yet begin a recorded one (W3C Trace Context). `None`: requests are not
    /// traced, and what a visitor says of traces is the Worker's alone.
    pub trace_sampling: Option<f64>,
    /// How long an event loop stays awake at most for what it is waiting for, while few requests are in flight. Costs CPU time and saves the
    /// time that waking takes. Zero: it always sleeps.
    pub busy_poll: Duration,
    /// How long requests in flight may go on once shutdown has begun.
    pub drain_timeout: Duration,
}

impl Default for EdgeOptions {
    /// The limits of Cloudflare's Workers where it has them (URL 16 KB, headers 128 KB, body 100 MB).
    fn default() -> Self {
        Self {
            scheme: Scheme::Http,
            name: "culvert".to_owned(),
            proxy_status: false,
            max_connections: 16_384,
            max_concurrent_streams: 256,
            max_url: 16 * 1024,
            max_headers: 128 * 1024,
            max_request_body: Some(100_000_000),
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            trace_sampling: None,
            busy_poll: Duration::from_micros(500),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl EdgeOptions {
    /// What one request head may take, and so how much is read before it is refused.
    pub(crate) fn max_head(&self) -> usize {
        self.max_url.saturating_add(self.max_headers)
    }
}
