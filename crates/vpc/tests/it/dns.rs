//! Names resolved through the network: scripted resolvers for the odd answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connection_error::{Category, ErrorCode, Phase};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use vpc::{DnsTransport, Host, Options, Policy, Service};

use crate::support::{DirectNetwork, World, answers, get, listen, service_at};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// A resolver that answers by UDP and TCP on one port as the closure says; no bytes are no answer.
pub async fn resolver<F>(answer: F) -> SocketAddr
where
    F: Fn(&Message, DnsTransport) -> Option<Vec<u8>> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap();
    let by_udp = Arc::clone(&answer);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            if let Some(bytes) = by_udp(&question, DnsTransport::Udp) {
                udp.send_to(&bytes, from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut question = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut question).await.unwrap();
            let question = Message::from_vec(&question).unwrap();
            if let Some(bytes) = answer(&question, DnsTransport::Tcp) {
                stream.write_u16(bytes.len() as u16).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        }
    });
    address
}

fn reply(question: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(question.metadata.id, OpCode::Query);
    reply.metadata.response_code = code;
    reply.add_queries(question.queries.clone());
    reply
}

fn code(question: &Message, code: ResponseCode) -> Option<Vec<u8>> {
    reply(question, code).to_vec().ok()
}

fn kind(question: &Message) -> RecordType {
    question.queries[0].query_type
}

fn a(name: &str, ttl: u32) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), ttl, RData::A(A([127, 0, 0, 1].into())))
}

/// An A record for loopback, and no IPv6.
fn loopback(question: &Message, ttl: u32) -> Option<Vec<u8>> {
    let mut reply = reply(question, ResponseCode::NoError);
    if kind(question) == RecordType::A {
        let name = question.queries[0].name.to_ascii();
        reply.add_answer(a(&name, ttl));
    } else {
        let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, ttl);
        reply.add_authorities([Record::from_rdata(Name::root(), ttl, RData::SOA(soa))]);
    }
    reply.to_vec().ok()
}

/// Knows one name only.
pub fn only_orders(question: &Message, _: DnsTransport) -> Option<Vec<u8>> {
    match question.queries[0].name.to_ascii().to_lowercase().as_str() {
        "orders.internal." => loopback(question, 60),
        _ => code(question, ResponseCode::NXDomain),
    }
}

fn named(address: SocketAddr, name: &str, resolvers: Vec<IpAddr>) -> Arc<Service> {
    let mut service = service_at(address);
    service.host = Host::Hostname { name: name.to_owned(), resolvers };
    service.policy.dns_timeout = Duration::from_millis(400);
    Arc::new(service)
}

#[tokio::test]
async fn a_name_is_resolved_and_remembered() {
    let resolver = resolver(|question, _| loopback(question, 60)).await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "Orders.Internal", Vec::new());
    for number in 0..3 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        // What is remembered takes no time, and is not counted as if it had.
        assert_eq!(world.event().await.timings.dns.is_some(), number == 0);
    }
    assert_eq!(world.network.asked(), 2, "one question for each family");
    // Another service behind the same tunnel shares the answers, an explicit resolver does not.
    let other = named(answers(OK).await, "orders.internal.", Vec::new());
    assert_eq!(world.text(&other, get("http://x/")).await, "ok");
    assert_eq!(world.network.asked(), 2);
    let explicit: IpAddr = "10.0.0.53".parse().unwrap();
    world.network.resolvers.lock().unwrap().insert(Some(explicit), resolver);
    let other = named(answers(OK).await, "orders.internal", vec![explicit]);
    assert_eq!(world.text(&other, get("http://x/")).await, "ok");
    assert_eq!(world.network.asked(), 4);
}

#[tokio::test]
async fn an_answer_without_ttl_is_asked_for_again() {
    let resolver = resolver(|question, _| loopback(question, 0)).await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    for times in 1..=3 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        assert_eq!(world.network.asked(), 2 * times);
    }
}

#[tokio::test]
async fn many_requests_ask_once() {
    let resolver = resolver(|question, _| loopback(question, 60)).await;
    let world = Arc::new(World::with(DirectNetwork::resolving(resolver), Options::default()));
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    let all = (0..20).map(|_| world.text(&service, get("http://x/")));
    futures_util::future::join_all(all).await;
    assert_eq!(world.network.asked(), 2);
}

