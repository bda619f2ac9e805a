//! A visitor's TCP connection as hyper reads and writes it, with its activity noted on the way.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::activity::Activity;
use crate::serve::Shared;
use crate::unparsed;

/// The socket is shared with the driver, which watches for the visitor's end of it.
pub(crate) struct Transport {
    socket: Arc<TcpStream>,
    activity: Arc<Activity>,
    shared: Arc<Shared>,
    /// What is left of a page that goes out in place of what hyper wrote.
    instead: Option<Bytes>,
}

impl Transport {
    pub(crate) fn new(socket: Arc<TcpStream>, activity: Arc<Activity>, shared: Arc<Shared>) -> Self {
        Self { socket, activity, shared, instead: None }
    }

    /// Whether a page goes out in place of `bytes`.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none() && self.activity.awaits_head() {
            self.instead = unparsed::instead_of(bytes, &self.shared);
        }
        self.instead.is_some()
    }

    /// Sends the page; then `written` bytes of hyper's count as written.
    fn poll_instead(&mut self, cx: &mut Context<'_>, written: usize) -> Poll<io::Result<usize>> {
        while let Some(left) = self.instead.clone().filter(|left| !left.is_empty()) {
            let sent = ready!(self.poll_writing(cx, |socket| socket.try_write(&left)))?;
            self.instead = Some(left.slice(sent..));
        }
        self.instead = None;
        Poll::Ready(Ok(written))
    }

    fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.socket.poll_write_ready(cx) {
                    Poll::Pending => {
                        self.activity.handle_write_blocked();
                        return Poll::Pending;
                    }
                    Poll::Ready(ready) => ready?,
                },
                result => {
                    self.activity.handle_written();
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            match self.socket.try_read_buf(buffer) {
                Ok(read) => {
                    if read > 0 {
                        self.activity.handle_read();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes) {
            return self.poll_instead(cx, bytes.len());
        }
        self.poll_writing(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && self.is_replaced(only)
        {
            return self.poll_instead(cx, only.len());
        }
        self.poll_writing(cx, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match SockRef::from(&*self.socket).shutdown(Shutdown::Write) {
            // The visitor was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

/// Waits until the visitor has closed its side, whatever is still unread before that.
///
/// hyper notices an end of input only where it reads; while a Worker thinks without reading the request's body it does
/// not. The kernel tells of a closed side apart from readable bytes (`EPOLLRDHUP`), and tokio reports that to whoever
/// waits for priority readiness.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) async fn visitor_gone(socket: &TcpStream) {
    loop {
        match socket.ready(Interest::PRIORITY).await {
            Ok(ready) if !ready.is_read_closed() => {
                // Urgent data, which nobody reads: wait without spinning on it.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            _ => return,
        }
    }
}

/// Elsewhere the end is noticed when hyper reads or writes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) async fn visitor_gone(_: &TcpStream) {
    std::future::pending().await
}

/// The longest time and the most bytes that are spent on the rest of a request after its response.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// Reads and drops what the visitor still sends, within bounds, after the last response was written. Closing a socket
/// with unread bytes resets the connection, and the visitor may lose the response that tells why.
pub(crate) async fn linger(socket: &TcpStream) {
    let mut left = LINGER_BYTES;
    let drained = async {
        // On the heap: an array would make every connection's future this much larger.
        let mut buffer = vec![0_u8; 16 * 1024];
        while left > 0 && socket.readable().await.is_ok() {
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drained).await;
}
