//! The store on PostgreSQL: the suite of `tests/it`, and several stores on one database.
#![allow(clippy::unwrap_used)]

#[path = "../it/crash.rs"]
mod crash;
mod engine;
#[path = "../it/fixture.rs"]
mod fixture;
#[path = "../it/keys.rs"]
mod keys;
#[path = "../it/publishing.rs"]
mod publishing;
#[path = "../it/registry.rs"]
mod registry;
#[path = "../it/released.rs"]
mod released;
mod shared;
#[path = "../it/tokens.rs"]
mod tokens;
