//! Who calls: bearer tokens, sessions, permissions, the account in the path. Every route but the public ones passes here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};
use store::{Actor, ApiToken, Permission, Secret, TokenCheck};
use time::OffsetDateTime;

use crate::ControlState;
use crate::codes;
use crate::envelope::ApiError;
use crate::request::rfc3339;
use crate::session;

/// The address of the other end of the connection; `serve` puts it on every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A token, whatever its permissions.
    AnyToken,
    /// A token with this permission.
    Needs(Permission),
}

/// The caller of a route that is not public.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) token: ApiToken,
    /// The token's text, to look again whether it is good.
    pub(crate) shown: Arc<Secret>,
    pub(crate) address: IpAddr,
    /// The program that calls, as versions and deployments note it: `wrangler`, `terraform`, `dash`, `api`.
    pub(crate) source: &'static str,
    /// When its session ends; absent for a caller that sent a token.
    pub(crate) session_expires: Option<OffsetDateTime>,
}

impl Caller {
    /// The caller as the audit log names it.
    pub(crate) fn actor(&self) -> Actor {
        Actor { token_id: Some(self.token.id), name: self.token.name.clone(), address: Some(self.address.to_string()) }
    }

    /// Errs unless the token has this permission.
    pub(crate) fn require(&self, needed: Permission, to: &str) -> Result<(), ApiError> {
        if self.token.allows(needed) {
            return Ok(());
        }
        Err(ApiError::new(
            codes::MISSING_PERMISSION,
            format!(
                "The API token \"{}\" lacks the permission \"{}\" ({}), which is needed to {to}.",
                self.token.name,
                needed.label(),
                needed.key()
            ),
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Caller>()
            .cloned()
            .ok_or_else(|| ApiError::internal("finding out who calls", &"the route is not guarded"))
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        let message = if headers.contains_key("x-auth-key") {
            "API keys (X-Auth-Key and X-Auth-Email) are not supported. Use an API token: Authorization: Bearer TOKEN."
        } else {
            "The request carries no API token. Send Authorization: Bearer TOKEN."
        };
        return Err(ApiError::new(codes::MISSING_TOKEN, message));
    };
    let malformed =
        || ApiError::new(codes::MALFORMED_AUTHORIZATION, "The Authorization header must have the form: Bearer TOKEN.");
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(malformed());
    }
    Ok(token)
}

fn source(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if agent.starts_with("wrangler") {
        "wrangler"
    } else if agent.contains("terraform") {
        "terraform"
    } else {
        "api"
    }
}

/// The address that a request came from.
pub(crate) struct CallerAddress(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for CallerAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(CallerAddress(peer_address(&parts.extensions)))
    }
}

fn peer_address(extensions: &Extensions) -> IpAddr {
    extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

async fn identify(state: &ControlState, request: &RequestHead<'_>, address: IpAddr) -> Result<Caller, ApiError> {
    let headers = request.headers;
    if !headers.contains_key(AUTHORIZATION)
        && let Some(cookie) = session::cookie(headers)
    {
        let over = || ApiError::new(codes::INVALID_TOKEN, "The session is over. Sign in again.");
        let found = state.sessions().find(cookie, OffsetDateTime::now_utc()).ok_or_else(over)?;
        session::check_origin(request.method, request.uri, headers)?;
        let shown = found.token.expose_str().unwrap_or_default();
        return match state.store().check_token(shown).await? {
            TokenCheck::Accepted(token) => {
                let shown = Arc::clone(&found.token);
                Ok(Caller { token, shown, address, source: "dash", session_expires: Some(found.expires) })
            }
            // It was good when the session began: nobody is guessing.
            _ => {
                state.sessions().close(cookie);
                Err(over())
            }
        };
    }
    let shown = bearer(headers)?;
    let token = check(state, shown, address).await?;
    let shown = Arc::new(Secret::new(shown.as_bytes().to_vec()));
    Ok(Caller { token, shown, address, source: source(headers), session_expires: None })
}

/// The token of this text. Wrong ones are answered more and more slowly, and are hardly looked at after many.
pub(crate) async fn check(state: &ControlState, shown: &str, address: IpAddr) -> Result<ApiToken, ApiError> {
    state.throttle(|throttle| throttle.handle_attempt(address, shown, Instant::now())).map_err(|after| {
        ApiError::new(
            codes::TOO_MANY_FAILED_LOGINS,
            format!(
                "Too many requests with a wrong API token came from {address}: this one was not looked at. Wait {} seconds.",
                after.as_secs()
            ),
        )
        .with_header(RETRY_AFTER, HeaderValue::from(after.as_secs()))
    })?;
    let refused = match state.store().check_token(shown).await? {
        TokenCheck::Accepted(token) => {
            state.throttle(|throttle| throttle.handle_success(shown));
            return Ok(token);
        }
        TokenCheck::Expired(at) => format!("The API token expired at {}. Make a new one.", rfc3339(at)),
        TokenCheck::Revoked(at) => format!("The API token was revoked at {}. Make a new one: culvert token create.", rfc3339(at)),
        TokenCheck::Unknown => "The API token is not valid. The first one is in the file admin-token of the data directory; culvert token create makes more.".to_owned(),
    };
    let delay = state.throttle(|throttle| throttle.handle_failure(address, shown, Instant::now()));
    tokio::time::sleep(delay).await;
    Err(ApiError::new(codes::INVALID_TOKEN, refused))
}

/// What tells who calls.
struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

/// The guard in front of a route.
pub(crate) async fn guard(
    State((state, access)): State<(ControlState, Access)>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    if access == Access::Public {
        return next.run(request).await;
    }
    let address = peer_address(request.extensions());
    let head = RequestHead { method: request.method(), uri: request.uri(), headers: request.headers() };
    let caller = match identify(&state, &head, address).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = if error.code().is_some_and(|code| code.status == 401) {
                error.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            } else {
                error
            };
            return error.into_response();
        }
    };
    if let Access::Needs(needed) = access
        && let Err(error) = caller.require(needed, "call this")
    {
        return error.into_response();
    }
    let params = match params {
        Ok(params) => params,
        Err(error) => {
            return ApiError::new(
                codes::BAD_IDENTIFIER,
                format!("The path cannot be understood: {}.", error.body_text()),
            )
            .into_response();
        }
    };
    let account = params.iter().find_map(|(name, value)| (name == "account").then_some(value));
    if let Some(account) = account
        && !state.store().account().is_named(account)
    {
        return ApiError::new(
            codes::BAD_IDENTIFIER,
            format!(
                "There is no account \"{account}\" here. Set CLOUDFLARE_ACCOUNT_ID, or the account in the path, to \"{}\".",
                state.store().account().slug
            ),
        )
        .into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}
