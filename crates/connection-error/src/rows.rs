//! The table: what each code means and how to mend it.

use crate::{Category, ErrorCode, Phase};

/// One row of the table of connection errors. `dns_error` has two: NXDOMAIN is the Client's, the rest is Bad Upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What a Worker sees in `ProxyError: <code>`.
    pub code: ErrorCode,
    /// Whose fault it is.
    pub category: Category,
    /// The phases in which it can happen.
    pub phases: &'static [Phase],
    /// What happened, in one sentence.
    pub meaning: &'static str,
    /// What to do about it, in one or two sentences.
    pub fix: &'static str,
}

/// All 23 rows, Bad Upstream first, in the order in which an attempt can meet them.
pub const ROWS: [Row; 23] = [
    Row {
        code: ErrorCode::DestinationNotFound,
        category: Category::BadUpstream,
        phases: &[Phase::Route],
        meaning: "The service or its tunnel does not exist any more, or no route of the bound network covers the host.",
        fix: "Check that the service and its tunnel still exist (`culvert vpc service list`, `culvert tunnel list`), and deploy the Worker again if its binding names an old id.",
    },
    Row {
        code: ErrorCode::DestinationUnavailable,
        category: Category::BadUpstream,
        phases: &[Phase::Route],
        meaning: "The tunnel has no live connector, or the service failed so often that its breaker is open.",
        fix: "Start `culvert connect` (or cloudflared) in the private network and see that it stays connected (`culvert tunnel list`); when a breaker is open, mend the error that precedes this one.",
    },
    Row {
        code: ErrorCode::DestinationIpProhibited,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Dns],
        meaning: "The address, given or resolved, is on a restricted list: unspecified, multicast, link-local, the edge's own, or one that the operator added.",
        fix: "Register the service by an address that may be reached, or take the address off the operator's list.",
    },
    Row {
        code: ErrorCode::HttpRequestDenied,
        category: Category::BadUpstream,
        phases: &[Phase::Route],
        meaning: "The service's policy refused the request before it was forwarded: its scheme is not enabled, or its method or path is not allowed.",
        fix: "Use the scheme that the service has a port for, or change its ports or policy.",
    },
    Row {
        code: ErrorCode::ConnectionLimitReached,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Connect],
        meaning: "The service's limit of concurrent connections is used up, or the connector says that it has too many flows.",
        fix: "Finish reading response bodies, lower the concurrency, or raise the limit of the service or of the connector.",
    },
    Row {
        code: ErrorCode::ProxyLoopDetected,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Head],
        meaning: "The request would come back to this edge.",
        fix: "Point the service at the private service itself and not at an address that leads back to the edge.",
    },
    Row {
        code: ErrorCode::DnsError,
        category: Category::BadUpstream,
        phases: &[Phase::Dns],
        meaning: "The name could not be resolved: the resolver failed or refused, gave no address or an unusable answer, or the connector cannot carry DNS.",
        fix: "Check the resolver that the detail names; give the service another one (`--resolver-ips`); update a connector older than 2025.7.0 and let it connect by QUIC.",
    },
    Row {
        code: ErrorCode::DnsTimeout,
        category: Category::BadUpstream,
        phases: &[Phase::Dns],
        meaning: "The resolver did not answer in time.",
        fix: "Check that the connector's machine reaches the resolver on port 53, or give the service another one (`--resolver-ips`).",
    },
    Row {
        code: ErrorCode::ConnectionRefused,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "The private service's machine refused the connection.",
        fix: "Start the private service, and check that it listens on the registered address and port and that no firewall rejects the connector.",
    },
    Row {
        code: ErrorCode::ConnectionTimeout,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "Nothing answered the connection attempt in time.",
        fix: "Check the address, and that no firewall drops packets from the connector's machine to it.",
    },
    Row {
        code: ErrorCode::DestinationIpUnroutable,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "The connector's machine has no route to the address.",
        fix: "Check the address, and the routes of the machine on which the connector runs (`ip route get ADDRESS`).",
    },
    Row {
        code: ErrorCode::TlsProtocolError,
        category: Category::BadUpstream,
        phases: &[Phase::Tls],
        meaning: "The TLS handshake failed: the port does not speak TLS, it sent an alert, or there is no common version or cipher.",
        fix: "Use http: for a port without TLS; otherwise enable TLS 1.2 or 1.3 on the private service.",
    },
    Row {
        code: ErrorCode::TlsCertificateError,
        category: Category::BadUpstream,
        phases: &[Phase::Tls],
        meaning: "The private service's certificate was not accepted: unknown issuer, expired, or not for the host in the URL.",
        fix: "Renew the certificate, use its host name in the URL, or add its issuer to the service's trusted roots; `verify_ca` skips the name, `disabled` skips all of it.",
    },
    Row {
        code: ErrorCode::HttpRequestError,
        category: Category::BadUpstream,
        phases: &[Phase::Request],
        meaning: "The request failed while it was being sent: the service reset or refused the stream, or the source of the body failed.",
        fix: "Look at the private service's log for this request, and at what the Worker passes as the body.",
    },
    Row {
        code: ErrorCode::ConnectionTerminated,
        category: Category::BadUpstream,
        phases: &[Phase::Request, Phase::Head],
        meaning: "The connection was closed or reset before the response head was complete.",
        fix: "Look for a crash, a restart or exhausted resources of the private service, and for a connector that went away.",
    },
    Row {
        code: ErrorCode::HttpProtocolError,
        category: Category::BadUpstream,
        phases: &[Phase::Head],
        meaning: "The answer is not valid HTTP.",
        fix: "Check that the port speaks HTTP (and https: where it speaks TLS), and what it answers with curl on the connector's machine.",
    },
    Row {
        code: ErrorCode::HttpUpgradeFailed,
        category: Category::BadUpstream,
        phases: &[Phase::Head],
        meaning: "An upgrade (a WebSocket, for example) was asked for and not carried through.",
        fix: "Check that the private service accepts the upgrade at this path and answers 101 with the right headers.",
    },
    Row {
        code: ErrorCode::HttpResponseIncomplete,
        category: Category::BadUpstream,
        phases: &[Phase::Body],
        meaning: "The response body ended before its announced end.",
        fix: "Look for a crash or a time limit of the private service while it was answering.",
    },
    Row {
        code: ErrorCode::DnsError,
        category: Category::Client,
        phases: &[Phase::Dns],
        meaning: "The host name does not exist (NXDOMAIN).",
        fix: "Correct the service's host name, or create the DNS record in the private zone.",
    },
    Row {
        code: ErrorCode::RateLimited,
        category: Category::Client,
        phases: &[Phase::Route],
        meaning: "More new connections per second to this service than its limit.",
        fix: "Open fewer connections, reuse them by reading bodies to their end, or raise the service's limit.",
    },
    Row {
        code: ErrorCode::ConnectionWriteTimeout,
        category: Category::Client,
        phases: &[Phase::Request],
        meaning: "Nothing could be written to the connection for the write timeout.",
        fix: "Check that the private service reads the request body, or raise the service's write timeout.",
    },
    Row {
        code: ErrorCode::ConnectionReadTimeout,
        category: Category::Client,
        phases: &[Phase::Head, Phase::Body],
        meaning: "Connected, and nothing was received for the read timeout.",
        fix: "See why the private service is slow to answer this request, or raise the service's read timeout.",
    },
    Row {
        code: ErrorCode::ProxyInternalError,
        category: Category::Internal,
        phases: &[Phase::Route, Phase::Dns, Phase::Connect, Phase::Tls, Phase::Request, Phase::Head, Phase::Body],
        meaning: "Culvert itself failed.",
        fix: "Report it with the ray id and the edge's log around that time: this is always a bug.",
    },
];

/// The row or rows of a code: two for `dns_error`, one for each other.
pub fn rows_of(code: ErrorCode) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_row_that_agrees_with_it() {
        for &code in ErrorCode::ALL {
            let rows: Vec<_> = rows_of(code).collect();
            assert_eq!(rows.len(), if code == ErrorCode::DnsError { 2 } else { 1 }, "{code}");
            assert_eq!(rows[0].category, code.category(), "{code}");
        }
    }

    #[test]
    fn names_go_both_ways() {
        for &code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert!("connection_lost".parse::<ErrorCode>().is_err());
        for row in ROWS {
            assert_eq!(row.category.as_str().parse(), Ok(row.category));
            assert!(row.phases.iter().all(|phase| phase.as_str().parse() == Ok(*phase)));
        }
    }
}
