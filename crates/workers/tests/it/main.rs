//! The Workers platform through its public surface: real Workers, a fake outbound with real bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, missing_docs)]

mod background;
mod basics;
mod events;
mod failures;
mod lifecycle;
mod memory;
mod node;
mod services;
mod sockets;
mod streams;
mod subrequests;
mod support;
mod torture;
mod validation;
mod websockets;
