//! What a request is for: the absolute URL as a Worker sees it, and the host that chooses the Worker.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use url::Url;

use crate::options::Scheme;

/// Why a request's target cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the Host header is not a host name or address")]
    InvalidHost,
    #[error("the request has no Host header")]
    MissingHost,
    #[error("the request has more than one Host header")]
    SeveralHosts,
    #[error("the request target is not a path")]
    UnsupportedTarget,
}

/// A host, as a visitor wrote it and as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownHost {
    /// The `Host` header as it came.
    written: HeaderValue,
    /// Lower case, without the scheme's default port: what stands in the URL.
    pub authority: Authority,
    /// Lower case, without port and final dot: what chooses the Worker.
    pub name: std::sync::Arc<str>,
}

impl KnownHost {
    fn parse(written: &HeaderValue, scheme: Scheme) -> Result<Self, TargetError> {
        let text = written.to_str().map_err(|_| TargetError::InvalidHost)?;
        // The URL standard decides what a host is, and how `EXAMPLE.com:80` or `[::0:1]` is written.
        if text.is_empty() || text.bytes().any(|byte| matches!(byte, b'@' | b'/' | b'\\' | b'?' | b'#' | b' ' | b'\t'))
        {
            return Err(TargetError::InvalidHost);
        }
        let url = Url::parse(&format!("{}://{text}/", scheme.as_str())).map_err(|_| TargetError::InvalidHost)?;
        let host = url.host_str().ok_or(TargetError::InvalidHost)?;
        let authority = match url.port() {
            Some(port) if port != scheme.default_port() => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let authority = Authority::try_from(authority).map_err(|_| TargetError::InvalidHost)?;
        Ok(Self { written: written.clone(), authority, name: host.strip_suffix('.').unwrap_or(host).into() })
    }
}

/// The host that a request asks for: that of an absolute target or `:authority` before the `Host` header (RFC 9112,
/// section 3.2.2; RFC 9113, section 8.3.1). `known` is the last result on this connection, and saves parsing it again.
pub(crate) fn host(
    uri: &Uri,
    headers: &HeaderMap,
    version: Version,
    scheme: Scheme,
    known: &mut Option<KnownHost>,
) -> Result<KnownHost, TargetError> {
    let from_target;
    let mut given = headers.get_all(HOST).iter();
    let (first, more) = (given.next(), given.next().is_some());
    if more {
        return Err(TargetError::SeveralHosts);
    }
    let written = match uri.authority() {
        Some(authority) => {
            from_target = HeaderValue::from_str(authority.as_str()).map_err(|_| TargetError::InvalidHost)?;
            &from_target
        }
        None if first.is_none() && version < Version::HTTP_2 => return Err(TargetError::MissingHost),
        None => first.ok_or(TargetError::MissingHost)?,
    };
    if let Some(known) = known
        && known.written == *written
    {
        return Ok(known.clone());
    }
    let parsed = KnownHost::parse(written, scheme)?;
    *known = Some(parsed.clone());
    Ok(parsed)
}

/// The absolute URL of a request.
pub(crate) fn url(method: &Method, uri: &Uri, host: &KnownHost, scheme: Scheme) -> Result<Uri, TargetError> {
    let path = match uri.path_and_query() {
        Some(path) if path.as_str() == "*" || method == Method::CONNECT => return Err(TargetError::UnsupportedTarget),
        Some(path) if !path.as_str().starts_with('/') && !path.as_str().starts_with('?') => {
            return Err(TargetError::UnsupportedTarget);
        }
        Some(path) if is_normal(path.as_str()) => path.clone(),
        Some(path) => normalized(path.as_str(), host, scheme)?,
        None => PathAndQuery::from_static("/"),
    };
    let scheme = match scheme {
        Scheme::Http => http::uri::Scheme::HTTP,
        Scheme::Https => http::uri::Scheme::HTTPS,
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(host.authority.clone());
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| TargetError::UnsupportedTarget)
}

/// Whether the URL standard would leave this path and query as they are: no dot segment, nothing to encode. Says no
/// more often than it must.
fn is_normal(path: &str) -> bool {
    let mut previous = 0;
    path.starts_with('/')
        && path.bytes().all(|byte| {
            let normal = match byte {
                b'.' => previous != b'/',
                // `%2e` is a dot to the URL standard.
                b'%' => previous != b'/',
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => true,
                b'/' | b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
                b':' | b'@' | b'?' => true,
                _ => false,
            };
            previous = byte;
            normal
        })
}

fn normalized(path: &str, host: &KnownHost, scheme: Scheme) -> Result<PathAndQuery, TargetError> {
    let url = Url::parse(&format!("{}://{}{path}", scheme.as_str(), host.authority))
        .map_err(|_| TargetError::UnsupportedTarget)?;
    // A path such as `//elsewhere` must stay a path.
    if url.host_str().map(|given| given.len()) != Some(host.authority.host().len()) {
        return Err(TargetError::UnsupportedTarget);
    }
    let text = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    PathAndQuery::try_from(text).map_err(|_| TargetError::UnsupportedTarget)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn see(target: &str, host_header: Option<&str>) -> Result<(String, String), TargetError> {
        let uri: Uri = target.parse().unwrap();
        let mut headers = HeaderMap::new();
        if let Some(text) = host_header {
            headers.insert(HOST, HeaderValue::from_str(text).unwrap());
        }
        let host = host(&uri, &headers, Version::HTTP_11, Scheme::Http, &mut None)?;
        let url = url(&Method::GET, &uri, &host, Scheme::Http)?;
        Ok((url.to_string(), host.name.to_string()))
    }

    fn both(url: &str, name: &str) -> Result<(String, String), TargetError> {
        Ok((url.to_owned(), name.to_owned()))
    }

    #[test]
    fn hosts_are_written_one_way() {
        assert_eq!(
            see("/a?b=c", Some("Hello.LocalHost:8787")),
            both("http://hello.localhost:8787/a?b=c", "hello.localhost")
        );
        assert_eq!(see("/", Some("example.com:80")), both("http://example.com/", "example.com"));
        assert_eq!(see("/", Some("example.com.")), both("http://example.com./", "example.com"));
        assert_eq!(see("/", Some("[::0:1]:8787")), both("http://[::1]:8787/", "[::1]"));
        assert_eq!(see("/", Some("127.1")), both("http://127.0.0.1/", "127.0.0.1"));
    }

    #[test]
    fn an_absolute_target_wins_over_the_host_header() {
        assert_eq!(see("http://a.example/x", Some("b.example")), both("http://a.example/x", "a.example"));
        assert_eq!(see("https://a.example:443", None), both("http://a.example:443/", "a.example"));
    }

    #[test]
    fn bad_hosts_are_refused() {
        for wrong in
            ["", "user@example.com", "exam ple.com", "a/b", "a:port", "a:99999", "[::1", "a\\b", "%", "a?b", "a#b"]
        {
            assert_eq!(see("/", Some(wrong)), Err(TargetError::InvalidHost), "{wrong}");
        }
        assert_eq!(see("/", None), Err(TargetError::MissingHost));
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("a"));
        headers.append(HOST, HeaderValue::from_static("b"));
        let several = host(&Uri::from_static("/"), &headers, Version::HTTP_11, Scheme::Http, &mut None);
        assert_eq!(several, Err(TargetError::SeveralHosts));
    }

