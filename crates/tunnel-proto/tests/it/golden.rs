//! Captured bytes decode to what the capture's log says they are.

use crate::vector;
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;
use tunnel_proto::connector::DatagramVersion;
use tunnel_proto::datagram::{v2, v3};
use tunnel_proto::origin::{DialFailure, OriginError};
use tunnel_proto::rpc::{
    Call, ClientEvent, ConfigurationUpdate, ConnectionDetails, Interfaces, RegisterConnection, Reply, RpcClient,
    RpcServer, ServerEvent, UdpSession,
};
use tunnel_proto::stream::{ConnectRequest, ConnectResponse, ConnectionType, RPC_SIGNATURE, StreamKind, stream_kind};
use uuid::Uuid;

const TUNNEL: Uuid = Uuid::from_u128(0xaaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee);

/// Feeds a server one byte at a time and answers every call.
fn serve(interfaces: Interfaces, input: &[u8], reply: impl Fn(&Call) -> Reply) -> (Vec<ServerEvent>, Vec<u8>) {
    let mut server = RpcServer::new(interfaces);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for byte in input {
        server.handle_input(&[*byte]).unwrap();
        while let Some(event) = server.poll_event() {
            if let ServerEvent::Call { question, call } = &event {
                server.respond(*question, &reply(call));
            }
            events.push(event);
        }
        while let Some(bytes) = server.poll_output() {
            output.extend_from_slice(&bytes);
        }
    }
    (events, output)
}

/// The call and nothing else but the peer's good-bye.
fn only_call(interfaces: Interfaces, input: &[u8], reply: &Reply) -> Call {
    let (events, _) = serve(interfaces, input, |_| reply.clone());
    match events.as_slice() {
        [ServerEvent::Call { call, .. }] => call.clone(),
        [ServerEvent::Call { call, .. }, ServerEvent::Closed(reason)] => {
            assert_eq!(reason, "rpc: shutdown");
            call.clone()
        }
        other => panic!("{other:?}"),
    }
}

fn registration(events: &[ServerEvent]) -> RegisterConnection {
    match events.first() {
        Some(ServerEvent::Call { call: Call::RegisterConnection(registration), .. }) => registration.clone(),
        other => panic!("{other:?}"),
    }
}

fn accepted() -> Reply {
    Reply::RegisterConnection(Ok(ConnectionDetails {
        id: Uuid::from_u128(0x11111111_2222_3333_4444_555555555555),
        location: "lo01".to_owned(),
        remotely_managed: true,
    }))
}

fn control_reply(call: &Call) -> Reply {
    match call {
        Call::RegisterConnection(_) => accepted(),
        _ => Reply::UnregisterConnection,
    }
}

#[test]
fn control_stream_of_cloudflared() {
    let (events, _) = serve(Interfaces::Registration, &vector("control-client"), control_reply);
    let registration = registration(&events);
    assert_eq!(registration.account, "0123456789abcdef0123456789abcdef");
    assert_eq!(registration.secret, (0..32).collect::<Vec<u8>>());
    assert_eq!(registration.tunnel, TUNNEL);
    assert_eq!(registration.connection_index, 0);
    let options = &registration.options;
    assert_eq!(options.client.id, Uuid::from_u128(0xbae0bdf4_a825_4272_986e_a509c19edcf2));
    assert_eq!(options.client.version, "2026.8.2");
    assert_eq!(options.client.platform, "linux_amd64");
    assert_eq!(options.client.features.names().len(), 5);
    assert_eq!(options.client.features.datagram_version(), Some(DatagramVersion::V2));
    assert_eq!(options.origin_local_ip, Some([127, 0, 0, 1].into()));
    assert!(!options.replace_existing);
    let rest = &events[1..];
    assert!(
        matches!(rest, [ServerEvent::Call { call: Call::UnregisterConnection, .. }, ServerEvent::Closed(reason)] if reason == "rpc: shutdown"),
        "{rest:?}"
    );
}

#[test]
fn control_stream_of_cloudflared_with_datagram_3() {
    let (events, _) = serve(Interfaces::Registration, &vector("control-client-v3"), control_reply);
    let registration = registration(&events);
    assert_eq!(registration.options.client.id, Uuid::from_u128(0x5a6b7773_3f75_4f0c_8059_7bc97110e9be));
    assert_eq!(registration.options.client.features.datagram_version(), Some(DatagramVersion::V3));
}

#[test]
fn control_stream_of_cloudflared_over_http2() {
    let (events, output) = serve(Interfaces::Registration, &vector("control-client-http2"), control_reply);
    assert_eq!(registration(&events).options.client.id, Uuid::from_u128(0x52736bb7_6656_416f_83e0_ffb39cda92f2));
    assert_eq!(events.len(), 3);
    assert!(!output.is_empty());
}

