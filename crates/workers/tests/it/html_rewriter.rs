//! HTMLRewriter, as a Worker sees it.

use std::sync::Arc;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{World, worker};

async fn ask(path: &str) -> Value {
    let world = World::new();
    let (status, text) = world.text(&Arc::new(worker(&["html_rewriter.js"])), path).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_rewritten() {
    let result = ask("/all").await;
    let html = concat!(
        "<!DOCTYPE html><html><head><title>New &lt;title&gt;</title></head><body>\n<!-- note! -->",
        "<i>before</i><a href=\"https://one.example/\" data-from=\"hello\">(one)</a>after &lt;i&gt;<img src=x>",
        "KEEP <b>me</b></body></html><!-- the end -->",
    );
    assert_eq!(result["html"], html);
    let attributes = json!([["href", "https://one.example/"], ["data-from", "hello"]]);
    let seen = json!([["html", null], "a", false, "http://www.w3.org/1999/xhtml", attributes, "end of div"]);
    assert_eq!(result["seen"], seen);
    assert_eq!((&result["length"], &result["kept"]), (&Value::Null, &json!("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_fail() {
    let errors = ask("/errors").await;
    assert!(errors["selector"].as_str().unwrap().starts_with("TypeError: Parser error"), "{errors}");
    assert!(errors["attribute"].as_str().unwrap().starts_with("TypeError: Parser error"), "{errors}");
    assert_eq!(errors["thrown"], "RangeError: mine");
    assert_eq!(errors["rejected"], "RangeError: later");
    assert!(
        errors["kept"].as_str().unwrap().starts_with("TypeError: This content token is no longer valid."),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn details() {
    assert_eq!(
        ask("/details").await,
        json!({
            "stream": "<p><b></p>",
            "latin": "<p title=\"x\">é".chars().count(),
            "twice": "<p a=\"1\" b=\"12\">",
            "renamed": "<section>x</section>",
            "none": "<p>as it was</P>",
            "empty": 204,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_end_goes_at_its_readers_pace() {
    let world = World::with(|options| options.isolate_memory = 32 * 1024 * 1024);
    let mut version = worker(&["html_rewriter.js"]);
    version.limits.cpu = crate::support::PATIENCE;
    let mut body = world.get(&Arc::new(version), "/endless").await.unwrap().into_body();
    let mut length = 0;
    while length < 2_000_000 {
        let frame = tokio::time::timeout(crate::support::PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        length += frame.into_data().unwrap().len();
    }
    drop(body);
    world.records.next().await;
}
