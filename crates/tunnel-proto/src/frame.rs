//! Cap'n Proto stream framing with bounds: segment table, then segments, unpacked.
//!
//! Source: <https://capnproto.org/encoding.html#serialization-over-a-stream>. Knows nothing of what the messages mean.

use bytes::{Buf, Bytes, BytesMut};
use capnp::message::ReaderOptions;
use capnp::serialize::OwnedSegments;

/// A message that has arrived in full.
pub type MessageReader = capnp::message::Reader<OwnedSegments>;

/// The most segments a message may have. cloudflared sends one or two.
pub const MAX_SEGMENTS: usize = 16;

/// The deepest nesting that a message may have. The deepest that the protocol needs is about 10.
const NESTING_LIMIT: i32 = 24;

/// Why a frame was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// The content is not what the schema says.
    #[error("malformed Cap'n Proto message: {0}")]
    Malformed(String),
    /// The segment table announces more than is allowed.
    #[error("Cap'n Proto message of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Announced size of the whole frame in bytes.
        size: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// The segment table announces more segments than [`MAX_SEGMENTS`].
    #[error("Cap'n Proto message of {0} segments is over the limit of {MAX_SEGMENTS}")]
    TooManySegments(u64),
}

impl From<capnp::Error> for FrameError {
    fn from(error: capnp::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The size in bytes of the frame that `input` begins with, `None` when its segment table is not complete.
///
/// `limit` bounds the whole frame, table included.
pub fn frame_length(input: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(last) = input.first_chunk::<4>().copied().map(u32::from_le_bytes) else {
        return Ok(None);
    };
    let segments = u64::from(last) + 1;
    let count = match usize::try_from(segments) {
        Ok(count) if count <= MAX_SEGMENTS => count,
        _ => return Err(FrameError::TooManySegments(segments)),
    };
    let table = (4 + 4 * count).next_multiple_of(8);
    let Some(sizes) = input.get(4..4 + 4 * count) else {
        return Ok(None);
    };
    let words: u64 =
        sizes.chunks_exact(4).map(|size| size.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).sum();
    let size = table as u64 + 8 * words;
    match usize::try_from(size) {
        Ok(length) if length <= limit => Ok(Some(length)),
        _ => Err(FrameError::TooLarge { size, limit }),
    }
}

/// Reads the frame at the beginning of `input` and says how many bytes it took, `None` when it is not complete.
pub fn decode_frame(input: &[u8], limit: usize) -> Result<Option<(MessageReader, usize)>, FrameError> {
    let Some(length) = frame_length(input, limit)? else {
        return Ok(None);
    };
    let Some(frame) = input.get(..length) else {
        return Ok(None);
    };
    let options = ReaderOptions {
        // Lets values be visited more than once, and keeps a message of pointers to one place from growing without end.
        traversal_limit_in_words: Some(length / 2 + 1024),
        nesting_limit: NESTING_LIMIT,
    };
    Ok(Some((capnp::serialize::read_message(frame, options)?, length)))
}

/// The bytes of a message.
pub fn encode_frame(message: &capnp::message::Builder<capnp::message::HeapAllocator>) -> Bytes {
    Bytes::from(capnp::serialize::write_message_to_words(message))
}

/// Cuts a byte stream into messages.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    limit: usize,
}

impl FrameDecoder {
    /// A decoder that refuses frames over `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Refuses frames over `limit` bytes from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes from the peer. Call [`Self::poll_message`] until it has none before giving more:
    /// what is held is then bounded by the limit and the size of one input.
    pub fn handle_input(&mut self, input: &[u8]) {
        self.buffer.extend_from_slice(input);
    }

    /// The next complete message.
    pub fn poll_message(&mut self) -> Result<Option<MessageReader>, FrameError> {
        let Some((message, length)) = decode_frame(&self.buffer, self.limit)? else {
            return Ok(None);
        };
        self.buffer.advance(length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn incomplete_tables_wait() {
        for input in [&[][..], &[0, 0, 0], &[0, 0, 0, 0, 1, 0], &[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]] {
            assert_eq!(frame_length(input, 1024), Ok(None));
        }
    }

    #[test]
    fn hostile_tables_are_refused() {
        assert_eq!(frame_length(&[0xff; 4], 1024), Err(FrameError::TooManySegments(1 << 32)));
        assert_eq!(
            frame_length(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 1024),
            Err(FrameError::TooLarge { size: 8 + 8 * 0xffff_ffff, limit: 1024 })
        );
    }

    #[test]
    fn two_segments_pad_the_table() {
        let mut input = vec![1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(frame_length(&input, 1024), Ok(Some(16 + 24)));
        input.truncate(12);
        assert_eq!(frame_length(&input, 1024), Ok(Some(16 + 24)));
    }
}
