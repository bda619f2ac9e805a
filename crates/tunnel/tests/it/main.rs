//! Edge and connector over real sockets on loopback, with real origins behind the connector.
#![allow(clippy::unwrap_used, clippy::panic)]

mod dns;
mod flows;
mod hostile;
mod hostile_http2;
mod http2;
mod kinds;
mod lifecycle;
mod memory;
mod networks;
mod outages;
mod published;
mod setup;
mod stock;
