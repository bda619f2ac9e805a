//! Whether a request is sent again on another connection. Pure.

use connection_error::ErrorCode;

/// A try that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// The connection had been used before.
    pub reused: bool,
    /// It is certain that the service has not looked at the request: it never left, or HTTP/2 says so.
    pub unprocessed: bool,
    /// Bytes of the request that left, where that is known: not on a shared connection.
    pub sent: Option<u64>,
    /// Bytes of the response that came.
    pub received: u64,
    /// Doing it twice is the same as doing it once.
    pub idempotent: bool,
    /// The body can be sent from its beginning.
    pub replayable: bool,
    /// What failed.
    pub code: ErrorCode,
}

/// A kept connection may have been closed by the service at the very moment in which it was used. Then the request is
/// sent again if that is safe (RFC 9110 section 9.2.2): the service cannot have acted on it, or may act on it twice.
pub(crate) fn may_retry(tried: &Tried) -> bool {
    let closed_meanwhile = tried.reused && tried.code == ErrorCode::ConnectionTerminated && tried.received == 0;
    tried.replayable && (tried.unprocessed || (closed_meanwhile && (tried.sent == Some(0) || tried.idempotent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Tried = Tried {
        reused: true,
        unprocessed: false,
        sent: Some(100),
        received: 0,
        idempotent: true,
        replayable: true,
        code: ErrorCode::ConnectionTerminated,
    };

    #[test]
    fn only_what_is_safe_is_sent_again() {
        assert!(may_retry(&CLOSED));
        assert!(!may_retry(&Tried { reused: false, ..CLOSED }));
        assert!(!may_retry(&Tried { received: 1, ..CLOSED }));
        assert!(!may_retry(&Tried { replayable: false, ..CLOSED }));
        assert!(!may_retry(&Tried { code: ErrorCode::ConnectionReadTimeout, ..CLOSED }));
        let post = Tried { idempotent: false, ..CLOSED };
        assert!(!may_retry(&post));
        assert!(may_retry(&Tried { sent: Some(0), ..post }));
        assert!(!may_retry(&Tried { sent: None, ..post }));
        assert!(may_retry(&Tried { sent: None, ..CLOSED }));
        assert!(may_retry(&Tried { unprocessed: true, reused: false, ..post }));
        assert!(!may_retry(&Tried { unprocessed: true, replayable: false, ..post }));
    }
}
