//! The Workers platform through its public surface: real Workers, a fake outbound with real bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod basics;
mod support;
