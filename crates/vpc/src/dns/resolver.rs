//! Asks resolvers behind a tunnel: both families at once, twice if need be, over TCP when the answer is too long, each
//! question only once at a time however many requests wait for it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, select};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;
use uuid::Uuid;

use super::cache::{Answer, Cache, Question};
use super::message::{self, Extension, MAX_ALIASES, Reply};
use crate::network::{DnsQueryError, DnsTransport, Network};
use crate::policy::Policy;

/// How long the second family is waited for when the first one has addresses (RFC 8305 section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Whom to ask: the resolvers given, or the connector's own when there are none. Answers are shared by all who ask the same ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Zone {
    pub tunnel: Uuid,
    pub resolvers: Vec<IpAddr>,
}

impl Zone {
    /// The resolver for a try: they take turns.
    fn resolver(&self, attempt: u32) -> Option<SocketAddr> {
        let position = (attempt as usize).checked_rem(self.resolvers.len())?;
        self.resolvers.get(position).map(|address| SocketAddr::new(*address, 53))
    }
}

fn describe(resolver: Option<SocketAddr>) -> String {
    resolver.map_or_else(|| "the connector's own resolver".to_owned(), |address| format!("the resolver {address}"))
}

/// Why a question has no answer.
#[derive(Debug, Clone)]
enum LookupError {
    Aliases(String),
    Internal(String),
    Query { resolver: String, error: DnsQueryError },
    ResponseCode { resolver: String, code: ResponseCode },
    TimedOut { resolvers: String, after: Duration, tries: u32 },
    Unusable { resolver: String, why: String },
}

/// How long and how often to ask.
#[derive(Debug, Clone, Copy)]
struct Patience {
    timeout: Duration,
    tries: u32,
}

type Lookup = Shared<BoxFuture<'static, Result<Answer, LookupError>>>;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Cache,
    Resolver,
}

/// What resolving a name gave.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub addresses: Vec<IpAddr>,
    /// Whether a resolver was waited for.
    pub asked: bool,
    /// The other family, when it had not answered yet.
    pub later: Option<Later>,
}

/// Why there are no addresses.
#[derive(Debug)]
pub(crate) struct NoAddress {
    pub error: Box<ConnectionError>,
    /// Whether a resolver was waited for.
    pub asked: bool,
}

/// Addresses that are still being asked for.
#[derive(Debug, Clone)]
pub(crate) struct Later(Lookup);

impl Later {
    /// The addresses; none when there are none, or no answer.
    pub(crate) async fn addresses(self) -> Vec<IpAddr> {
        match self.0.await {
            Ok(Answer::Addresses(addresses)) => addresses,
            Ok(Answer::NoData | Answer::NxDomain) | Err(_) => Vec::new(),
        }
    }
}

/// Resolves names behind tunnels. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<State>,
}

struct State {
    network: Arc<dyn Network>,
    tables: Mutex<Tables>,
}

struct Tables {
    cache: Cache,
    /// Questions being asked right now.
    asking: HashMap<Question, Lookup>,
}

impl Resolver {
    pub(crate) fn new(network: Arc<dyn Network>, cache_entries: NonZeroUsize) -> Self {
        let tables = Tables { cache: Cache::new(cache_entries), asking: HashMap::new() };
        Self { shared: Arc::new(State { network, tables: Mutex::new(tables) }) }
    }

    /// The addresses of a name: IPv6 and IPv4 asked at once.
    pub(crate) async fn resolve(&self, zone: &Zone, host: &str, policy: &Policy) -> Result<Resolved, NoAddress> {
        if let Ok(address) = host.parse() {
            return Ok(Resolved { addresses: vec![address], asked: false, later: None });
        }
        let name = message::parse_name(host).map_err(|error| {
            let detail = format!("`{host}` is not a name that can be resolved: {error}.");
            NoAddress { error: Box::new(ConnectionError::new(ErrorCode::DnsError, Phase::Dns, detail)), asked: false }
        })?;
        let patience = Patience { timeout: policy.dns_timeout, tries: policy.dns_tries.max(1) };
        let ask = |kind| self.ask(Question { zone: zone.clone(), name: name.clone(), kind }, patience);
        let ((v6, v6_source), (v4, v4_source)) = (ask(RecordType::AAAA), ask(RecordType::A));
        let asked = [v6_source, v4_source].contains(&Source::Resolver);
        let (first, other) = match select(v6, v4).await {
            Either::Left((v6, v4)) => (v6, v4),
            Either::Right((v4, v6)) => (v4, v6),
        };
        let second = match &first {
            Ok(Answer::Addresses(_)) => tokio::time::timeout(RESOLUTION_DELAY, other.clone()).await.ok(),
            _ => Some(other.clone().await),
        };
        let later = second.is_none().then_some(Later(other));
        let mut addresses = Vec::new();
        for answer in [Some(&first), second.as_ref()].into_iter().flatten().flatten() {
            if let Answer::Addresses(found) = answer {
                addresses.extend_from_slice(found);
            }
        }
        if addresses.is_empty() {
            return Err(NoAddress { error: failure(host, zone, &first, second.as_ref()), asked });
        }
        Ok(Resolved { addresses, asked, later })
    }

