//! What passes over a connection, as evidence: how much, when last, how it began, how it ended. The HTTP and TLS libraries
//! above say that something went wrong; this says what.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How many of the first bytes received are kept.
const KEPT: usize = 64;

/// How reading ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The peer closed in order.
    Eof,
    /// Reading failed.
    Error {
        kind: io::ErrorKind,
        text: String,
        /// When it was TLS that failed, what it said.
        tls: Option<rustls::Error>,
    },
}

impl End {
    pub(crate) fn from_error(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        Self::Error { kind: error.kind(), text: error.to_string(), tls }
    }
}

/// What has passed since the last [`Traffic::begin`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed {
    pub received: u64,
    pub sent: u64,
    /// The first bytes received.
    pub first: Vec<u8>,
    pub last_received: Option<Instant>,
    pub last_sent: Option<Instant>,
    /// Since when the peer takes no more bytes.
    pub write_blocked_since: Option<Instant>,
    /// When writing failed, and how.
    pub write_failed: Option<(Instant, String)>,
    pub end: Option<End>,
}

/// Shared between a [`Recorded`] stream and those who want to know.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<Passed>);

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts counting anew, for the next exchange on the same connection.
    pub(crate) fn begin(&self) {
        let mut passed = self.lock();
        *passed = Passed { end: passed.end.take(), write_failed: passed.write_failed.take(), ..Passed::default() };
    }

    pub(crate) fn passed(&self) -> Passed {
        self.lock().clone()
    }
}

/// What a failed write means to the library above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFailure {
    /// It is told.
    Told,
    /// It is recorded and kept quiet, and what is written from then on goes nowhere: a service that refuses a long request
    /// body answers first and closes then, and the answer must still be read. Reading tells how it ends.
    Withheld,
}

/// A stream that records what passes.
pub(crate) struct Recorded<T> {
    io: T,
    traffic: Arc<Traffic>,
    on_write_failure: WriteFailure,
}

impl<T> Recorded<T> {
    pub(crate) fn new(io: T, on_write_failure: WriteFailure) -> (Self, Arc<Traffic>) {
        let traffic = Arc::new(Traffic::default());
        (Self { io, traffic: Arc::clone(&traffic), on_write_failure }, traffic)
    }

    /// Counts what a write or flush came to.
    fn wrote(&self, result: Poll<io::Result<usize>>, wanted: usize) -> Poll<io::Result<usize>> {
        let mut passed = self.traffic.lock();
        let now = Instant::now();
        match result {
            Poll::Pending => {
                passed.write_blocked_since.get_or_insert(now);
                Poll::Pending
            }
            Poll::Ready(Ok(written)) => {
                passed.write_blocked_since = None;
                if written > 0 {
                    passed.sent += written as u64;
                    passed.last_sent = Some(now);
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => {
                passed.write_blocked_since = None;
                passed.write_failed.get_or_insert_with(|| (now, error.to_string()));
                match self.on_write_failure {
                    WriteFailure::Told => Poll::Ready(Err(error)),
                    WriteFailure::Withheld => Poll::Ready(Ok(wanted)),
                }
            }
        }
    }

    fn is_mute(&self) -> bool {
        self.on_write_failure == WriteFailure::Withheld && self.traffic.lock().write_failed.is_some()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Recorded<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        match &result {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                let new = buf.filled().get(before..).unwrap_or_default();
                let mut passed = self.traffic.lock();
                if new.is_empty() && buf.remaining() > 0 {
                    passed.end.get_or_insert(End::Eof);
                } else {
                    passed.received += new.len() as u64;
                    passed.last_received = Some(Instant::now());
                    let room = KEPT.saturating_sub(passed.first.len()).min(new.len());
                    passed.first.extend_from_slice(new.get(..room).unwrap_or_default());
                }
            }
            Poll::Ready(Err(error)) => {
                self.traffic.lock().end.get_or_insert_with(|| End::from_error(error));
            }
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Recorded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_mute() {
            return Poll::Ready(Ok(data.len()));
        }
        let result = Pin::new(&mut self.io).poll_write(cx, data);
        self.wrote(result, data.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = parts.iter().map(|part| part.len()).sum();
        if self.is_mute() {
            return Poll::Ready(Ok(wanted));
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.wrote(result, wanted)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_mute() {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(result.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The first bytes of what a peer sent, fit for a sentence: text as text, the rest escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let shortened = bytes.get(..48).unwrap_or(bytes);
    let mut text = String::with_capacity(shortened.len() + 2);
    text.push('`');
    for byte in shortened {
        match byte {
            b'`' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('`');
    if shortened.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn records_both_ways_and_the_end() {
        let (near, mut far) = tokio::io::duplex(16);
        let (mut io, traffic) = Recorded::new(near, WriteFailure::Told);
        io.write_all(b"hello").await.unwrap();
        far.write_all(b"garbage").await.unwrap();
        let mut buffer = [0; 32];
        assert_eq!(io.read(&mut buffer).await.unwrap(), 7);
        let passed = traffic.passed();
        assert_eq!((passed.sent, passed.received, passed.first.as_slice()), (5, 7, b"garbage".as_slice()));
        assert!(passed.end.is_none());
        // The pipe holds 16 bytes: the next write blocks.
        let blocked = tokio::time::timeout(std::time::Duration::from_millis(10), io.write_all(&[0; 64]));
        assert!(blocked.await.is_err());
        assert!(traffic.passed().write_blocked_since.is_some());
        drop(far);
        assert_eq!(io.read(&mut buffer).await.unwrap(), 0);
        assert!(matches!(traffic.passed().end, Some(End::Eof)));
        traffic.begin();
        let passed = traffic.passed();
        assert_eq!((passed.sent, passed.received), (0, 0));
        assert!(matches!(passed.end, Some(End::Eof)));
    }

    #[tokio::test]
    async fn a_withheld_write_failure_leaves_the_answer_readable() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut io, traffic) = Recorded::new(near, WriteFailure::Withheld);
        far.write_all(b"413").await.unwrap();
        drop(far);
        io.write_all(b"body").await.unwrap();
        io.flush().await.unwrap();
        assert!(traffic.passed().write_failed.is_some());
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"413");
    }

    #[test]
    fn bytes_are_shown_safely() {
        assert_eq!(shown(b"SSH-2.0-x\r\n"), "`SSH-2.0-x\\r\\n`");
        assert_eq!(shown(b"\x15\x03\x01`\\"), "`\\x15\\x03\\x01\\`\\\\`");
        assert!(shown(&[b'a'; 100]).ends_with("`…"));
    }
}
