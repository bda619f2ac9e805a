//! The API over a real socket, with a platform that only notes what it is asked. The configuration is in SQLite here;
//! `tests/postgres` runs the same on PostgreSQL.
#![allow(clippy::unwrap_used)]

mod access;
mod certificates;
mod dashboard;
mod document;
#[path = "sqlite.rs"]
mod engine;
mod harness;
mod lifecycle;
mod registry;
mod sessions;
mod tails;
mod terraform;
mod transport;
mod uploads;
