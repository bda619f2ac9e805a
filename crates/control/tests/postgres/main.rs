//! The suite of `tests/it`, the configuration kept in PostgreSQL.
#![allow(clippy::unwrap_used)]

#[path = "../it/access.rs"]
mod access;
#[path = "../it/certificates.rs"]
mod certificates;
#[path = "../it/dashboard.rs"]
mod dashboard;
mod engine;
#[path = "../it/harness.rs"]
mod harness;
#[path = "../it/lifecycle.rs"]
mod lifecycle;
#[path = "../it/registry.rs"]
mod registry;
#[path = "../it/sessions.rs"]
mod sessions;
#[path = "../it/tails.rs"]
mod tails;
#[path = "../it/terraform.rs"]
mod terraform;
#[path = "../it/transport.rs"]
mod transport;
#[path = "../it/uploads.rs"]
mod uploads;
