//! VPC Networks: the URL picks the destination, within the routes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use connection_error::{ErrorCode, Phase};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;
use vpc::{NetworkRoute, Options, Policy, PrivateNetwork, RouteDestination, Service, TlsSettings};

use crate::support::{DirectNetwork, World, caller, get, read, read_head, serve, service_at};

/// An address of this machine that is not loopback, if it has one: a URL must not choose loopback.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // No packet is sent by this.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn network(routes: &[&str]) -> PrivateNetwork {
    let routes = routes
        .iter()
        .map(|destination| NetworkRoute {
            tunnel: Uuid::from_u128(5),
            destination: destination
                .parse()
                .map_or_else(|_| RouteDestination::Hostname((*destination).to_owned()), RouteDestination::Addresses),
            resolvers: Vec::new(),
        })
        .collect();
    PrivateNetwork {
        id: Uuid::from_u128(5),
        name: "orders".to_owned(),
        routes,
        tls: TlsSettings::default(),
        policy: Policy::default(),
    }
}

/// What `check` compares errors with.
fn as_service(network: &PrivateNetwork) -> Arc<Service> {
    let mut service = service_at("127.0.0.1:1".parse().unwrap());
    service.id = network.id;
    Arc::new(service)
}

async fn web(address: IpAddr) -> Option<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((address, 0)).await.ok()?;
    let local = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while !read_head(&mut stream).await.is_empty() {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    });
    Some(local)
}

#[tokio::test]
async fn the_url_picks_host_and_port() {
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let Some(web) = web(address).await else {
        eprintln!("skipped: {address} cannot be listened on");
        return;
    };
    let resolver = crate::dns::resolver(move |question, _| {
        let mut reply = Message::response(question.metadata.id, OpCode::Query);
        reply.add_queries(question.queries.clone());
        if let (RecordType::A, IpAddr::V4(v4)) = (question.queries[0].query_type, address) {
            reply.add_answer(Record::from_rdata(question.queries[0].name.clone(), 60, RData::A(A(v4))));
        }
        reply.to_vec().ok()
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let range = format!("{address}/32");
    let network = network(&[&range, "*.internal"]);
    for host in [address.to_string(), "orders.internal".to_owned(), "resolved.example".to_owned()] {
        let request = get(&format!("http://{host}:{}/", web.port()));
        let response = world.vpc.fetch_on_network(&network, request, caller()).await.unwrap();
        assert_eq!(read(response).await.unwrap(), "ok");
        let event = world.event().await;
        assert_eq!((event.tunnel, event.address), (Uuid::from_u128(5), Some(web.to_string())));
    }
    let mut connection = world.vpc.connect_on_network(&network, "orders.internal", web.port(), caller()).await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 8];
    connection.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1");
    drop(connection);
    assert!(world.event().await.error.is_none());
    // A name that no route knows, and that leads outside of the ranges.
    let narrow = self::network(&["10.255.255.255/32"]);
    let error = world.vpc.fetch_on_network(&narrow, get("http://resolved.example/"), caller()).await.unwrap_err();
    world.check(&as_service(&narrow), &error, ErrorCode::DestinationNotFound, Phase::Route).await;
}

#[tokio::test]
async fn what_has_no_route_is_not_found() {
    let world = World::new();
    let network = network(&["10.0.0.0/8", "*.internal"]);
    let error = world.vpc.fetch_on_network(&network, get("http://192.168.0.1/"), caller()).await.unwrap_err();
    world.check(&as_service(&network), &error, ErrorCode::DestinationNotFound, Phase::Route).await;
    let error = world.vpc.connect_on_network(&network, "192.168.0.1", 80, caller()).await.unwrap_err();
    world.check(&as_service(&network), &error, ErrorCode::DestinationNotFound, Phase::Route).await;
    assert_eq!(world.network.opened(), 0);
}

#[tokio::test]
async fn a_url_must_not_choose_loopback() {
    let world = World::new();
    let address = serve(|_, _| async {}).await;
    let network = network(&["0.0.0.0/0", "::/0"]);
    for host in ["127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"] {
        let request = get(&format!("http://{host}:{}/", address.port()));
        let error = world.vpc.fetch_on_network(&network, request, caller()).await.unwrap_err();
        world.check(&as_service(&network), &error, ErrorCode::DestinationIpProhibited, Phase::Route).await;
    }
    assert_eq!(world.network.opened(), 0);
}
