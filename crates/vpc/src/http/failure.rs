//! What a failed exchange was, from hyper's error, the traffic and the request body's progress together. Pure.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use h2::Reason;

use super::request_body::{Progress, SourceFailure};
use super::stall::Verdict;
use crate::tls;
use crate::traffic::{End, Passed, shown};

/// What is known when an exchange fails before its response head.
pub(crate) struct HeadEvidence<'a> {
    pub address: SocketAddr,
    /// Since the request began.
    pub elapsed: Duration,
    pub body: &'a Progress,
    /// The connection's own traffic; absent for HTTP/2.
    pub passed: Option<&'a Passed>,
    pub idempotent: bool,
}

/// A failure, and whether it is certain that the service has not looked at the request.
pub(crate) struct HeadFailure {
    pub error: Box<ConnectionError>,
    pub unprocessed: bool,
}

fn error(code: ErrorCode, phase: Phase, detail: String) -> Box<ConnectionError> {
    Box::new(ConnectionError::new(code, phase, detail))
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// The body's source failed: that is the first cause, whatever followed from it.
pub(crate) fn of_source(failure: &SourceFailure) -> Box<ConnectionError> {
    let mut error =
        error(ErrorCode::HttpRequestError, Phase::Request, format!("The request body could not be sent: {failure}."));
    error.retryable = false;
    error
}

/// The request or response stalled.
pub(crate) fn of_stall(
    verdict: Verdict,
    phase: Phase,
    address: SocketAddr,
    timeouts: (Duration, Duration),
    passed: Option<&Passed>,
    idempotent: bool,
) -> Box<ConnectionError> {
    let (read, write) = timeouts;
    let received = passed.map_or(0, |passed| passed.received);
    let mut failure = match verdict {
        Verdict::WriteStalled => error(
            ErrorCode::ConnectionWriteTimeout,
            Phase::Request,
            format!("{address} took no more bytes of the request for {}.", seconds(write)),
        ),
        Verdict::WriteFailed => {
            let why = passed.and_then(|passed| passed.write_failed.as_ref()).map_or("", |(_, why)| why.as_str());
            error(
                ErrorCode::ConnectionTerminated,
                Phase::Request,
                format!("{address} closed the connection while the request was being sent ({why}), without an answer."),
            )
        }
        Verdict::ReadStalled | Verdict::Until(_) => {
            let what = match (phase, received) {
                (Phase::Body, _) => "nothing more of the response body".to_owned(),
                (_, 0) => "nothing in answer to the request".to_owned(),
                (_, bytes) => format!("nothing more of the response head after its first {bytes} bytes"),
            };
            error(ErrorCode::ConnectionReadTimeout, phase, format!("{address} sent {what} for {}.", seconds(read)))
        }
    };
    failure.retryable = idempotent;
    failure
}

/// Reads a failure before the response head. `returned` says that hyper gave the request back unsent.
pub(crate) fn of_head(failure: &hyper::Error, returned: bool, evidence: &HeadEvidence<'_>) -> HeadFailure {
    if let Progress::Failed(source) = evidence.body {
        return HeadFailure { error: of_source(source), unprocessed: false };
    }
    let mut unprocessed = returned;
    let mut classified = match h2_cause(failure) {
        Some(cause) => of_http2(cause, evidence, &mut unprocessed),
        None => match (evidence.passed, io_cause(failure)) {
            (None, Some(cause)) => http2_connection_lost(cause, evidence),
            _ => of_http1(failure, evidence),
        },
    };
    classified.retryable |=
        evidence.idempotent && matches!(classified.code, ErrorCode::ConnectionTerminated | ErrorCode::HttpRequestError);
    classified.retryable |= unprocessed;
    HeadFailure { error: classified, unprocessed }
}

/// Whether the request had been sent when the connection ended: `head` then, `request` before.
fn phase_of(evidence: &HeadEvidence<'_>) -> Phase {
    let received = evidence.passed.is_some_and(|passed| passed.received > 0);
    let stuck =
        evidence.passed.is_some_and(|passed| passed.write_blocked_since.is_some() || passed.write_failed.is_some());
    if stuck && !received {
        return Phase::Request;
    }
    if received || matches!(evidence.body, Progress::Done(_)) { Phase::Head } else { Phase::Request }
}

fn of_http1(failure: &hyper::Error, evidence: &HeadEvidence<'_>) -> Box<ConnectionError> {
    let address = evidence.address;
    let nothing = Passed::default();
    let passed = evidence.passed.unwrap_or(&nothing);
    if let Some(End::Error { tls: Some(alert), .. }) = &passed.end
        && passed.received == 0
    {
        return tls::after_handshake(alert);
    }
    if failure.is_parse() {
        return not_http(failure, address, passed);
    }
    let phase = phase_of(evidence);
    let when = match (passed.received, phase) {
        (0, Phase::Request) => "while the request was being sent".to_owned(),
        (0, _) => format!("{} after the request began, without an answer", seconds(evidence.elapsed)),
        (bytes, _) => format!("in the middle of the response head, after {bytes} bytes: {}", shown(&passed.first)),
    };
    let terminated = |how: String| error(ErrorCode::ConnectionTerminated, phase, how);
    match (&passed.end, &passed.write_failed) {
        (Some(End::Eof), _) => terminated(format!("{address} closed the connection {when}.")),
        (Some(End::Error { kind, text, .. }), _) => {
            let how = match kind {
                io::ErrorKind::ConnectionReset => format!("{address} reset the connection"),
                io::ErrorKind::UnexpectedEof => format!("{address} broke off TLS"),
                _ => format!("The connection to {address} was lost"),
            };
            terminated(format!("{how} {when} ({}).", brief(text)))
        }
        (None, Some((_, why))) => terminated(format!("{address} closed the connection {when} ({why}).")),
        (None, None) if failure.is_canceled() || failure.is_closed() => {
            terminated(format!("The connection to {address} was closed before the request was sent on it."))
        }
        (None, None) => Box::new(ConnectionError::internal(
            phase,
            format!("The exchange with {address} failed without a cause on the connection: {}.", chain(failure)),
        )),
    }
}

/// An answer that is not HTTP, with a guess at what it is.
fn not_http(failure: &hyper::Error, address: SocketAddr, passed: &Passed) -> Box<ConnectionError> {
    let first = passed.first.as_slice();
    let guess = if failure.is_parse_too_large() {
        "The response head is larger than the limit of 131072 bytes or has more than 256 fields"
    } else if matches!(first, [0x15 | 0x16, 0x03, ..]) {
        "This is TLS: use https: in the URL"
    } else if matches!(first, [0, _, _, 4, _, 0, 0, 0, 0, ..]) {
        "This is HTTP/2 without TLS, which is not spoken to private services: enable HTTP/1.1 or TLS on it"
    } else if first.starts_with(b"SSH-") {
        "This is an SSH server"
    } else if first.starts_with(b"HTTP/") {
        "The response head is malformed"
    } else {
        "The port does not speak HTTP"
    };
    error(
        ErrorCode::HttpProtocolError,
        Phase::Head,
        format!("{address} answered {}, which is not valid HTTP/1.1 ({}). {guess}.", shown(first), chain(failure)),
    )
}

fn of_http2(cause: &h2::Error, evidence: &HeadEvidence<'_>, unprocessed: &mut bool) -> Box<ConnectionError> {
    let address = evidence.address;
    let reason = cause.reason();
    if let Some(cause) = cause.get_io() {
        return http2_connection_lost(cause, evidence);
    }
    if cause.is_go_away() && cause.is_remote() {
        if reason == Some(Reason::NO_ERROR) {
            *unprocessed = true;
            return error(
                ErrorCode::ConnectionTerminated,
                Phase::Request,
                format!("{address} is closing the HTTP/2 connection (GOAWAY) and has not looked at this request."),
            );
        }
        return error(
            ErrorCode::HttpRequestError,
            Phase::Request,
            format!("{address} ended the HTTP/2 connection with GOAWAY {}.", reason_name(reason)),
        );
    }
    if cause.is_remote() {
        *unprocessed |= reason == Some(Reason::REFUSED_STREAM);
        return error(
            ErrorCode::HttpRequestError,
            Phase::Request,
            format!("{address} reset the request's HTTP/2 stream with {}.", reason_name(reason)),
        );
    }
    error(
        ErrorCode::HttpProtocolError,
        Phase::Head,
        format!("{address} broke the HTTP/2 protocol: {} ({cause}).", reason_name(reason)),
    )
}

/// The connection under an HTTP/2 stream ended.
fn http2_connection_lost(cause: &io::Error, evidence: &HeadEvidence<'_>) -> Box<ConnectionError> {
    if let Some(alert) = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls::after_handshake(alert);
    }
    let address = evidence.address;
    let how = match cause.kind() {
        io::ErrorKind::ConnectionReset => "reset",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "closed",
        _ => "lost",
    };
    error(
        ErrorCode::ConnectionTerminated,
        phase_of(evidence),
        format!(
            "The HTTP/2 connection with {address} was {how} {} after the request began, before the response head ({}).",
            seconds(evidence.elapsed),
            brief(&cause.to_string())
        ),
    )
}

