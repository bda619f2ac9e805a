//! URLs (WHATWG), by Ada.

use ada_url::Url;
use isolate::{Arguments, Scope, Throw, Value};

use super::optional_string;

/// Bytes of the longest URL, which browsers have as well. Percent-encoding makes at most three of one, so that what the parser allocates is always
/// there.
const LONGEST: usize = 2 * 1024 * 1024;

/// `[href, protocol's end, user name's end, host's start, host's end, port, pathname's start, search's start, hash's start]`, -1 for none.
fn record(url: &Url) -> Value {
    let href = url.href();
    let places = url.components();
    let end = u32::try_from(href.len()).unwrap_or(u32::MAX);
    let place = |place: Option<u32>| place.map_or(Value::Number(-1.0), Value::from);
    Value::List(vec![
        href.into(),
        places.protocol_end.into(),
        places.username_end.into(),
        places.host_start.into(),
        places.host_end.into(),
        place(places.port),
        places.pathname_start.unwrap_or(end).into(),
        place(places.search_start),
        place(places.hash_start),
    ])
}

fn parse_url(url: &str, base: Option<&str>) -> Option<Url> {
    if url.len() > LONGEST || base.is_some_and(|base| base.len() > LONGEST) {
        return None;
    }
    Url::parse(url, base).ok().filter(has_valid_punycode)
}

/// Whether Punycode that was given as such is valid: Ada takes a host that is all ASCII as it is.
fn has_valid_punycode(url: &Url) -> bool {
    let special = || matches!(url.protocol(), "http:" | "https:" | "ws:" | "wss:" | "ftp:" | "file:");
    !url.hostname().contains("xn--") || !special() || url::Host::parse(url.hostname()).is_ok()
}

/// What one setter of URL makes of `href`; `None` when it changes nothing.
fn set_part(href: &str, part: &str, value: &str) -> Option<Url> {
    if value.len() > LONGEST {
        return None;
    }
    let mut url = Url::parse(href, None).ok()?;
    let given = Some(value);
    match part {
        "protocol" => url.set_protocol(value),
        "username" => url.set_username(given),
        "password" => url.set_password(given),
        "host" => url.set_host(given),
        "hostname" => url.set_hostname(given),
        "port" => url.set_port(given),
        "pathname" => url.set_pathname(given),
        "search" => {
            url.set_search(given);
            Ok(())
        }
        "hash" => {
            url.set_hash(given);
            Ok(())
        }
        _ => Err(()),
    }
    .ok()?;
    has_valid_punycode(&url).then_some(url)
}

/// `urlParse(url, base)`
pub(super) fn parse(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let url = arguments.string(0)?;
    let base = optional_string(arguments, 1)?;
    Ok(parse_url(&url, base.as_deref()).as_ref().map_or(Value::Undefined, record))
}

/// `urlSet(href, part, value)`
pub(super) fn set(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let url = set_part(&arguments.string(0)?, &arguments.string(1)?, &arguments.string(2)?);
    Ok(url.as_ref().map_or(Value::Undefined, record))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn setters_follow_the_standard() {
        let set = |part, value| set_part("https://a.example:8443/x?y#z", part, value).map(|url| url.href().to_owned());
        assert_eq!(set("port", "443").unwrap(), "https://a.example/x?y#z");
        assert_eq!(set("host", "b.example:1").unwrap(), "https://b.example:1/x?y#z");
        assert_eq!(set("search", "").unwrap(), "https://a.example:8443/x#z");
        assert_eq!(set("protocol", "mailto").as_deref(), None);
        assert_eq!(set("nothing", "x"), None);
        assert!(parse_url("/relative", None).is_none());
        assert_eq!(parse_url("../b", Some("http://h/a/c")).unwrap().href(), "http://h/b");
        assert_eq!(parse_url("file:////a/b", None).unwrap().href(), "file:////a/b");
        assert!(parse_url("http://a.XN--pokxncvks", None).is_none());
        assert!(parse_url("http://xn--4gbrim.xn----ymcbaaajlc6dj7bxne2c.xn--wgbh1c/", None).is_some());
        assert_eq!(parse_url("other://xn--/", None).unwrap().href(), "other://xn--/");
        assert_eq!(set("hostname", "xn--"), None);
        assert!(parse_url(&format!("http://h/{}", "é".repeat(LONGEST)), None).is_none());
    }
}
