//! Values survive encoding and decoding, and stay within their bounds.

use bytes::Bytes;
use std::time::Duration;
use tunnel_proto::datagram::{DatagramError, MAX_PAYLOAD, v2, v3};
use tunnel_proto::stream::{ConnectRequest, ConnectResponse, ConnectionType, MAX_METADATA, StreamError, stream_kind};
use uuid::Uuid;

fn metadata(count: usize) -> Vec<(String, String)> {
    (0..count).map(|index| (format!("key{index}"), "välue".repeat(index % 7))).collect()
}

#[test]
fn stream_messages() {
    for kind in [ConnectionType::Http, ConnectionType::WebSocket, ConnectionType::Tcp] {
        let request = ConnectRequest { destination: "https://a.example/x?y".to_owned(), kind, metadata: metadata(40) };
        let mut bytes = request.encode().to_vec();
        let length = bytes.len();
        for cut in 0..length {
            assert_eq!(ConnectRequest::decode(&bytes[..cut]), Ok(None), "{cut}");
        }
        bytes.extend_from_slice(b"payload");
        assert_eq!(ConnectRequest::decode(&bytes), Ok(Some((request, length))));
    }
    let response = ConnectResponse { error: "no".to_owned(), metadata: metadata(3) };
    let bytes = response.encode();
    assert_eq!(ConnectResponse::decode(&bytes), Ok(Some((response, bytes.len()))));
}

#[test]
fn bounds_of_stream_messages() {
    let many = ConnectResponse { error: String::new(), metadata: metadata(2 * MAX_METADATA) };
    let (decoded, _) = ConnectResponse::decode(&many.encode()).unwrap().unwrap();
    assert_eq!(decoded.metadata.len(), MAX_METADATA, "the encoder cuts, the decoder accepts");
    assert_eq!(stream_kind(b"GET / "), Err(StreamError::UnknownSignature(b"GET / ".to_vec())));
    assert_eq!(stream_kind(&[0x0a, 0x36]), Ok(None));
    assert!(matches!(
        ConnectRequest::decode(&[0x0a, 0x36, 0xcd, 0x12, 0xa1, 0x3e, b'0', b'2']),
        Err(StreamError::UnknownVersion(_))
    ));
    let mut huge = vec![0x0a, 0x36, 0xcd, 0x12, 0xa1, 0x3e, b'0', b'1', 0, 0, 0, 0];
    huge.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(ConnectRequest::decode(&huge), Err(StreamError::Frame(_))));
}

#[test]
fn datagrams() {
    let id = Uuid::from_u128(5);
    let payload = Bytes::from(vec![7; MAX_PAYLOAD]);
    let too_large = Bytes::from(vec![7; MAX_PAYLOAD + 1]);
    for datagram in [
        v2::Datagram::Udp { session: id, payload: payload.clone() },
        v2::Datagram::Udp { session: id, payload: Bytes::new() },
        v2::Datagram::Ip(payload.clone()),
        v2::Datagram::TracingSpan(Bytes::from_static(b"x")),
    ] {
        assert_eq!(v2::Datagram::decode(&datagram.encode().unwrap()), Ok(datagram));
    }
    assert_eq!(
        v2::Datagram::Udp { session: id, payload: too_large.clone() }.encode(),
        Err(DatagramError::PayloadTooLarge(MAX_PAYLOAD + 1))
    );
    assert_eq!(v2::Datagram::decode(&Bytes::new()), Err(DatagramError::TooShort(0)));
    assert_eq!(v2::Datagram::decode(&Bytes::from_static(&[0; 16])), Err(DatagramError::TooShort(16)));
    assert_eq!(v2::Datagram::decode(&Bytes::from_static(&[9])), Err(DatagramError::UnknownType(9)));

    let register = v3::Register {
        request: id,
        destination: "[::1]:53".parse().unwrap(),
        idle: Duration::from_secs(9),
        traced: true,
        bundled: Some(payload.clone()),
    };
    for datagram in [
        v3::Datagram::Register(register),
        v3::Datagram::Payload { request: id, payload: payload.clone() },
        v3::Datagram::Icmp(Bytes::from_static(b"x")),
        v3::Datagram::Answer { request: id, answer: v3::Answer::Unreachable },
        v3::Datagram::Answer { request: id, answer: v3::Answer::Failed("why".to_owned()) },
    ] {
        let bytes = datagram.encode().unwrap();
        assert_eq!(v3::Datagram::decode(&bytes), Ok(datagram));
        assert!(v3::Datagram::decode(&bytes.slice(..1)).is_err() || bytes[0] == 2);
    }
    assert_eq!(
        v3::Datagram::Payload { request: id, payload: too_large }.encode(),
        Err(DatagramError::PayloadTooLarge(MAX_PAYLOAD + 1))
    );
}
