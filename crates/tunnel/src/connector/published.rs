//! Published requests: finds the ingress rule, asks the private service by HTTP, or joins it by TCP, and gives back what it
//! answers.

mod dialler;
mod origin_stream;
mod over_http2;
mod over_quic;
mod tcp_websocket;
mod unverified;
mod websocket;

pub(super) use over_http2::serve as serve_http2;
pub(super) use over_quic::serve as serve_quic;

use super::dial::DialError;
use super::ingress::{self, RequestSettings, Rule, Service};
use super::policy::DestinationPolicy;
use crate::tls;
use bytes::Bytes;
use dialler::Dialler;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::ServerName;
use std::error::Error;
use std::path::Path;
use std::sync::OnceLock;
use tokio::net::TcpStream;
use tunnel_proto::http::RequestHead;

/// The beginning of cloudflared's text for a service that did not answer.
const NOT_REACHED: &str = "Unable to reach the origin service. The service may be down or it may not be responding to traffic from the connector";

/// What an ingress rule `hello_world` shows.
const HELLO_WORLD: &str = include_str!("published/hello_world.html");
/// Request field in which clients of a bastion name the destination.
const JUMP_DESTINATION: &str = "cf-access-jump-destination";

type BodyError = Box<dyn Error + Send + Sync>;
/// A request's body on its way to a service.
type Body = UnsyncBoxBody<Bytes, BodyError>;
type HttpClient = Client<HttpsConnector<Dialler>, Body>;

/// What the connector answers.
enum Answer {
    /// The service's response; of status 101 when it changes the protocol.
    Service(Response<Incoming>),
    /// The ingress rule's own answer.
    Own(OwnAnswer),
    /// A TCP service, whose bytes go in the messages of a WebSocket; and the fields that agree to that.
    Tcp(TcpStream, HeaderMap),
}

/// What the connector answers by itself.
#[derive(Clone, Copy, Debug)]
struct OwnAnswer {
    status: StatusCode,
    /// HTML.
    page: Option<&'static str>,
}

impl OwnAnswer {
    const fn status(status: StatusCode) -> Self {
        Self { status, page: None }
    }

    fn fields(self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        if let Some(page) = self.page {
            fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            fields.insert(CONTENT_LENGTH, HeaderValue::from(page.len()));
        }
        fields
    }

    fn body(self) -> Bytes {
        Bytes::from_static(self.page.unwrap_or_default().as_bytes())
    }
}

/// A request that got no answer.
struct NoAnswer {
    /// In cloudflared's words.
    text: String,
    /// Where a service could not be dialled.
    dial: Option<DialError>,
}

impl From<String> for NoAnswer {
    fn from(text: String) -> Self {
        Self { text, dial: None }
    }
}

/// A rule and the connections to its service, made when they are first needed.
#[derive(Debug)]
struct PublishedRule {
    rule: Rule,
    client: OnceLock<Result<HttpClient, String>>,
}

/// Who answers published requests.
#[derive(Debug, Default)]
pub(crate) struct Published {
    rules: Vec<PublishedRule>,
}

/// A request of the edge.
struct Asked {
    head: RequestHead,
    /// Path and query of the URL that the visitor asked for.
    target: PathAndQuery,
    is_websocket: bool,
    body: Body,
}

impl Published {
    /// With these rules, in this order.
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        for rule in &rules {
            if let Service::Unsupported(service) = &rule.service {
                tracing::warn!(service, "this connector does not serve this kind of ingress rule; cloudflared does");
            }
        }
        Self { rules: rules.into_iter().map(|rule| PublishedRule { rule, client: OnceLock::new() }).collect() }
    }

    /// Sends a request to its service and waits for the response's head.
    async fn ask(&self, policy: &DestinationPolicy, asked: Asked) -> Result<Answer, NoAnswer> {
        let host = ingress::host_name(&asked.head.host);
        let fits = |published: &&PublishedRule| published.rule.fits(&host, asked.target.path());
        let Some(published) = self.rules.iter().find(fits) else {
            // Nothing was configured, as cloudflared has it.
            return Ok(Answer::Own(OwnAnswer::status(StatusCode::SERVICE_UNAVAILABLE)));
        };
        let rule = &published.rule;
        match &rule.service {
            Service::Http(scheme, authority) => published.ask(policy, asked, scheme, authority, None).await,
            Service::Unix { path, tls } => {
                let scheme = if *tls { Scheme::HTTPS } else { Scheme::HTTP };
                published.ask(policy, asked, &scheme, &Authority::from_static("localhost"), Some(path)).await
            }
            Service::Tcp { .. } | Service::Bastion if !asked.is_websocket => {
                let text =
                    "this host name leads to a TCP service, which takes WebSockets only: use `cloudflared access`";
                Err(text.to_owned().into())
            }
            Service::Tcp { host, port } => by_tcp(asked.agreement(), policy, &rule.settings, host, *port).await,
            Service::Bastion => {
                let destination = asked.field(JUMP_DESTINATION).ok_or_else(|| {
                    NoAnswer::from(format!(
                        "no {JUMP_DESTINATION} says where to: give `cloudflared access` a --destination"
                    ))
                })?;
                let (host, port) = bastion_destination(destination)?;
                by_tcp(asked.agreement(), policy, &rule.settings, &host, port).await
            }
            Service::HelloWorld => Ok(Answer::Own(OwnAnswer { status: StatusCode::OK, page: Some(HELLO_WORLD) })),
            Service::Status(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND);
                Ok(Answer::Own(OwnAnswer::status(status)))
            }
            Service::Unsupported(service) => {
                Err(format!("this connector does not serve `{service}`: run cloudflared for it").into())
            }
        }
    }
}

