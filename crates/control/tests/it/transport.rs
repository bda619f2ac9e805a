//! Below the API's own rules: paths that are not there, methods, heads that are too large, stopping.

use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Server;

#[tokio::test]
async fn every_answer_has_the_envelope() {
    let server = Server::start().await;
    let auth = format!("Bearer {}", server.token);
    let headers: &[(&str, &str)] = &[("authorization", &auth)];
    server.send(Method::GET, "/nothing", headers, "").await.error(404, 7000);
    server.send(Method::GET, "", headers, "").await.error(404, 7000);
    server.send(Method::GET, "//accounts/local/workers/scripts", headers, "").await.error(404, 7000);
    server.send(Method::POST, "/user", headers, "").await.error(405, 10405);
    server.send(Method::DELETE, "/accounts/local/workers/scripts", headers, "").await.error(405, 10405);
    server.send(Method::GET, "/accounts/local/workers/scripts/%ff", headers, "").await.error(404, 7003);
    server.send(Method::GET, "/accounts/local/cfd_tunnel?name=%ff", headers, "").await.result();
    // What wrangler sets up before a deployment, and Culvert does not have.
    let queues = server.get("/queues?name=jobs").await.error(403, 10021);
    assert!(queues.starts_with("Queues are not available in Culvert."), "{queues}");
    let title = serde_json::json!({ "title": "shop-cache" });
    let namespaces = server.call(Method::POST, "/storage/kv/namespaces", title).await.error(400, 10021);
    assert!(namespaces.starts_with("KV namespaces are not available in Culvert."), "{namespaces}");
    assert!(namespaces.contains("\"shop-cache\""), "{namespaces}");
    let buckets = server.get("/r2/buckets/files").await.error(403, 10021);
    assert!(buckets.contains("binding to the bucket \"files\""), "{buckets}");
    let answer = server.get("/workers/scripts").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["cf-ray"].len(), 32);
}

async fn raw(server: &Server, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses closes, and may reset what is still on its way.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn health_needs_no_token() {
    let server = Server::start().await;
    let answer = raw(&server, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn oversized_heads_and_garbage_are_refused() {
    let server = Server::start().await;
    let large = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let answer = raw(&server, large.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let answer = raw(&server, many.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = raw(&server, b"\x16\x03\x01 not http\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    server.get("/workers/scripts").await.result();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let server = Server::start().await;
    let head = format!(
        "POST {}/accounts/local/cfd_tunnel HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{\"name\":\"t\"}}",
        control::PREFIX,
        server.token
    );
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(server.get("/cfd_tunnel").await.result(), Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_openapi_document_lists_every_route_and_every_route_is_there() {
    let server = Server::start().await;
    let answer = server.send(Method::GET, "/openapi.json", &[], "").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    let auth = format!("Bearer {}", server.token);
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            if let Some(body) = operation["requestBody"]["content"].as_object() {
                for form in body.values() {
                    let name = form["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                    assert!(document["components"]["schemas"][name].is_object(), "{name}");
                }
            }
            let filled = path.replace("{account}", "local").replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = server.send(method.clone(), &filled, &[("authorization", &auth)], "").await;
            let code = answer.json()["errors"][0]["code"].clone();
            assert!(code != 7000 && code != 10405, "{method} {path}: {code}");
            assert!(answer.status != 500, "{method} {path}");
            // Without a token nothing but the public ones says more than that.
            let answer = server.send(method.clone(), &filled, &[], "").await;
            if operation.get("security").is_none() {
                answer.error(401, 9106);
            }
        }
    }
    assert!(operations > 60, "{operations}");
}
