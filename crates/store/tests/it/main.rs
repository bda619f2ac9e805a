//! The store through its public face, on SQLite files. `tests/postgres` runs the same on PostgreSQL.
#![allow(clippy::unwrap_used)]

mod backup;
mod crash;
#[path = "sqlite.rs"]
mod engine;
mod fixture;
mod keys;
mod publishing;
mod registry;
mod released;
mod tokens;
