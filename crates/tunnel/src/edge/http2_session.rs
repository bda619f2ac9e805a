//! Serves one HTTP/2 connection of a connector, from its handshake to its end. The edge is the HTTP/2 client.

use super::carrier::{Carrier, Http2};
use super::directory::TunnelGrant;
use super::session::{self, Control, Membership, NotRegistered};
use super::{Shared, Unregistered};
use crate::body::{BodyReader, BodyWriter};
use crate::http2;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a refused connector has to read the reason before the connection is closed, which the edge must do itself.
const REFUSED: Duration = Duration::from_millis(500);

pub(crate) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    place: Unregistered,
) {
    let _ = stream.set_nodelay(true);
    let deadline = shared.limits.registration_deadline;
    let handshake = async {
        let stream = tls.accept(stream).await?;
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(http2::STREAM_WINDOW)
            .initial_connection_window_size(http2::CONNECTION_WINDOW)
            .max_header_list_size(http2::HEADERS)
            .handshake(stream);
        handshake.await.map_err(std::io::Error::other)
    };
    let (requests, mut connection) = match tokio::time::timeout(deadline, handshake).await {
        Ok(Ok(connected)) => connected,
        // A check before connecting ends so, without a word.
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "gone before HTTP/2 stood");
            return;
        }
        Err(_) => return,
    };
    let pings = connection.ping_pong();
    let ended = CancellationToken::new();
    let session = async {
        let opening = tokio::time::timeout(deadline, open(&shared, requests, address)).await;
        drop(place);
        match opening {
            Ok(Ok((control, Ok((member, grant))))) => {
                let link = Arc::clone(&member.link);
                let alive = async {
                    match (pings, &link.carrier) {
                        (Some(pings), Carrier::Http2(carrier)) => {
                            tokio::select! {
                                reason = http2::keep_alive(pings, |round_trip| carrier.heard(round_trip)) => reason,
                                () = carrier.closed() => "closed by the edge".to_owned(),
                                () = ended.cancelled() => "the connector closed the connection".to_owned(),
                            }
                        }
                        _ => std::future::pending().await,
                    }
                };
                session::run(&shared, member, grant, control, alive).await;
            }
            // Without the control stream, what it still has to say would be lost.
            Ok(Ok((_control, Err(NotRegistered::Refused(_))))) => tokio::time::sleep(REFUSED).await,
            Ok(Ok((_, Err(reason))) | Err(reason)) => tracing::debug!(%address, %reason, "no registration"),
            Err(_) => tracing::debug!(%address, "no registration in time"),
        }
    };
    // Whichever ends first ends the other: leaving drops the connection, and TCP closes with it.
    tokio::pin!(session);
    tokio::select! {
        () = &mut session => {}
        end = connection => {
            tracing::debug!(%address, ?end, "HTTP/2 connection ended");
            ended.cancel();
            session.await;
        }
    }
}

type Http2Control = Control<BodyReader, BodyWriter>;
type Opened = (Http2Control, Result<(Membership, TunnelGrant), NotRegistered>);

/// Opens the control stream and waits for the registration on it.
async fn open(
    shared: &Arc<Shared>,
    requests: SendRequest<Bytes>,
    address: SocketAddr,
) -> Result<Opened, NotRegistered> {
    let failed = |error: h2::Error| NotRegistered::Failed(error.to_string());
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("https://{}/", http2::SERVER_NAME))
        .header(http2::UPGRADE, http2::CONTROL_STREAM)
        .body(())
        .map_err(|error| NotRegistered::Failed(error.to_string()))?;
    let mut ready = requests.clone().ready().await.map_err(failed)?;
    let (response, body) = ready.send_request(request, false).map_err(failed)?;
    let response = response.await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(NotRegistered::Failed(format!("the control stream was answered with {}", response.status())));
    }
    let mut control = Control::new(BodyReader::new(response.into_body()), BodyWriter::new(body));
    let carrier = || Carrier::Http2(Http2::new(requests.clone()));
    let registered = session::register(shared, &mut control, address, carrier).await;
    Ok((control, registered))
}
