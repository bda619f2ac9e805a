//! Moves bytes between a stream of the tunnel and a TCP connection, both ways, with back-pressure.

use super::state::Counters;
use crate::body::{self, BodyReader, BodyWriter};
use bytes::{Buf, Bytes, BytesMut};
use quinn::{RecvStream, SendStream, VarInt};
use socket2::SockRef;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// Pieces taken from a stream at once; each is what one packet brought.
const PIECES: usize = 64;
/// What is read from TCP goes into blocks of this size.
const BLOCK: usize = 128 * 1024;
/// A block with less room than this is left for a new one.
const LEAST: usize = 8 * 1024;

/// How the direction from the edge to the private service ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Inward {
    /// All was moved, and its end as well.
    Finished,
    /// The private service takes no more; what it sends may go on.
    NotTaken,
    /// The edge broke the flow, or is lost.
    Broken,
}

/// How the direction from the private service to the edge ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outward {
    /// All was moved, and its end as well.
    Finished,
    /// The edge takes no more; what it sends may go on.
    NotTaken,
    /// The private service broke the connection.
    Broken,
}

/// Pieces that wait to be written.
#[derive(Default)]
struct Pieces(VecDeque<Bytes>);

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.iter().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.0.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.0.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(self.0.iter().filter(|piece| !piece.is_empty())) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }
}

/// Runs until both directions have ended. `early` came before the connection stood.
pub(crate) async fn run(
    counters: &Counters,
    mut stream: TcpStream,
    mut send: SendStream,
    mut receive: RecvStream,
    early: Bytes,
) {
    let (mut read, mut write) = stream.split();
    let (inward_end, outward_end) = {
        let inward = inward(counters, &mut receive, &mut write, early);
        let outward = outward(counters, &mut read, &mut send);
        tokio::pin!(inward, outward);
        let (mut inward_end, mut outward_end) = (None, None);
        while inward_end.is_none() || outward_end.is_none() {
            tokio::select! {
                end = &mut inward, if inward_end.is_none() => inward_end = Some(end),
                end = &mut outward, if outward_end.is_none() => outward_end = Some(end),
            }
            if inward_end == Some(Inward::Broken) || outward_end == Some(Outward::Broken) {
                break;
            }
        }
        (inward_end, outward_end)
    };
    if inward_end == Some(Inward::Broken) {
        // The private service sees a reset as well, and not the end of data.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    if inward_end == Some(Inward::Broken) || outward_end == Some(Outward::Broken) {
        // Both fail only when the stream is over already.
        let _ = send.reset(VarInt::from_u32(0));
        let _ = receive.stop(VarInt::from_u32(0));
    }
}

/// From the edge to the private service.
async fn inward(counters: &Counters, receive: &mut RecvStream, write: &mut WriteHalf<'_>, early: Bytes) -> Inward {
    let mut pieces = Pieces::default();
    pieces.0.push_back(early);
    let mut space: [Bytes; PIECES] = std::array::from_fn(|_| Bytes::new());
    loop {
        let length = pieces.remaining();
        if write.write_all_buf(&mut pieces).await.is_err() {
            let _ = receive.stop(VarInt::from_u32(0));
            return Inward::NotTaken;
        }
        counters.bytes_in.fetch_add(length as u64, Ordering::Relaxed);
        match receive.read_chunks(&mut space).await {
            Ok(Some(count)) => pieces.0.extend(space.iter_mut().take(count).map(std::mem::take)),
            Ok(None) => break,
            Err(_) => return Inward::Broken,
        }
    }
    if write.shutdown().await.is_err() { Inward::NotTaken } else { Inward::Finished }
}

/// From the private service to the edge.
async fn outward(counters: &Counters, read: &mut ReadHalf<'_>, send: &mut SendStream) -> Outward {
    let mut block = BytesMut::with_capacity(BLOCK);
    let stopped = send.stopped();
    tokio::pin!(stopped);
    loop {
        if block.capacity() < LEAST {
            block = BytesMut::with_capacity(BLOCK);
        }
        let length = tokio::select! {
            length = read.read_buf(&mut block) => match length {
                Ok(0) => break,
                Ok(length) => length,
                Err(_) => return Outward::Broken,
            },
            // Without this, a flow that the edge has left would last as long as its origin is silent.
            _ = &mut stopped => return Outward::NotTaken,
        };
        if send.write_chunk(block.split().freeze()).await.is_err() {
            return Outward::NotTaken;
        }
        counters.bytes_out.fetch_add(length as u64, Ordering::Relaxed);
    }
    // Fails only when the edge has stopped the stream.
    let _ = send.finish();
    Outward::Finished
}

/// The same over HTTP/2.
pub(crate) async fn run_http2(
    counters: &Counters,
    mut stream: TcpStream,
    mut writer: BodyWriter,
    mut reader: BodyReader,
) {
    let inward_end = {
        let (mut read, mut write) = stream.split();
        let inward = async {
            let mut block = BytesMut::with_capacity(BLOCK);
            loop {
                match reader.read_buf(&mut block).await {
                    Ok(0) => break,
                    Ok(length) => counters.bytes_in.fetch_add(length as u64, Ordering::Relaxed),
                    Err(error) if body::is_left(&error) => break,
                    Err(_) => return Inward::Broken,
                };
                if write.write_all_buf(&mut block).await.is_err() {
                    return Inward::NotTaken;
                }
                block.reserve(LEAST);
            }
            if write.shutdown().await.is_err() { Inward::NotTaken } else { Inward::Finished }
        };
        let outward = async {
            let mut block = BytesMut::with_capacity(BLOCK);
            loop {
                let length = tokio::select! {
                    length = read.read_buf(&mut block) => length,
                    () = poll_fn(|cx| writer.poll_reset(cx)) => return (Outward::NotTaken, writer),
                };
                match length {
                    Ok(0) => break,
                    Ok(length) => counters.bytes_out.fetch_add(length as u64, Ordering::Relaxed),
                    Err(_) => return (Outward::Broken, writer),
                };
                if writer.write_all_buf(&mut block).await.is_err() {
                    return (Outward::NotTaken, writer);
                }
                block.reserve(LEAST);
            }
            // Fails only when the edge has broken the stream.
            let _ = writer.finish();
            (Outward::Finished, writer)
        };
        tokio::pin!(inward, outward);
        let (mut inward_end, mut outward_end) = (None, None);
        while inward_end.is_none() || outward_end.is_none() {
            tokio::select! {
                end = &mut inward, if inward_end.is_none() => inward_end = Some(end),
                (end, mut writer) = &mut outward, if outward_end.is_none() => {
                    if end == Outward::Broken {
                        writer.reset();
                    }
                    outward_end = Some(end);
                }
            }
            if inward_end == Some(Inward::Broken) || outward_end == Some(Outward::Broken) {
                break;
            }
        }
        inward_end
    };
    if inward_end == Some(Inward::Broken) {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_buffer() {
        let mut pieces = Pieces::default();
        for piece in ["", "ab", "", "cdef", "g"] {
            pieces.0.push_back(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(pieces.remaining(), 7);
        pieces.advance(3);
        assert_eq!(pieces.chunk(), b"def");
        assert_eq!(pieces.copy_to_bytes(4), b"defg"[..]);
        assert!(!pieces.has_remaining());
    }
}
