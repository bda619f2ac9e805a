//! Every failure of the table that can be caused with real sockets on one machine, and what goes well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err)]

mod support;

mod bodies;
mod connecting;
mod diagnosing;
mod dns;
mod http1;
mod http2;
mod networks;
mod pooling;
mod raw_tcp;
mod real_servers;
mod routing;
mod through_tunnel;
mod tls;
mod upgrades;
