//! Our client against our server, and servers against clients that break the rules.

use std::time::Duration;
use tunnel_proto::connector::Features;
use tunnel_proto::rpc::{
    Call, ClientEvent, ClientInfo, ConfigurationUpdate, ConnectionDetails, ConnectionOptions, Exception, ExceptionKind,
    Interfaces, MAX_QUESTIONS, RegisterConnection, RegisterUdpSession, RegistrationRefusal, Reply, RpcClient, RpcError,
    RpcServer, ServerEvent, UdpSession, UnregisterUdpSession,
};
use uuid::Uuid;

struct Pair {
    client: RpcClient,
    server: RpcServer,
}

impl Pair {
    fn new(interfaces: Interfaces) -> Self {
        Self { client: RpcClient::new(), server: RpcServer::new(interfaces) }
    }

    /// Moves bytes until neither side has any.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            while let Some(bytes) = self.client.poll_output() {
                self.server.handle_input(&bytes).unwrap();
                moved = true;
            }
            while let Some(bytes) = self.server.poll_output() {
                self.client.handle_input(&bytes).unwrap();
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn call(&mut self, call: &Call, reply: &Reply) -> Option<ClientEvent> {
        self.client.call(call);
        self.run();
        let Some(ServerEvent::Call { question, call: seen }) = self.server.poll_event() else {
            return self.client.poll_event();
        };
        assert_eq!(&seen, call);
        self.server.respond(question, reply);
        self.run();
        self.client.poll_event()
    }
}

fn register() -> Call {
    Call::RegisterConnection(RegisterConnection {
        account: "acc".to_owned(),
        secret: vec![1, 2, 3],
        tunnel: Uuid::from_u128(7),
        connection_index: 3,
        options: ConnectionOptions {
            client: ClientInfo {
                id: Uuid::from_u128(9),
                features: Features::new(["b", "a"]),
                version: "culvert/0.1.0".to_owned(),
                platform: "linux_amd64".to_owned(),
            },
            origin_local_ip: Some("::1".parse().unwrap()),
            replace_existing: true,
            compression_quality: 0,
            previous_attempts: 4,
        },
    })
}

fn every_call() -> Vec<(Interfaces, Call, Reply)> {
    let details = ConnectionDetails { id: Uuid::from_u128(1), location: "here".to_owned(), remotely_managed: false };
    let refusal = RegistrationRefusal {
        cause: "Unauthorized: wrong secret".to_owned(),
        retry_after: Duration::from_secs(3),
        should_retry: true,
    };
    let session = RegisterUdpSession {
        session: Uuid::from_u128(2),
        destination: "10.0.0.1:53".parse().unwrap(),
        close_after_idle: Duration::from_secs(5),
        trace_context: String::new(),
    };
    vec![
        (Interfaces::Registration, register(), Reply::RegisterConnection(Ok(details))),
        (Interfaces::Registration, register(), Reply::RegisterConnection(Err(refusal))),
        (Interfaces::Registration, Call::UnregisterConnection, Reply::UnregisterConnection),
        (Interfaces::Registration, Call::UpdateLocalConfiguration(b"{}".to_vec()), Reply::UpdateLocalConfiguration),
        (
            Interfaces::Connector,
            Call::RegisterUdpSession(session),
            Reply::RegisterUdpSession(UdpSession { error: "no".to_owned(), spans: vec![1] }),
        ),
        (
            Interfaces::EdgeSessions,
            Call::UnregisterUdpSession(UnregisterUdpSession {
                session: Uuid::from_u128(2),
                message: "done".to_owned(),
            }),
            Reply::UnregisterUdpSession,
        ),
        (
            Interfaces::Connector,
            Call::UpdateConfiguration { version: 4, configuration: b"{}".to_vec() },
            Reply::UpdateConfiguration(ConfigurationUpdate { latest_applied_version: 4, error: "bad".to_owned() }),
        ),
    ]
}

#[test]
fn every_call_and_reply_crosses_unchanged() {
    for (interfaces, call, reply) in every_call() {
        let mut pair = Pair::new(interfaces);
        for expected in 1..4 {
            // The first is pipelined, the next ones go to the imported capability.
            assert_eq!(
                pair.call(&call, &reply),
                Some(ClientEvent::Returned { question: expected, reply: reply.clone() })
            );
        }
        pair.client.close();
        pair.run();
        assert_eq!(pair.server.poll_event(), Some(ServerEvent::Closed("rpc: shutdown".to_owned())));
    }
}

