//! The demo's private service: a small inventory over HTTP, which knows nothing of Culvert.

use std::convert::Infallible;
use std::io::Write;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::output::say;

/// Orders larger than this are refused.
const LARGEST_ORDER: usize = 64 << 10;

/// Serves at `ADDR` for ever, and prints a line once it does.
pub async fn serve(address: String) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("the private service cannot listen at {address}: {error}"));
    let listener = TcpListener::bind(&address).await.map_err(failed)?;
    say!("{}", listener.local_addr().map_err(failed)?);
    std::io::stdout().flush().map_err(failed)?;
    loop {
        let (stream, _) = listener.accept().await.map_err(failed)?;
        tokio::spawn(async move {
            // A client that goes away ends its own connection and nothing else.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("-").to_owned();
    let path = request.uri().path().to_owned();
    let (status, body) = match (request.method(), path.as_str()) {
        (&Method::GET, "/stock/7") => {
            (StatusCode::OK, json!({"item": 7, "name": "culvert pipe, 600 mm", "inStock": 42, "askedAs": host}))
        }
        (&Method::POST, "/orders") => match Limited::new(request.into_body(), LARGEST_ORDER).collect().await {
            Ok(order) => {
                (StatusCode::CREATED, json!({"order": String::from_utf8_lossy(&order.to_bytes()), "accepted": true}))
            }
            Err(error) => (StatusCode::PAYLOAD_TOO_LARGE, json!({"error": error.to_string()})),
        },
        _ => (StatusCode::NOT_FOUND, json!({"error": "only GET /stock/7 and POST /orders are here", "path": path})),
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
