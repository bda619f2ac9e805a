//! DNS through the tunnel, with a real dnsmasq behind the connector.

use crate::setup::{Edge, PATIENCE, TUNNEL, closed_port, eventually};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tunnel::DatagramVersion;
use tunnel::connector::ConnectorOptions;
use tunnel::edge::{DnsQueryError, DnsTransport, Resolver};

/// A dnsmasq that answers for itself only.
pub struct Dnsmasq {
    child: Child,
    pub address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dnsmasq {
    /// `None`, with the reason printed, where there is no dnsmasq.
    pub async fn start() -> Option<Self> {
        let program = ["dnsmasq", "/usr/sbin/dnsmasq"]
            .into_iter()
            .find(|program| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok());
        let Some(program) = program else {
            eprintln!("SKIPPED: dnsmasq is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let address = closed_port().await;
        let mut configuration = format!(
            "no-resolv\nno-hosts\nno-daemon\nlisten-address=127.0.0.1\nbind-interfaces\nport={}\nuser=\npid-file={}\naddress=/db.internal/10.1.2.3\nlocal=/internal/\n",
            address.port(),
            folder.path().join("pid").display()
        );
        for part in 0..40 {
            configuration.push_str(&format!("txt-record=big.internal,\"{}{part}\"\n", "x".repeat(100)));
        }
        let file = folder.path().join("dnsmasq.conf");
        std::fs::write(&file, configuration).unwrap();
        let child =
            Command::new(program).arg("-C").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dnsmasq = Self { child, address, _folder: folder };
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(started.elapsed() < PATIENCE, "dnsmasq does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(dnsmasq)
    }
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message.to_vec().unwrap()
}

/// Every way to ask, over both versions of datagrams.
async fn each_way(resolver_of: impl Fn(SocketAddr) -> Resolver, check: impl AsyncFn(&Edge, Resolver, DnsTransport)) {
    let Some(dnsmasq) = Dnsmasq::start().await else { return };
    for datagrams in [DatagramVersion::V2, DatagramVersion::V3] {
        let edge = Edge::start().await;
        let dns_resolvers = vec![dnsmasq.address];
        let _connector = edge.connect(ConnectorOptions { datagrams, dns_resolvers, ..edge.connector_options() }).await;
        for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
            check(&edge, resolver_of(dnsmasq.address), transport).await;
        }
    }
}

async fn ask(
    edge: &Edge,
    resolver: Resolver,
    transport: DnsTransport,
    message: &[u8],
) -> Result<Message, DnsQueryError> {
    let answer = edge.tunnels.query_dns(TUNNEL, resolver, transport, message, PATIENCE).await?;
    Ok(Message::from_vec(&answer).unwrap())
}

pub async fn resolves(edge: &Edge, resolver: Resolver, transport: DnsTransport) {
    let answer = ask(edge, resolver, transport, &query("db.internal.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.id, 0x1234);
    let addresses: Vec<_> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    assert_eq!(addresses, [std::net::Ipv4Addr::new(10, 1, 2, 3)]);
    let answer = ask(edge, resolver, transport, &query("nothing.internal.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_virtual_resolver_answers() {
    each_way(|_| Resolver::Virtual, resolves).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_resolver_answers() {
    each_way(Resolver::Address, resolves).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_a_datagram_is_marked_truncated() {
    each_way(
        |_| Resolver::Virtual,
        async |edge, resolver, transport| {
            let mut message = Message::from_vec(&query("big.internal.", RecordType::TXT)).unwrap();
            let mut edns = hickory_proto::op::Edns::new();
            edns.set_max_payload(4096);
            message.edns = Some(edns);
            let answer = ask(edge, resolver, transport, &message.to_vec().unwrap()).await.unwrap();
            match transport {
                DnsTransport::Udp => assert!(answer.metadata.truncation),
                DnsTransport::Tcp => assert_eq!((answer.metadata.truncation, answer.answers.len()), (false, 40)),
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_resolver_is_told_by_name() {
    for datagrams in [DatagramVersion::V2, DatagramVersion::V3] {
        let edge = Edge::start().await;
        let _connector = edge.connect(ConnectorOptions { datagrams, ..edge.connector_options() }).await;
        let dead = Resolver::Address(closed_port().await);
        for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
            let error = ask(&edge, dead, transport, &query("db.internal.", RecordType::A)).await.unwrap_err();
            assert!(
                matches!(&error, DnsQueryError::ResolverRefused { resolver, text } if *resolver == dead && text.contains("connection refused")),
                "{datagrams:?} {transport:?} {error:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_resolver_times_out_and_is_asked_again() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::Address(silent.local_addr().unwrap());
    let after = Duration::from_millis(1500);
    let message = query("db.internal.", RecordType::A);
    let error = edge.tunnels.query_dns(TUNNEL, resolver, DnsTransport::Udp, &message, after).await.unwrap_err();
    assert_eq!(error, DnsQueryError::TimedOut { resolver, after });
    let mut buffer = [0; 512];
    for _ in 0..2 {
        let length = silent.try_recv(&mut buffer).unwrap();
        assert_eq!(buffer[..length], message);
    }
}

/// A resolver that knows no name, and notes from which ports it was asked.
struct Resolving {
    address: SocketAddr,
    ports: Arc<Mutex<HashSet<u16>>>,
    task: JoinHandle<()>,
}

impl Resolving {
    async fn start() -> Self {
        Self::on(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    fn on(socket: UdpSocket) -> Self {
        let address = socket.local_addr().unwrap();
        let ports = Arc::new(Mutex::new(HashSet::new()));
        let asked = Arc::clone(&ports);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                asked.lock().unwrap().insert(from.port());
                buffer[2] |= 0x80;
                buffer[3] = 3;
                let _ = socket.send_to(&buffer[..length], from).await;
            }
        });
        Self { address, ports, task }
    }

    /// Stops and gives back the port.
    async fn stop(self) -> SocketAddr {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}

/// Asks for so many names at once. All must be answered.
pub async fn many_names(edge: &Edge, resolver: Resolver, names: u16) {
    let mut queries = JoinSet::new();
    for id in 0..names {
        let tunnels = edge.tunnels.clone();
        let mut message = query(&format!("n{id}.internal."), RecordType::A);
        message[..2].copy_from_slice(&id.to_be_bytes());
        queries.spawn(async move {
            tunnels.query_dns(TUNNEL, resolver, DnsTransport::Udp, &message, PATIENCE).await.map(|answer| (id, answer))
        });
    }
    while let Some(answered) = queries.join_next().await {
        let (id, answer) = answered.unwrap().unwrap();
        let question = Message::from_vec(&answer).unwrap().queries.remove(0);
        assert_eq!(question.name().to_string(), format!("n{id}.internal."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_names_waits_and_does_not_fail() {
    for datagrams in [DatagramVersion::V2, DatagramVersion::V3] {
        let edge = Edge::start().await;
        let _connector = edge.connect(ConnectorOptions { datagrams, ..edge.connector_options() }).await;
        let resolver = Resolving::start().await;
        many_names(&edge, Resolver::Address(resolver.address), 1500).await;
        let ports = resolver.ports.lock().unwrap().len();
        assert!(ports < 1500, "each name had a session of its own");
        // The connector takes far fewer flows than there are names.
        let another = Resolving::start().await;
        let edge = edge.restart().await;
        eventually("it is back", || edge.tunnels.preferred(TUNNEL).is_some()).await;
        let few = r#"{"ingress":[],"warp-routing":{"maxActiveFlows":7}}"#;
        assert_eq!(edge.tunnels.push_configuration(TUNNEL, 2, few).await[0].result, Ok(2));
        many_names(&edge, Resolver::Address(another.address), 200).await;
        assert!(another.ports.lock().unwrap().len() <= 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_serves_one_query_after_the_other() {
    for datagrams in [DatagramVersion::V2, DatagramVersion::V3] {
        let edge = Edge::start().await;
        let _connector = edge.connect(ConnectorOptions { datagrams, ..edge.connector_options() }).await;
        let resolving = Resolving::start().await;
        let resolver = Resolver::Address(resolving.address);
        let message = query("db.internal.", RecordType::A);
        for _ in 0..5 {
            ask(&edge, resolver, DnsTransport::Udp, &message).await.unwrap();
        }
        assert_eq!(resolving.ports.lock().unwrap().len(), 1);
        // The session that is kept does not outlive its resolver unnoticed, nor stand in the way of the next one.
        let address = resolving.stop().await;
        let error = ask(&edge, resolver, DnsTransport::Udp, &message).await.unwrap_err();
        assert!(matches!(error, DnsQueryError::ResolverRefused { .. }), "{error:?}");
        let again = Resolving::on(UdpSocket::bind(address).await.unwrap());
        ask(&edge, resolver, DnsTransport::Udp, &message).await.unwrap();
        assert_eq!(again.ports.lock().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_no_query() {
    let edge = Edge::start().await;
    for size in [0, 11, 65536] {
        let error = edge
            .tunnels
            .query_dns(TUNNEL, Resolver::Virtual, DnsTransport::Udp, &vec![0; size], PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(error, DnsQueryError::BadQuery(size));
    }
    let message = query("db.internal.", RecordType::A);
    let error = ask(&edge, Resolver::Virtual, DnsTransport::Udp, &message).await.unwrap_err();
    assert_eq!(error, DnsQueryError::NoConnector);
}
