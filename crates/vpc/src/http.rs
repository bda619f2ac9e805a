//! HTTP/1.1 and HTTP/2 with a private service, over hyper. hyper keeps the protocol; what went wrong is read from the
//! [traffic](crate::traffic), the request body's progress and hyper's error together.

mod connection;
mod exchange;
mod failure;
mod request_body;
mod response_body;
mod retry;
mod stall;

pub(crate) use connection::{Connection, Facts, establish};
pub(crate) use exchange::{Answer, exchange};
pub(crate) use failure::{BodyEvidence, of_body as body_failure};
pub(crate) use request_body::RequestSource;
pub(crate) use response_body::{Ending, ResponseBody};
pub(crate) use retry::{Tried, may_retry};
