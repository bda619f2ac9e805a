//! A network that remembers which resolvers were asked and what they answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use invocation::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::network::{DnsQueryError, DnsTransport, Network, NotOpened, OpenedFlow};

/// How many records of answers are told.
const RECORDS: usize = 20;

/// What was asked, and how it ended.
struct Asked {
    resolver: Option<SocketAddr>,
    transport: DnsTransport,
    answer: Option<Vec<u8>>,
}

/// Passes everything on, and remembers DNS.
pub(super) struct Witness {
    network: Arc<dyn Network>,
    asked: Mutex<Vec<Asked>>,
}

fn shown(resolver: Option<SocketAddr>) -> String {
    resolver
        .map_or_else(|| "the connector's own resolver".to_owned(), |address| format!("the resolver {}", address.ip()))
}

impl Witness {
    pub(super) fn new(network: Arc<dyn Network>) -> Self {
        Self { network, asked: Mutex::default() }
    }

    fn with<T>(&self, read: impl FnOnce(&mut Vec<Asked>) -> T) -> T {
        read(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The resolver that answered last.
    pub(super) fn answered_by(&self) -> Option<String> {
        self.with(|asked| asked.iter().rev().find(|each| each.answer.is_some()).map(|each| shown(each.resolver)))
    }

    /// Adds what is known: whom was asked, how, the records of the answers, and how long they hold.
    pub(super) fn tell(&self, facts: &mut Map<String, Value>) {
        self.with(|asked| {
            let mut resolvers: Vec<String> = asked.iter().map(|each| shown(each.resolver)).collect();
            resolvers.dedup();
            if !resolvers.is_empty() {
                facts.insert("resolver".to_owned(), resolvers.join(", ").into());
            }
            if asked.iter().any(|each| each.transport == DnsTransport::Tcp) {
                facts.insert("transport".to_owned(), "udp, then tcp for a long answer".into());
            }
            let answers = asked.iter().filter_map(|each| Message::from_vec(each.answer.as_deref()?).ok());
            let (mut records, mut codes, mut ttl) = (Vec::new(), Vec::new(), None::<u32>);
            for answer in answers {
                codes.push(format!("{:?}", answer.metadata.response_code));
                for record in answer.answers {
                    let (kind, data) = match &record.data {
                        RData::A(address) => ("A", address.to_string()),
                        RData::AAAA(address) => ("AAAA", address.to_string()),
                        RData::CNAME(name) => ("CNAME", name.to_string()),
                        _ => continue,
                    };
                    ttl = Some(ttl.map_or(record.ttl, |least| least.min(record.ttl)));
                    records.push(format!("{} {} {kind} {data}", record.name, record.ttl));
                }
            }
            codes.sort_unstable();
            codes.dedup();
            records.sort_unstable();
            records.dedup();
            records.truncate(RECORDS);
            if !codes.is_empty() {
                facts.insert("response".to_owned(), codes.join(", ").into());
            }
            if let Some(ttl) = ttl {
                facts.insert("ttl".to_owned(), ttl.into());
                facts.insert("records".to_owned(), records.into());
            }
        });
    }
}

impl Network for Witness {
    fn open_tcp(
        &self,
        tunnel: Uuid,
        destination: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>> {
        self.network.open_tcp(tunnel, destination, timeout)
    }

    fn query_dns<'a>(
        &'a self,
        tunnel: Uuid,
        resolver: Option<SocketAddr>,
        transport: DnsTransport,
        message: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>> {
        Box::pin(async move {
            let position = self.with(|asked| {
                asked.push(Asked { resolver, transport, answer: None });
                asked.len() - 1
            });
            let result = self.network.query_dns(tunnel, resolver, transport, message, timeout).await;
            if let Ok(answer) = &result {
                self.with(|asked| {
                    if let Some(each) = asked.get_mut(position) {
                        each.answer = Some(answer.clone());
                    }
                });
            }
            result
        })
    }

    fn is_beside_the_edge(&self, tunnel: Uuid) -> bool {
        self.network.is_beside_the_edge(tunnel)
    }
}