    #[test]
    fn paths_are_as_the_url_standard_has_them() {
        for (given, seen) in [
            ("/a/./b/../c", "/a/c"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.hidden", "/a/.hidden"),
            ("/a//b", "/a//b"),
            ("//elsewhere.example/x", "//elsewhere.example/x"),
            ("/%20%7e", "/%20%7e"),
            ("/a{b}\"c", "/a%7Bb%7D%22c"),
            ("/q?a='b'&c=/../d", "/q?a=%27b%27&c=/../d"),
            ("/?a=b?c", "/?a=b?c"),
        ] {
            let (url, name) = see(given, Some("h.example")).unwrap();
            assert_eq!(url, format!("http://h.example{seen}"), "{given}");
            assert_eq!(url, Url::parse(&format!("http://h.example{given}")).unwrap().as_str(), "{given}");
            assert_eq!(name, "h.example");
        }
    }

    #[test]
    fn the_known_host_is_used_only_for_itself() {
        let mut known = None;
        let mut headers = HeaderMap::new();
        for name in ["a.example", "a.example", "b.example", "a.example"] {
            headers.insert(HOST, HeaderValue::from_str(name).unwrap());
            let found = host(&Uri::from_static("/"), &headers, Version::HTTP_11, Scheme::Http, &mut known).unwrap();
            assert_eq!(&*found.name, name);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let known = KnownHost::parse(&HeaderValue::from_static("a"), Scheme::Http).unwrap();
        assert_eq!(
            url(&Method::OPTIONS, &Uri::from_static("*"), &known, Scheme::Http),
            Err(TargetError::UnsupportedTarget)
        );
    }
}
