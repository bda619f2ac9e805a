//! What visitors see when there is no response of a Worker: one table, three representations.
//!
//! Nothing here says what a Worker threw: that is for its owner, who finds it in the invocation log under the ray id.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use invocation::{OriginFailure, Outcome, RayId};
use serde::Serialize;
use time::OffsetDateTime;

use crate::accept::Representation;

/// One row of the table of error pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPage {
    /// The number that visitors know from Cloudflare (`Error 1101`); none where HTTP's status says it all.
    pub number: Option<u16>,
    /// The HTTP status.
    pub status: u16,
    /// A few words.
    pub title: &'static str,
    /// What happened, for a visitor.
    pub happened: &'static str,
    /// What a visitor, or the owner of the Worker, can do.
    pub advice: &'static str,
    /// The error type of RFC 9209 that comes nearest, for `Proxy-Status`.
    pub proxy_error: &'static str,
}

/// Why the edge answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadRequest,
    BodyTooLarge,
    HeadersTooLarge,
    Loop,
    MethodNotAllowed,
    NoWorker,
    UrlTooLong,
}

const EXCEPTION: ErrorPage = ErrorPage {
    number: Some(1101),
    status: 500,
    title: "Worker threw exception",
    happened: "The Worker that serves this address failed before it could answer.",
    advice: "If you are visiting, try again in a few minutes. If this is your Worker, its invocation log has the exception under this Ray ID.",
    proxy_error: "proxy_internal_error",
};
const RESOURCE_LIMITS: ErrorPage = ErrorPage {
    number: Some(1102),
    status: 503,
    title: "Worker exceeded resource limits",
    happened: "The Worker that serves this address used more CPU time or memory than it is allowed, and was stopped.",
    advice: "If you are visiting, try again in a few minutes. If this is your Worker, its invocation log says under this Ray ID which limit was reached; the CPU limit is set by limits.cpu_ms in its configuration.",
    proxy_error: "proxy_internal_error",
};
const INTERNAL: ErrorPage = ErrorPage {
    number: Some(1103),
    status: 500,
    title: "Internal error",
    happened: "The edge that serves this address failed. This is not a fault of the Worker.",
    advice: "Try again in a few minutes. If it goes on, tell the operator of this edge the Ray ID and the time.",
    proxy_error: "proxy_internal_error",
};
const LOAD_SHED: ErrorPage = ErrorPage {
    number: Some(1105),
    status: 503,
    title: "Temporarily unavailable",
    happened: "The Worker that serves this address has more requests waiting than it can take.",
    advice: "Try again in a few seconds.",
    proxy_error: "destination_unavailable",
};
const NO_WORKER: ErrorPage = ErrorPage {
    number: Some(1022),
    status: 404,
    title: "No Worker serves this host",
    happened: "This edge is running, but no Worker is deployed for the host that was asked for.",
    advice: "Check the host in the address. A Worker named NAME is served at NAME.localhost, and at the routes and custom domains that it was given; deploy it with `culvert deploy` or `wrangler deploy`.",
    proxy_error: "destination_not_found",
};
const LOOP: ErrorPage = ErrorPage {
    number: Some(1019),
    status: 508,
    title: "Loop detected",
    happened: "The request has passed this edge before and came back to it.",
    advice: "If this is your Worker, see what it calls: some service on the way leads back to this edge. The CDN-Loop header of the request says who passed it on.",
    proxy_error: "proxy_loop_detected",
};
const TUNNEL_DOWN: ErrorPage = ErrorPage {
    number: Some(1033),
    status: 530,
    title: "Tunnel not connected",
    happened: "This address is served by a private service behind a tunnel, and nothing connects the tunnel now.",
    advice: "If you are visiting, try again in a few minutes. If this is your tunnel, check that its connector (cloudflared or `culvert connect`) runs and reaches this edge.",
    proxy_error: "destination_unavailable",
};
const ORIGIN_UNREACHABLE: ErrorPage = ErrorPage {
    number: None,
    status: 502,
    title: "Bad gateway",
    happened: "The tunnel is connected, but the private service behind it could not be reached or broke off.",
    advice: "If you are visiting, try again in a few minutes. If this is your service, check that it runs where the tunnel's ingress rules say; the log of this edge has the reason under this Ray ID.",
    proxy_error: "destination_unavailable",
};
const ORIGIN_TIMED_OUT: ErrorPage = ErrorPage {
    number: None,
    status: 504,
    title: "Gateway timeout",
    happened: "The private service that serves this address did not answer in time.",
    advice: "If you are visiting, try again in a few minutes. If this is your service, find out what it is waiting for.",
    proxy_error: "http_response_timeout",
};
const VISITOR_GONE: ErrorPage = ErrorPage {
    number: None,
    status: 499,
    title: "Client closed request",
    happened: "The connection was closed before the response was complete.",
    advice: "Send the request again.",
    proxy_error: "http_request_error",
};
const BAD_REQUEST: ErrorPage = ErrorPage {
    number: None,
    status: 400,
    title: "Bad request",
    happened: "The request cannot be understood: it must name exactly one valid host, and a path.",
    advice: "Check the address and the program that sent the request.",
    proxy_error: "http_request_error",
};
const BODY_TOO_LARGE: ErrorPage = ErrorPage {
    number: None,
    status: 413,
    title: "Request body too large",
    happened: "The request's body is larger than this edge accepts.",
    advice: "Send less at once. The operator of this edge sets the limit.",
    proxy_error: "http_request_error",
};
const HEADERS_TOO_LARGE: ErrorPage = ErrorPage {
    number: None,
    status: 431,
    title: "Request headers too large",
    happened: "The request's headers are larger than this edge accepts (128 KB unless the operator set it otherwise).",
    advice: "Deleting the cookies of this site often helps.",
    proxy_error: "http_request_error",
};
const METHOD_NOT_ALLOWED: ErrorPage = ErrorPage {
    number: None,
    status: 405,
    title: "Method not allowed",
    happened: "CONNECT and TRACE are not offered here.",
    advice: "Use another method.",
    proxy_error: "http_request_error",
};
const URL_TOO_LONG: ErrorPage = ErrorPage {
    number: None,
    status: 414,
    title: "URL too long",
    happened: "The address is longer than this edge accepts (16 KB unless the operator set it otherwise).",
    advice: "Send long data in the request's body.",
    proxy_error: "http_request_error",
};

