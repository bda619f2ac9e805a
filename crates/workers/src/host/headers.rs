//! Headers as JavaScript has them: names and values in turn, values as byte strings (isomorphic encoding).

use http::{HeaderMap, HeaderName, HeaderValue};
use isolate::Value;

/// The text whose characters are these bytes.
pub(super) fn byte_string(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

/// The bytes that are the characters of this text; `None` when one is above U+00FF.
pub(super) fn from_byte_string(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_vec());
    }
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// Headers for JavaScript.
pub(crate) fn flatten(headers: &HeaderMap) -> Value {
    let mut flat = Vec::with_capacity(headers.len() * 2);
    for (name, value) in headers {
        flat.push(Value::String(name.as_str().to_owned()));
        flat.push(Value::String(byte_string(value.as_bytes())));
    }
    Value::List(flat)
}

/// The most bytes that the headers of one message may have together, names and values.
const LIMIT: usize = 128 * 1024;

/// Headers from JavaScript.
///
/// # Errors
/// A sentence that names the header, or the limit of all of them.
pub(super) fn unflatten(flat: &[String]) -> Result<HeaderMap, String> {
    if flat.iter().map(String::len).sum::<usize>() > LIMIT {
        return Err("The headers are larger than 128 KB together, which is the limit.".to_owned());
    }
    let mut headers = HeaderMap::with_capacity(flat.len() / 2);
    for pair in flat.chunks(2) {
        let [name, value] = pair else { return Err("A header has no value.".to_owned()) };
        let invalid = || format!("The header \"{name}\" has an invalid name or value.");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value =
            from_byte_string(value).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).ok_or_else(invalid)?;
        headers.try_append(key, value).map_err(|_| "There are too many headers.".to_owned())?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_become_characters_and_return() {
        let every: Vec<u8> = (0..=255).collect();
        let text = byte_string(&every);
        assert_eq!(text.chars().count(), 256);
        assert_eq!(from_byte_string(&text).unwrap(), every);
        assert_eq!(from_byte_string("€"), None);
        assert_eq!(byte_string("é".as_bytes()), "Ã©");
    }

    #[test]
    fn repeated_headers_stay_apart() {
        let flat = ["set-cookie", "a=1", "set-cookie", "b=2"].map(str::to_owned);
        let headers = unflatten(&flat).unwrap();
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert!(unflatten(&["x".to_owned(), "a\nb".to_owned()]).unwrap_err().contains("\"x\""));
        assert!(unflatten(&["x".to_owned()]).is_err());
        assert!(unflatten(&["x".to_owned(), "y".repeat(LIMIT)]).unwrap_err().contains("128 KB"));
    }
}