/// An error's text without the address of its documentation.
fn brief(text: &str) -> &str {
    text.split(": https://").next().unwrap_or(text)
}

/// What is known when a response body fails.
pub(crate) struct BodyEvidence<'a> {
    pub address: SocketAddr,
    /// The announced length.
    pub announced: Option<u64>,
    pub received: u64,
    pub request_body: &'a Progress,
    /// The connection's own traffic; absent for HTTP/2.
    pub passed: Option<&'a Passed>,
    pub idempotent: bool,
}

/// Reads a failure of the response body.
pub(crate) fn of_body(failure: &hyper::Error, evidence: &BodyEvidence<'_>) -> Box<ConnectionError> {
    if let Progress::Failed(source) = evidence.request_body {
        return of_source(source);
    }
    let address = evidence.address;
    let so_far = match evidence.announced {
        Some(announced) => format!("after {} of {announced} bytes of the body", evidence.received),
        None => format!("after {} bytes of the body, before its end", evidence.received),
    };
    let how = match (h2_cause(failure), evidence.passed.and_then(|passed| passed.end.as_ref())) {
        (Some(cause), _) if cause.is_remote() && cause.is_reset() => {
            format!("reset the response's HTTP/2 stream with {} {so_far}", reason_name(cause.reason()))
        }
        (Some(cause), _) => format!("ended the HTTP/2 connection {so_far} ({cause})"),
        (None, Some(End::Eof)) => format!("closed the connection {so_far}"),
        (None, Some(End::Error { kind: io::ErrorKind::UnexpectedEof, .. })) => {
            format!("broke off TLS {so_far}, without the close_notify that marks an end")
        }
        (None, Some(End::Error { text, .. })) => format!("broke off the connection {so_far} ({text})"),
        (None, None) => format!("sent a body that is not well formed, {so_far} ({})", chain(failure)),
    };
    let mut incomplete = error(ErrorCode::HttpResponseIncomplete, Phase::Body, format!("{address} {how}."));
    incomplete.retryable = evidence.idempotent;
    incomplete
}

/// The h2 error in hyper's, if that is what failed.
fn h2_cause(failure: &hyper::Error) -> Option<&h2::Error> {
    let mut source = failure.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<h2::Error>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// The I/O error in hyper's, if that is what failed.
fn io_cause(failure: &hyper::Error) -> Option<&io::Error> {
    let mut source = failure.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

fn reason_name(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "no reason".to_owned(), |reason| format!("{reason:?}"))
}

/// The error and its causes in one line.
fn chain(failure: &hyper::Error) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
