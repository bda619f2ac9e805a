//! What follows when a private service agrees to a WebSocket: bytes in both directions.

use crate::connector::state::State;
use http::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is read at once, in bytes.
const BLOCK: usize = 16 * 1024;

/// Joins the service behind a response of status 101 with the edge, until either side ends, as cloudflared does.
pub(super) async fn join(
    state: &State,
    response: Response<Incoming>,
    from_edge: impl AsyncRead + Unpin,
    to_edge: impl AsyncWrite + Unpin,
) {
    let service = match hyper::upgrade::on(response).await {
        Ok(service) => service,
        Err(error) => {
            tracing::debug!(%error, "the private service left before the protocol was changed");
            return;
        }
    };
    let (from_service, to_service) = tokio::io::split(TokioIo::new(service));
    let counters = &state.counters;
    tokio::select! {
        () = pass(from_edge, to_service, &counters.bytes_in) => {}
        () = pass(from_service, to_edge, &counters.bytes_out) => {}
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, counter: &AtomicU64) {
    let mut block = Vec::with_capacity(BLOCK);
    while let Ok(length) = from.read_buf(&mut block).await
        && length > 0
    {
        if to.write_all(&block).await.is_err() || to.flush().await.is_err() {
            return;
        }
        counter.fetch_add(length as u64, Ordering::Relaxed);
        block.clear();
    }
    let _ = to.shutdown().await;
}
