//! Edge and connector over real sockets on loopback, with real origins behind the connector.
#![allow(clippy::unwrap_used, clippy::panic)]

mod dns;
mod flows;
mod hostile;
mod http2;
mod kinds;
mod lifecycle;
mod networks;
mod outages;
mod published;
mod setup;
mod stock;
