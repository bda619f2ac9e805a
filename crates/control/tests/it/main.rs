//! The API over a real socket, with a platform that only notes what it is asked.
#![allow(clippy::unwrap_used)]

mod access;
mod certificates;
mod dashboard;
mod harness;
mod lifecycle;
mod registry;
mod sessions;
mod tails;
mod transport;
mod uploads;
mod wrangler;
