//! Live logs: the tail sessions that `wrangler tail` opens. A session is made over the API and names an address; whoever
//! knows the address may connect to it once by WebSocket (sub-protocol `trace-v1`) and is sent one JSON object for
//! each invocation that fits the session's filters.
//!
//! Two habits of wrangler are met here: it does not send its token to the address, so that the address itself must
//! be the secret; and it sends its first frame without a mask, which is accepted though RFC 6455 forbids it.

mod filter;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use store::{Permission, Secret, TokenCheck};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::api::{Api, Body, delete, get, post};
use crate::auth::{Access, Caller};
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::platform::TailEvent;
use crate::request::{JsonBody, Params, path_uuid, rfc3339};
use crate::{ControlState, PREFIX};

pub(crate) use filter::Filters;

/// Clients of one Worker at a time.
const CLIENTS: usize = 10;
/// How long an address waits for its client, and a session lasts.
const LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);
const UNCLAIMED: Duration = Duration::from_secs(60);
const SUBPROTOCOL: &str = "trace-v1";
/// How long a client may take to read one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const FRAME_LIMIT: usize = 16 * 1024;
/// How often it is looked whether the token that opened a tail is still good.
const RECHECK: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Session {
    worker: String,
    filters: Arc<Filters>,
    /// The text of the token that opened it.
    token: Arc<Secret>,
    opened: Instant,
    /// Set once a client has come; dropping the other end closes the session.
    claimed: Option<mpsc::Sender<()>>,
}

/// What the client of a session needs.
#[derive(Debug)]
struct Claimed {
    filters: Arc<Filters>,
    token: Arc<Secret>,
    /// Ends with the session.
    closed: mpsc::Receiver<()>,
}

/// The open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<Uuid, Session>>);

impl Sessions {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Uuid, Session>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a session, unless the Worker has as many as it may have.
    fn open(&self, worker: &str, filters: Filters, token: Arc<Secret>, now: Instant) -> Option<Uuid> {
        self.with(|sessions| {
            sessions.retain(|_, session| {
                let age = now.saturating_duration_since(session.opened);
                age < LIFETIME && (session.claimed.is_some() || age < UNCLAIMED)
            });
            let of_worker = sessions.values().filter(|session| session.worker == worker).count();
            if of_worker >= CLIENTS {
                return None;
            }
            let id = Uuid::new_v4();
            let (worker, filters) = (worker.to_owned(), Arc::new(filters));
            sessions.insert(id, Session { worker, filters, token, opened: now, claimed: None });
            Some(id)
        })
    }

    /// Gives a session to its client, with what `begin` makes of its Worker's name; only the first client gets it. A session
    /// that is listed has begun.
    fn claim<T>(&self, id: Uuid, begin: impl FnOnce(&str) -> T) -> Option<(T, Claimed)> {
        self.with(|sessions| {
            let session = sessions.get_mut(&id)?;
            if session.claimed.is_some() {
                return None;
            }
            let (sender, closed) = mpsc::channel(1);
            session.claimed = Some(sender);
            let (filters, token) = (Arc::clone(&session.filters), Arc::clone(&session.token));
            Some((begin(&session.worker), Claimed { filters, token, closed }))
        })
    }

    /// The sessions of a Worker that a client reads, and when each was opened.
    fn read(&self, worker: &str) -> Vec<(Uuid, Instant)> {
        self.with(|sessions| {
            let read = sessions.iter().filter(|(_, session)| session.worker == worker && session.claimed.is_some());
            read.map(|(id, session)| (*id, session.opened)).collect()
        })
    }

    fn close(&self, id: Uuid) -> bool {
        self.with(|sessions| sessions.remove(&id)).is_some()
    }
}

/// `POST …/tails`.
async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    state.store().worker(&script).await?;
    let filters = Filters::parse(&body, caller.address)?;
    let id = state.tails().open(&script, filters, caller.shown, Instant::now()).ok_or_else(|| {
        ApiError::new(
            codes::QUOTA_EXCEEDED,
            format!("Worker \"{script}\" has {CLIENTS} tails, the most that is allowed; close one first."),
        )
    })?;
    // The client reaches the socket where it reached the API.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let scheme = match headers.get("x-forwarded-proto") {
        Some(proto) if proto == "https" => "wss",
        _ => "ws",
    };
    Reply::new(json!({
        "id": id,
        "url": format!("{scheme}://{host}{PREFIX}/tails/{id}"),
        "expires_at": rfc3339(OffsetDateTime::now_utc() + LIFETIME),
    }))
}

/// `DELETE …/tails/{tail}`.
async fn remove(
    State(state): State<ControlState>,
    Params((_, _, tail)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tail, "tail")?;
    if state.tails().close(id) {
        return Ok(Reply::null());
    }
    Err(ApiError::new(
        codes::NOT_FOUND,
        format!("There is no tail {id}: it was closed, or has ended. Open another one."),
    ))
}

/// `GET …/tails`: those that somebody reads. What is listed here cannot be picked up by others.
async fn list(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    state.store().worker(&script).await?;
    let now = Instant::now();
    let view = |(id, opened): (Uuid, Instant)| {
        let left = LIFETIME.saturating_sub(now.saturating_duration_since(opened));
        json!({ "id": id, "expires_at": rfc3339(OffsetDateTime::now_utc() + left) })
    };
    Reply::new(state.tails().read(&script).into_iter().map(view).collect::<Vec<_>>())
}

