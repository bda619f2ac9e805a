//! Visitors in: HTTP/1.1 and HTTP/2 from the network, the Worker chosen by host, and one response for each request.
//!
//! An [`Edge`] takes connections from listeners, gives every request a ray id, and hands it to a [`Dispatch`]. It is the
//! only place where the end of an invocation becomes a response: [`ERROR_PAGES`] is the table. It knows no JavaScript, no
//! tunnels and no configuration; which Worker serves a host is [`Dispatch::route`]'s answer.
//!
//! A host without a Worker may have an origin ([`invocation::Origins`]): its requests go there as they would to a Worker.
//!
//! What a Worker may rely on:
//!
//! * The URL is absolute, with the scheme of the listener and the host that the visitor asked for (lower case, default
//!   port dropped, dot segments resolved as in the URL standard).
//! * `cf-connecting-ip`, `cf-ray`, `x-forwarded-for`, `x-forwarded-proto` and `x-real-ip` come from the edge. Whatever a
//!   visitor sends under these names, `true-client-ip`, or any name that begins with `cf-`, is removed.
//! * Hop-by-hop headers (RFC 9110, section 7.6.1) are removed on the way in and on the way out; `upgrade` stays on a
//!   request that really asks for an upgrade, so that a Worker can see it.
//! * When the visitor goes away, the dispatch future or the response's body is dropped. TCP cannot tell a visitor that
//!   closed its sending half from one that is gone, so both are gone, as for nginx.
//!
//! Every response carries `cf-ray`, on error pages too, and on the one for input that is not HTTP at all.

mod accept;
mod activity;
mod body;
mod connection;
mod counters;
mod error_page;
mod exchange;
mod headers;
mod options;
mod ray;
mod serve;
mod target;
mod transport;
mod unparsed;
mod upgrade;
mod vigil;
mod visit;

pub use counters::Counters;
pub use error_page::{ERROR_PAGES, ErrorPage};
pub use invocation::Dispatch;
pub use options::{EdgeOptions, Scheme};
pub use serve::Edge;
