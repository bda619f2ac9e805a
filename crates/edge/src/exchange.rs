//! One request and its response.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use connection_error::ErrorCode;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use invocation::{Body, Ended, Invocation, Outcome, RayId, Route, Upgraded, marks};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{self, Representation};
use crate::body::{Content, InFlight, RequestBody, ResponseBody};
use crate::connection::Peer;
use crate::error_page::{ErrorPage, Occurrence, Refusal};
use crate::headers::{self, CF_RAY, Visitor};
use crate::options::EdgeOptions;
use crate::serve::Shared;
use crate::target;
use crate::upgrade::Wish;
use crate::visit::Visit;

/// Answers one request. Never fails: what goes wrong becomes a page.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    shared.counters.request();
    let awaited = shared.vigil.awaiting();
    let wish = Wish::of(&mut request);
    let in_flight = InFlight::begin(peer.activity.clone(), request.version() >= Version::HTTP_2);
    let ray = shared.rays.next();
    let ray_value = ray_value(ray);
    let representation = accept::representation(request.headers());
    let is_head = request.method() == Method::HEAD;
    let multiplexed = request.version() >= Version::HTTP_2;
    let mut host = None;
    let mut visit = shared.sink.clone().map(|sink| Visit::begin(sink, &shared.options, &peer, &request, ray));

    let response =
        match exchange(&shared, &peer, request, wish.is_some(), ray, &ray_value, (&mut host, &mut visit)).await {
            Ok(mut response) => match (response.extensions_mut().remove::<Upgraded>().and_then(|it| it.take()), wish) {
                (Some(connection), Some(wish)) => {
                    let (mut head, body) = response.into_parts();
                    headers::rewrite_response(&mut head.headers, ray_value.clone(), None, false);
                    let (status, joined) = wish.fulfil(&mut head.headers, connection);
                    head.status = status;
                    if multiplexed {
                        let in_flight = InFlight::begin(peer.activity.clone(), true);
                        tokio::spawn(async move {
                            let _in_flight = in_flight;
                            if let Err(error) = joined.run().await {
                                tracing::debug!(ray = %ray, %error, "a WebSocket ended by an error");
                            }
                        });
                    } else {
                        *peer.successor.lock().unwrap_or_else(PoisonError::into_inner) = Some(joined);
                    }
                    Ok((Response::from_parts(head, ()), body))
                }
                _ => from_worker(response, ray, ray_value.clone(), is_head).map_err(|page| (page, None)),
            },
            Err(refused) => Err(refused),
        };
    let (mut response, content) = match response {
        Ok((head, body)) => (head, Content::Worker(body)),
        Err((page, connection)) => {
            let (mut head, body) = page_response(page, ray, ray_value, host.as_deref(), representation);
            tell_proxy_status(&shared.options, page, connection, head.headers_mut());
            (head, Content::Page(Some(body)))
        }
    };
    *response.version_mut() = Version::HTTP_11;
    if let Some(visit) = &mut visit {
        visit.answered(response.status());
        if is_head || response.status() == StatusCode::NOT_MODIFIED || response.status() == StatusCode::NO_CONTENT {
            visit.completed();
        }
    }
    Ok(response.map(|()| ResponseBody { content, visit, _in_flight: in_flight, _awaited: awaited }))
}

/// Adds `Proxy-Status` (RFC 9209) to a page, where the operator wants it.
pub(crate) fn tell_proxy_status(
    options: &EdgeOptions,
    page: ErrorPage,
    connection: Option<ErrorCode>,
    headers: &mut HeaderMap,
) {
    let error_type = connection.map_or(page.proxy_error, ErrorCode::as_str);
    if (options.proxy_status || page.is_loop())
        && let Some(status) = marks::proxy_status(&options.name, error_type)
    {
        headers.insert(marks::PROXY_STATUS, status);
    }
}

