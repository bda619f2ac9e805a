//! `POST …/services/{service}/diagnose`: connects to a VPC Service now, phase by phase, and changes nothing.

use std::net::Ipv6Addr;

use axum::body::Body;
use axum::extract::State;
use http::uri::{Authority, PathAndQuery};
use serde_json::Value;
use uuid::Uuid;

use crate::ControlState;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::platform::{NotDiagnosed, ServiceProbe};
use crate::request::{JSON_LIMIT, Params, parse_json, path_uuid, read_body};

/// What is asked of the service; every member may be left out, and the body as well.
fn parse(body: &Value) -> Result<ServiceProbe, ApiError> {
    let Some(members) = body.as_object() else {
        return Err(ApiError::field("", "A diagnosis is asked for with an object."));
    };
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(ApiError::field(format!("/{name}"), format!("{name} must be a text, not {other}."))),
    };
    if let Some(unknown) = members.keys().find(|name| !["scheme", "host", "path", "connector"].contains(&name.as_str()))
    {
        return Err(ApiError::field(format!("/{unknown}"), format!("There is no {unknown} in a diagnosis.")));
    }
    let https = match text("scheme")?.as_deref() {
        None => None,
        Some("http") => Some(false),
        Some("https") => Some(true),
        Some(other) => {
            return Err(ApiError::field("/scheme", format!("scheme must be http or https, not \"{other}\".")));
        }
    };
    let path = text("path")?;
    if path.as_ref().is_some_and(|path| !path.starts_with('/') || path.parse::<PathAndQuery>().is_err()) {
        return Err(ApiError::field("/path", "path must begin with a slash and be encoded as in a URL."));
    }
    let host = text("host")?;
    let is_authority = |host: &String| {
        host.parse::<Ipv6Addr>().is_ok()
            || host.parse::<Authority>().is_ok_and(|it| !host.contains('@') && !it.host().is_empty())
    };
    if let Some(host) = host.as_ref().filter(|host| !is_authority(host)) {
        let detail = format!("host must be a host name or an address, with a port where need be, not \"{host}\".");
        return Err(ApiError::field("/host", detail));
    }
    let connector = text("connector")?
        .map(|text| {
            Uuid::parse_str(&text)
                .map_err(|_| ApiError::field("/connector", format!("connector must be a UUID, not \"{text}\".")))
        })
        .transpose()?;
    Ok(ServiceProbe { https, host, path, connector })
}

/// The handler.
pub(super) async fn diagnose(
    State(state): State<ControlState>,
    Params((_, service)): Params<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&service, "VPC Service")?;
    let body = read_body(body, JSON_LIMIT).await?;
    let probe = if body.trim_ascii().is_empty() { ServiceProbe::default() } else { parse(&parse_json(&body)?)? };
    let service = state.store().service(id).await?;
    let found = state.platform().diagnose(service.id, probe).await.map_err(|error| match &error {
        NotDiagnosed::NoSuchConnector(_) => ApiError::field("/connector", error.to_string()),
        NotDiagnosed::NotServed => ApiError::new(codes::UNAVAILABLE, error.to_string()),
    })?;
    Reply::new(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_asked() {
        assert_eq!(parse(&json!({})).unwrap(), ServiceProbe::default());
        let all = json!({ "scheme": "https", "host": "shop.internal", "path": "/x?y", "connector": Uuid::nil() });
        let probe = parse(&all).unwrap();
        assert_eq!((probe.https, probe.connector), (Some(true), Some(Uuid::nil())));
        for wrong in [
            json!([]),
            json!({ "scheme": "ftp" }),
            json!({ "path": "x" }),
            json!({ "host": 1 }),
            json!({ "host": "bad host" }),
            json!({ "host": "user@shop.internal" }),
            json!({ "host": "shop.internal/path" }),
            json!({ "path": "/with space" }),
            json!({ "connector": "x" }),
            json!({ "url": "x" }),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }
}
