//! The keeper with real files.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod facts;
mod keeping;
mod metrics;
mod otlp;
mod queries;
