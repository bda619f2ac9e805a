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
    /// What brings it about in practice, the likeliest first, each in one short sentence.
    pub causes: &'static [&'static str],
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
        causes: &[
            "The VPC Service was deleted after the Worker was deployed.",
            "The service's tunnel was deleted.",
            "The Worker is bound to the id of a service that exists on another edge only.",
            "No route of the bound network, by address or by host name, covers the host in the URL.",
        ],
        fix: "Check that the service and its tunnel still exist (`culvert vpc service list`, `culvert tunnel list`), and deploy the Worker again if its binding names an old id.",
    },
    Row {
        code: ErrorCode::DestinationUnavailable,
        category: Category::BadUpstream,
        phases: &[Phase::Route],
        meaning: "The tunnel has no live connector, or the service failed so often that its breaker is open.",
        causes: &[
            "No connector runs for the tunnel, or it was stopped or is starting.",
            "A firewall keeps the connector from the edge's tunnel port (UDP and TCP 7844).",
            "The connector has a token that was rotated or belongs to another tunnel.",
            "The service failed so often that its breaker is open until a trial succeeds.",
        ],
        fix: "Start `culvert connect` (or cloudflared) in the private network and see that it stays connected (`culvert tunnel list`); when a breaker is open, mend the error that precedes this one.",
    },
    Row {
        code: ErrorCode::DestinationIpProhibited,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Dns],
        meaning: "The address, given or resolved, is on a restricted list: unspecified, multicast, link-local, the edge's own, or one that the operator added.",
        causes: &[
            "The address is unspecified, multicast, link-local (cloud metadata, for example) or the edge's own.",
            "The URL of a VPC Network's request chose a loopback address.",
            "The operator put the address on the list of those that may not be reached.",
            "A host name resolves to such an address.",
        ],
        fix: "Register the service by an address that may be reached, or take the address off the operator's list.",
    },
    Row {
        code: ErrorCode::HttpRequestDenied,
        category: Category::BadUpstream,
        phases: &[Phase::Route],
        meaning: "The service's policy refused the request before it was forwarded: its scheme is not enabled, or its method or path is not allowed.",
        causes: &[
            "The URL has https: and the service has a port for http only, or the other way round.",
            "The service's policy does not list the request's method.",
            "The service's policy does not allow the path.",
        ],
        fix: "Use the scheme that the service has a port for, or change its ports or policy.",
    },
    Row {
        code: ErrorCode::ConnectionLimitReached,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Connect],
        meaning: "The service's limit of concurrent connections is used up, or the connector says that it has too many flows.",
        causes: &[
            "More requests are in flight than the service's limit of concurrent connections.",
            "The Worker does not read response bodies to their end, so that their connections stay taken.",
            "The private service answers slowly, and requests pile up.",
            "The connector says that it carries too many flows.",
        ],
        fix: "Finish reading response bodies, lower the concurrency, or raise the limit of the service or of the connector.",
    },
    Row {
        code: ErrorCode::ProxyLoopDetected,
        category: Category::BadUpstream,
        phases: &[Phase::Route, Phase::Head],
        meaning: "The request would come back to this edge.",
        causes: &[
            "The service's address is a listener of this edge.",
            "A proxy in the private network sends the request back to the edge (`CDN-Loop` names it).",
            "Two Workers or services call each other without end.",
        ],
        fix: "Point the service at the private service itself and not at an address that leads back to the edge.",
    },
    Row {
        code: ErrorCode::DnsError,
        category: Category::BadUpstream,
        phases: &[Phase::Dns],
        meaning: "The name could not be resolved: the resolver failed or refused, gave no address or an unusable answer, or the connector cannot carry DNS.",
        causes: &[
            "The resolver answers SERVFAIL, because it cannot reach the servers of the zone, or DNSSEC fails.",
            "The resolver answers REFUSED, because it does not serve the connector's machine.",
            "The name exists and has no address (no A or AAAA record).",
            "The answer is unusable: malformed, or a chain of names without an end.",
            "The connector is cloudflared older than 2025.7.0, or connected by HTTP/2, and cannot carry DNS.",
        ],
        fix: "Check the resolver that the detail names; give the service another one (`--resolver-ips`); update a connector older than 2025.7.0 and let it connect by QUIC.",
    },
    Row {
        code: ErrorCode::DnsTimeout,
        category: Category::BadUpstream,
        phases: &[Phase::Dns],
        meaning: "The resolver did not answer in time.",
        causes: &[
            "The resolver that the service names does not run, or has another address.",
            "A firewall drops UDP or TCP port 53 between the connector's machine and the resolver.",
            "The resolver waits for a server of the zone that does not answer.",
        ],
        fix: "Check that the connector's machine reaches the resolver on port 53, or give the service another one (`--resolver-ips`).",
    },
    Row {
        code: ErrorCode::ConnectionRefused,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "The private service's machine refused the connection.",
        causes: &[
            "The private service is not running, or has crashed or restarts.",
            "It listens on another port than the registered one.",
            "It listens on 127.0.0.1 only, and the connector asks for the machine's other address.",
            "A firewall rejects the connection instead of dropping it.",
        ],
        fix: "Start the private service, and check that it listens on the registered address and port and that no firewall rejects the connector.",
    },
    Row {
        code: ErrorCode::ConnectionTimeout,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "Nothing answered the connection attempt in time.",
        causes: &[
            "A firewall or security group drops packets from the connector's machine.",
            "The address belongs to no machine, or to one that is off.",
            "The private service's queue of new connections is full.",
            "Packets find the way there and not back.",
        ],
        fix: "Check the address, and that no firewall drops packets from the connector's machine to it.",
    },
    Row {
        code: ErrorCode::DestinationIpUnroutable,
        category: Category::BadUpstream,
        phases: &[Phase::Connect],
        meaning: "The connector's machine has no route to the address.",
        causes: &[
            "The connector's machine has no route to the network of the address (ENETUNREACH).",
            "The last router, or the neighbour itself, does not answer (EHOSTUNREACH).",
            "The address is of IPv6, and the connector's machine has none.",
            "A VPN or link that the route needs is down.",
        ],
        fix: "Check the address, and the routes of the machine on which the connector runs (`ip route get ADDRESS`).",
    },
    Row {
        code: ErrorCode::TlsProtocolError,
        category: Category::BadUpstream,
        phases: &[Phase::Tls],
        meaning: "The TLS handshake failed: the port does not speak TLS, it sent an alert, or there is no common version or cipher.",
        causes: &[
            "The port speaks plain HTTP, or another protocol than TLS.",
            "The private service offers TLS 1.1 or older only, or no common cipher.",
            "The private service sent an alert: it wants a client certificate, or does not know the name in SNI.",
            "Something between closes or rewrites the handshake.",
        ],
        fix: "Use http: for a port without TLS; otherwise enable TLS 1.2 or 1.3 on the private service.",
    },
    Row {
        code: ErrorCode::TlsCertificateError,
        category: Category::BadUpstream,
        phases: &[Phase::Tls],
        meaning: "The private service's certificate was not accepted: unknown issuer, expired, or not for the host in the URL.",
        causes: &[
            "A private authority issued the certificate, and the service does not trust it (`unknown issuer`).",
            "The certificate has expired, or is not valid yet; or a clock is wrong.",
            "The certificate is not for the host in the URL.",
            "The private service does not send the intermediate certificates.",
        ],
        fix: "Renew the certificate, use its host name in the URL, or add its issuer to the service's trusted roots; `verify_ca` skips the name, `disabled` skips all of it.",
    },
    Row {
        code: ErrorCode::HttpRequestError,
        category: Category::BadUpstream,
        phases: &[Phase::Request],
        meaning: "The request failed while it was being sent: the service reset or refused the stream, or the source of the body failed.",
        causes: &[
            "The private service reset or refused the stream while the request was being sent.",
            "It answered or closed before it had read the body, because the body is too large for it.",
            "The body that the Worker passed failed: its stream threw, or its source broke off.",
        ],
        fix: "Look at the private service's log for this request, and at what the Worker passes as the body.",
    },
    Row {
        code: ErrorCode::ConnectionTerminated,
        category: Category::BadUpstream,
        phases: &[Phase::Request, Phase::Head],
        meaning: "The connection was closed or reset before the response head was complete.",
        causes: &[
            "The private service crashed, was restarted or ran out of memory while it worked on the request.",
            "A proxy or load balancer before it closed the connection after its own time limit.",
            "The connector was stopped, or lost its connection to the edge.",
            "A kept-alive connection was closed at the moment when it was used again.",
        ],
        fix: "Look for a crash, a restart or exhausted resources of the private service, and for a connector that went away.",
    },
    Row {
        code: ErrorCode::HttpProtocolError,
        category: Category::BadUpstream,
        phases: &[Phase::Head],
        meaning: "The answer is not valid HTTP.",
        causes: &[
            "The port speaks another protocol: a database, SSH, or TLS where the URL has http:.",
            "The response's head is malformed, or has contradicting lengths.",
            "The response's head is larger than is accepted.",
        ],
        fix: "Check that the port speaks HTTP (and https: where it speaks TLS), and what it answers with curl on the connector's machine.",
    },
    Row {
        code: ErrorCode::HttpUpgradeFailed,
        category: Category::BadUpstream,
        phases: &[Phase::Head],
        meaning: "An upgrade (a WebSocket, for example) was asked for and not carried through.",
        causes: &[
            "The private service does not know WebSockets at this path, and answers without 101.",
            "A proxy before it does not pass `Upgrade` and `Connection` on.",
            "It wants credentials, an `Origin` or a subprotocol that the request does not have.",
            "It answers 101 with a wrong `Sec-WebSocket-Accept`, or none.",
        ],
        fix: "Check that the private service accepts the upgrade at this path and answers 101 with the right headers.",
    },
    Row {
        code: ErrorCode::HttpResponseIncomplete,
        category: Category::BadUpstream,
        phases: &[Phase::Body],
        meaning: "The response body ended before its announced end.",
        causes: &[
            "The private service crashed or was stopped while it was answering.",
            "It sent fewer bytes than its `Content-Length` says, or no last chunk.",
            "A proxy before it cut the answer off at its own time limit.",
            "The connector went away during the answer.",
        ],
        fix: "Look for a crash or a time limit of the private service while it was answering.",
    },
    Row {
        code: ErrorCode::DnsError,
        category: Category::Client,
        phases: &[Phase::Dns],
        meaning: "The host name does not exist (NXDOMAIN).",
        causes: &[
            "The host name is misspelt.",
            "The record was never created, or in another zone than the one the resolver serves.",
            "The name exists in the private zone only, and a public resolver was asked.",
            "The name belongs to a search domain of a machine and is not complete.",
        ],
        fix: "Correct the service's host name, or create the DNS record in the private zone.",
    },
    Row {
        code: ErrorCode::RateLimited,
        category: Category::Client,
        phases: &[Phase::Route],
        meaning: "More new connections per second to this service than its limit.",
        causes: &[
            "The Worker opens a connection for each item of a list.",
            "Response bodies are not read to their end, so that no connection is used again.",
            "Visitors are more than the service's limit was made for.",
        ],
        fix: "Open fewer connections, reuse them by reading bodies to their end, or raise the service's limit.",
    },
    Row {
        code: ErrorCode::ConnectionWriteTimeout,
        category: Category::Client,
        phases: &[Phase::Request],
        meaning: "Nothing could be written to the connection for the write timeout.",
        causes: &[
            "The private service stopped reading the request's body.",
            "The Worker's body waits for something, and nothing can be sent meanwhile.",
            "The network between connector and service is congested or lost.",
        ],
        fix: "Check that the private service reads the request body, or raise the service's write timeout.",
    },
    Row {
        code: ErrorCode::ConnectionReadTimeout,
        category: Category::Client,
        phases: &[Phase::Head, Phase::Body],
        meaning: "Connected, and nothing was received for the read timeout.",
        causes: &[
            "The private service works longer on this request than the read timeout.",
            "It waits for something itself: a lock, a database, another service.",
            "A long-lived answer (events, long polling) is silent for longer than the read timeout.",
            "The private service's machine was lost after the connection stood.",
        ],
        fix: "See why the private service is slow to answer this request, or raise the service's read timeout.",
    },
    Row {
        code: ErrorCode::ProxyInternalError,
        category: Category::Internal,
        phases: &[Phase::Route, Phase::Dns, Phase::Connect, Phase::Tls, Phase::Request, Phase::Head, Phase::Body],
        meaning: "Culvert itself failed.",
        causes: &["A fault of Culvert: something that cannot happen did."],
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
    fn every_row_has_causes_that_are_sentences() {
        for row in ROWS {
            assert!(!row.causes.is_empty(), "{}", row.code);
            for cause in row.causes {
                assert!(cause.ends_with('.') && cause.len() < 120, "{}: {cause}", row.code);
            }
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
