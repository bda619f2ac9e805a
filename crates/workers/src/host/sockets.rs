//! TCP connections of Workers: opened, read and written a piece at a time, secured, closed.

use std::future::poll_fn;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use invocation::{Connect, FetchError, Socket};
use isolate::{Arguments, Scope, Throw, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::held::hold;
use super::{Host, id, number, optional_string};
use crate::event::{Completion, HostError};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most that one read takes.
const PIECE: usize = 64 * 1024;

/// A connection that reads and writes share.
type Shared = Arc<Mutex<State>>;

/// What has become of a connection.
enum State {
    Open(Box<dyn Socket>),
    /// Also while TLS is started.
    Closed,
    /// It failed, which its next users are told too.
    Broken(HostError),
}

/// Why something could not be done with a connection.
pub(crate) enum SocketFailure {
    /// It has just broken.
    Broke(FetchError),
    /// It was broken or closed before.
    Unusable(HostError),
}

impl State {
    fn unusable(&self) -> SocketFailure {
        SocketFailure::Unusable(match self {
            State::Broken(error) => error.clone(),
            State::Open(_) | State::Closed => closed(),
        })
    }

    /// It broke: the connection is dropped.
    fn broke(&mut self, error: FetchError) -> SocketFailure {
        *self = State::Broken(HostError::from(&error));
        SocketFailure::Broke(error)
    }
}

struct OpenSocket {
    owner: Ticket,
    stream: Shared,
}

/// The connections of an isolate.
#[derive(Default)]
pub(crate) struct Sockets {
    table: Table<OpenSocket>,
}

impl Sockets {
    /// Keeps a connection that stands. `None` when there are too many.
    pub(crate) fn insert(&mut self, owner: Ticket, stream: Box<dyn Socket>) -> Option<u64> {
        self.table.insert(OpenSocket { owner, stream: Arc::new(Mutex::new(State::Open(stream))) })
    }

    /// All connections of an invocation, to be dropped.
    pub(super) fn release(&mut self, owner: Ticket) -> impl Sized + use<> {
        let released = self.table.drain_where(|socket| socket.owner == owner);
        released.into_iter().map(|(_, socket)| socket.stream).collect::<Vec<_>>()
    }
}

fn lock(stream: &Shared) -> MutexGuard<'_, State> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on the connection, unless it cannot be used.
fn with<T>(
    stream: &Shared,
    work: impl FnOnce(Pin<&mut dyn Socket>) -> Poll<io::Result<T>>,
) -> Poll<Result<T, SocketFailure>> {
    let mut state = lock(stream);
    match &mut *state {
        State::Open(stream) => work(Pin::new(&mut **stream)).map_err(|error| state.broke(FetchError::of_io(&error))),
        State::Closed | State::Broken(_) => Poll::Ready(Err(state.unusable())),
    }
}

fn closed() -> HostError {
    HostError::error("The socket is closed.")
}

/// The next piece; empty at the end.
async fn read_piece(stream: Shared) -> Result<Vec<u8>, SocketFailure> {
    poll_fn(|context| {
        with(&stream, |stream| {
            let mut room = [const { MaybeUninit::<u8>::uninit() }; PIECE];
            let mut buffer = ReadBuf::uninit(&mut room);
            ready!(AsyncRead::poll_read(stream, context, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().to_vec()))
        })
    })
    .await
}

/// Writes all bytes and sees them on their way.
async fn write_whole(stream: Shared, mut bytes: Bytes) -> Result<(), SocketFailure> {
    poll_fn(|context| {
        with(&stream, |mut stream| {
            while bytes.has_remaining() {
                let written = ready!(stream.as_mut().poll_write(context, &bytes))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                bytes.advance(written);
            }
            AsyncWrite::poll_flush(stream, context)
        })
    })
    .await
}

/// Ends the writing half.
async fn end(stream: Shared) -> Result<(), SocketFailure> {
    poll_fn(|context| with(&stream, |stream| AsyncWrite::poll_shutdown(stream, context))).await
}

async fn start_tls(stream: Shared, server_name: String) -> Result<(), SocketFailure> {
    let before = mem::replace(&mut *lock(&stream), State::Closed);
    let plain = match before {
        State::Open(plain) => plain,
        other => {
            let failure = other.unusable();
            *lock(&stream) = other;
            return Err(failure);
        }
    };
    let secured = plain.start_tls(server_name).await;
    let mut state = lock(&stream);
    *state = State::Open(secured.map_err(|error| state.broke(error))?);
    Ok(())
}

impl Host {
    fn socket(&self, socket: u64) -> Result<(Ticket, Shared), Throw> {
        let mut sockets = self.sockets.borrow_mut();
        let socket = sockets.table.get_mut(socket).ok_or_else(|| Throw::Error("The socket is closed.".to_owned()))?;
        Ok((socket.owner, socket.stream.clone()))
    }

    /// Begins an operation that may be over at once: it is tried on this thread before a task waits for it.
    fn begin_eager(
        &self,
        owner: Ticket,
        work: impl Future<Output = Completion> + Send + 'static,
    ) -> Result<Value, Throw> {
        let mut work = Box::pin(work);
        let tried = {
            // Timeouts need the runtime; the waker does nothing, because a task polls again with its own.
            let _runtime = self.services.options.runtime.enter();
            work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        match tried {
            Poll::Ready(completion) => self.begin_ready(owner, completion),
            Poll::Pending => self.begin_task(owner, work),
        }
        .map(number)
    }

    /// What a `connect()` comes to, with the index of its record; or why there will be no connection.
    fn prepare_connect(
        &self,
        ticket: Ticket,
        binding: Option<String>,
        host: String,
        port: u16,
        tls: Option<String>,
    ) -> Result<Result<(Connect, usize), HostError>, Throw> {
        let target = match self.target(binding.as_deref(), "connect") {
            Ok(target) => target,
            Err(error) => return Ok(Err(error)),
        };
        let counted = self.count_subrequest(ticket)?;
        let mut running = self.running.borrow_mut();
        let (Ok(()), Some(running)) = (&counted, running.get_mut(&ticket)) else {
            return Ok(Err(counted.err().unwrap_or_else(closed)));
        };
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let record = running.subrequest(binding.as_deref().unwrap_or("connect"), "CONNECT", &address);
        let caller = running.caller(&self.version().name, record);
        Ok(Ok((Connect { target, host, port, tls, caller }, record)))
    }
}

/// `socketConnect(invocation, binding, host, port, tlsName)`
pub(super) fn connect(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let binding = optional_string(arguments, 1)?;
    let name = arguments.string(2)?;
    let port =
        u16::try_from(id(arguments, 3)?).map_err(|_| Throw::RangeError("The port is out of range.".to_owned()))?;
    let tls = optional_string(arguments, 4)?;
    let (connect, record) = match host.prepare_connect(ticket, binding, name, port, tls)? {
        Ok(prepared) => prepared,
        Err(error) => return host.begin_failed(ticket, error).map(number),
    };
    let connections = host.running.borrow_mut().get_mut(&ticket).map(|running| running.connections());
    let outbound = host.services.options.outbound.clone();
    let operation = host.begin_subrequest(ticket, record, async move {
        let permit = match connections {
            Some(connections) => connections.acquire_owned().await.ok(),
            None => None,
        };
        let result = outbound.connect(connect).await;
        drop(permit);
        Completion::Connected { record, result }
    })?;
    Ok(number(operation))
}

/// `socketRead(socket)`
pub(super) fn read(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (owner, stream) = host.socket(id(arguments, 0)?)?;
    host.begin_eager(owner, async move { Completion::SocketRead(read_piece(stream).await) })
}

/// `socketWrite(socket, bytes)`
pub(super) fn write(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (owner, stream) = host.socket(id(arguments, 0)?)?;
    let bytes = hold(&host.seat.ledger, arguments.bytes(1)?);
    host.begin_eager(owner, async move { Completion::SocketDone(write_whole(stream, bytes).await) })
}

/// `socketEnd(socket)`
pub(super) fn end_writing(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (owner, stream) = host.socket(id(arguments, 0)?)?;
    host.begin_eager(owner, async move { Completion::SocketDone(end(stream).await) })
}

/// `socketStartTls(socket, serverName)`
pub(super) fn secure(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (owner, stream) = host.socket(id(arguments, 0)?)?;
    let name = arguments.string(1)?;
    host.begin_task(owner, async move { Completion::SocketDone(start_tls(stream, name).await) }).map(number)
}

/// `socketClose(socket)`
pub(super) fn close(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let removed = host.sockets.borrow_mut().table.remove(id(arguments, 0)?);
    let stream = removed.map(|socket| mem::replace(&mut *lock(&socket.stream), State::Closed));
    // After the borrows: closing can run any code, and may need the runtime.
    let _runtime = host.services.options.runtime.enter();
    drop(stream);
    Ok(Value::Undefined)
}
