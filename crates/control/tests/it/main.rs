//! The API over a real socket, with a platform that only notes what it is asked.
#![allow(clippy::unwrap_used)]

mod harness;
mod wrangler;
