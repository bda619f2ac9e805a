//! What a person needs to know of this edge to connect something to it: `GET /accounts/{account}/edge`.

use axum::extract::State;
use http::header::HOST;
use http::{HeaderMap, Uri};
use serde_json::json;

use crate::ControlState;
use crate::api::{Api, get};
use crate::auth::Access;
use crate::envelope::{ApiError, Reply};
use crate::platform::EdgeAddresses;
use crate::request::{host_without_port, is_https};

async fn read(State(state): State<ControlState>, uri: Uri, headers: HeaderMap) -> Result<Reply, ApiError> {
    let EdgeAddresses { visitors, tunnel, tunnel_ca } = state.platform().edge();
    let authority = uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(HOST)?.to_str().ok())
        .unwrap_or("localhost");
    // An edge that listens on every address does not know its name, but whoever asks knows one.
    let reached = |address: std::net::SocketAddr| {
        if address.ip().is_unspecified() {
            format!("{}:{}", host_without_port(authority), address.port())
        } else {
            address.to_string()
        }
    };
    Reply::new(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "visitors": format!("http://{}", reached(visitors)),
        "api": format!("{}://{authority}", if is_https(&headers) { "https" } else { "http" }),
        "tunnel": reached(tunnel),
        "tunnel_ca": tunnel_ca,
    }))
}

/// The operation.
pub(crate) fn add(api: Api) -> Api {
    api.add(get("/accounts/{account}/edge", Access::AnyToken, "Read where this edge is reached").one("Edge"), read)
}
