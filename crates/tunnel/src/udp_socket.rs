//! The UDP socket of a QUIC endpoint.
//!
//! quinn's own has the system tell each time that it can send again, which is after every packet that has left: a thread wakes for nothing, just
//! when another waits for the processor in order to answer. This one asks only after a packet did not fit.

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that several connections share.
#[derive(Debug)]
pub(crate) struct QuicSocket {
    /// Watched for what arrives only.
    io: AsyncFd<UdpSocket>,
    state: UdpSocketState,
    /// A packet did not fit.
    full: AtomicBool,
}

impl QuicSocket {
    /// Within a tokio runtime. The socket must not block.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { io: watch(socket, Interest::READABLE)?, state, full: AtomicBool::new(false) })
    }
}

#[expect(
    deprecated,
    reason = "what succeeds it is unsafe, for types that may change their descriptor; the standard library's sockets do not"
)]
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(self.io.get_ref().into(), transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.full.store(true, Ordering::Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.io.poll_read_ready(cx))?;
            let Ok(result) = guard.try_io(|io| self.state.recv(io.get_ref().into(), buffers, meta)) else { continue };
            // Fewer than there was room for: there are no more, and asking would only tell so. What came since is told anew.
            if result.as_ref().is_ok_and(|count| *count < buffers.len()) {
                guard.clear_ready();
            }
            return Poll::Ready(result);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// How one connection waits until the socket takes more.
struct Room {
    socket: Arc<QuicSocket>,
    /// Ends when it does.
    waiting: Option<Waiting>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Room").field("waits", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.waiting.is_none() && !this.socket.full.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let waiting = match &mut this.waiting {
            Some(waiting) => waiting,
            // A descriptor of its own, so that it is watched for this one's sake and as long as needed.
            none => none.insert(until_it_takes_more(this.socket.io.get_ref().try_clone()?)),
        };
        let result = ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        this.socket.full.store(false, Ordering::Relaxed);
        Poll::Ready(result)
    }
}

fn until_it_takes_more(socket: UdpSocket) -> Waiting {
    Box::pin(async move {
        let socket = watch(socket, Interest::WRITABLE)?;
        socket.writable().await?.retain_ready();
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixDatagram;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    #[tokio::test]
    async fn what_arrives_is_received_however_it_comes() {
        let receiver = Arc::new(QuicSocket::new(socket()).unwrap());
        let address = receiver.local_addr().unwrap();
        let sender = socket();
        for round in 0..50_u8 {
            for _ in 0..=round % 3 {
                sender.send_to(&[round; 100], address).unwrap();
            }
            let mut left = usize::from(round % 3) + 1;
            while left > 0 {
                let mut room = [[0_u8; 2000]; 4];
                let mut meta = [RecvMeta::default(); 4];
                let mut buffers = room.each_mut().map(|room| IoSliceMut::new(room));
                let count = std::future::poll_fn(|cx| receiver.poll_recv(cx, &mut buffers, &mut meta)).await.unwrap();
                // Some systems join packets that came one after the other.
                left -= meta.iter().take(count).map(|meta| meta.len.div_ceil(meta.stride)).sum::<usize>();
            }
        }
    }

    #[tokio::test]
    async fn who_found_no_room_waits_for_it() {
        let sending = Arc::new(QuicSocket::new(socket()).unwrap());
        let mut room = Arc::clone(&sending).create_io_poller();
        // Nothing is asked of the system before.
        assert!(std::future::poll_fn(|cx| Poll::Ready(room.as_mut().poll_writable(cx).is_ready())).await);
        sending.full.store(true, Ordering::Relaxed);
        let first = std::future::poll_fn(|cx| Poll::Ready(room.as_mut().poll_writable(cx).is_ready())).await;
        assert!(!first, "the system is asked");
        std::future::poll_fn(|cx| room.as_mut().poll_writable(cx)).await.unwrap();
        assert!(!sending.full.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn waiting_ends_when_there_is_room_and_not_before() {
        // Loopback's UDP always takes a packet; a pair of sockets fills up.
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send(&[0; 1000]).is_ok() {}
        let mut waiting = until_it_takes_more(std::os::fd::OwnedFd::from(sender).into());
        let early = std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!early);
        receiver.set_nonblocking(true).unwrap();
        while receiver.recv(&mut [0; 1000]).is_ok() {}
        waiting.await.unwrap();
    }
}
