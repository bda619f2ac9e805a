//! Cap'n Proto RPC of the tunnel, level 1, as two state machines: [`RpcServer`] answers calls, [`RpcClient`] makes them.
//!
//! Source: rpc.capnp of Cap'n Proto (the message types come from `capnp-rpc`). Only what the tunnel's interfaces need is
//! here: one bootstrap capability for each connection, calls on it (pipelined or imported), no capabilities in arguments.
//! The machines know no transport: input is bytes, output is bytes, values come out as events.

mod call;
mod call_wire;
mod client;
mod server;
mod wire;

pub use call::{
    Call, ClientInfo, ConfigurationUpdate, ConnectionDetails, ConnectionOptions, Method, RegisterConnection,
    RegisterUdpSession, RegistrationRefusal, Reply, UdpSession, UnregisterUdpSession,
};
pub use client::{ClientEvent, RpcClient};
pub use server::{Interfaces, RpcServer, ServerEvent};

use crate::frame::FrameError;

/// The largest RPC message accepted, in bytes. A configuration (updateConfiguration) is the largest that is sent.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The most questions that a peer may have open at once.
pub const MAX_QUESTIONS: usize = 32;

/// The reason given when the tunnel ends an RPC connection in good order, as cloudflared gives it.
pub const SHUTDOWN: &str = "rpc: shutdown";

/// Kinds of exception, as in rpc.capnp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExceptionKind {
    /// The call failed.
    Failed,
    /// The peer has too much to do; trying later may help.
    Overloaded,
    /// The capability is gone.
    Disconnected,
    /// The interface or method is not known.
    Unimplemented,
}

/// A call that ended without a result.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Exception {
    /// Its kind.
    pub kind: ExceptionKind,
    /// The peer's text.
    pub reason: String,
}

/// Why an RPC connection cannot go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RpcError {
    /// The peer ended it.
    #[error("the peer ended the RPC connection: {0}")]
    Aborted(String),
    /// A message is not framed or encoded as it should be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer broke the rules of the RPC protocol.
    #[error("RPC protocol error: {0}")]
    Protocol(&'static str),
    /// The peer has more than [`MAX_QUESTIONS`] questions open.
    #[error("more than {MAX_QUESTIONS} open calls")]
    TooManyQuestions,
}

impl From<capnp::Error> for RpcError {
    fn from(error: capnp::Error) -> Self {
        Self::Frame(error.into())
    }
}

impl From<capnp::NotInSchema> for RpcError {
    fn from(error: capnp::NotInSchema) -> Self {
        Self::Frame(capnp::Error::from(error).into())
    }
}
