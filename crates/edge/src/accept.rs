//! Which representation of an error a visitor asks for (RFC 9110, section 12.5.1, for three media types).

use http::HeaderMap;
use http::header::ACCEPT;

/// The representations of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    /// A page for a person with a browser.
    Html,
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// One line of text.
    Text,
}

/// The one with the highest weight; of equal ones the first named. Who accepts anything gets text, as `curl` does:
/// browsers name `text/html`.
pub(crate) fn representation(headers: &HeaderMap) -> Representation {
    let mut best = (0, Representation::Text);
    for field in headers.get_all(ACCEPT) {
        let Ok(field) = field.to_str() else { continue };
        for range in field.split(',') {
            let mut parts = range.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let representation = match name {
                _ if is(name, "text/html") || is(name, "application/xhtml+xml") => Representation::Html,
                _ if is(name, "application/problem+json") || is(name, "application/json") => Representation::Problem,
                _ if is(name, "text/plain") || is(name, "text/*") => Representation::Text,
                _ => continue,
            };
            let weight = parts.find_map(weight).unwrap_or(1000);
            if weight > best.0 {
                best = (weight, representation);
            }
        }
    }
    best.1
}

fn is(given: &str, name: &str) -> bool {
    given.eq_ignore_ascii_case(name)
}

/// `q=0.5` as thousandths; `None` for another parameter. An invalid weight counts as none at all: 0.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !is(name.trim(), "q") {
        return None;
    }
    let value = value.trim();
    let digits = value.strip_prefix("0.").or(if value == "0" { Some("") } else { None });
    let thousandths = match (value, digits) {
        ("1" | "1." | "1.0" | "1.00" | "1.000", _) => 1000,
        (_, Some(digits)) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<3}").parse().unwrap_or(0)
        }
        _ => 0,
    };
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderValue;

    fn asked(accept: &str) -> Representation {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        representation(&headers)
    }

    #[test]
    fn what_real_clients_send() {
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        assert_eq!(asked(firefox), Representation::Html);
        assert_eq!(asked(chrome), Representation::Html);
        assert_eq!(asked("*/*"), Representation::Text);
        assert_eq!(asked("application/json, text/plain, */*"), Representation::Problem);
        assert_eq!(representation(&HeaderMap::new()), Representation::Text);
    }

    #[test]
    fn weights_decide() {
        assert_eq!(asked("text/html;q=0.1, application/problem+json;q=0.25"), Representation::Problem);
        assert_eq!(asked("application/json;q=0, text/html;q=0.001"), Representation::Html);
        assert_eq!(asked("text/html;q=0"), Representation::Text);
        assert_eq!(asked("text/html; level=1; Q=0.5, TEXT/PLAIN;q=0.6"), Representation::Text);
        assert_eq!(asked("text/html;q=7, application/json;q=0.5"), Representation::Problem);
    }

    #[test]
    fn nonsense_is_text() {
        for nonsense in ["", ",,;;,", "text", "text/html/x", ";q=1", "q=1"] {
            assert_eq!(asked(nonsense), Representation::Text, "{nonsense}");
        }
    }
}
