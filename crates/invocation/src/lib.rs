//! The seam between Workers and the rest of Culvert.
//!
//! Going in, a request is [`Dispatch`]ed and ends in a response or in an [`Ended`] that says how. Going out, a Worker's
//! `fetch()` is a [`Subrequest`], its `connect()` a [`Connect`], and its use of another Worker a [`WorkerCall`], that some [`Outbound`] carries
//! out. Bodies are streams of bytes with back-pressure.
//! Hosts without a Worker may have an origin instead, which [`Origins`] knows.
//! Nothing here knows JavaScript, sockets or tunnels, and neither side knows the other: isolates can move into processes
//! of their own without touching what stands on the other side of these traits.

mod body;
mod call;
mod dispatch;
pub mod marks;
mod origin;
mod outbound;
mod outcome;
mod ray_id;
mod socket;
mod trace_context;
mod upgraded;

pub use body::{Body, BodyError, at_hand, empty, full};
pub use call::{Answer, Call, CallFailed, Entrypoint, Event, Message, Rpc, WorkerCall};
pub use dispatch::{Dispatch, Ended, Invocation, Route};
pub use origin::{NoAnswer, NoOrigins, OriginFailure, Origins};
pub use outbound::{Caller, FetchError, Outbound, PrivateNetwork, Subrequest, Target};
pub use outcome::Outcome;
pub use ray_id::{InvalidRayId, RayId};
pub use socket::{Connect, Socket};
pub use trace_context::{TRACEPARENT, TRACESTATE, TraceContext};
pub use upgraded::{Duplex, Upgraded, websocket_accept};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
