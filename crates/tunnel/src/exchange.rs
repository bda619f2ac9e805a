//! Drives the RPC machines of `tunnel-proto` over byte streams: one call on a stream of its own, or a server.

use bytes::BytesMut;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tunnel_proto::rpc::{Call, ClientEvent, Exception, Reply, RpcClient, RpcError, RpcServer, ServerEvent};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// Why an RPC exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The peer ended the stream before the answer.
    #[error("the peer ended the stream before it answered{0}")]
    Ended(String),
    /// The peer answered with an exception.
    #[error("the peer answered: {0}")]
    Exception(#[from] Exception),
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(#[from] std::io::Error),
    /// The peer broke the RPC protocol.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// Sends what the client has to send.
pub(crate) async fn flush_client<W: AsyncWrite + Unpin>(client: &mut RpcClient, writer: &mut W) -> std::io::Result<()> {
    while let Some(bytes) = client.poll_output() {
        writer.write_all(&bytes).await?;
    }
    writer.flush().await
}

/// Sends what the server has to send.
pub(crate) async fn flush_server<W: AsyncWrite + Unpin>(server: &mut RpcServer, writer: &mut W) -> std::io::Result<()> {
    while let Some(bytes) = server.poll_output() {
        writer.write_all(&bytes).await?;
    }
    writer.flush().await
}

/// Makes one call and waits for its answer; other events before it are ignored.
pub(crate) async fn call<R, W>(
    client: &mut RpcClient,
    reader: &mut R,
    writer: &mut W,
    call: &Call,
    timeout: Duration,
) -> Result<Reply, ExchangeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let question = client.call(call);
    let exchange = async {
        flush_client(client, writer).await?;
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            buffer.clear();
            if reader.read_buf(&mut buffer).await? == 0 {
                return Err(ExchangeError::Ended(String::new()));
            }
            let handled = client.handle_input(&buffer);
            while let Some(event) = client.poll_event() {
                match event {
                    ClientEvent::Returned { question: answered, reply } if answered == question => {
                        flush_client(client, writer).await?;
                        return Ok(reply);
                    }
                    ClientEvent::Failed { question: answered, exception } if answered == question => {
                        return Err(exception.into());
                    }
                    ClientEvent::Closed(reason) => return Err(ExchangeError::Ended(format!(": {reason}"))),
                    ClientEvent::Returned { .. } | ClientEvent::Failed { .. } => {}
                }
            }
            handled?;
            flush_client(client, writer).await?;
        }
    };
    tokio::time::timeout(timeout, exchange).await.map_err(|_| ExchangeError::TimedOut(timeout))?
}

/// The next call for a server, `None` when the peer ended the stream in good order.
/// What is waiting to be sent goes out first.
pub(crate) async fn next_call<R, W>(
    server: &mut RpcServer,
    reader: &mut R,
    writer: &mut W,
    buffer: &mut BytesMut,
) -> Result<Option<(u32, Call)>, ExchangeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        match server.poll_event() {
            Some(ServerEvent::Call { question, call }) => return Ok(Some((question, call))),
            Some(ServerEvent::Closed(_)) => return Ok(None),
            None => {}
        }
        flush_server(server, writer).await?;
        if buffer.is_empty() {
            buffer.reserve(CHUNK);
            if reader.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        let input = buffer.split();
        if let Err(error) = server.handle_input(&input) {
            // The machine has an Abort for the peer, which explains.
            let _ = flush_server(server, writer).await;
            return Err(error.into());
        }
    }
}