/// Every error page, for the documentation.
pub const ERROR_PAGES: [ErrorPage; 15] = [
    NO_WORKER,
    LOOP,
    EXCEPTION,
    RESOURCE_LIMITS,
    INTERNAL,
    LOAD_SHED,
    TUNNEL_DOWN,
    ORIGIN_UNREACHABLE,
    ORIGIN_TIMED_OUT,
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    URL_TOO_LONG,
    HEADERS_TOO_LARGE,
    VISITOR_GONE,
];

impl ErrorPage {
    /// The page for an invocation that ended this way without a response.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Exception => EXCEPTION,
            Outcome::ExceededCpu | Outcome::ExceededMemory | Outcome::ExceededWallTime => RESOURCE_LIMITS,
            Outcome::LoadShed => LOAD_SHED,
            Outcome::ScriptNotFound => NO_WORKER,
            Outcome::Canceled | Outcome::ResponseStreamDisconnected => VISITOR_GONE,
            // `ok` without a response is a fault of whoever says so.
            Outcome::InternalError | Outcome::Ok => INTERNAL,
        }
    }

    /// The page for an origin that did not answer.
    pub const fn of_origin(failure: OriginFailure) -> Self {
        match failure {
            OriginFailure::Disconnected => TUNNEL_DOWN,
            OriginFailure::Unreachable => ORIGIN_UNREACHABLE,
            OriginFailure::TimedOut => ORIGIN_TIMED_OUT,
        }
    }

    /// Whether it refuses a request that came back.
    pub(crate) fn is_loop(&self) -> bool {
        *self == LOOP
    }

    pub(crate) const fn refusing(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadRequest => BAD_REQUEST,
            Refusal::BodyTooLarge => BODY_TOO_LARGE,
            Refusal::HeadersTooLarge => HEADERS_TOO_LARGE,
            Refusal::Loop => LOOP,
            Refusal::MethodNotAllowed => METHOD_NOT_ALLOWED,
            Refusal::NoWorker => NO_WORKER,
            Refusal::UrlTooLong => URL_TOO_LONG,
        }
    }
}

/// One error on its way to one visitor.
pub(crate) struct Occurrence<'a> {
    pub page: ErrorPage,
    pub ray: RayId,
    pub at: OffsetDateTime,
    /// The host that was asked for, once it is known to be one.
    pub host: Option<&'a str>,
}

