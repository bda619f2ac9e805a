//! The names: codes, categories, phases.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a known {kind}")]
pub struct UnknownName {
    /// What kind of name was expected: `error code`, `category` or `phase`.
    pub kind: &'static str,
    /// The name as given.
    pub given: String,
}

/// Declares an enum whose variants have one fixed spelling each, the same in Rust, JSON and SQL.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The fixed spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(UnknownName { kind: $kind, given: text.to_owned() }),
                }
            }
        }
    };
}

named_enum! {
    /// What failed. The spelling is what a Worker sees in `ProxyError: <code>`.
    ErrorCode, "error code", {
        /// The service's limit of concurrent connections is used up, or the connector has too many flows.
        ConnectionLimitReached = "connection_limit_reached",
        /// Connected, and nothing received for the read timeout.
        ConnectionReadTimeout = "connection_read_timeout",
        /// ECONNREFUSED.
        ConnectionRefused = "connection_refused",
        /// Closed or reset after connecting, before the response head was complete.
        ConnectionTerminated = "connection_terminated",
        /// No answer to the connection attempt in time.
        ConnectionTimeout = "connection_timeout",
        /// Nothing could be written for the write timeout.
        ConnectionWriteTimeout = "connection_write_timeout",
        /// The address is on a restricted list.
        DestinationIpProhibited = "destination_ip_prohibited",
        /// ENETUNREACH or EHOSTUNREACH.
        DestinationIpUnroutable = "destination_ip_unroutable",
        /// The service or tunnel does not exist, or no route covers the host.
        DestinationNotFound = "destination_not_found",
        /// The tunnel has no live connector, or the service's breaker is open.
        DestinationUnavailable = "destination_unavailable",
        /// The name could not be resolved.
        DnsError = "dns_error",
        /// No answer from the resolver in time.
        DnsTimeout = "dns_timeout",
        /// The answer is not valid HTTP.
        HttpProtocolError = "http_protocol_error",
        /// The service's policy refused the request before it was forwarded.
        HttpRequestDenied = "http_request_denied",
        /// The request failed while it was being sent.
        HttpRequestError = "http_request_error",
        /// The body ended before its announced end.
        HttpResponseIncomplete = "http_response_incomplete",
        /// An upgrade was asked for and not carried through.
        HttpUpgradeFailed = "http_upgrade_failed",
        /// A fault of Culvert itself.
        ProxyInternalError = "proxy_internal_error",
        /// The request would come back to this edge.
        ProxyLoopDetected = "proxy_loop_detected",
        /// More new connections per second than the service's limit.
        RateLimited = "rate_limited",
        /// The certificate failed verification.
        TlsCertificateError = "tls_certificate_error",
        /// Not TLS, an alert, or no common version or cipher.
        TlsProtocolError = "tls_protocol_error",
    }
}

named_enum! {
    /// Whose fault a failure is. The spelling is the label in the Metrics tab.
    Category, "category", {
        /// The private service, its network or its configuration.
        BadUpstream = "Bad Upstream",
        /// The Worker or its configuration.
        Client = "Client",
        /// Culvert itself.
        Internal = "Internal",
    }
}

named_enum! {
    /// How far an attempt came before it failed, in order.
    Phase, "phase", {
        /// Finding service, tunnel and connector; policy and limits.
        Route = "route",
        /// Resolving the host through the tunnel.
        Dns = "dns",
        /// Opening the TCP connection from the connector.
        Connect = "connect",
        /// The TLS handshake with the private service.
        Tls = "tls",
        /// Sending the request.
        Request = "request",
        /// Waiting for and reading the response head.
        Head = "head",
        /// Reading the response body.
        Body = "body",
    }
}

impl ErrorCode {
    /// The HTTP status that RFC 9209 section 2.3 recommends for a proxy which answers with this error
    /// (`rate_limited` is not in it: 429).
    pub const fn status(self) -> u16 {
        match self {
            Self::ConnectionLimitReached | Self::DestinationUnavailable => 503,
            Self::ConnectionReadTimeout | Self::ConnectionTimeout | Self::ConnectionWriteTimeout | Self::DnsTimeout => {
                504
            }
            Self::DestinationNotFound | Self::ProxyInternalError => 500,
            Self::HttpRequestDenied => 403,
            Self::RateLimited => 429,
            Self::ConnectionRefused
            | Self::ConnectionTerminated
            | Self::DestinationIpProhibited
            | Self::DestinationIpUnroutable
            | Self::DnsError
            | Self::HttpProtocolError
            | Self::HttpRequestError
            | Self::HttpResponseIncomplete
            | Self::HttpUpgradeFailed
            | Self::ProxyLoopDetected
            | Self::TlsCertificateError
            | Self::TlsProtocolError => 502,
        }
    }

    /// The category where the code alone decides it. `dns_error` is [`Category::BadUpstream`] here;
    /// NXDOMAIN makes it [`Category::Client`], see [`crate::ConnectionError::nxdomain`].
    pub const fn category(self) -> Category {
        match self {
            Self::ConnectionReadTimeout | Self::ConnectionWriteTimeout | Self::RateLimited => Category::Client,
            Self::ProxyInternalError => Category::Internal,
            _ => Category::BadUpstream,
        }
    }

    /// Whether the same request may be sent again without risk, because no byte of it had reached the service.
    pub const fn never_sent(self) -> bool {
        matches!(
            self,
            Self::ConnectionLimitReached
                | Self::ConnectionRefused
                | Self::ConnectionTimeout
                | Self::DestinationIpUnroutable
                | Self::DestinationUnavailable
                | Self::DnsError
                | Self::DnsTimeout
                | Self::RateLimited
        )
    }
}
