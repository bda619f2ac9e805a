//! Both ends of a tunnel.
//!
//! [`edge`]: listens for connectors, checks their secret, keeps track of them and opens TCP flows and DNS queries through
//! them, and sends requests to the services that they publish. [`connector`]: dials the edge from inside a private network
//! and serves those. Both speak the Cloudflare
//! Tunnel protocol (`tunnel-proto`), so that either side may be someone else's.
//!
//! This crate must not know HTTP towards Workers, what a flow carries, or where tunnels are configured
//! (it asks a [`edge::TunnelDirectory`]).

pub mod authority;
mod body;
pub mod connector;
mod dns_message;
pub mod edge;
mod exchange;
mod http2;
mod quic;
mod tls;
mod udp_socket;

pub use tunnel_proto::connector::{DatagramVersion, VIRTUAL_RESOLVER};
pub use tunnel_proto::token::{Token, TokenError};
pub use uuid::Uuid;

/// A boxed future, as the traits of this crate return it.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
