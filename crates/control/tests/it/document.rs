//! The OpenAPI document that the API serves: it is whole, and what it says of permissions is so.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use store::Permission;

use crate::harness::Server;

/// Every operation of the document: method, path, description.
async fn operations(server: &Server) -> (Value, Vec<(Method, String, Value)>) {
    let document = server.send(Method::GET, "/openapi.json", &[], "").await.json();
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, operation)| (method.to_uppercase().parse().unwrap(), path.clone(), operation.clone()))
    });
    let all = all.collect();
    (document, all)
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                found.insert(name.rsplit('/').next().unwrap().to_owned());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn each_answer_has_a_form_and_no_schema_is_missing_or_left_over() {
    let server = Server::start().await;
    let (document, operations) = operations(&server).await;
    for (method, path, operation) in operations {
        let responses = &operation["responses"];
        assert!(responses["default"].is_object(), "{method} {path}");
        let Some(content) = responses["200"]["content"].as_object() else {
            assert!(responses["101"].is_object(), "{method} {path}");
            continue;
        };
        let Some(schema) = content.get("application/json").map(|content| &content["schema"]) else {
            continue;
        };
        let result = &schema["allOf"][1]["properties"]["result"];
        assert!(result.as_object().is_some_and(|form| !form.is_empty()), "the result of {method} {path}: {schema}");
    }
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let there: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, there);
}

#[tokio::test]
async fn each_operation_needs_the_permission_that_it_names() {
    let server = Server::start().await;
    for (method, path, operation) in operations(&server).await.1 {
        let path = path.replace("{account}", "local");
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "11111111-1111-4111-8111-111111111111" } else { part })
            .collect();
        let path = path.join("/");
        if operation["security"].is_array() {
            continue;
        }
        server.send(method.clone(), &path, &[], "").await.error(401, 9106);
        let Some(key) = operation["x-permission"].as_str() else {
            continue;
        };
        let needed = Permission::parse(key).unwrap();
        let others: Vec<Permission> =
            Permission::ALL.into_iter().filter(|permission| !permission.covers(needed)).collect();
        let token = server.token_with("others", &others).await;
        let bearer = format!("Bearer {token}");
        let refused = server.send(method.clone(), &path, &[("authorization", &bearer)], "").await.error(403, 20007);
        assert!(refused.contains(needed.label()) && refused.contains("\"others\""), "{method} {path}: {refused}");
        // With it the call goes further, wherever it ends.
        let token = server.token_with("it", &[needed]).await;
        let bearer = format!("Bearer {token}");
        let passed = server.send(method.clone(), &path, &[("authorization", &bearer)], "").await;
        assert_ne!(passed.status.as_u16(), 403, "{method} {path}: {}", String::from_utf8_lossy(&passed.body));
    }
}

#[tokio::test]
async fn each_query_parameter_is_read_and_refused_by_its_name() {
    let server = Server::start().await;
    let id = "11111111-1111-4111-8111-111111111111";
    let bearer = format!("Bearer {}", server.token);
    let mut tried = 0;
    for (method, path, operation) in operations(&server).await.1 {
        // What these may be is the platform's to say.
        if ["/workers/invocations", "/connectivity/events", "/workers/metrics", "/connectivity/metrics"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            continue;
        }
        let path = path.replace("{account}", "local");
        let path = path.split('/').map(|part| if part.starts_with('{') { id } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for parameter in operation["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query") {
            let schema = &parameter["schema"];
            let any_text = schema["type"] == "string" && schema.as_object().unwrap().len() == 1;
            if any_text {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let answer =
                server.send(method.clone(), &format!("{path}?{name}=%21"), &[("authorization", &bearer)], "{}").await;
            let told = answer.error(400, 20000);
            assert_eq!(answer.pointer(), format!("/{name}"), "{method} {path}: {told}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}
