//! Datagrams of version 3: the type first, then big-endian fields. Sessions are made by datagrams and end by idling.

use super::{DatagramError, MAX_PAYLOAD};
use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use uuid::Uuid;

const REGISTER: u8 = 0;
const PAYLOAD: u8 = 1;
const ICMP: u8 = 2;
const ANSWER: u8 = 3;

const FLAG_IPV6: u8 = 1;
const FLAG_TRACED: u8 = 2;
const FLAG_BUNDLED: u8 = 4;

/// One datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Datagram {
    /// The edge asks for a UDP session.
    Register(Register),
    /// Payload of a session.
    Payload {
        /// The session.
        request: Uuid,
        /// At most [`MAX_PAYLOAD`] bytes.
        payload: Bytes,
    },
    /// A raw IP packet (ICMP).
    Icmp(Bytes),
    /// The connector's answer to [`Datagram::Register`].
    Answer {
        /// The session.
        request: Uuid,
        /// Whether it stands.
        answer: Answer,
    },
}

/// A request for a UDP session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    /// The session's id, chosen by the edge.
    pub request: Uuid,
    /// Where the session's payloads go.
    pub destination: SocketAddr,
    /// The session ends after this time without payload; whole seconds, at most 65535.
    pub idle: Duration,
    /// The peer asks for tracing.
    pub traced: bool,
    /// A first payload in the same datagram.
    pub bundled: Option<Bytes>,
}

/// What a connector says of a UDP session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 00: it stands.
    Accepted,
    /// 01: the destination cannot be reached.
    Unreachable,
    /// 02: the socket could not be bound or connected.
    CannotBind,
    /// 03: too many flows.
    TooManyFlows,
    /// ff: the reason is in the text.
    Failed(String),
}

impl Datagram {
    /// Reads one datagram.
    pub fn decode(datagram: &Bytes) -> Result<Self, DatagramError> {
        let short = || DatagramError::TooShort(datagram.len());
        let (kind, body) = datagram.split_first().ok_or_else(short)?;
        match *kind {
            REGISTER => Self::decode_register(datagram, body),
            PAYLOAD => {
                let (id, payload) = body.split_first_chunk::<16>().ok_or_else(short)?;
                Ok(Self::Payload { request: Uuid::from_bytes(*id), payload: tail(datagram, payload)? })
            }
            ICMP => Ok(Self::Icmp(datagram.slice(1..))),
            ANSWER => {
                let (code, rest) = body.split_first().ok_or_else(short)?;
                let (id, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
                let (length, message) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let message = message.get(..usize::from(u16::from_be_bytes(*length))).ok_or_else(short)?;
                let answer = match *code {
                    0 => Answer::Accepted,
                    1 => Answer::Unreachable,
                    2 => Answer::CannotBind,
                    3 => Answer::TooManyFlows,
                    _ => Answer::Failed(String::from_utf8_lossy(message).into_owned()),
                };
                Ok(Self::Answer { request: Uuid::from_bytes(*id), answer })
            }
            other => Err(DatagramError::UnknownType(other)),
        }
    }

    fn decode_register(datagram: &Bytes, body: &[u8]) -> Result<Self, DatagramError> {
        let short = || DatagramError::TooShort(datagram.len());
        let (flags, rest) = body.split_first().ok_or_else(short)?;
        let (port, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        let (idle, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let (address, rest) = if flags & FLAG_IPV6 != 0 {
            let (address, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
            (IpAddr::V6(Ipv6Addr::from(*address)), rest)
        } else {
            let (address, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (IpAddr::V4(Ipv4Addr::from(*address)), rest)
        };
        let bundled = if flags & FLAG_BUNDLED != 0 { Some(tail(datagram, rest)?) } else { None };
        Ok(Self::Register(Register {
            request: Uuid::from_bytes(*id),
            destination: SocketAddr::new(address, u16::from_be_bytes(*port)),
            idle: Duration::from_secs(u64::from(u16::from_be_bytes(*idle))),
            traced: flags & FLAG_TRACED != 0,
            bundled,
        }))
    }

    /// Writes one datagram.
    pub fn encode(&self) -> Result<Bytes, DatagramError> {
        let mut bytes = BytesMut::new();
        match self {
            Self::Register(register) => register.encode(&mut bytes)?,
            Self::Payload { request, payload } => {
                bytes.reserve(17 + payload.len());
                bytes.put_u8(PAYLOAD);
                bytes.put_slice(request.as_bytes());
                bytes.put_slice(checked(payload)?);
            }
            Self::Icmp(packet) => {
                bytes.put_u8(ICMP);
                bytes.put_slice(packet);
            }
            Self::Answer { request, answer } => {
                let (code, message) = match answer {
                    Answer::Accepted => (0, ""),
                    Answer::Unreachable => (1, ""),
                    Answer::CannotBind => (2, ""),
                    Answer::TooManyFlows => (3, ""),
                    Answer::Failed(message) => (0xff, message.as_str()),
                };
                let message = message.as_bytes();
                let message = message.get(..MAX_PAYLOAD / 2).unwrap_or(message);
                bytes.put_u8(ANSWER);
                bytes.put_u8(code);
                bytes.put_slice(request.as_bytes());
                bytes.put_u16(message.len() as u16);
                bytes.put_slice(message);
            }
        }
        Ok(bytes.freeze())
    }
}

impl Register {
    fn encode(&self, bytes: &mut BytesMut) -> Result<(), DatagramError> {
        let mut flags = 0;
        flags |= if self.destination.is_ipv6() { FLAG_IPV6 } else { 0 };
        flags |= if self.traced { FLAG_TRACED } else { 0 };
        flags |= if self.bundled.is_some() { FLAG_BUNDLED } else { 0 };
        bytes.put_u8(REGISTER);
        bytes.put_u8(flags);
        bytes.put_u16(self.destination.port());
        bytes.put_u16(u16::try_from(self.idle.as_secs()).unwrap_or(u16::MAX));
        bytes.put_slice(self.request.as_bytes());
        match self.destination.ip() {
            IpAddr::V4(address) => bytes.put_slice(&address.octets()),
            IpAddr::V6(address) => bytes.put_slice(&address.octets()),
        }
        if let Some(payload) = &self.bundled {
            bytes.put_slice(checked(payload)?);
        }
        Ok(())
    }
}

fn checked(payload: &Bytes) -> Result<&[u8], DatagramError> {
    if payload.len() > MAX_PAYLOAD { Err(DatagramError::PayloadTooLarge(payload.len())) } else { Ok(payload) }
}

/// `rest`, which ends where `datagram` ends, without a copy.
fn tail(datagram: &Bytes, rest: &[u8]) -> Result<Bytes, DatagramError> {
    if rest.len() > MAX_PAYLOAD {
        return Err(DatagramError::PayloadTooLarge(rest.len()));
    }
    Ok(datagram.slice(datagram.len() - rest.len()..))
}
