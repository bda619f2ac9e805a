//! WebSockets: streams of bytes that go out as they came in, and those whose messages script sends and gets.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use invocation::{Duplex, Upgraded};
use isolate::{Arguments, Charge, Ledger, Scope, Throw, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Host, id, number};
use crate::event::{Completion, Event, HostError};
use crate::seat::Seat;
use crate::supervisor::Ticket;
use crate::table::Table;

/// The largest message that is taken, as at Cloudflare.
const MESSAGE_LIMIT: usize = 32 * 1024 * 1024;
/// The most bytes that may wait to be sent.
const QUEUE_LIMIT: usize = 16 * 1024 * 1024;
/// Bytes between the two ends of a pair.
const PAIR_BUFFER: usize = 64 * 1024;
/// Bytes that are read, and written, at a time.
const BUFFER: usize = 16 * 1024;
/// What a socket needs beside its messages: buffers, and a task.
const SOCKET: usize = 2 * BUFFER + 4 * 1024;
/// What a message needs beside its bytes.
const MESSAGE: usize = 64;
/// How long the other side has to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// The code of a close without a code.
const NO_CODE: u16 = 1005;

/// What script gets of a socket.
pub(crate) enum Arrival {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// The other side closed: code (1005 for none) and reason.
    Closed(u16, String),
}

/// A socket of an invocation.
struct Socket {
    owner: Ticket,
    state: State,
}

enum State {
    /// Bytes that nobody has looked at.
    Raw(Box<dyn Duplex>),
    /// Messages.
    Open(Open),
}

/// A socket whose messages go to and come from script.
struct Open {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    /// Bytes in the queue.
    queued: Arc<AtomicUsize>,
    incoming: Arc<Mutex<mpsc::Receiver<Incoming>>>,
    task: AbortHandle,
    _charge: Charge,
}

/// A message that waits to be sent.
type Outgoing = (Message, Charge);
/// What came, and waits for script.
type Incoming = (Result<Arrival, HostError>, Charge);

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Open {
    /// Speaks the protocol over a stream of bytes.
    fn new(runtime: &Handle, ledger: &Ledger, stream: Box<dyn Duplex>, role: Role) -> Self {
        let (outgoing, commands) = mpsc::unbounded_channel();
        // One message ahead of script and no more: the rest waits where it comes from.
        let (arrivals, incoming) = mpsc::channel(1);
        let queued = Arc::new(AtomicUsize::new(0));
        let talk = converse(stream, role, commands, queued.clone(), arrivals, ledger.clone());
        let task = runtime.spawn(talk).abort_handle();
        Open { outgoing, queued, incoming: Arc::new(Mutex::new(incoming)), task, _charge: ledger.charge(SOCKET) }
    }
}

