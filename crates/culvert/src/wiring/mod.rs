//! Joins the crates: each seam that one crate declares is implemented here with another crate.

mod addresses;
mod diagnosis;
mod dispatcher;
mod known_tunnels;
mod outbounds;
mod platform;
mod private_networks;
mod public_network;
mod public_sockets;
mod published_hosts;
mod registrations;
pub mod scheduler;
mod serving;
pub mod tail_workers;
mod tunnel_directory;

pub use dispatcher::{Callable, Dispatcher};
pub use known_tunnels::KnownTunnels;
pub use outbounds::Outbounds;
pub use platform::ControlPlatform;
pub use public_network::PublicNetwork;
pub use public_sockets::PublicSockets;
pub use published_hosts::PublishedHosts;
pub use serving::{Current, Serving};
pub use tail_workers::TailedSink;
pub use tunnel_directory::StoredTunnels;