    /// The answer from the cache, from someone who is asking already, or from the resolvers.
    fn ask(&self, question: Question, patience: Patience) -> (Lookup, Source) {
        let mut tables = self.shared.lock();
        if let Some(answer) = tables.cache.find(&question, Instant::now()) {
            return (futures_util::future::ready(Ok(answer)).boxed().shared(), Source::Cache);
        }
        if let Some(lookup) = tables.asking.get(&question) {
            return (lookup.clone(), Source::Resolver);
        }
        let state = Arc::clone(&self.shared);
        let asked = question.clone();
        let lookup: Lookup = async move {
            let result = state.lookup(&asked, patience).await;
            let mut tables = state.lock();
            tables.asking.remove(&asked);
            result.map(|(answer, ttl)| {
                tables.cache.keep(asked.clone(), answer.clone(), ttl, Instant::now());
                answer
            })
        }
        .boxed()
        .shared();
        tables.asking.insert(question, lookup.clone());
        // It goes on to its end, and into the cache, even when whoever asked first has gone away.
        tokio::spawn(lookup.clone());
        (lookup, Source::Resolver)
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Asks, following aliases that the resolver did not follow itself.
    async fn lookup(&self, question: &Question, patience: Patience) -> Result<(Answer, Duration), LookupError> {
        let mut name = question.name.clone();
        let mut least_ttl = Duration::MAX;
        let deadline = Instant::now() + patience.timeout;
        for _ in 0..=MAX_ALIASES {
            let (answer, ttl) = match self.query(&question.zone, &name, question.kind, patience, deadline).await? {
                Reply::Addresses { addresses, ttl } => (Answer::Addresses(addresses), ttl),
                Reply::NoData { ttl } => (Answer::NoData, ttl.unwrap_or_default()),
                Reply::NxDomain { ttl } => (Answer::NxDomain, ttl.unwrap_or_default()),
                Reply::Alias { target, ttl } => {
                    name = target;
                    least_ttl = least_ttl.min(ttl);
                    continue;
                }
                Reply::Truncated | Reply::Failed(_) => {
                    return Err(LookupError::Internal("an answer was taken for complete".to_owned()));
                }
            };
            return Ok((answer, ttl.min(least_ttl)));
        }
        Err(LookupError::Aliases(name.to_string()))
    }

    /// One question, with its tries.
    async fn query(
        &self,
        zone: &Zone,
        name: &Name,
        kind: RecordType,
        patience: Patience,
        deadline: Instant,
    ) -> Result<Reply, LookupError> {
        let started = Instant::now();
        let mut last = None;
        for attempt in 0..patience.tries {
            let resolver = zone.resolver(attempt);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let share = left / (patience.tries - attempt);
            match self.query_once(zone.tunnel, resolver, name, kind, share).await {
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    let hopeless = matches!(
                        error,
                        LookupError::Query {
                            error: DnsQueryError::NoConnector
                                | DnsQueryError::NoTunnel
                                | DnsQueryError::Unsupported { .. },
                            ..
                        } | LookupError::Internal(_)
                    );
                    // A definite failure says more than silence of the other resolver.
                    if !matches!(error, LookupError::TimedOut { .. }) || last.is_none() {
                        last = Some(error);
                    }
                    if hopeless {
                        break;
                    }
                }
            }
        }
        Err(match last {
            None | Some(LookupError::TimedOut { .. }) => {
                let mut asked: Vec<String> =
                    (0..patience.tries).map(|attempt| describe(zone.resolver(attempt))).collect();
                asked.dedup();
                LookupError::TimedOut {
                    resolvers: asked.join(" and "),
                    after: started.elapsed(),
                    tries: patience.tries,
                }
            }
            Some(error) => error,
        })
    }