/// Sends what script sends and takes what comes, until both sides have closed.
async fn converse(
    stream: Box<dyn Duplex>,
    role: Role,
    mut commands: mpsc::UnboundedReceiver<Outgoing>,
    queued: Arc<AtomicUsize>,
    arrivals: mpsc::Sender<Incoming>,
    ledger: Ledger,
) {
    // A message is in memory before script sees it.
    let largest = MESSAGE_LIMIT.min(ledger.limit() / 4);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let (mut sink, mut source) = WebSocketStream::from_raw_socket(stream, role, Some(config)).await.split();
    let sending = async {
        while let Some((message, charge)) = commands.recv().await {
            let length = message.len();
            let closes = message.is_close();
            let sent = sink.feed(message).await;
            queued.fetch_sub(length, Ordering::Relaxed);
            // What waits already goes out in one piece, unless it is large: it is charged until it is gone.
            if sent.is_err() || ((commands.is_empty() || length > BUFFER) && sink.flush().await.is_err()) {
                break;
            }
            drop(charge);
            if closes {
                let _ = sink.flush().await;
                tokio::time::sleep(CLOSE_PATIENCE).await;
                return;
            }
        }
        // The other half learns what is wrong.
        std::future::pending::<()>().await;
    };
    let taking = async {
        let charged = |bytes: usize| ledger.charge(bytes.saturating_add(MESSAGE));
        loop {
            let Ok(room) = arrivals.reserve().await else { return };
            match source.next().await {
                Some(Ok(Message::Text(text))) => {
                    let charge = charged(text.len());
                    room.send((Ok(Arrival::Text(text.as_str().to_owned())), charge));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let charge = charged(bytes.len());
                    room.send((Ok(Arrival::Binary(bytes)), charge));
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((NO_CODE, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
                    room.send((Ok(Arrival::Closed(code, reason)), charged(0)));
                    // Reading on sends the answer, and waits for the end of the connection.
                    while let Some(Ok(_)) = source.next().await {}
                    return;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                None
                | Some(Err(
                    Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Io(_)
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                )) => return,
                Some(Err(error)) => {
                    room.send((Err(HostError::error(format!("WebSocket protocol error: {error}."))), charged(0)));
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = taking => {}
    }
}

/// The sockets of an isolate.
#[derive(Default)]
pub(crate) struct WebSockets {
    table: Table<Socket>,
}

impl WebSockets {
    /// All sockets of an invocation, to be dropped: their other sides learn that there is no more.
    pub(super) fn release(&mut self, owner: Ticket) -> impl Sized + use<> {
        self.table.drain_where(|socket| socket.owner == owner)
    }
}

/// The connection of a response of `101`, which tells the isolate's thread when it is over.
struct WatchedConnection {
    connection: Box<dyn Duplex>,
    seat: Arc<Seat>,
    ticket: Ticket,
}

impl Drop for WatchedConnection {
    fn drop(&mut self) {
        self.seat.mailbox.post(Event::BodyOver(self.ticket));
    }
}

impl AsyncRead for WatchedConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

fn unknown() -> Throw {
    Throw::TypeError("There is no such WebSocket any more.".to_owned())
}

impl Host {
    fn keep_socket(&self, owner: Ticket, state: State) -> Result<u64, Throw> {
        let socket = self.websockets.borrow_mut().table.insert(Socket { owner, state });
        socket.ok_or_else(|| Throw::Error("There are too many open WebSockets.".to_owned()))
    }

    /// Keeps the connection of a response of `101`; 0 when there is none.
    pub(super) fn upgraded(&self, owner: Ticket, upgraded: Option<Upgraded>) -> u64 {
        let connection = upgraded.and_then(|upgraded| upgraded.take());
        connection.and_then(|connection| self.keep_socket(owner, State::Raw(connection)).ok()).unwrap_or(0)
    }

    /// The connection that a response takes along.
    pub(super) fn give_socket_away(&self, owner: Ticket, socket: u64) -> Result<Upgraded, Throw> {
        let taken = self.websockets.borrow_mut().table.remove(socket);
        match taken {
            Some(Socket { owner: of, state: State::Raw(connection) }) if of == owner => {
                Ok(Upgraded::new(WatchedConnection { connection, seat: self.seat.clone(), ticket: owner }))
            }
            _ => Err(unknown()),
        }
    }

    fn with_open<R>(&self, socket: u64, act: impl FnOnce(&Open) -> R) -> Result<(Ticket, R), Throw> {
        let mut sockets = self.websockets.borrow_mut();
        match sockets.table.get_mut(socket) {
            Some(Socket { owner, state: State::Open(open) }) => Ok((*owner, act(open))),
            _ => Err(unknown()),
        }
    }
}

/// `webSocketPair(invocation)`
pub(super) fn pair(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let owner = id(arguments, 0)?;
    let (here, there) = tokio::io::duplex(PAIR_BUFFER);
    let open = Open::new(&host.services.options.runtime, &host.seat.ledger, Box::new(here), Role::Server);
    let end = host.keep_socket(owner, State::Open(open))?;
    let raw = host.keep_socket(owner, State::Raw(Box::new(there)))?;
    Ok(Value::List(vec![number(end), number(raw)]))
}

/// `webSocketAccept(socket)`
pub(super) fn accept(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let mut sockets = host.websockets.borrow_mut();
    let socket = sockets.table.get_mut(id(arguments, 0)?).ok_or_else(unknown)?;
    // The empty stream is there only until the next line.
    match std::mem::replace(&mut socket.state, State::Raw(Box::new(tokio::io::empty()))) {
        State::Raw(connection) => {
            let (runtime, ledger) = (&host.services.options.runtime, &host.seat.ledger);
            socket.state = State::Open(Open::new(runtime, ledger, connection, Role::Client));
            Ok(Value::Undefined)
        }
        open @ State::Open(_) => {
            socket.state = open;
            Ok(Value::Undefined)
        }
    }
}

/// `webSocketSend(socket, message)`
pub(super) fn send(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let message = match arguments.value(1)? {
        Value::String(text) => Message::text(text),
        _ => Message::binary(arguments.bytes(1)?),
    };
    let length = message.len();
    let charge = host.seat.ledger.charge(length.saturating_add(MESSAGE));
    let (_, sent) = host.with_open(id(arguments, 0)?, |open| {
        if open.queued.load(Ordering::Relaxed).saturating_add(length) > QUEUE_LIMIT {
            return false;
        }
        open.queued.fetch_add(length, Ordering::Relaxed);
        // The connection may be gone; receiving tells.
        let _ = open.outgoing.send((message, charge));
        true
    })?;
    if sent {
        return Ok(Value::Undefined);
    }
    Err(Throw::Error(format!(
        "More than {QUEUE_LIMIT} bytes wait to be sent on this WebSocket: the other side does not read."
    )))
}

/// `webSocketClose(socket, code, reason)`
pub(super) fn close(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let code = u16::try_from(id(arguments, 1)?).unwrap_or(NO_CODE);
    let reason = arguments.string(2)?;
    let charge = host.seat.ledger.charge(MESSAGE);
    let frame = (code != NO_CODE).then(|| CloseFrame { code: CloseCode::from(code), reason: reason.into() });
    host.with_open(id(arguments, 0)?, |open| {
        let message = Message::Close(frame);
        open.queued.fetch_add(message.len(), Ordering::Relaxed);
        let _ = open.outgoing.send((message, charge));
    })?;
    Ok(Value::Undefined)
}

/// `webSocketReceive(socket)`
pub(super) fn receive(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (owner, incoming) = host.with_open(id(arguments, 0)?, |open| open.incoming.clone())?;
    let operation = host.begin_task(owner, async move {
        let (arrival, _charge) = incoming.lock().await.recv().await.unzip();
        Completion::Arrived(arrival.transpose())
    })?;
    Ok(number(operation))
}
