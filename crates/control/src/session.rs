//! Sessions of browsers: somebody signs in with a token and gets a cookie that no script can read. The token stays on
//! the server, in memory, and is checked again at every call, so that a session ends with its token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use store::{ApiToken, Secret};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::{Api, Body, delete, get, post};
use crate::auth::{Access, Caller, CallerAddress, check};
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::request::{JsonBody, is_https, rfc3339};
use crate::{ControlState, PREFIX};

const NAME: &str = "culvert_session";
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at a time; a further one ends the oldest.
const SESSIONS: usize = 1_000;

/// What a cookie stands for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: Arc<Secret>,
    pub(crate) expires: OffsetDateTime,
}

/// The sessions, by the value of their cookie.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Session>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new session and the value of its cookie: 244 random bits.
    fn open(&self, token: &str, now: OffsetDateTime) -> (String, Session) {
        let value = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let session = Session { token: Arc::new(Secret::new(token.as_bytes().to_vec())), expires: now + LIFETIME };
        self.with(|sessions| {
            sessions.retain(|_, session| session.expires > now);
            if sessions.len() >= SESSIONS
                && let Some(oldest) = sessions.iter().min_by_key(|(_, one)| one.expires).map(|(value, _)| value.clone())
            {
                sessions.remove(&oldest);
            }
            sessions.insert(value.clone(), session.clone());
        });
        (value, session)
    }

    /// The session of a cookie, if there is one that has not expired.
    pub(crate) fn find(&self, value: &str, now: OffsetDateTime) -> Option<Session> {
        self.with(|sessions| sessions.get(value).filter(|session| session.expires > now).cloned())
    }

    pub(crate) fn close(&self, value: &str) {
        self.with(|sessions| sessions.remove(value));
    }
}

/// The value of the session's cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == NAME).then_some(value))
}

/// Errs unless a browser sent this from a page of this very origin. Browsers send `Origin` with everything that is not
/// GET or HEAD; no page can forge it.
pub(crate) fn check_origin(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(|authority| authority.as_str()).or(host);
    let scheme = if is_https(headers) { "https" } else { "http" };
    let own = authority.map(|authority| format!("{scheme}://{authority}"));
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    match (origin, own) {
        (Some(origin), Some(own)) if origin.eq_ignore_ascii_case(&own) => Ok(()),
        (origin, own) => Err(ApiError::new(
            codes::CROSS_SITE,
            format!(
                "A call with a session's cookie must come from a page of {}, not of {}.",
                own.as_deref().unwrap_or("this server"),
                origin.unwrap_or("nobody knows where (there is no Origin header)")
            ),
        )),
    }
}

fn set_cookie(value: &str, seconds: u64, headers: &HeaderMap) -> Result<(HeaderName, HeaderValue), ApiError> {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Path={PREFIX}; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let value = HeaderValue::from_str(&text).map_err(|error| ApiError::internal("making a cookie", &error))?;
    Ok((SET_COOKIE, value))
}

fn view(state: &ControlState, token: &ApiToken, expires: OffsetDateTime) -> Value {
    let account = state.store().account();
    let expires = token.expires_on.map_or(expires, |end| end.min(expires));
    json!({
        "token_id": token.id,
        "name": token.name,
        "permissions": token.permissions,
        "account": { "id": account.slug, "name": account.name },
        "expires_at": rfc3339(expires),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// `POST /session`: signs in.
async fn create(
    State(state): State<ControlState>,
    CallerAddress(address): CallerAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, ApiError> {
    // A page of another site must not sign its visitors in as somebody else.
    if headers.contains_key(ORIGIN) {
        check_origin(&method, &uri, &headers)?;
    }
    let shown = body
        .get("token")
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| ApiError::field("/token", "Give the API token to sign in with."))?;
    let token = check(&state, shown, address).await?;
    let (value, session) = state.sessions().open(shown, OffsetDateTime::now_utc());
    Ok(([set_cookie(&value, LIFETIME.as_secs(), &headers)?], Reply::new(view(&state, &token, session.expires))?))
}

/// `GET /session`: who is signed in.
async fn read(State(state): State<ControlState>, caller: Caller) -> Result<Reply, ApiError> {
    let expires = caller
        .session_expires
        .ok_or_else(|| ApiError::new(codes::MISSING_TOKEN, "The request has a token and no session."))?;
    Reply::new(view(&state, &caller.token, expires))
}

/// `DELETE /session`: signs out.
async fn remove(State(state): State<ControlState>, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    if let Some(value) = cookie(&headers) {
        state.sessions().close(value);
    }
    Ok(([set_cookie("", 0, &headers)?], Reply::null()))
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    const ONE: &str = "/session";
    api.add(
        post(ONE, Access::Public, Body::Json("NewSession"), "Sign in: a token for a session's cookie").one("Session"),
        create,
    )
    .add(get(ONE, Access::AnyToken, "Read who is signed in").one("Session"), read)
    .add(delete(ONE, Access::AnyToken, "Sign out").nothing(), remove)
}
