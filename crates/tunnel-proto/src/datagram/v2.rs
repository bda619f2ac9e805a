//! Datagrams of version 2: `payload ++ session id (16 bytes) ++ type`. Sessions are made and ended by RPC.

use super::{DatagramError, MAX_PAYLOAD};
use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

const UDP: u8 = 0;
const IP: u8 = 1;
const IP_WITH_TRACE: u8 = 2;
const TRACING_SPAN: u8 = 3;
const ID: usize = 16;

/// One datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Datagram {
    /// Payload of a UDP session.
    Udp {
        /// The session.
        session: Uuid,
        /// At most [`MAX_PAYLOAD`] bytes.
        payload: Bytes,
    },
    /// A raw IP packet (ICMP), trace identity removed.
    Ip(Bytes),
    /// A tracing span, opaque here.
    TracingSpan(Bytes),
}

impl Datagram {
    /// Reads one datagram.
    pub fn decode(datagram: &Bytes) -> Result<Self, DatagramError> {
        let Some((kind, body)) = datagram.split_last() else {
            return Err(DatagramError::TooShort(0));
        };
        match *kind {
            UDP => {
                let (payload, id) = body.split_last_chunk::<ID>().ok_or(DatagramError::TooShort(datagram.len()))?;
                if payload.len() > MAX_PAYLOAD {
                    return Err(DatagramError::PayloadTooLarge(payload.len()));
                }
                Ok(Self::Udp { session: Uuid::from_bytes(*id), payload: datagram.slice(..payload.len()) })
            }
            IP => Ok(Self::Ip(datagram.slice(..body.len()))),
            IP_WITH_TRACE => {
                let length = body.len().checked_sub(ID).ok_or(DatagramError::TooShort(datagram.len()))?;
                Ok(Self::Ip(datagram.slice(..length)))
            }
            TRACING_SPAN => Ok(Self::TracingSpan(datagram.slice(..body.len()))),
            other => Err(DatagramError::UnknownType(other)),
        }
    }

    /// Writes one datagram.
    pub fn encode(&self) -> Result<Bytes, DatagramError> {
        let mut bytes = BytesMut::new();
        match self {
            Self::Udp { session, payload } => {
                if payload.len() > MAX_PAYLOAD {
                    return Err(DatagramError::PayloadTooLarge(payload.len()));
                }
                bytes.reserve(payload.len() + ID + 1);
                bytes.put_slice(payload);
                bytes.put_slice(session.as_bytes());
                bytes.put_u8(UDP);
            }
            Self::Ip(packet) => {
                bytes.put_slice(packet);
                bytes.put_u8(IP);
            }
            Self::TracingSpan(span) => {
                bytes.put_slice(span);
                bytes.put_u8(TRACING_SPAN);
            }
        }
        Ok(bytes.freeze())
    }
}
