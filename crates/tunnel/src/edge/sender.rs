//! The sending half of a QUIC stream.

use quinn::{SendStream, VarInt};
use std::ops::{Deref, DerefMut};

/// A sending half. As long as what it is for is not done, dropping it resets the stream, so that the connector lets go of
/// what it does for it; quinn by itself would end the stream in good order.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: SendStream,
    done: bool,
}

impl Sender {
    pub(crate) fn new(stream: SendStream) -> Self {
        Self { stream, done: false }
    }

    /// From now on dropping it ends the stream in good order.
    pub(crate) fn done(&mut self) {
        self.done = true;
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.done {
            // Fails only when the stream is over already.
            let _ = self.stream.reset(VarInt::from_u32(0));
        }
    }
}

impl Deref for Sender {
    type Target = SendStream;

    fn deref(&self) -> &SendStream {
        &self.stream
    }
}

impl DerefMut for Sender {
    fn deref_mut(&mut self) -> &mut SendStream {
        &mut self.stream
    }
}
