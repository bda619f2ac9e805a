//! The Workers platform through its public surface: real Workers, a fake outbound with real bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, missing_docs)]

mod background;
mod basics;
mod caches;
mod compression;
mod cpu;
mod crypto;
mod encodings;
mod events;
mod failures;
mod html_rewriter;
mod lifecycle;
mod memory;
mod messages;
mod node;
mod services;
mod sockets;
mod streams;
mod subrequests;
mod support;
mod url_pattern;
mod validation;
mod websockets;
