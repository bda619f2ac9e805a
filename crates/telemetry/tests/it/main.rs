//! The keeper through its public face, on SQLite files. `tests/postgres` runs the same on PostgreSQL.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
#[path = "sqlite.rs"]
mod engine;
mod facts;
mod keeping;
mod logs;
mod metrics;
mod otlp;
mod queries;
