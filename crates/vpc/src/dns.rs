//! Names to addresses, through the tunnel.

mod cache;
mod message;
mod resolver;

pub(crate) use resolver::{Later, NoAddress, Resolved, Resolver, Zone};