/// The ray id as a header's value.
pub(crate) fn ray_value(ray: RayId) -> HeaderValue {
    // Sixteen hexadecimal digits are a valid value.
    HeaderValue::try_from(ray.to_string()).unwrap_or(HeaderValue::from_static("0000000000000000"))
}

/// The page that is shown, and the code of the failed connection behind it, where one is.
type Refused = (ErrorPage, Option<ErrorCode>);

/// From a visitor's request to a Worker's response, or to the page that is shown instead.
async fn exchange(
    shared: &Shared,
    peer: &Peer,
    request: Request<Incoming>,
    wants_websocket: bool,
    ray: RayId,
    ray_value: &HeaderValue,
    (host_name, visit): (&mut Option<Arc<str>>, &mut Option<Visit>),
) -> Result<Response<Body>, Refused> {
    let options = &shared.options;
    let refuse = |refusal: Refusal, why: &dyn std::fmt::Display| {
        shared.counters.refuse();
        tracing::debug!(ray = %ray, client = %peer.address, "request refused: {why}");
        (ErrorPage::refusing(refusal), None)
    };
    let (mut head, incoming) = request.into_parts();

    let host = {
        let mut known = peer.known_host.lock().unwrap_or_else(PoisonError::into_inner);
        target::host(&head.uri, &head.headers, head.version, options.scheme, &mut known)
    }
    .map_err(|error| refuse(Refusal::BadRequest, &error))?;
    *host_name = Some(host.name.clone());
    if let Some(visit) = visit {
        visit.asked(&host.name);
    }
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(refuse(Refusal::MethodNotAllowed, &head.method));
    }
    let url = target::url(&head.method, &head.uri, &host, options.scheme)
        .map_err(|error| refuse(Refusal::BadRequest, &error))?;
    let path_length = url.path_and_query().map_or(1, |path| path.as_str().len());
    let url_length = options.scheme.as_str().len() + "://".len() + host.authority.as_str().len() + path_length;
    if url_length > options.max_url {
        return Err(refuse(Refusal::UrlTooLong, &format_args!("its URL has {url_length} bytes")));
    }
    let header_size = headers::size(&head.headers);
    if header_size > options.max_headers {
        return Err(refuse(Refusal::HeadersTooLarge, &format_args!("its headers have {header_size} bytes")));
    }
    let announced = headers::content_length(&head.headers);
    if let (Some(length), Some(limit)) = (announced, options.max_request_body)
        && length > limit
    {
        peer.activity.handle_body_abandoned();
        return Err(refuse(Refusal::BodyTooLarge, &format_args!("its body has {length} bytes")));
    }

    if marks::has_passed(&head.headers, &options.name) {
        return Err(refuse(Refusal::Loop, &"its CDN-Loop has the name of this edge"));
    }

    let Some(server) = Server::find(shared, &host.name, url.path()) else {
        shared.counters.unrouted();
        tracing::debug!(ray = %ray, client = %peer.address, host = %host.name, "nothing serves this host");
        return Err((ErrorPage::refusing(Refusal::NoWorker), None));
    };

    let visitor = Visitor {
        address: &peer.address_value,
        ray: ray_value,
        scheme: options.scheme.as_str(),
        authority: &host.authority,
    };
    headers::rewrite_request(&mut head.headers, head.version, &visitor);
    if wants_websocket {
        Wish::show(&mut head.headers);
    }
    if let Some(visit) = visit {
        if let Server::Worker(route) = &server {
            visit.routed(route);
        }
        visit.pass_on(&mut head);
    }
    head.uri = url;
    // The body's limit matters only where its length is not announced; the flag then tells why the Worker failed.
    let mut too_large = None;
    let body = if incoming.is_end_stream() {
        invocation::empty()
    } else {
        let flag = Arc::new(AtomicBool::new(false));
        too_large = Some(flag.clone());
        RequestBody::new(incoming, options.max_request_body, options.body_timeout, flag, peer.activity.clone())
            .boxed_unsync()
    };

    let invocation = Invocation { request: Request::from_parts(head, body), ray_id: ray, client: Some(peer.address) };
    let answered = match server {
        Server::Worker(route) => run(shared, route, invocation).await,
        Server::Origin(origin) => forward(shared, origin, invocation).await,
    };
    answered.map_err(|page| {
        if too_large.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return refuse(Refusal::BodyTooLarge, &"its body is larger than the limit");
        }
        page
    })
}

