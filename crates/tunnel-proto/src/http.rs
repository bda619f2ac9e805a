//! HTTP heads as they travel through a tunnel: in the metadata of a data stream on QUIC, and, for a response's fields, in one
//! header field on HTTP/2. What the heads say is not looked at.

use crate::stream::{ConnectResponse, MAX_METADATA};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Metadata key: the request's method.
pub const METHOD: &str = "HttpMethod";
/// Metadata key: the request's host, which chooses the ingress rule.
pub const HOST: &str = "HttpHost";
/// Metadata key: the response's status, decimal.
pub const STATUS: &str = "HttpStatus";
/// Metadata keys of header fields begin so, and the field's name follows.
const FIELD_PREFIX: &str = "HttpHeader:";

/// The alphabet of [`serialize_fields`]: unpadded, and padding is not refused.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a head cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeadError {
    /// A field or its value is not base64, or a pair has no colon.
    #[error("its header fields are not encoded as they should be")]
    Fields,
    /// There is no method or no host.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The status is not a number from 100 to 999.
    #[error("its status `{0}` is no status")]
    Status(String),
}

/// A request's head. Names of fields hold no colon.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestHead {
    /// For example `GET`.
    pub method: String,
    /// The host that was asked for, perhaps with a port.
    pub host: String,
    /// Names and values, in order; names may repeat.
    pub fields: Vec<(String, String)>,
}

/// A response's head.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// Names and values, in order; names may repeat.
    pub fields: Vec<(String, String)>,
}

impl RequestHead {
    /// As the metadata of a request.
    pub fn into_metadata(self) -> Vec<(String, String)> {
        let mut metadata = Vec::with_capacity(self.fields.len() + 2);
        metadata.push((METHOD.to_owned(), self.method));
        metadata.push((HOST.to_owned(), self.host));
        metadata.extend(into_field_metadata(self.fields));
        metadata
    }

    /// Reads what [`Self::into_metadata`] writes.
    pub fn from_metadata(metadata: &[(String, String)]) -> Result<Self, HeadError> {
        let find = |key: &'static str, what| {
            metadata
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
                .ok_or(HeadError::Missing(what))
        };
        Ok(Self { method: find(METHOD, "method")?, host: find(HOST, "host")?, fields: fields(metadata) })
    }
}

impl ResponseHead {
    /// As the metadata of an answer without an error.
    pub fn into_metadata(self) -> Vec<(String, String)> {
        let mut metadata = Vec::with_capacity(self.fields.len() + 1);
        metadata.push((STATUS.to_owned(), self.status.to_string()));
        metadata.extend(into_field_metadata(self.fields));
        metadata
    }

    /// Reads the head of an answer without an error.
    pub fn from_response(response: &ConnectResponse) -> Result<Self, HeadError> {
        let status = response.metadata(STATUS).unwrap_or_default();
        let parsed = status.parse().ok().filter(|status| (100..=999).contains(status));
        let status = parsed.ok_or_else(|| HeadError::Status(status.to_owned()))?;
        Ok(Self { status, fields: fields(&response.metadata) })
    }
}

fn into_field_metadata(fields: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    fields.into_iter().map(|(name, value)| (format!("{FIELD_PREFIX}{name}"), value))
}

fn fields(metadata: &[(String, String)]) -> Vec<(String, String)> {
    let field = |(key, value): &(String, String)| Some((key.strip_prefix(FIELD_PREFIX)?.to_owned(), value.clone()));
    metadata.iter().filter_map(field).collect()
}

/// Fields as one text: `base64(name):base64(value);…`.
pub fn serialize_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push(';');
        }
        BASE64.encode_string(name, &mut text);
        text.push(':');
        BASE64.encode_string(value, &mut text);
    }
    text
}

/// Reads what [`serialize_fields`] writes, at most [`MAX_METADATA`] fields.
pub fn deserialize_fields(text: &str) -> Result<Vec<(String, Vec<u8>)>, HeadError> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once(':').ok_or(HeadError::Fields)?;
        let name = BASE64.decode(name).map_err(|_| HeadError::Fields)?;
        let value = BASE64.decode(value).map_err(|_| HeadError::Fields)?;
        Ok((String::from_utf8(name).map_err(|_| HeadError::Fields)?, value))
    };
    let pairs: Result<Vec<_>, HeadError> =
        text.split(';').filter(|pair| !pair.is_empty()).take(MAX_METADATA + 1).map(pair).collect();
    pairs.and_then(|pairs| if pairs.len() > MAX_METADATA { Err(HeadError::Fields) } else { Ok(pairs) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn heads_survive_metadata() {
        let fields = pairs(&[("Accept", "*/*"), ("Cookie", "a=1"), ("Cookie", "b:2")]);
        let request = RequestHead { method: "GET".to_owned(), host: "app.example".to_owned(), fields };
        let metadata = request.clone().into_metadata();
        assert_eq!(metadata[2], ("HttpHeader:Accept".to_owned(), "*/*".to_owned()));
        assert_eq!(RequestHead::from_metadata(&metadata), Ok(request));
        assert_eq!(RequestHead::from_metadata(&metadata[1..]), Err(HeadError::Missing("method")));
        let response = ResponseHead { status: 204, fields: pairs(&[("Set-Cookie", "a"), ("Set-Cookie", "b")]) };
        let answer = ConnectResponse { error: String::new(), metadata: response.clone().into_metadata() };
        assert_eq!(ResponseHead::from_response(&answer), Ok(response));
    }

    #[test]
    fn a_status_is_a_number_of_three_digits() {
        for wrong in ["", "20", "1000", "-200", "ok"] {
            let metadata = pairs(&[(STATUS, wrong)]);
            let answer = ConnectResponse { error: String::new(), metadata };
            assert_eq!(ResponseHead::from_response(&answer), Err(HeadError::Status(wrong.to_owned())));
        }
    }

    #[test]
    fn fields_survive_their_text() {
        // As cloudflared writes them.
        let text = "Q29udGVudC1UeXBl:dGV4dC9wbGFpbg;WC1FbXB0eQ:";
        let fields = deserialize_fields(text);
        let expected = vec![("Content-Type".to_owned(), b"text/plain".to_vec()), ("X-Empty".to_owned(), Vec::new())];
        assert_eq!(fields, Ok(expected.clone()));
        let again = serialize_fields(expected.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        assert_eq!(again, text);
        assert_eq!(deserialize_fields(""), Ok(Vec::new()));
        for wrong in ["a", "YQ", "YQ:*", "*:YQ", "/w:YQ"] {
            assert_eq!(deserialize_fields(wrong), Err(HeadError::Fields), "{wrong}");
        }
        assert_eq!(deserialize_fields(&"YQ:YQ;".repeat(MAX_METADATA + 1)), Err(HeadError::Fields));
    }
}