/// Our client understands what the scratch edge answered (a Go Cap'n Proto library).
#[test]
fn control_stream_of_the_edge() {
    for name in ["control-edge", "control-edge-http2"] {
        // The captured answers are to Bootstrap (0), registerConnection (1) and then unregisterConnection, which the
        // other side numbered 0 again once the number was free; ours counts on, so the last is left out here.
        let mut client = RpcClient::new();
        let registration = registration_call();
        assert_eq!(client.call(&registration), 1);
        let captured = vector(name);
        let mut events = Vec::new();
        for byte in &captured[..96 + 152] {
            client.handle_input(&[*byte]).unwrap();
            events.extend(std::iter::from_fn(|| client.poll_event()));
        }
        assert_eq!(events, [ClientEvent::Returned { question: 1, reply: accepted() }]);
    }
}

fn registration_call() -> Call {
    let (events, _) = serve(Interfaces::Registration, &vector("control-client"), control_reply);
    Call::RegisterConnection(registration(&events))
}

#[test]
fn update_configuration_of_the_edge() {
    let input = vector("configuration-edge");
    assert_eq!(stream_kind(&input), Ok(Some(StreamKind::Rpc)));
    let reply = Reply::UpdateConfiguration(ConfigurationUpdate { latest_applied_version: 1, error: String::new() });
    let call = only_call(Interfaces::Connector, &input[RPC_SIGNATURE.len()..], &reply);
    let Call::UpdateConfiguration { version: 1, configuration } = call else { panic!("{call:?}") };
    let text = String::from_utf8(configuration).unwrap();
    assert!(text.starts_with(r#"{"ingress":[{"hostname":"app.example.com""#), "{text}");
    assert!(text.ends_with(r#""warp-routing":{"connectTimeout":2}}"#), "{text}");
}

#[test]
fn update_configuration_of_cloudflared() {
    let update = |name: &str| {
        let mut client = RpcClient::new();
        assert_eq!(client.call(&Call::UpdateConfiguration { version: 2, configuration: Vec::new() }), 1);
        client.handle_input(&vector(name)).unwrap();
        match client.poll_event() {
            Some(ClientEvent::Returned { question: 1, reply: Reply::UpdateConfiguration(update) }) => update,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        update("configuration-connector"),
        ConfigurationUpdate { latest_applied_version: 1, error: String::new() }
    );
    let refused = update("configuration-connector-bad-json");
    assert_eq!(refused.latest_applied_version, 1);
    assert_eq!(refused.error, "invalid character 'b' looking for beginning of object key string");
}

#[test]
fn udp_session_by_rpc() {
    let input = vector("udp-session-edge");
    let call = only_call(
        Interfaces::Connector,
        &input[RPC_SIGNATURE.len()..],
        &Reply::RegisterUdpSession(UdpSession::default()),
    );
    let Call::RegisterUdpSession(call) = call else { panic!("{call:?}") };
    assert_eq!(call.session, Uuid::from_u128(0x176f92e6_a0ee_4f69_ae5c_d810f174be7a));
    assert_eq!(call.destination, "[2606:4700:cf1:2000::1]:53".parse::<SocketAddr>().unwrap());
    assert_eq!(call.close_after_idle, Duration::from_secs(2));

    for (name, error) in [
        ("udp-session-connector", ""),
        (
            "udp-session-connector-unreachable",
            "unable to dial udp to origin 10.200.0.1:9: dial udp 10.200.0.1:9: connect: network is unreachable",
        ),
    ] {
        let mut client = RpcClient::new();
        client.call(&Call::RegisterUdpSession(call.clone()));
        client.handle_input(&vector(name)).unwrap();
        let session = UdpSession { error: error.to_owned(), spans: Vec::new() };
        assert_eq!(
            client.poll_event(),
            Some(ClientEvent::Returned { question: 1, reply: Reply::RegisterUdpSession(session) })
        );
    }
}

#[test]
fn udp_session_ended_by_cloudflared() {
    for (name, session, message) in [
        (
            "unregister-udp-connector",
            0xd44b4af2_c574_4105_98e2_c89879ced8ce,
            "read udp 127.0.0.1:35413->127.0.0.1:9: read: connection refused",
        ),
        ("unregister-udp-idle-connector", 0x176f92e6_a0ee_4f69_ae5c_d810f174be7a, "session idle for 2s"),
    ] {
        let input = vector(name);
        let call = only_call(Interfaces::EdgeSessions, &input[RPC_SIGNATURE.len()..], &Reply::UnregisterUdpSession);
        let Call::UnregisterUdpSession(call) = call else { panic!("{call:?}") };
        assert_eq!((call.session, call.message.as_str()), (Uuid::from_u128(session), message));
    }
}

#[test]
fn tcp_streams() {
    let input = vector("tcp-request");
    let (request, consumed) = ConnectRequest::decode(&input).unwrap().unwrap();
    assert_eq!(request.destination, "127.0.0.1:8081");
    assert_eq!(request.kind, ConnectionType::Tcp);
    assert_eq!(request.metadata("FlowID"), Some("abc"));
    assert_eq!(consumed, input.len());
    assert_eq!(request.encode(), input, "our encoding is byte for byte the captured one");

    let input = vector("tcp-response");
    assert_eq!(ConnectResponse::decode(&input), Ok(Some((ConnectResponse::default(), input.len()))));
    assert_eq!(ConnectResponse::default().encode(), input);

    let input = vector("tcp-dns-request");
    let (request, _) = ConnectRequest::decode(&input).unwrap().unwrap();
    assert_eq!(request.destination, "[2606:4700:cf1:2000::1]:53");
}

#[test]
fn failed_connections() {
    let error = |name: &str| {
        let (response, _) = ConnectResponse::decode(&vector(name)).unwrap().unwrap();
        OriginError::from_response(&response).unwrap()
    };
    let refused = error("tcp-refused-response");
    assert_eq!(refused.cause, DialFailure::Refused);
    assert_eq!(
        refused.text,
        "unable to dial tcp to origin 127.0.0.1:9: dial tcp 127.0.0.1:9: connect: connection refused"
    );
    assert_eq!(error("tcp-overlimit-response").cause, DialFailure::TooManyFlows);
    assert_eq!(error("http-down-response").cause, DialFailure::Refused);
}

#[test]
fn http_and_websocket_streams() {
    let (request, _) = ConnectRequest::decode(&vector("http-request")).unwrap().unwrap();
    assert_eq!(request.kind, ConnectionType::Http);
    assert_eq!(request.metadata("HttpMethod"), Some("GET"));
    let (response, consumed) = ConnectResponse::decode(&vector("http-response")).unwrap().unwrap();
    assert_eq!(response.metadata("HttpStatus"), Some("200"));
    let cookies: Vec<_> = response
        .metadata
        .iter()
        .filter(|(key, _)| key == "HttpHeader:Set-Cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(consumed <= vector("http-response").len());
    let (request, _) = ConnectRequest::decode(&vector("websocket-request")).unwrap().unwrap();
    assert_eq!(request.kind, ConnectionType::WebSocket);
    let (response, _) = ConnectResponse::decode(&vector("websocket-response")).unwrap().unwrap();
    assert_eq!(response.metadata("HttpStatus"), Some("101"));
}

#[test]
fn datagrams_of_version_2() {
    for name in ["datagram-v2-query", "datagram-v2-answer"] {
        let input = Bytes::from(vector(name));
        let datagram = v2::Datagram::decode(&input).unwrap();
        let v2::Datagram::Udp { session, payload } = &datagram else { panic!("{datagram:?}") };
        assert_eq!(*session, Uuid::from_u128(0x176f92e6_a0ee_4f69_ae5c_d810f174be7a));
        assert!(payload.starts_with(&[0x12, 0x34]));
        assert_eq!(datagram.encode().unwrap(), input);
    }
}

#[test]
fn datagrams_of_version_3() {
    let request = Uuid::from_u128(0x439ba81e_9835_4b55_b308_a761f9df8c7c);
    let decode = |name: &str| {
        let input = Bytes::from(vector(name));
        let datagram = v3::Datagram::decode(&input).unwrap();
        assert_eq!(datagram.encode().unwrap(), input, "{name}");
        datagram
    };
    assert_eq!(
        decode("datagram-v3-register-ipv6"),
        v3::Datagram::Register(v3::Register {
            request,
            destination: "[2606:4700:cf1:2000::1]:53".parse().unwrap(),
            idle: Duration::from_secs(5),
            traced: false,
            bundled: None,
        })
    );
    let v3::Datagram::Register(register) = decode("datagram-v3-register-ipv4") else { panic!() };
    assert_eq!((register.destination, register.idle), ("127.0.0.1:5353".parse().unwrap(), Duration::from_secs(2)));
    assert_eq!(decode("datagram-v3-accepted"), v3::Datagram::Answer { request, answer: v3::Answer::Accepted });
    for (name, answer) in
        [("datagram-v3-unreachable", v3::Answer::CannotBind), ("datagram-v3-overlimit", v3::Answer::TooManyFlows)]
    {
        assert!(matches!(decode(name), v3::Datagram::Answer { answer: seen, .. } if seen == answer));
    }
    let v3::Datagram::Payload { request: seen, payload } = decode("datagram-v3-answer") else { panic!() };
    assert_eq!(seen, request);
    assert!(payload.ends_with(&[10, 1, 2, 3]));
}
