//! The demo's internet: carries UDP datagrams between the private network's namespace and the edge.
//!
//! The namespace has a loopback interface and nothing else, so its connector's packets leave by a Unix socket, which is a
//! file and not of any network. Inside, datagrams that the connector sends to the wire's address are framed onto the socket;
//! outside, each of the connector's ports gets a UDP socket of its own towards the edge. Nothing else can pass.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UdpSocket, UnixListener, UnixStream};
use tokio::sync::Mutex;

use crate::failure::Failure;

/// Where the connector finds the edge, inside.
pub const EDGE_INSIDE: &str = "127.0.0.1:7844";

/// No datagram is larger.
const LARGEST_DATAGRAM: usize = 65_535;

/// A frame: the connector's port, the length, the datagram.
async fn send_frame(wire: &Mutex<OwnedWriteHalf>, port: u16, datagram: &[u8]) -> io::Result<()> {
    let length = u16::try_from(datagram.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(4 + datagram.len());
    frame.extend_from_slice(&port.to_be_bytes());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(datagram);
    wire.lock().await.write_all(&frame).await
}

async fn receive_frame(wire: &mut OwnedReadHalf) -> io::Result<(u16, Vec<u8>)> {
    let port = wire.read_u16().await?;
    let mut datagram = vec![0; wire.read_u16().await?.into()];
    wire.read_exact(&mut datagram).await?;
    Ok((port, datagram))
}

/// The inner end, in the namespace. Runs until the outer end goes away.
pub async fn inside(socket: String) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("the demo's wire broke, inside: {error}"));
    let udp = Arc::new(UdpSocket::bind(EDGE_INSIDE).await.map_err(failed)?);
    let (mut from_outside, to_outside) = UnixStream::connect(socket).await.map_err(failed)?.into_split();
    let connectors = udp.clone();
    let outwards = tokio::spawn(async move {
        let to_outside = Mutex::new(to_outside);
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let (length, from) = connectors.recv_from(&mut buffer).await?;
            send_frame(&to_outside, from.port(), &buffer[..length]).await?;
        }
        #[allow(unreachable_code)]
        Ok::<(), io::Error>(())
    });
    while let Ok((port, datagram)) = receive_frame(&mut from_outside).await {
        // A datagram that its receiver does not take is lost, as datagrams are.
        let _ = udp.send_to(&datagram, SocketAddr::from(([127, 0, 0, 1], port))).await;
    }
    outwards.abort();
    Ok(())
}

/// The outer end, in the demo's own process. Listens at `socket` and serves one inner end.
pub fn outside(socket: PathBuf, edge: SocketAddr) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let (mut from_inside, to_inside) = stream.into_split();
        let to_inside = Arc::new(Mutex::new(to_inside));
        let mut sockets: HashMap<u16, Arc<UdpSocket>> = HashMap::new();
        loop {
            let (port, datagram) = receive_frame(&mut from_inside).await?;
            let socket = match sockets.get(&port) {
                Some(socket) => socket.clone(),
                None => {
                    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                    socket.connect(edge).await?;
                    sockets.insert(port, socket.clone());
                    tokio::spawn(inwards(socket.clone(), to_inside.clone(), port));
                    socket
                }
            };
            let _ = socket.send(&datagram).await;
        }
        #[allow(unreachable_code)]
        Ok::<(), io::Error>(())
    });
    Ok(())
}

async fn inwards(socket: Arc<UdpSocket>, to_inside: Arc<Mutex<OwnedWriteHalf>>, port: u16) {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                if send_frame(&to_inside, port, &buffer[..length]).await.is_err() {
                    return;
                }
            }
            // The edge is not there (any more): the connector finds that out by silence.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}
