//! The demo's private network: a network namespace with an address of its own and no way in or out but the demo's wire.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::wire;

/// The private service's address in the namespace.
const PRIVATE_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);

/// Where the demo's private processes run.
pub enum PrivateNetwork {
    /// In a namespace, held by the wire's inner end.
    Namespace { holder: Child },
    /// On this machine's loopback interface, because no namespace can be made here.
    Loopback { edge: SocketAddr },
}

impl PrivateNetwork {
    /// A namespace where the system lets us make one, else loopback. The reason comes with the latter.
    pub async fn create(directory: &Path, edge: SocketAddr) -> (Self, Option<String>) {
        match Self::namespace(directory, edge).await {
            Ok(network) => (network, None),
            Err(error) => (Self::Loopback { edge }, Some(error.to_string())),
        }
    }

    async fn namespace(directory: &Path, edge: SocketAddr) -> io::Result<Self> {
        let socket = directory.join("wire.sock");
        wire::outside(socket.clone(), edge)?;
        let setup =
            format!("ip link set lo up && ip address add {PRIVATE_IP}/32 dev lo && echo up && exec \"$0\" \"$@\"");
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sh", "-c", &setup])
            .arg(this_program()?)
            .args(["demo", "--role", "wire-inside", "--at"])
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        match first_line(&mut holder).await?.as_deref() {
            Some("up") => Ok(Self::Namespace { holder }),
            _ => Err(io::Error::other("unshare or ip refused")),
        }
    }

    /// The address at which the private service is to listen; port 0 where a free one must be found.
    pub fn service_address(&self) -> SocketAddr {
        match self {
            Self::Namespace { .. } => SocketAddr::new(IpAddr::V4(PRIVATE_IP), 8080),
            Self::Loopback { .. } => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        }
    }

    /// Where the connector finds the edge.
    pub fn edge_address(&self) -> String {
        match self {
            Self::Namespace { .. } => wire::EDGE_INSIDE.to_owned(),
            Self::Loopback { edge } => edge.to_string(),
        }
    }

    /// This program with these arguments, to run in the private network.
    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let program = this_program()?;
        let mut command = match self {
            Self::Loopback { .. } => Command::new(program),
            Self::Namespace { holder } => {
                let pid = holder.id().ok_or_else(|| io::Error::other("the private network is gone"))?;
                let mut command = Command::new("nsenter");
                command
                    .args(["--user", "--net", "--preserve-credentials", "--target", &pid.to_string(), "--"])
                    .arg(program);
                command
            }
        };
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Starts the private service and waits until it listens.
    pub async fn start_service(&self, address: SocketAddr) -> io::Result<(Child, SocketAddr)> {
        let address = address.to_string();
        let mut child =
            self.command(&["demo", "--role", "private-service", "--at", &address])?.stdout(Stdio::piped()).spawn()?;
        let listening = first_line(&mut child).await?.and_then(|line| line.parse().ok());
        match listening {
            Some(address) => Ok((child, address)),
            None => Err(io::Error::other("the private service did not start")),
        }
    }

    /// Starts the connector; its log goes to a file.
    pub fn start_connector(&self, token: &str, ca: &Path, log: &Path) -> io::Result<Child> {
        let edge = self.edge_address();
        let log = std::fs::File::create(log)?;
        self.command(&["connect", "--edge", &edge, "--ca", &ca.to_string_lossy()])?
            .env("TUNNEL_TOKEN", token)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }
}

/// The path of the running program.
pub fn this_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// The first line that a child prints, or nothing when it ends without one.
async fn first_line(child: &mut Child) -> io::Result<Option<String>> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output to read"))?;
    BufReader::new(stdout).lines().next_line().await
}
