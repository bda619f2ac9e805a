#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

#[test]
fn bindings_are_written_as_the_api_writes_them() {
    let id = Uuid::nil();
    for text in [
        json!({"name":"A","type":"plain_text","text":"hello"}),
        json!({"name":"B","type":"json","json":{"a":1}}),
        json!({"name":"C","type":"secret_text"}),
        json!({"name":"D","type":"vpc_service","service_id":id}),
        json!({"name":"E","type":"vpc_network","tunnel_id":id}),
        json!({"name":"F","type":"vpc_network","network_id":"cf1:network"}),
        json!({"name":"G","type":"service","service":"other","entrypoint":"Api"}),
        json!({"name":"H","type":"version_metadata"}),
    ] {
        let binding: Binding = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&binding).unwrap(), text);
        assert_eq!(binding.kind.type_name(), text["type"]);
    }
}

#[test]
fn the_etag_tells_apart_what_differs() {
    let module =
        |name: &str, kind, body: &'static [u8]| Module { name: name.to_owned(), kind, body: Bytes::from_static(body) };
    let base = etag(&[module("ab", ModuleKind::Text, b"c")]);
    assert_eq!(base, etag(&[module("ab", ModuleKind::Text, b"c")]));
    assert_ne!(base, etag(&[module("a", ModuleKind::Text, b"bc")]));
    assert_ne!(base, etag(&[module("ab", ModuleKind::Data, b"c")]));
    assert_eq!(base.len(), 64);
}

#[test]
fn content_types_name_kinds_both_ways() {
    for kind in [
        ModuleKind::CommonJs,
        ModuleKind::Data,
        ModuleKind::EsModule,
        ModuleKind::Json,
        ModuleKind::Text,
        ModuleKind::Wasm,
    ] {
        assert_eq!(ModuleKind::of_content_type(kind.content_type()), Some(kind));
    }
    assert_eq!(ModuleKind::of_content_type("text/x-python"), None);
}
