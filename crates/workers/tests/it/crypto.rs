//! Web Cryptography, as a Worker sees it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{World, worker};

async fn ask(path: &str) -> Value {
    let world = World::new();
    let mut version = worker(&["crypto.js"]);
    version.limits.cpu = crate::support::PATIENCE;
    let (status, text) = world.text(&Arc::new(version), path).await;
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn digests() {
    let digests = ask("/digest").await;
    assert_eq!(digests["MD5"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(digests["SHA-1"], "a9993e364706816aba3e25717850c26c9cd0d89d");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digests["sha-256"], sha256);
    assert_eq!(digests["stream"], sha256);
    assert_eq!(digests["written"], 3);
    assert!(digests["SHA-384"].as_str().unwrap().starts_with("cb00753f45a35e8bb5a03d69"));
    assert!(digests["SHA-512"].as_str().unwrap().starts_with("ddaf35a193617abacc417349"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hmac_and_its_key() {
    let hmac = ask("/hmac").await;
    assert_eq!(hmac["signature"], "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    assert_eq!((&hmac["right"], &hmac["wrong"]), (&json!(true), &json!(false)));
    let jwk = json!({"kty": "oct", "k": "a2V5", "alg": "HS256", "key_ops": ["sign", "verify"], "ext": true});
    assert_eq!(hmac["jwk"], jwk);
    let algorithm = json!({"name": "HMAC", "hash": {"name": "SHA-256"}, "length": 24});
    assert_eq!(hmac["key"], json!(["secret", true, algorithm, ["sign", "verify"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_and_format() {
    for done in ask("/all").await.as_array().unwrap() {
        let good = done[1] == true || done[1] == "some data to work on";
        assert!(good, "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn derivation_by_the_books() {
    let derived = ask("/derive").await;
    let hkdf = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(derived["hkdf"], hkdf);
    assert_eq!(derived["pbkdf2"], "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
    assert_eq!(derived["tooMany"], "DOMException NotSupportedError");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let dom = |name: &str| json!(format!("DOMException {name}"));
    assert_eq!(
        ask("/errors").await,
        json!({
            "unknown": dom("NotSupportedError"),
            "noName": "TypeError TypeError",
            "notExtractable": dom("InvalidAccessError"),
            "wrongUsage": dom("InvalidAccessError"),
            "wrongAlgorithm": dom("InvalidAccessError"),
            "badUsage": dom("SyntaxError"),
            "noUsage": dom("SyntaxError"),
            "badKey": dom("DataError"),
            "badJwk": dom("DataError"),
            "noKey": "TypeError TypeError",
            "construct": "TypeError TypeError",
            "equal": [true, false],
            "lengths": "TypeError TypeError",
        })
    );
}
