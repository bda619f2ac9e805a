//! URLs (WHATWG), by the `url` crate.

use isolate::{Arguments, Scope, Throw, Value};
use url::{Url, quirks};

use super::optional_string;

/// `[href, protocol, username, password, host, hostname, port, pathname, search, hash, origin]`
fn parts(url: &Url) -> Value {
    let parts = [
        quirks::href(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    let origin = Value::String(quirks::origin(url));
    Value::List(parts.into_iter().map(Value::from).chain([origin]).collect())
}

fn parse_url(url: &str, base: Option<&str>) -> Option<Url> {
    let base = match base {
        Some(base) => Some(Url::parse(base).ok()?),
        None => None,
    };
    Url::options().base_url(base.as_ref()).parse(url).ok()
}

/// What one setter of URL makes of `href`; `None` when it fails.
fn set_part(href: &str, part: &str, value: &str) -> Option<Url> {
    let mut url = Url::parse(href).ok()?;
    match part {
        "href" => quirks::set_href(&mut url, value).ok(),
        "protocol" => quirks::set_protocol(&mut url, value).ok(),
        "username" => quirks::set_username(&mut url, value).ok(),
        "password" => quirks::set_password(&mut url, value).ok(),
        "host" => quirks::set_host(&mut url, value).ok(),
        "hostname" => quirks::set_hostname(&mut url, value).ok(),
        "port" => quirks::set_port(&mut url, value).ok(),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Some(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Some(())
        }
        "hash" => {
            quirks::set_hash(&mut url, value);
            Some(())
        }
        _ => None,
    }?;
    Some(url)
}

/// `urlParse(url, base)`
pub(super) fn parse(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let url = arguments.string(0)?;
    let base = optional_string(arguments, 1)?;
    Ok(parse_url(&url, base.as_deref()).as_ref().map_or(Value::Undefined, parts))
}

/// `urlSet(href, part, value)`
pub(super) fn set(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let url = set_part(&arguments.string(0)?, &arguments.string(1)?, &arguments.string(2)?);
    Ok(url.as_ref().map_or(Value::Undefined, parts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn setters_follow_the_standard() {
        let set = |part, value| set_part("https://a.example:8443/x?y#z", part, value).map(String::from);
        assert_eq!(set("port", "443").unwrap(), "https://a.example/x?y#z");
        assert_eq!(set("host", "b.example:1").unwrap(), "https://b.example:1/x?y#z");
        assert_eq!(set("search", "").unwrap(), "https://a.example:8443/x#z");
        assert_eq!(set("protocol", "mailto").as_deref(), None);
        assert_eq!(set("nothing", "x"), None);
        assert!(parse_url("/relative", None).is_none());
        assert_eq!(parse_url("../b", Some("http://h/a/c")).unwrap().as_str(), "http://h/b");
    }
}
