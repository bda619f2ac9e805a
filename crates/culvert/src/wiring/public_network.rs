//! Plain `fetch()`: the public network and never a private one, so that nothing leaves or enters a private network by accident.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use invocation::{Body, BodyError, FetchError, Upgraded, websocket_accept};
use uuid::Uuid;

use crate::failure::root_cause;

/// Sends requests to public hosts.
#[derive(Clone)]
pub struct PublicNetwork {
    client: Client<HttpsConnector<HttpConnector<PublicResolver>>, Body>,
    /// For WebSockets, which begin as HTTP/1.1.
    upgrading: Client<HttpsConnector<HttpConnector<PublicResolver>>, Body>,
    private_too: bool,
}

impl PublicNetwork {
    /// With `private_too`, private, loopback and link-local addresses are reached as well.
    pub fn new(private_too: bool) -> Self {
        let mut http = HttpConnector::new_with_resolver(PublicResolver { private_too });
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = || hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        let upgrading = https().wrap_connector(http.clone());
        let https = https().enable_http2().wrap_connector(http);
        let builder = || {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_timer(TokioTimer::new());
            builder
        };
        Self { client: builder().build(https), upgrading: builder().build(upgrading), private_too }
    }

    /// Sends one request and waits for the response's head.
    pub async fn fetch(&self, request: Request<Body>) -> Result<Response<Body>, FetchError> {
        if let Some(ip) = literal_address(request.uri())
            && !self.private_too
            && !is_public(ip)
        {
            return Err(FetchError::Refused(NotPublic { what: "fetch()", host: ip.to_string() }.to_string()));
        }
        if request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            return self.open_websocket(request).await;
        }
        Ok(self.client.request(request).await.map_err(failure)?.map(body))
    }

    /// Asks for a WebSocket; whatever else the host answers is the response.
    async fn open_websocket(&self, mut request: Request<Body>) -> Result<Response<Body>, FetchError> {
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = headers.entry(SEC_WEBSOCKET_KEY).or_insert_with(|| {
            let nonce = STANDARD.encode(Uuid::new_v4().into_bytes());
            HeaderValue::from_str(&nonce).unwrap_or(HeaderValue::from_static(""))
        });
        let expected = websocket_accept(key.as_bytes());
        let mut response = self.upgrading.request(request).await.map_err(failure)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response.map(body));
        }
        if response.headers().get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| accept != expected.as_str()) {
            let message = "the host answered 101 without the Sec-WebSocket-Accept that belongs to the request";
            return Err(FetchError::Network(message.to_owned()));
        }
        let upgraded =
            hyper::upgrade::on(&mut response).await.map_err(|error| FetchError::Network(error.to_string()))?;
        response.extensions_mut().insert(Upgraded::new(TokioIo::new(upgraded)));
        Ok(response.map(body))
    }
}

fn failure(error: hyper_util::client::legacy::Error) -> FetchError {
    let cause = root_cause(&error);
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) if inner.is::<NotPublic>() => FetchError::Refused(inner.to_string()),
        _ => FetchError::Network(cause.to_string()),
    }
}

fn body(incoming: Incoming) -> Body {
    incoming.map_err(|error| BodyError::Network(root_cause(&error).to_string())).boxed_unsync()
}

/// A host that only a private network has.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} without a binding reaches the public network only, and {host} is not in it; bind a VPC Service, or let the operator start the edge with --allow-private-fetch"
)]
pub(super) struct NotPublic {
    pub what: &'static str,
    pub host: String,
}

/// The system's resolver, without the addresses that are not public.
#[derive(Debug, Clone)]
struct PublicResolver {
    private_too: bool,
}

impl tower_service::Service<Name> for PublicResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private_too = self.private_too;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> =
                found.iter().copied().filter(|address| private_too || is_public(address.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(io::Error::other(NotPublic { what: "fetch()", host: name.as_str().to_owned() }));
            }
            Ok(public.into_iter())
        })
    }
}

fn literal_address(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is of the public internet, by the special-purpose registries of IANA (RFC 6890 and its successors).
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol_assignments = a == 192 && b == 0 && c == 0;
    let benchmarking = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 224
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || shared
        || protocol_assignments
        || benchmarking)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let global_unicast = first & 0xe000 == 0x2000;
    let documentation = (first == 0x2001 && second == 0x0db8) || first & 0xfff0 == 0x3ff0;
    let protocol_assignments = first == 0x2001 && second < 0x0200;
    // 6to4 carries an IPv4 address that must itself be public.
    let six_to_four =
        first == 0x2002 && !is_public_v4(Ipv4Addr::from(u32::from(second) << 16 | u32::from(ip.segments()[2])));
    global_unicast && !documentation && !protocol_assignments && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert_eq!(public.parse().map(is_public), Ok(true), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "2002:0a00:0001::1",
            "64:ff9b::a00:1",
        ] {
            assert_eq!(private.parse().map(is_public), Ok(false), "{private}");
        }
    }
}
