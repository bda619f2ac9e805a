//! Why a connection to a private service failed: one closed set of codes, each with its category, phases, meaning and fix.
//!
//! [`ROWS`] is the one source from which the API, the dashboard's help, `culvert explain` and the pages in `docs/` are made.
//! The codes are the names of RFC 9209 (`Proxy-Status`), as Workers VPC uses them, plus `rate_limited`.
//!
//! How an invocation ended is another question with another enum; this crate knows nothing of Workers, sockets or HTTP.

mod code;
mod error;
mod page;
mod rows;

pub use code::{Category, ErrorCode, Phase, UnknownName};
pub use error::{ConnectionError, Timings};
pub use page::page;
pub use rows::{ROWS, Row, rows_of};
