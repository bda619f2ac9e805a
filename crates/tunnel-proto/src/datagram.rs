//! QUIC datagrams: UDP sessions inside a tunnel, in the two versions that cloudflared has.
//!
//! Which version a connector speaks is told by its features ([`crate::connector::Features::datagram_version`]).

pub mod v2;
pub mod v3;

/// The largest UDP payload that either version carries, in bytes.
pub const MAX_PAYLOAD: usize = 1280;

/// Why a datagram was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DatagramError {
    /// The payload is over [`MAX_PAYLOAD`].
    #[error("a UDP payload of {0} bytes is over the limit of {MAX_PAYLOAD}")]
    PayloadTooLarge(usize),
    /// Fewer bytes than the type needs.
    #[error("a datagram of {0} bytes is too short for its type")]
    TooShort(usize),
    /// The type byte is not known.
    #[error("datagram type {0:#04x} is not known")]
    UnknownType(u8),
}