    /// One try: by UDP, by TCP when the answer is truncated, without EDNS when the resolver chokes on it.
    async fn query_once(
        &self,
        tunnel: Uuid,
        resolver: Option<SocketAddr>,
        name: &Name,
        kind: RecordType,
        timeout: Duration,
    ) -> Result<Reply, LookupError> {
        let deadline = Instant::now() + timeout;
        let mut transport = DnsTransport::Udp;
        let mut extension = Extension::Edns;
        loop {
            // Not to be guessed by whoever would like to answer first: the end of a random UUID is random.
            let id = Uuid::new_v4().as_u128() as u16;
            let question = message::encode(id, name, kind, extension).map_err(LookupError::Internal)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let timed_out = || LookupError::TimedOut { resolvers: describe(resolver), after: timeout, tries: 1 };
            let query = self.network.query_dns(tunnel, resolver, transport, &question, left);
            let bytes = match tokio::time::timeout(left, query).await {
                Err(_) | Ok(Err(DnsQueryError::TimedOut { .. })) => return Err(timed_out()),
                Ok(Err(error)) => return Err(LookupError::Query { resolver: describe(resolver), error }),
                Ok(Ok(bytes)) => bytes,
            };
            let unusable = |why: String| LookupError::Unusable { resolver: describe(resolver), why };
            match message::decode(&bytes, id, name, kind).map_err(|error| unusable(error.to_string()))? {
                Reply::Truncated if transport == DnsTransport::Udp => transport = DnsTransport::Tcp,
                Reply::Truncated => return Err(unusable(message::Unusable::TruncatedOverTcp.to_string())),
                Reply::Failed(ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS)
                    if extension == Extension::Edns =>
                {
                    extension = Extension::Plain;
                }
                Reply::Failed(code) => {
                    return Err(LookupError::ResponseCode { resolver: describe(resolver), code });
                }
                reply => return Ok(reply),
            }
        }
    }
}

/// The error for a name without addresses. That it does not exist is said when either family says so; after that, what
/// went wrong counts more than that nothing was found.
fn failure(
    host: &str,
    zone: &Zone,
    first: &Result<Answer, LookupError>,
    second: Option<&Result<Answer, LookupError>>,
) -> Box<ConnectionError> {
    let results = || [Some(first), second].into_iter().flatten();
    if results().any(|result| matches!(result, Ok(Answer::NxDomain))) {
        let resolver = describe(zone.resolver(0));
        return Box::new(ConnectionError::nxdomain(format!("{host} does not exist (NXDOMAIN, says {resolver}).")));
    }
    let Some(error) = results().find_map(|result| result.as_ref().err()) else {
        let resolver = describe(zone.resolver(0));
        return Box::new(ConnectionError::new(
            ErrorCode::DnsError,
            Phase::Dns,
            format!("{host} exists and has neither an IPv4 nor an IPv6 address (no data, says {resolver})."),
        ));
    };
    let dns = |code, detail| Box::new(ConnectionError::new(code, Phase::Dns, detail));
    match error {
        LookupError::Aliases(name) => dns(
            ErrorCode::DnsError,
            format!(
                "{host} is an alias of an alias, more than {MAX_ALIASES} times over; the last was {}.",
                name.trim_end_matches('.')
            ),
        ),
        LookupError::Internal(why) => {
            Box::new(ConnectionError::internal(Phase::Dns, format!("{host} could not be looked up: {why}.")))
        }
        LookupError::Query { resolver, error } => match error {
            DnsQueryError::NoTunnel => Box::new(ConnectionError::new(
                ErrorCode::DestinationNotFound,
                Phase::Route,
                format!("{host} cannot be resolved: the service's tunnel {} does not exist.", zone.tunnel),
            )),
            DnsQueryError::NoConnector | DnsQueryError::ConnectorLost { .. } => Box::new(ConnectionError::new(
                ErrorCode::DestinationUnavailable,
                Phase::Route,
                format!("{host} cannot be resolved: {error}."),
            )),
            DnsQueryError::TooManyFlows { .. } => Box::new(ConnectionError::new(
                ErrorCode::ConnectionLimitReached,
                Phase::Connect,
                format!("{host} cannot be resolved: {error}."),
            )),
            _ => dns(ErrorCode::DnsError, format!("{host} cannot be resolved by {resolver}: {error}.")),
        },
        LookupError::ResponseCode { resolver, code } => {
            dns(ErrorCode::DnsError, format!("{host} cannot be resolved: {resolver} answered {}.", spelled(*code)))
        }
        LookupError::TimedOut { resolvers, after, tries } => dns(
            ErrorCode::DnsTimeout,
            format!("No answer for {host} from {resolvers} within {:.1} s ({tries} tries).", after.as_secs_f64()),
        ),
        LookupError::Unusable { resolver, why } => {
            dns(ErrorCode::DnsError, format!("The answer of {resolver} for {host} is unusable: {why}."))
        }
    }
}

/// A response code as operators know it.
fn spelled(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL (it could not find out)".to_owned(),
        ResponseCode::Refused => "REFUSED (it does not answer the connector)".to_owned(),
        ResponseCode::FormErr => "FORMERR (it did not understand the question)".to_owned(),
        ResponseCode::NotImp => "NOTIMP (it cannot answer such questions)".to_owned(),
        ResponseCode::Unknown(number) => format!("the unknown code {number}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
