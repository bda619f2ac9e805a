//! Workers' logs: the same invocations as they are kept, each as the events of Cloudflare's Workers Logs, and what its
//! telemetry API asks of them. A view: nothing is stored for it.
//!
//! Questions come as the bodies of that API's requests ([`LogQuestion`]). What the database finds by an index it is asked
//! for; the rest of a question is answered by looking at the events of what it found, the newest first and so many at most.

mod asked;
mod condition;
mod event;
mod members;
mod scan;

pub use asked::LogQuestion;
pub use scan::LogAnswer;
pub(crate) use scan::answer;
