//! The first bytes of a stream inside a tunnel, and the two messages that begin a data stream.
//!
//! A data stream is opened by the edge: signature, version, [`ConnectRequest`], then raw bytes; the connector answers
//! signature, version, [`ConnectResponse`], then raw bytes. An RPC stream is a signature and then Cap'n Proto RPC.
//! The control stream has no preamble. Knows nothing of what the bytes after the preamble are.

use crate::data_stream_capnp as schema;
use crate::frame::{self, FrameError};
use bytes::{BufMut, Bytes, BytesMut};

/// First bytes of a data stream, in both directions.
pub const DATA_SIGNATURE: [u8; 6] = [0x0a, 0x36, 0xcd, 0x12, 0xa1, 0x3e];
/// First bytes of an RPC stream; only its opener sends them.
pub const RPC_SIGNATURE: [u8; 6] = [0x52, 0xbb, 0x82, 0x5c, 0xdb, 0x65];
/// The version of the data-stream preamble, ASCII.
pub const DATA_VERSION: [u8; 2] = *b"01";
/// The largest preamble message accepted, in bytes. It has to hold all headers of an HTTP request or response.
pub const MAX_PREAMBLE: usize = 256 * 1024;
/// The most metadata pairs accepted in one message.
pub const MAX_METADATA: usize = 1024;

const DATA_PREFIX: usize = DATA_SIGNATURE.len() + DATA_VERSION.len();

/// Why the beginning of a stream was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// The message is not framed or encoded as it should be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// More metadata than [`MAX_METADATA`].
    #[error("{0} metadata pairs are over the limit of {MAX_METADATA}")]
    TooMuchMetadata(u32),
    /// The stream begins with neither signature.
    #[error("the stream begins with bytes {0:02x?}, which is no signature of the tunnel protocol")]
    UnknownSignature(Vec<u8>),
    /// The connection type is none of http, websocket and tcp.
    #[error("connection type {0} is not known")]
    UnknownType(u16),
    /// The version after the signature is not `01`.
    #[error("data-stream version {0:02x?} is not known")]
    UnknownVersion(Vec<u8>),
}

impl From<capnp::Error> for StreamError {
    fn from(error: capnp::Error) -> Self {
        Self::Frame(error.into())
    }
}

/// What a stream is, by its first six bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamKind {
    /// A [`ConnectRequest`] and bytes follow.
    Data,
    /// Cap'n Proto RPC follows after these six bytes.
    Rpc,
}

/// Tells the kind of a stream, `None` when fewer than six bytes are there and they fit a signature.
pub fn stream_kind(input: &[u8]) -> Result<Option<StreamKind>, StreamError> {
    let seen = input.get(..DATA_SIGNATURE.len()).unwrap_or(input);
    for (signature, kind) in [(DATA_SIGNATURE, StreamKind::Data), (RPC_SIGNATURE, StreamKind::Rpc)] {
        if seen == signature {
            return Ok(Some(kind));
        }
        if signature.starts_with(seen) {
            return Ok(None);
        }
    }
    Err(StreamError::UnknownSignature(seen.to_vec()))
}

/// What flows over a data stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ConnectionType {
    /// One HTTP request and its response, head in the metadata.
    Http,
    /// A WebSocket, handshake in the metadata.
    WebSocket,
    /// Raw bytes to and from a TCP connection.
    Tcp,
}

/// The edge asks the connector for a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectRequest {
    /// `ip:port` for tcp, the URL for http and websocket.
    pub destination: String,
    /// What is asked for.
    pub kind: ConnectionType,
    /// Pairs in order; keys may repeat.
    pub metadata: Vec<(String, String)>,
}

/// The connector's answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectResponse {
    /// Empty when the connection stands, else the reason why not.
    pub error: String,
    /// Pairs in order; keys may repeat.
    pub metadata: Vec<(String, String)>,
}

impl ConnectRequest {
    /// Signature, version and message.
    pub fn encode(&self) -> Bytes {
        let mut message = capnp::message::Builder::new_default();
        let mut root = message.init_root::<schema::connect_request::Builder<'_>>();
        root.set_dest(self.destination.as_str());
        root.set_type(match self.kind {
            ConnectionType::Http => schema::ConnectionType::Http,
            ConnectionType::WebSocket => schema::ConnectionType::Websocket,
            ConnectionType::Tcp => schema::ConnectionType::Tcp,
        });
        write_metadata(&self.metadata, |length| root.init_metadata(length));
        with_preamble(&message)
    }

