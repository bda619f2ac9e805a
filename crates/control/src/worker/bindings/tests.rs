#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

fn refuse(bindings: Value) -> (u32, String) {
    let error = parse(&bindings).unwrap_err();
    (error.code().unwrap().number, format!("{error:?}"))
}

#[test]
fn what_is_not_available_is_named() {
    for (kind, words) in UNAVAILABLE {
        let (code, message) = refuse(json!([{ "name": "KV", "type": kind }]));
        assert_eq!(code, 10021);
        assert!(message.contains("KV") && message.contains(words), "{message}");
    }
    let (code, message) = refuse(json!([{ "name": "X", "type": "my_custom", "foo": 1 }]));
    assert_eq!(code, 10021);
    assert!(message.contains("my_custom"), "{message}");
}

#[test]
fn names_types_and_values_are_required() {
    assert_eq!(refuse(json!([{ "type": "plain_text", "text": "x" }])).0, 10052);
    assert_eq!(refuse(json!([{ "name": "", "type": "plain_text", "text": "x" }])).0, 10052);
    assert_eq!(refuse(json!([{ "name": "A" }])).0, 10021);
    assert_eq!(refuse(json!([{ "name": "A", "type": "plain_text", "text": 1 }])).0, 10021);
    assert_eq!(refuse(json!([5])).0, 10021);
    assert_eq!(refuse(json!({})).0, 10021);
    assert_eq!(refuse(json!([{ "name": "A", "type": "vpc_service", "service_id": "x" }])).0, 10021);
    assert_eq!(
        refuse(json!([
            { "name": "A", "type": "plain_text", "text": "1" },
            { "name": "A", "type": "json", "json": 1 },
        ]))
        .0,
        10021
    );
}

#[test]
fn variables_have_five_kilobytes() {
    let of = |length: usize| json!([{ "name": "A", "type": "plain_text", "text": "x".repeat(length) }]);
    assert!(parse(&of(5_120)).is_ok());
    assert_eq!(refuse(of(5_121)).0, 10054);
}

#[test]
fn there_may_be_128_variables() {
    let of = |count: usize| {
        let list: Vec<Value> =
            (0..count).map(|n| json!({ "name": format!("V{n}"), "type": "plain_text", "text": "x" })).collect();
        resolve(parse(&Value::from(list)).unwrap(), &BTreeSet::new(), None)
    };
    assert_eq!(of(128).unwrap().bindings.len(), 128);
    assert_eq!(of(129).unwrap_err().code(), Some(codes::TOO_MANY_VARIABLES));
}

#[test]
fn a_network_is_a_tunnel_or_the_whole() {
    let id = "22222222-2222-4222-8222-222222222222";
    assert!(parse(&json!([{ "name": "N", "type": "vpc_network", "tunnel_id": id }])).is_ok());
    assert!(parse(&json!([{ "name": "N", "type": "vpc_network", "network_id": "cf1:network" }])).is_ok());
    for network in [
        json!({ "name": "N", "type": "vpc_network", "tunnel_id": id, "network_id": "cf1:network" }),
        json!({ "name": "N", "type": "vpc_network", "tunnel_id": "x" }),
        json!({ "name": "N", "type": "vpc_network", "network_id": "other" }),
        json!({ "name": "N", "type": "vpc_network", "x": 1 }),
    ] {
        assert_eq!(refuse(json!([network])).0, 10021);
    }
}

#[test]
fn nothing_can_be_inherited_from_nothing() {
    let requested = parse(&json!([{ "name": "A", "type": "inherit" }])).unwrap();
    let error = resolve(requested, &BTreeSet::new(), None).unwrap_err();
    assert_eq!(error.code(), Some(codes::INVALID_INHERIT));
}
