//! Published requests: finds the ingress rule, asks the private service by HTTP, and gives back what it answers.

mod dialler;
mod over_http2;
mod over_quic;
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
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::ServerName;
use std::error::Error;
use std::sync::OnceLock;
use tunnel_proto::http::RequestHead;

/// The beginning of cloudflared's text for a service that did not answer.
const NOT_REACHED: &str = "Unable to reach the origin service. The service may be down or it may not be responding to traffic from the connector";

type BodyError = Box<dyn Error + Send + Sync>;
/// A request's body on its way to a service.
type Body = UnsyncBoxBody<Bytes, BodyError>;
type HttpClient = Client<HttpsConnector<Dialler>, Body>;

/// What the connector answers.
enum Answer {
    /// The service's response; of status 101 when it changes the protocol.
    Service(Response<Incoming>),
    /// The ingress rule's own status.
    Status(StatusCode),
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
        let Some(PublishedRule { rule, client }) = self.rules.iter().find(fits) else {
            // Nothing was configured, as cloudflared has it.
            return Ok(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
        };
        match &rule.service {
            Service::Http(scheme, authority) => {
                let client = client.get_or_init(|| make_client(&rule.settings, policy)).as_ref();
                let client = client.map_err(|reason| NoAnswer::from(reason.clone()))?;
                let request = asked.into_request(scheme, authority, &rule.settings)?;
                client.request(request).await.map(Answer::Service).map_err(|error| not_reached(&error))
            }
            Service::Status(status) => {
                Ok(Answer::Status(StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND)))
            }
            Service::Unsupported(service) => {
                Err(format!("this connector does not serve `{service}`: run cloudflared for it").into())
            }
        }
    }
}

impl Asked {
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
fn make_client(settings: &RequestSettings, policy: &DestinationPolicy) -> Result<HttpClient, String> {
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
    let mut client = Client::builder(TokioExecutor::new());
    // A service that closes an idle connection just then must not cost a request.
    Ok(client.pool_timer(TokioTimer::new()).set_host(false).build(connector.wrap_connector(dialler)))
}

/// What went wrong, with cloudflared's words at the end where it is a failure to dial.
fn not_reached(error: &hyper_util::client::legacy::Error) -> NoAnswer {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(dial) = cause.downcast_ref::<DialError>() {
            return NoAnswer { text: format!("{NOT_REACHED}: {}", dial.text), dial: Some(dial.clone()) };
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