    /// Reads signature, version and message at the beginning of `input` and says how many bytes they took;
    /// `None` when more are needed.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, StreamError> {
        let Some((message, length)) = decode_preamble(input)? else {
            return Ok(None);
        };
        let root = message.get_root::<schema::connect_request::Reader<'_>>()?;
        let kind = match root.get_type() {
            Ok(schema::ConnectionType::Http) => ConnectionType::Http,
            Ok(schema::ConnectionType::Websocket) => ConnectionType::WebSocket,
            Ok(schema::ConnectionType::Tcp) => ConnectionType::Tcp,
            Err(capnp::NotInSchema(value)) => return Err(StreamError::UnknownType(value)),
        };
        let metadata = read_metadata(root.get_metadata()?)?;
        Ok(Some((Self { destination: text(root.get_dest()?)?, kind, metadata }, length)))
    }

    /// The first value under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        find(&self.metadata, key)
    }
}

impl ConnectResponse {
    /// Signature, version and message.
    pub fn encode(&self) -> Bytes {
        let mut message = capnp::message::Builder::new_default();
        let mut root = message.init_root::<schema::connect_response::Builder<'_>>();
        if !self.error.is_empty() {
            root.set_error(self.error.as_str());
        }
        write_metadata(&self.metadata, |length| root.init_metadata(length));
        with_preamble(&message)
    }

    /// Reads signature, version and message at the beginning of `input` and says how many bytes they took;
    /// `None` when more are needed.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, StreamError> {
        let Some((message, length)) = decode_preamble(input)? else {
            return Ok(None);
        };
        let root = message.get_root::<schema::connect_response::Reader<'_>>()?;
        let metadata = read_metadata(root.get_metadata()?)?;
        Ok(Some((Self { error: text(root.get_error()?)?, metadata }, length)))
    }

    /// The first value under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        find(&self.metadata, key)
    }
}

fn find<'a>(metadata: &'a [(String, String)], key: &str) -> Option<&'a str> {
    metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn with_preamble(message: &capnp::message::Builder<capnp::message::HeapAllocator>) -> Bytes {
    let frame = frame::encode_frame(message);
    let mut bytes = BytesMut::with_capacity(DATA_PREFIX + frame.len());
    bytes.put_slice(&DATA_SIGNATURE);
    bytes.put_slice(&DATA_VERSION);
    bytes.put(frame);
    bytes.freeze()
}

fn decode_preamble(input: &[u8]) -> Result<Option<(frame::MessageReader, usize)>, StreamError> {
    match stream_kind(input)? {
        Some(StreamKind::Data) => {}
        Some(StreamKind::Rpc) => return Err(StreamError::UnknownSignature(RPC_SIGNATURE.to_vec())),
        None => return Ok(None),
    }
    let version = input.get(DATA_SIGNATURE.len()..).unwrap_or_default();
    let version = version.get(..DATA_VERSION.len()).unwrap_or(version);
    if !DATA_VERSION.starts_with(version) {
        return Err(StreamError::UnknownVersion(version.to_vec()));
    }
    let message = input.get(DATA_PREFIX..).unwrap_or_default();
    Ok(frame::decode_frame(message, MAX_PREAMBLE)?.map(|(message, length)| (message, DATA_PREFIX + length)))
}

fn write_metadata<'a>(
    metadata: &[(String, String)],
    init: impl FnOnce(u32) -> capnp::struct_list::Builder<'a, schema::metadata::Owned>,
) {
    let length = metadata.len().min(MAX_METADATA);
    let mut list = init(length as u32);
    for (index, (key, value)) in metadata.iter().take(length).enumerate() {
        let mut pair = list.reborrow().get(index as u32);
        pair.set_key(key.as_str());
        pair.set_val(value.as_str());
    }
}

fn read_metadata(
    list: capnp::struct_list::Reader<'_, schema::metadata::Owned>,
) -> Result<Vec<(String, String)>, StreamError> {
    if list.len() as usize > MAX_METADATA {
        return Err(StreamError::TooMuchMetadata(list.len()));
    }
    list.iter().map(|pair| Ok((text(pair.get_key()?)?, text(pair.get_val()?)?))).collect()
}

/// Header values may hold bytes that are not UTF-8; these are replaced and not refused.
fn text(text: capnp::text::Reader<'_>) -> Result<String, StreamError> {
    Ok(String::from_utf8_lossy(text.as_bytes()).into_owned())
}
