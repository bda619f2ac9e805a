//! The ends of invocations as visitors see them.

use edge::EdgeOptions;
use http::Response;
use invocation::Outcome;

use crate::support::{Running, ended, start};

/// A Worker whose path says how it ends.
async fn ending() -> Running {
    start(EdgeOptions::default(), |invocation| {
        let path = invocation.request.uri().path().trim_start_matches('/').to_owned();
        Box::pin(async move {
            match path.as_str() {
                "panic" => panic!("SECRET of the dispatcher"),
                "101" => Ok(Response::builder().status(101).body(invocation::empty()).unwrap()),
                outcome => Err(ended(outcome.parse().unwrap())),
            }
        })
    })
    .await
}

async fn get(edge: &Running, path: &str, accept: &str) -> crate::support::Reply {
    edge.ask(&format!("GET /{path} HTTP/1.1\r\nHost: shop.localhost\r\nAccept: {accept}\r\n\r\n")).await
}

#[tokio::test]
async fn proxy_status_is_the_operators_choice_but_for_loops() {
    let quiet = ending().await;
    assert_eq!(get(&quiet, "exception", "*/*").await.header("proxy-status"), None);
    let options = EdgeOptions { name: "edge-1".to_owned(), proxy_status: true, ..EdgeOptions::default() };
    let telling = start(options, |invocation| {
        let refused = invocation.request.uri().path() == "/refused";
        let connection = refused.then_some(connection_error::ErrorCode::ConnectionRefused);
        Box::pin(async move { Err(invocation::Ended { connection, ..ended(Outcome::Exception) }) })
    })
    .await;
    for (path, said) in [("x", "edge-1; error=proxy_internal_error"), ("refused", "edge-1; error=connection_refused")] {
        assert_eq!(get(&telling, path, "*/*").await.header("proxy-status"), Some(said));
    }
    // A request that came back is refused, and the edge knows its own refusal by this.
    for (edge, name) in [(&quiet, "culvert"), (&telling, "edge-1")] {
        let request = format!("GET /ok HTTP/1.1\r\nHost: shop.localhost\r\nCDN-Loop: other, {name}\r\n\r\n");
        let reply = edge.ask(&request).await;
        assert_eq!((reply.status, reply.text()), (508, "error code: 1019".to_owned()));
        let said = format!("{name}; error=proxy_loop_detected");
        assert_eq!(reply.header("proxy-status"), Some(said.as_str()));
    }
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn each_outcome_has_its_status_and_number() {
    let edge = ending().await;
    for (path, status, number) in [
        ("exception", 500, 1101),
        ("exceededCpu", 503, 1102),
        ("exceededMemory", 503, 1102),
        ("internalError", 500, 1103),
        ("loadShed", 503, 1105),
        ("scriptNotFound", 404, 1022),
        ("ok", 500, 1103),
        ("panic", 500, 1103),
        ("101", 500, 1103),
    ] {
        let text = get(&edge, path, "*/*").await;
        assert_eq!((text.status, text.text()), (status, format!("error code: {number}")), "{path}");
        let ray = text.header("cf-ray").unwrap().to_owned();
        assert_eq!(ray.len(), 16);

        let page = get(&edge, path, BROWSER).await;
        assert_eq!(page.status, status);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        let html = page.text();
        for part in [&format!("Error {number}"), page.header("cf-ray").unwrap(), "shop.localhost"] {
            assert!(html.contains(part), "{path}: no {part} in {html}");
        }

        let problem = get(&edge, path, "application/json").await;
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        let json: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
        assert_eq!((&json["status"], &json["code"]), (&status.into(), &number.into()), "{path}");
        assert_eq!(json["rayId"], problem.header("cf-ray").unwrap());

        for reply in [text, page, problem] {
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert!(!reply.text().contains("SECRET"), "{path}");
            assert_eq!(reply.header("retry-after").is_some(), path == "loadShed");
        }
    }
}

#[tokio::test]
async fn the_first_word_is_about_every_outcome() {
    let edge = ending().await;
    for outcome in Outcome::ALL {
        assert!(get(&edge, outcome.as_str(), "*/*").await.status >= 400, "{outcome}");
    }
}

#[tokio::test]
async fn a_host_without_a_worker_is_named() {
    let edge = ending().await;
    let request = format!("GET /x HTTP/1.1\r\nHost: None.LocalHost:8787\r\nAccept: {BROWSER}\r\n\r\n");
    let page = edge.ask(&request).await;
    assert_eq!(page.status, 404);
    let html = page.text();
    assert!(html.contains("none.localhost") && html.contains("culvert deploy"), "{html}");
    assert_eq!(edge.counters.requests_unrouted(), 1);
    let head = edge.ask("HEAD / HTTP/1.1\r\nHost: none\r\nConnection: close\r\n\r\n");
    // The page's length, and no page.
    let mut client = edge.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: none\r\nConnection: close\r\n\r\n").await;
    let reply = client.head().await;
    assert_eq!(reply.header("content-length"), Some("16"));
    assert_eq!(client.rest().await, "");
    drop(head);
}