/// Connects to a TCP service, for a WebSocket that these fields agree to.
async fn by_tcp(
    agreement: HeaderMap,
    policy: &DestinationPolicy,
    settings: &RequestSettings,
    host: &str,
    port: u16,
) -> Result<Answer, NoAnswer> {
    let dialled = Dialler::new(policy.clone(), settings.connect_timeout).tcp(host, port).await;
    dialled.map(|stream| Answer::Tcp(stream, agreement)).map_err(of_dial)
}

/// Host and port of what a client names, which may have a scheme and a path around them.
fn bastion_destination(text: &str) -> Result<(String, u16), NoAnswer> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default().parse::<Authority>().ok();
    let destination = authority.as_ref().and_then(|authority| Some((authority.host(), authority.port_u16()?)));
    let (host, port) =
        destination.ok_or_else(|| NoAnswer::from(format!("`{text}` is no destination: write host:port")))?;
    Ok((ingress::bare(host).to_owned(), port))
}

impl PublishedRule {
    /// Asks by HTTP, over `socket` where there is one.
    async fn ask(
        &self,
        policy: &DestinationPolicy,
        asked: Asked,
        scheme: &Scheme,
        authority: &Authority,
        socket: Option<&Path>,
    ) -> Result<Answer, NoAnswer> {
        let client = self.client.get_or_init(|| make_client(&self.rule.settings, policy, socket)).as_ref();
        let client = client.map_err(|reason| NoAnswer::from(reason.clone()))?;
        let request = asked.into_request(scheme, authority, &self.rule.settings)?;
        client.request(request).await.map(Answer::Service).map_err(|error| not_reached(&error))
    }
}

impl Asked {
    /// The first field of this name.
    fn field(&self, wanted: &str) -> Option<&str> {
        let field = self.head.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        field.map(|(_, value)| value.as_str())
    }

    /// The fields of a 101 that agrees to its WebSocket.
    fn agreement(&self) -> HeaderMap {
        tcp_websocket::agreement(self.field(SEC_WEBSOCKET_KEY.as_str()))
    }

    fn into_request(
        self,
        scheme: &Scheme,
        authority: &Authority,
        settings: &RequestSettings,
    ) -> Result<Request<Body>, NoAnswer> {
        let malformed = |error: http::Error| NoAnswer::from(format!("the edge's request is malformed: {error}"));
        let Self { head, target, is_websocket, body } = self;
        let uri = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query(target);
        let method = Method::from_bytes(head.method.as_bytes()).map_err(|error| malformed(error.into()))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri.build().map_err(malformed)?;
        let headers = request.headers_mut();
        for (name, value) in &head.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| malformed(error.into()))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| malformed(error.into()))?;
            headers.append(name, value);
        }
        for name in [CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE] {
            headers.remove(name);
        }
        let host = settings.host_header.as_ref().unwrap_or(&head.host);
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|error| malformed(error.into()))?);
        if is_websocket {
            headers.remove(CONTENT_LENGTH);
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        Ok(request)
    }
}

/// What makes and keeps connections to the service of one rule.
fn make_client(
    settings: &RequestSettings,
    policy: &DestinationPolicy,
    socket: Option<&Path>,
) -> Result<HttpClient, String> {
    let tls = if settings.unverified { unverified::client() } else { tls::client(None, tls::TLS12_AND_13) };
    let tls = tls.map_err(|error| error.to_string())?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let connector = match &settings.server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone());
            let name = name.map_err(|error| format!("originServerName: {error}"))?;
            connector.with_server_name_resolver(FixedServerNameResolver::new(name)).enable_http1()
        }
        None => connector.enable_http1(),
    };
    let dialler = Dialler::new(policy.clone(), settings.connect_timeout);
    let dialler = match socket {
        Some(path) => dialler.over_socket(path.to_owned()),
        None => dialler,
    };
    let mut client = Client::builder(TokioExecutor::new());
    // A service that closes an idle connection just then must not cost a request.
    Ok(client.pool_timer(TokioTimer::new()).set_host(false).build(connector.wrap_connector(dialler)))
}

/// A service that could not be dialled, in cloudflared's words.
fn of_dial(dial: DialError) -> NoAnswer {
    NoAnswer { text: format!("{NOT_REACHED}: {}", dial.text), dial: Some(dial) }
}

/// What went wrong, with cloudflared's words at the end where it is a failure to dial.
fn not_reached(error: &hyper_util::client::legacy::Error) -> NoAnswer {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(dial) = cause.downcast_ref::<DialError>() {
            return of_dial(dial.clone());
        }
        // An io::Error does not count what it holds as its source.
        let held = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match held.map(|held| held as &(dyn Error + 'static)).or_else(|| cause.source()) {
            Some(source) => cause = source,
            None => return format!("{NOT_REACHED}: {cause}").into(),
        }
    }
}

/// Whether the head of a request announces a body.
fn has_body(head: &RequestHead) -> bool {
    head.fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-length") && value.trim() != "0"
            || name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().contains("chunked")
    })
}

fn no_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
