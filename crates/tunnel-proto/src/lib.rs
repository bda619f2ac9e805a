//! The Cloudflare Tunnel wire protocol, sans-IO: bytes in, values out.
//!
//! Holds the data-stream preamble ([`stream`]), the Cap'n Proto RPC of the control stream and of the RPC streams as
//! two state machines ([`rpc`]), datagrams of version 2 and 3 ([`datagram`]), the tunnel token ([`token`]), what a
//! connector can do ([`connector`]), HTTP heads ([`http`]) and the texts of origin errors ([`origin`]).
//!
//! Every decoder takes input from an untrusted peer: it is bounded in memory and time, returns an error and never panics.
//! This crate must not know sockets, tokio, QUIC, HTTP/2 or what a tunnel is used for.

pub mod connector;
pub mod datagram;
pub mod frame;
pub mod fuzzing;
pub mod http;
pub mod origin;
pub mod rpc;
pub mod stream;
pub mod token;

#[allow(dead_code, missing_docs, clippy::all, clippy::unwrap_used)]
mod data_stream_capnp {
    include!(concat!(env!("OUT_DIR"), "/data_stream_capnp.rs"));
}

#[allow(dead_code, missing_docs, clippy::all, clippy::unwrap_used)]
mod tunnel_rpc_capnp {
    include!(concat!(env!("OUT_DIR"), "/tunnel_rpc_capnp.rs"));
}