#[test]
fn a_method_of_another_interface_is_unimplemented() {
    for (interfaces, call, reply) in every_call() {
        for other in [Interfaces::Registration, Interfaces::EdgeSessions, Interfaces::Connector] {
            let shared = matches!(call, Call::UnregisterUdpSession(_)) && other == Interfaces::Connector;
            if other == interfaces || shared {
                continue;
            }
            let mut pair = Pair::new(other);
            let event = pair.call(&call, &reply);
            assert!(
                matches!(
                    &event,
                    Some(ClientEvent::Failed { exception: Exception { kind: ExceptionKind::Unimplemented, .. }, .. })
                ),
                "{event:?}"
            );
        }
    }
}

#[test]
fn calls_are_answered_out_of_order() {
    let mut pair = Pair::new(Interfaces::Registration);
    let first = pair.client.call(&register());
    let second = pair.client.call(&Call::UnregisterConnection);
    pair.run();
    let Some(ServerEvent::Call { question: one, .. }) = pair.server.poll_event() else { panic!() };
    let Some(ServerEvent::Call { question: two, .. }) = pair.server.poll_event() else { panic!() };
    pair.server.respond(two, &Reply::UnregisterConnection);
    pair.server.fail(one, &Exception { kind: ExceptionKind::Overloaded, reason: "later".to_owned() });
    pair.run();
    assert_eq!(
        pair.client.poll_event(),
        Some(ClientEvent::Returned { question: second, reply: Reply::UnregisterConnection })
    );
    let Some(ClientEvent::Failed { question, exception }) = pair.client.poll_event() else { panic!() };
    assert_eq!((question, exception.kind, exception.reason.as_str()), (first, ExceptionKind::Overloaded, "later"));
}

#[test]
fn a_flood_of_questions_is_refused() {
    let mut client = RpcClient::new();
    let mut server = RpcServer::new(Interfaces::Registration);
    for _ in 0..=MAX_QUESTIONS {
        client.call(&Call::UnregisterConnection);
    }
    let mut result = Ok(());
    while let Some(bytes) = client.poll_output() {
        result = result.and(server.handle_input(&bytes));
    }
    assert_eq!(result, Err(RpcError::TooManyQuestions));
    assert!(server.is_closed());
    let output: Vec<u8> = std::iter::from_fn(|| server.poll_output()).flatten().collect();
    client.handle_input(&output).unwrap();
    assert_eq!(client.poll_event(), Some(ClientEvent::Closed(RpcError::TooManyQuestions.to_string())));
}

#[test]
fn a_call_without_bootstrap_fails_alone() {
    // A client whose bootstrap was lost: its pipelined call names a question that the server never saw.
    let mut client = RpcClient::new();
    client.call(&Call::UnregisterConnection);
    client.poll_output().unwrap();
    let mut server = RpcServer::new(Interfaces::Registration);
    server.handle_input(&client.poll_output().unwrap()).unwrap();
    assert_eq!(server.poll_event(), None);
    client.handle_input(&server.poll_output().unwrap()).unwrap();
    assert!(matches!(client.poll_event(), Some(ClientEvent::Failed { .. })));
    assert!(!server.is_closed());
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let mut pair = Pair::new(Interfaces::Registration);
    pair.call(&Call::UnregisterConnection, &Reply::UnregisterConnection).unwrap();
    let mut stranger = RpcServer::new(Interfaces::Registration);
    let mut other = RpcClient::new();
    for _ in 0..5 {
        other.call(&Call::UnregisterConnection);
    }
    while let Some(bytes) = other.poll_output() {
        stranger.handle_input(&bytes).unwrap();
    }
    while let Some(event) = stranger.poll_event() {
        if let ServerEvent::Call { question, .. } = event {
            stranger.respond(question, &Reply::UnregisterConnection);
        }
    }
    let output: Vec<u8> = std::iter::from_fn(|| stranger.poll_output()).flatten().collect();
    assert!(matches!(pair.client.handle_input(&output), Err(RpcError::Protocol(_))));
}

#[test]
fn oversized_messages_are_refused_before_they_arrive() {
    let mut server = RpcServer::new(Interfaces::Registration);
    let error = server.handle_input(&[0, 0, 0, 0, 0, 0, 0, 0x10]).unwrap_err();
    assert!(error.to_string().contains("over the limit"), "{error}");
}
