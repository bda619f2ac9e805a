//! Names to addresses, through the tunnel.

mod cache;
mod message;
mod resolver;

pub(crate) use resolver::{Resolved, Resolver, Zone};