const TEMPLATE: &str = include_str!("error_page.html");
/// The template's one style sheet is allowed by its hash, and nothing else; a test keeps the two together.
const POLICY: &str = "default-src 'none'; style-src 'sha256-FkEvnSWKjx7Jr1G/i97163qkB/6WwNSup1icPgU71XI='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Occurrence<'_> {
    /// Status, headers and body of the response.
    pub(crate) fn render(&self, representation: Representation) -> (StatusCode, HeaderMap, Bytes) {
        let status = StatusCode::from_u16(self.page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (content_type, body) = match representation {
            Representation::Html => ("text/html; charset=utf-8", self.html()),
            Representation::Problem => ("application/problem+json", self.problem()),
            Representation::Text => ("text/plain; charset=utf-8", self.text()),
        };
        let mut headers = HeaderMap::with_capacity(12);
        let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
        set(CONTENT_TYPE, content_type);
        set(CACHE_CONTROL, "no-store");
        set(VARY, "accept");
        set(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if representation == Representation::Html {
            set(CONTENT_SECURITY_POLICY, POLICY);
            set(http::header::REFERRER_POLICY, "no-referrer");
        }
        if self.page == LOAD_SHED {
            set(RETRY_AFTER, "2");
        }
        if self.page == METHOD_NOT_ALLOWED {
            set(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        }
        (status, headers, body.into())
    }

    fn text(&self) -> String {
        match self.page.number {
            Some(number) => format!("error code: {number}"),
            None => format!("error code: {} ({})", self.page.status, self.page.title),
        }
    }

    fn problem(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Problem<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            instance: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<u16>,
            ray_id: RayId,
            #[serde(skip_serializing_if = "Option::is_none")]
            host: Option<&'a str>,
        }
        let problem = Problem {
            r#type: match self.page.number {
                Some(number) => format!("urn:culvert:error:{number}"),
                None => "about:blank".to_owned(),
            },
            title: self.page.title,
            status: self.page.status,
            detail: self.page.happened,
            instance: format!("urn:culvert:ray:{}", self.ray),
            code: self.page.number,
            ray_id: self.ray,
            host: self.host,
        };
        serde_json::to_string(&problem).unwrap_or_else(|_| self.text())
    }

    fn html(&self) -> String {
        let number = self.page.number.unwrap_or(self.page.status).to_string();
        let ray = self.ray.to_string();
        let at = self.at.to_offset(time::UtcOffset::UTC);
        let (hour, minute, second) = at.to_hms();
        let at = format!("{} {hour:02}:{minute:02}:{second:02}", at.date());
        let host = self.host.unwrap_or("not known");
        fill(TEMPLATE, |name| match name {
            "number" => &number,
            "title" => self.page.title,
            "ray" => &ray,
            "time" => &at,
            "host" => host,
            "happened" => self.page.happened,
            "advice" => self.page.advice,
            _ => "",
        })
    }
}

/// Puts values, escaped for HTML text and attributes, in place of `{{name}}`.
fn fill<'a>(template: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut filled = String::with_capacity(template.len() + 512);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            rest = after;
            break;
        };
        for character in value(name).chars() {
            match character {
                '&' => filled.push_str("&amp;"),
                '<' => filled.push_str("&lt;"),
                '>' => filled.push_str("&gt;"),
                '"' => filled.push_str("&quot;"),
                '\'' => filled.push_str("&#39;"),
                other => filled.push(other),
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::Engine;

    fn occurrence(page: ErrorPage) -> Occurrence<'static> {
        let at = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        Occurrence { page, ray: RayId(0x0123_4567_89ab_cdef), at, host: Some("a.example") }
    }

    #[test]
    fn the_policy_allows_the_template_s_style_and_nothing_else() {
        let style = TEMPLATE.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "put sha256-{hash} in POLICY");
        for forbidden in ["<script", " style=", "http://", "https://", "url(", "@import", "<link", "<img"] {
            assert!(!TEMPLATE.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn every_placeholder_is_filled_and_escaped() {
        for page in ERROR_PAGES {
            let (status, headers, body) = occurrence(page).render(Representation::Html);
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(status.as_u16(), page.status);
            assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
            assert!(!body.contains("{{") && !body.contains("}}"), "{body}");
            for part in ["0123456789abcdef", "2026-09-21 14:13:20", "a.example", page.title] {
                assert!(body.contains(part), "{part}: {body}");
            }
        }
        let filled = fill("<p title=\"{{x}}\">{{x}}</p>{{", |_| "<b>&\"'");
        assert_eq!(filled, "<p title=\"&lt;b&gt;&amp;&quot;&#39;\">&lt;b&gt;&amp;&quot;&#39;</p>");
    }

    #[test]
    fn numbers_and_statuses_are_those_that_visitors_know() {
        for (outcome, number, status) in [
            (Outcome::Exception, Some(1101), 500),
            (Outcome::ExceededCpu, Some(1102), 503),
            (Outcome::ExceededMemory, Some(1102), 503),
            (Outcome::InternalError, Some(1103), 500),
            (Outcome::LoadShed, Some(1105), 503),
            (Outcome::ScriptNotFound, Some(1022), 404),
        ] {
            let page = ErrorPage::of(outcome);
            assert_eq!((page.number, page.status), (number, status), "{outcome}");
        }
        for &outcome in Outcome::ALL {
            assert!(ERROR_PAGES.contains(&ErrorPage::of(outcome)), "{outcome}");
        }
    }

    #[test]
    fn text_and_problem() {
        let (_, headers, body) = occurrence(RESOURCE_LIMITS).render(Representation::Text);
        assert_eq!(body, "error code: 1102");
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        let (_, headers, body) = occurrence(LOAD_SHED).render(Representation::Problem);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[RETRY_AFTER], "2");
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "urn:culvert:error:1105", "title": "Temporarily unavailable", "status": 503,
            "detail": LOAD_SHED.happened, "instance": "urn:culvert:ray:0123456789abcdef", "code": 1105,
            "rayId": "0123456789abcdef", "host": "a.example",
        });
        assert_eq!(problem, expected);
    }
}
