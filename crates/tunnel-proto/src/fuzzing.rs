//! One entry point for each decoder, for the fuzz targets in `fuzz/` and for the mutation test in `tests/`.
//!
//! Each takes arbitrary bytes and must return; where something was decoded, it must encode and decode to the same value.

use crate::datagram::{v2, v3};
use crate::http::{self, RequestHead, ResponseHead};
use crate::rpc::{ClientEvent, Interfaces, Reply, RpcClient, RpcServer, ServerEvent};
use crate::stream::{ConnectRequest, ConnectResponse};
use crate::token::Token;
use bytes::Bytes;

/// [`ConnectRequest::decode`].
pub fn connect_request(input: &[u8]) {
    if let Ok(Some((request, consumed))) = ConnectRequest::decode(input) {
        assert!(consumed <= input.len());
        let bytes = request.encode();
        assert_eq!(ConnectRequest::decode(&bytes), Ok(Some((request, bytes.len()))));
    }
}

/// [`ConnectResponse::decode`].
pub fn connect_response(input: &[u8]) {
    if let Ok(Some((response, consumed))) = ConnectResponse::decode(input) {
        assert!(consumed <= input.len());
        let bytes = response.encode();
        assert_eq!(ConnectResponse::decode(&bytes), Ok(Some((response, bytes.len()))));
    }
}

/// [`RequestHead::from_metadata`], [`ResponseHead::from_response`] and [`http::deserialize_fields`].
pub fn http_heads(input: &[u8]) {
    if let Ok(Some((request, _))) = ConnectRequest::decode(input)
        && let Ok(head) = RequestHead::from_metadata(&request.metadata)
    {
        assert_eq!(RequestHead::from_metadata(&head.clone().into_metadata()), Ok(head));
    }
    if let Ok(Some((response, _))) = ConnectResponse::decode(input)
        && let Ok(head) = ResponseHead::from_response(&response)
    {
        let again = ConnectResponse { error: String::new(), metadata: head.clone().into_metadata() };
        assert_eq!(ResponseHead::from_response(&again), Ok(head));
    }
    if let Ok(fields) = std::str::from_utf8(input).map_or(Err(()), |text| http::deserialize_fields(text).map_err(drop))
    {
        let text = http::serialize_fields(fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        assert_eq!(http::deserialize_fields(&text), Ok(fields));
    }
}

/// [`v2::Datagram::decode`].
pub fn datagram_v2(input: &[u8]) {
    if let Ok(datagram) = v2::Datagram::decode(&Bytes::copy_from_slice(input))
        && let Ok(bytes) = datagram.encode()
    {
        assert_eq!(v2::Datagram::decode(&bytes), Ok(datagram));
    }
}

/// [`v3::Datagram::decode`].
pub fn datagram_v3(input: &[u8]) {
    if let Ok(datagram) = v3::Datagram::decode(&Bytes::copy_from_slice(input))
        && let Ok(bytes) = datagram.encode()
        && bytes.len() >= input.len()
    {
        assert_eq!(v3::Datagram::decode(&bytes), Ok(datagram));
    }
}

/// [`Token::decode`].
pub fn token(input: &[u8]) {
    if let Ok(token) = std::str::from_utf8(input).map_or(Err(()), |text| Token::decode(text).map_err(|_| ())) {
        assert_eq!(Token::decode(&token.encode()), Ok(token));
    }
}

/// [`RpcServer`] with every set of interfaces, fed in two pieces; calls are answered.
pub fn rpc_server(input: &[u8]) {
    for interfaces in [Interfaces::Registration, Interfaces::EdgeSessions, Interfaces::Connector] {
        let mut server = RpcServer::new(interfaces);
        let (first, second) = input.split_at(input.len() / 2);
        for part in [first, second] {
            let failed = server.handle_input(part).is_err();
            while let Some(event) = server.poll_event() {
                if let ServerEvent::Call { question, call } = event {
                    assert!(!format!("{call:?}").is_empty());
                    server.respond(question, &Reply::UnregisterConnection);
                }
            }
            while server.poll_output().is_some() {}
            assert!(!failed || server.is_closed());
        }
    }
}

/// [`RpcClient`] with three questions open, fed in two pieces.
pub fn rpc_client(input: &[u8]) {
    use crate::rpc::Call;
    let mut client = RpcClient::new();
    client.call(&Call::UnregisterConnection);
    client.call(&Call::UpdateLocalConfiguration(b"{}".to_vec()));
    client.call(&Call::UpdateConfiguration { version: 1, configuration: b"{}".to_vec() });
    while client.poll_output().is_some() {}
    let (first, second) = input.split_at(input.len() / 2);
    for part in [first, second] {
        let _ = client.handle_input(part);
        while let Some(event) = client.poll_event() {
            if let ClientEvent::Failed { exception, .. } = event {
                assert!(!format!("{exception}").contains('\0') || !exception.reason.is_empty());
            }
        }
        while client.poll_output().is_some() {}
    }
}

/// An entry point.
pub type Target = fn(&[u8]);

/// Every entry point with its name, for drivers that run all.
pub const ALL: [(&str, Target); 8] = [
    ("connect_request", connect_request),
    ("connect_response", connect_response),
    ("datagram_v2", datagram_v2),
    ("datagram_v3", datagram_v3),
    ("http_heads", http_heads),
    ("rpc_client", rpc_client),
    ("rpc_server", rpc_server),
    ("token", token),
];