#[tokio::test]
async fn failures_keep_their_cause() {
    for (response, category, said) in [
        (ResponseCode::NXDomain, Category::Client, "NXDOMAIN"),
        (ResponseCode::ServFail, Category::BadUpstream, "SERVFAIL"),
        (ResponseCode::Refused, Category::BadUpstream, "REFUSED"),
        (ResponseCode::NoError, Category::BadUpstream, "neither an IPv4 nor an IPv6 address"),
    ] {
        let resolver = resolver(move |question, _| code(question, response)).await;
        let world = World::with(DirectNetwork::resolving(resolver), Options::default());
        let service = named("127.0.0.1:9".parse().unwrap(), "orders.internal", Vec::new());
        let error = world.fails(&service, "http://x/", ErrorCode::DnsError, Phase::Dns).await;
        assert_eq!(error.category, category, "{error:?}");
        assert!(error.detail.contains(said) && error.detail.contains("orders.internal"), "{error:?}");
        assert!(error.timings.dns.is_some() && error.timings.connect.is_none());
    }
}

#[tokio::test]
async fn unusable_answers() {
    type Spoil = fn(&Message) -> Option<Vec<u8>>;
    let spoilers: [(Spoil, &str); 3] = [
        (|_| Some(b"garbage".to_vec()), "not a DNS message"),
        (
            |question| {
                let mut wrong = reply(question, ResponseCode::NoError);
                wrong.metadata.id ^= 1;
                wrong.to_vec().ok()
            },
            "another question",
        ),
        (|question| question.to_vec().ok(), "a question and not an answer"),
    ];
    for (spoil, said) in spoilers {
        let resolver = resolver(move |question, _| spoil(question)).await;
        let world = World::with(DirectNetwork::resolving(resolver), Options::default());
        let service = named("127.0.0.1:9".parse().unwrap(), "orders.internal", Vec::new());
        let error = world.fails(&service, "http://x/", ErrorCode::DnsError, Phase::Dns).await;
        assert!(error.detail.contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_resolver_is_asked_twice() {
    let world = World::with(DirectNetwork::resolving(resolver(|_, _| None).await), Options::default());
    let service = named("127.0.0.1:9".parse().unwrap(), "orders.internal", Vec::new());
    let error = world.fails(&service, "http://x/", ErrorCode::DnsTimeout, Phase::Dns).await;
    assert!(error.detail.contains("0.4 s (2 tries)"), "{error:?}");
    assert!(error.timings.dns.unwrap() >= Duration::from_millis(390), "{error:?}");
    assert_eq!(world.network.asked(), 4);
}

#[tokio::test]
async fn the_second_resolver_helps_out() {
    let silent: IpAddr = "10.0.0.1".parse().unwrap();
    let alive: IpAddr = "10.0.0.2".parse().unwrap();
    let world = World::new();
    let (of_silent, of_alive) = (resolver(|_, _| None).await, resolver(|question, _| loopback(question, 60)).await);
    world.network.resolvers.lock().unwrap().extend([(Some(silent), of_silent), (Some(alive), of_alive)]);
    let service = named(answers(OK).await, "orders.internal", vec![silent, alive]);
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    assert!(world.event().await.timings.dns.unwrap() >= Duration::from_millis(190));
}

#[tokio::test]
async fn a_resolver_that_is_not_there() {
    let (listener, address) = listen().await;
    drop(listener);
    let world = World::with(DirectNetwork::resolving(address), Options::default());
    let service = named("127.0.0.1:9".parse().unwrap(), "orders.internal", Vec::new());
    let error = world.fails(&service, "http://x/", ErrorCode::DnsError, Phase::Dns).await;
    assert!(error.detail.contains("refused"), "{error:?}");
}

#[tokio::test]
async fn a_long_answer_comes_by_tcp() {
    let resolver = resolver(|question, transport| match transport {
        DnsTransport::Udp => {
            let mut short = reply(question, ResponseCode::NoError);
            short.metadata.truncation = true;
            short.to_vec().ok()
        }
        DnsTransport::Tcp => loopback(question, 60),
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    assert_eq!(world.network.asked_by_tcp.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_old_resolver_is_asked_without_extensions() {
    let resolver = resolver(|question, _| match &question.edns {
        Some(_) => code(question, ResponseCode::FormErr),
        None => loopback(question, 60),
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
}

#[tokio::test]
async fn aliases_are_followed_even_when_the_resolver_does_not() {
    let resolver = resolver(|question, _| {
        let name = question.queries[0].name.to_ascii().to_lowercase();
        if kind(question) == RecordType::AAAA {
            return code(question, ResponseCode::NoError);
        }
        let mut reply = reply(question, ResponseCode::NoError);
        match name.as_str() {
            "orders.internal." => {
                let target = CNAME(Name::from_ascii("lb.internal.").unwrap());
                reply.add_answer(Record::from_rdata(question.queries[0].name.clone(), 60, RData::CNAME(target)));
            }
            _ => {
                reply.add_answer(a("lb.internal.", 60));
            }
        }
        reply.to_vec().ok()
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
}

#[tokio::test]
async fn aliases_without_end() {
    let count = AtomicUsize::new(0);
    let resolver = resolver(move |question, _| {
        let next = format!("alias{}.internal.", count.fetch_add(1, Ordering::SeqCst));
        let mut reply = reply(question, ResponseCode::NoError);
        let target = CNAME(Name::from_ascii(next).unwrap());
        reply.add_answer(Record::from_rdata(question.queries[0].name.clone(), 60, RData::CNAME(target)));
        reply.to_vec().ok()
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named("127.0.0.1:9".parse().unwrap(), "orders.internal", Vec::new());
    let error = world.fails(&service, "http://x/", ErrorCode::DnsError, Phase::Dns).await;
    assert!(error.detail.contains("alias"), "{error:?}");
}

#[tokio::test]
async fn one_family_is_enough_and_the_other_is_not_waited_for() {
    let resolver = resolver(|question, _| match kind(question) {
        RecordType::A => loopback(question, 60),
        _ => None,
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named(answers(OK).await, "orders.internal", Vec::new());
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    let dns = world.event().await.timings.dns.unwrap();
    assert!(dns < Duration::from_millis(200), "{dns:?}");
}

#[tokio::test]
async fn the_family_that_answers_later_joins_the_race() {
    let asked_for_v4 = AtomicUsize::new(0);
    let resolver = resolver(move |question, _| match kind(question) {
        // Only the second try is answered, long after IPv6 has failed.
        RecordType::A if asked_for_v4.fetch_add(1, Ordering::SeqCst) > 0 => loopback(question, 60),
        RecordType::A => None,
        _ => {
            let mut reply = reply(question, ResponseCode::NoError);
            let name = question.queries[0].name.clone();
            reply.add_answer(Record::from_rdata(name, 60, RData::AAAA(AAAA("::1".parse().unwrap()))));
            reply.to_vec().ok()
        }
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let mut service = Service::clone(&*named(answers(OK).await, "orders.internal", Vec::new()));
    service.policy.dns_timeout = Duration::from_secs(1);
    assert_eq!(world.text(&Arc::new(service), get("http://x/")).await, "ok");
}

#[tokio::test]
async fn a_name_must_not_lead_to_a_restricted_address() {
    let resolver = resolver(|question, _| {
        let mut reply = reply(question, ResponseCode::NoError);
        let name = question.queries[0].name.clone();
        match kind(question) {
            RecordType::A => reply.add_answer(Record::from_rdata(name, 60, RData::A(A([169, 254, 169, 254].into())))),
            _ => reply.add_answer(Record::from_rdata(name, 60, RData::AAAA(AAAA("fe80::1".parse().unwrap())))),
        };
        reply.to_vec().ok()
    })
    .await;
    let world = World::with(DirectNetwork::resolving(resolver), Options::default());
    let service = named("127.0.0.1:80".parse().unwrap(), "metadata.internal", Vec::new());
    let error = world.fails(&service, "http://x/", ErrorCode::DestinationIpProhibited, Phase::Dns).await;
    assert!(error.detail.contains("metadata.internal resolves to"), "{error:?}");
    assert_eq!(world.network.opened(), 0);
}

#[tokio::test]
async fn default_patience_is_five_seconds() {
    let policy = Policy::default();
    assert_eq!((policy.dns_timeout, policy.dns_tries), (Duration::from_secs(5), 2));
}
