//! Reading requests: bodies within bounds of size and time, JSON with errors that say where, path
//! parameters. What axum's own extractors would refuse in plain text is refused in the envelope here.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::codes;
use crate::envelope::ApiError;

/// The most that a JSON body may have.
pub(crate) const JSON_LIMIT: usize = 1024 * 1024;

/// How long a body may pause.
const BODY_IDLE: Duration = Duration::from_secs(30);

/// Reads a body as a whole, at most `limit` bytes.
pub(crate) async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE, body.frame()).await {
            Err(_) => {
                return Err(ApiError::new(
                    codes::BODY_INCOMPLETE,
                    format!("The request's body paused for more than {} seconds.", BODY_IDLE.as_secs()),
                ));
            }
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Err(error))) => {
                return Err(ApiError::new(
                    codes::BODY_INCOMPLETE,
                    format!("The request's body did not arrive to its end: {error}."),
                ));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(ApiError::new(
                    codes::BODY_TOO_LARGE,
                    format!("The request's body is larger than {limit} bytes, the most that this call takes."),
                ));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// A JSON body, whatever its content type says.
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_body(request.into_body(), JSON_LIMIT).await?;
        parse_json(&bytes).map(JsonBody)
    }
}

/// Reads JSON; an error says at which line and column.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Err(ApiError::new(codes::MALFORMED_JSON, "The request has no body; a JSON value is expected."));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::new(codes::MALFORMED_JSON, format!("The request's body is not JSON: {error}.")))
}

/// Path parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<T>::from_request_parts(parts, state).await.map(|Path(params)| Params(params)).map_err(|error| {
            ApiError::new(codes::BAD_IDENTIFIER, format!("The path cannot be understood: {}.", error.body_text()))
        })
    }
}

/// A member of a body that is a text, where it is given.
pub(crate) fn text_member<'a>(body: &'a Value, member: &str) -> Result<Option<&'a str>, ApiError> {
    match body.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(ApiError::field(format!("/{member}"), format!("{member} must be a string, not {other}."))),
    }
}

/// Reads a path parameter that is a UUID.
pub(crate) fn path_uuid(text: &str, what: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| {
        ApiError::new(
            codes::BAD_IDENTIFIER,
            format!("\"{text}\" is not the identifier of a {what}: a UUID is expected."),
        )
    })
}

/// Whether the caller came by HTTPS, which a proxy in front of the API speaks for it.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

/// The host of an authority (`host`, `host:port`, `[::1]:port`).
pub(crate) fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

/// RFC 3339 in UTC with microseconds: the form of every time in the API.
pub(crate) fn rfc3339(at: time::OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_have_six_digits() {
        let at = time::OffsetDateTime::from_unix_timestamp_nanos(1_795_233_877_776_001_999).unwrap();
        assert_eq!(rfc3339(at), "2026-11-21T04:04:37.776001Z");
    }

    #[test]
    fn an_authority_without_its_port() {
        for (authority, host) in [
            ("edge.example.com:8788", "edge.example.com"),
            ("edge.example.com", "edge.example.com"),
            ("[::1]:8788", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
        ] {
            assert_eq!(host_without_port(authority), host);
        }
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused_and_one_at_it_is_not() {
        assert!(read_body(Body::from("12345"), 5).await.is_ok());
        let error = read_body(Body::from("123456"), 5).await.unwrap_err();
        assert_eq!(error.code(), Some(codes::BODY_TOO_LARGE));
    }

    #[test]
    fn json_errors_say_where() {
        let error = parse_json(b"{\n \"a\": x}").unwrap_err();
        assert_eq!(error.code(), Some(codes::MALFORMED_JSON));
        assert!(format!("{error:?}").contains("line 2 column 7"), "{error:?}");
        assert!(parse_json(b" ").is_err());
    }
}
