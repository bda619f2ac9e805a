//! The tests' files, for Workers that fetch them.

use std::path::PathBuf;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use invocation::{
    Answer, Body, BoxFuture, CallFailed, Connect, Ended, FetchError, Outbound, Outcome, Socket, Subrequest, WorkerCall,
};
use telemetry::{ConnectionEvent, InvocationRecord, Sink};

/// Serves a directory under any host name.
pub struct Files(pub PathBuf);

impl Outbound for Files {
    fn call(&self, _: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        Box::pin(async { Err(Ended::new(Outcome::ScriptNotFound, "There is no other Worker.").into()) })
    }

    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        let path = subrequest.request.uri().path().trim_start_matches('/').to_owned();
        let safe = !path.split('/').any(|part| part == "..");
        let content = if safe { std::fs::read(self.0.join(&path)).ok() } else { None };
        Box::pin(async move {
            let mut response = match content {
                Some(content) => Response::new(invocation::full(content)),
                None => Response::new(invocation::full("not found")),
            };
            if !safe {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            let kind = match path.rsplit_once('.').map(|(_, end)| end) {
                Some("json") => "application/json",
                Some("js") => "text/javascript",
                Some("txt") => "text/plain",
                Some("html") => "text/html",
                _ => "application/octet-stream",
            };
            response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
            Ok(response)
        })
    }

    fn connect(&self, _: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }
}

/// Nobody reads the records.
pub struct NoRecords;

impl Sink for NoRecords {
    fn invocation(&self, record: InvocationRecord) {
        drop(record);
    }

    fn connection(&self, _: ConnectionEvent) {}
}
