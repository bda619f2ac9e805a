//! The edge over real sockets, with a dispatcher made for each test in place of Workers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bodies;
mod disconnects;
mod error_pages;
mod http2;
mod limits;
mod requests;
mod shutdown;
mod support;
mod websockets;
