//! The keeper on PostgreSQL: the suite of `tests/it`, and several keepers on one database.
#![allow(clippy::unwrap_used, missing_docs)]

mod engine;
#[path = "../it/facts.rs"]
mod facts;
#[path = "../it/keeping.rs"]
mod keeping;
#[path = "../it/logs.rs"]
mod logs;
#[path = "../it/metrics.rs"]
mod metrics;
#[path = "../it/queries.rs"]
mod queries;
mod shared;