/// `GET /tails/{tail}`: the socket.
async fn connect(
    State(state): State<ControlState>,
    Params(tail): Params<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let id = path_uuid(&tail, "tail")?;
    let upgrade = upgrade.map_err(|error| {
        ApiError::new(codes::BAD_REQUEST, format!("A tail is read by WebSocket: {}.", error.body_text()))
    })?;
    let gone = || {
        ApiError::new(
            codes::NOT_FOUND,
            format!("There is no tail {id}, or somebody else reads it already. Open another one."),
        )
    };
    let begin = |worker: &str| state.platform().tail(worker);
    let (events, claimed) = state.tails().claim(id, begin).ok_or_else(gone)?;
    let Some(events) = events else {
        state.tails().close(id);
        return Err(ApiError::new(codes::UNAVAILABLE, "Live logs cannot be had right now."));
    };
    let answer = upgrade
        .protocols([SUBPROTOCOL])
        .accept_unmasked_frames(true)
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(FRAME_LIMIT)
        .on_upgrade(move |socket| async move {
            pump(&state, socket, events, claimed).await;
            state.tails().close(id);
        });
    Ok(if answer.status() == StatusCode::SWITCHING_PROTOCOLS { answer } else { gone().into_response() })
}

/// Whether the token that opened a tail may still read it. While the database is away nothing is known to have changed.
async fn may_read(state: &ControlState, token: &Secret) -> bool {
    match state.store().check_token(token.expose_str().unwrap_or_default()).await {
        Ok(TokenCheck::Accepted(token)) => token.allows(Permission::WorkersTailRead),
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Sends events until one side has enough, or the token is good no longer. What the client says is read and not acted on;
/// pings are answered by the WebSocket layer.
async fn pump(
    state: &ControlState,
    mut socket: WebSocket,
    mut events: mpsc::Receiver<Arc<TailEvent>>,
    Claimed { filters, token, mut closed }: Claimed,
) {
    const ENDED: (u16, &str) = (close_code::NORMAL, "the tail has ended");
    // With another code than that of a good end, wrangler asks again and says why it gets no tail.
    const REFUSED: (u16, &str) = (close_code::POLICY, "the API token that opened the tail is not valid any more");
    let end = tokio::time::sleep(LIFETIME);
    tokio::pin!(end);
    let mut recheck = tokio::time::interval(RECHECK);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            _ = recheck.tick() => match may_read(state, &token).await {
                true => continue,
                false => Err(REFUSED),
            },
            () = &mut end => Err(ENDED),
            _ = closed.recv() => Err(ENDED),
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            event = events.recv() => event.ok_or(ENDED),
        };
        let event = match message {
            Ok(event) => event,
            Err((code, reason)) => {
                let bye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
                let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(bye)).await;
                return;
            }
        };
        if !filters.fits(&event, fastrand::f64()) {
            continue;
        }
        let send = socket.send(Message::Text(event.shown.to_string().into()));
        if !matches!(tokio::time::timeout(SEND_TIMEOUT, send).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The operations on tails.
pub(crate) fn add(api: Api) -> Api {
    const READ: Access = Access::Needs(Permission::WorkersTailRead);
    const LIST: &str = "/accounts/{account}/workers/scripts/{script}/tails";
    api.add(get(LIST, READ, "List the tails of a Worker that somebody reads").list("Tail"), list)
        .add(post(LIST, READ, Body::Json("NewTail"), "Open a tail of a Worker").one("NewTailView"), create)
        .add(
            delete("/accounts/{account}/workers/scripts/{script}/tails/{tail}", READ, "Close a tail").nothing(),
            remove,
        )
        .add(
            get("/tails/{tail}", Access::Public, "Read a tail by WebSocket; its address is the secret").websocket(),
            connect,
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn token() -> Arc<Secret> {
        Arc::new(Secret::new("token".to_owned()))
    }

    fn any() -> Filters {
        Filters::parse(&json!({}), IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
    }

    #[test]
    fn a_worker_has_ten_tails_and_unclaimed_ones_make_room() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let ids: Vec<_> = (0..CLIENTS).map(|_| sessions.open("w", any(), token(), start).unwrap()).collect();
        assert_eq!(sessions.open("w", any(), token(), start), None);
        assert!(sessions.open("other", any(), token(), start).is_some());
        assert_eq!(sessions.read("w"), []);
        let (worker, _claimed) = sessions.claim(ids[0], str::to_owned).unwrap();
        assert_eq!(worker, "w");
        assert!(sessions.claim(ids[0], str::to_owned).is_none());
        assert_eq!(sessions.read("w"), [(ids[0], start)]);
        assert_eq!(sessions.read("other"), []);
        // A minute later the nine that nobody came for are gone.
        for _ in 1..CLIENTS {
            assert!(sessions.open("w", any(), token(), start + UNCLAIMED).is_some());
        }
        assert_eq!(sessions.open("w", any(), token(), start + UNCLAIMED), None);
        assert!(sessions.close(ids[0]));
        assert!(!sessions.close(ids[0]));
    }

    #[test]
    fn closing_a_session_ends_its_client() {
        let sessions = Sessions::default();
        let id = sessions.open("w", any(), token(), Instant::now()).unwrap();
        let (_, Claimed { mut closed, .. }) = sessions.claim(id, str::to_owned).unwrap();
        assert!(closed.try_recv().is_err_and(|e| e == mpsc::error::TryRecvError::Empty));
        sessions.close(id);
        assert!(closed.try_recv().is_err_and(|e| e == mpsc::error::TryRecvError::Disconnected));
    }
}