/// Who answers at a host.
enum Server {
    Worker(Route),
    Origin(Uuid),
}

impl Server {
    fn find(shared: &Shared, host: &str, path: &str) -> Option<Self> {
        let worker = shared.dispatch.route(host, path).map(Self::Worker);
        worker.or_else(|| shared.origins.origin(host).map(Self::Origin))
    }
}

/// Runs a Worker.
async fn run(shared: &Shared, route: Route, invocation: Invocation) -> Result<Response<Body>, Refused> {
    let (worker, ray) = (route.worker.clone(), invocation.ray_id);
    let dispatched = AssertUnwindSafe(shared.dispatch.dispatch(route, invocation)).catch_unwind().await;
    let ended = match dispatched {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(ended)) => ended,
        Err(_) => Ended::new(Outcome::InternalError, "the dispatcher panicked"),
    };
    log(&worker, ray, &ended);
    Err((ErrorPage::of(ended.outcome), ended.connection))
}

/// Asks an origin.
async fn forward(shared: &Shared, origin: Uuid, mut invocation: Invocation) -> Result<Response<Body>, Refused> {
    let ray = invocation.ray_id;
    marks::note_passage(invocation.request.headers_mut(), &shared.options.name);
    shared.origins.forward(origin, invocation).await.map_err(|error| {
        tracing::warn!(ray = %ray, %origin, "{error}");
        (ErrorPage::of_origin(error.failure), Some(error.code))
    })
}

fn log(worker: &str, ray: RayId, ended: &Ended) {
    let Ended { outcome, message, .. } = ended;
    match outcome {
        Outcome::InternalError | Outcome::Ok => tracing::error!(ray = %ray, worker, %outcome, "{message}"),
        Outcome::LoadShed => tracing::warn!(ray = %ray, worker, %outcome, "{message}"),
        // The Worker's fault, and in its invocation log.
        Outcome::ExceededCpu | Outcome::ExceededMemory | Outcome::ExceededWallTime | Outcome::Exception => {
            tracing::info!(ray = %ray, worker, %outcome, "{message}");
        }
        Outcome::Canceled | Outcome::ResponseStreamDisconnected | Outcome::ScriptNotFound => {
            tracing::debug!(ray = %ray, worker, %outcome, "{message}");
        }
    }
}

/// A Worker's response as the visitor gets it.
fn from_worker(
    response: Response<Body>,
    ray: RayId,
    ray_value: HeaderValue,
    is_head: bool,
) -> Result<(Response<()>, Body), ErrorPage> {
    let (mut head, body) = response.into_parts();
    if head.status.is_informational() {
        // There is no final response behind it, and nobody who asked for an upgrade.
        tracing::error!(ray = %ray, status = %head.status, "a Worker's response has a status that ends no request");
        return Err(ErrorPage::of(Outcome::InternalError));
    }
    headers::rewrite_response(&mut head.headers, ray_value, body.size_hint().exact(), is_head);
    Ok((Response::from_parts(head, ()), body))
}

pub(crate) fn page_response(
    page: ErrorPage,
    ray: RayId,
    ray_value: HeaderValue,
    host: Option<&str>,
    representation: Representation,
) -> (Response<()>, Bytes) {
    let occurrence = Occurrence { page, ray, at: OffsetDateTime::now_utc(), host };
    let (status, mut page_headers, body): (_, HeaderMap, _) = occurrence.render(representation);
    page_headers.insert(CF_RAY, ray_value);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = page_headers;
    (response, body)
}
