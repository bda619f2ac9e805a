//! Certificates over the API.

use http::Method;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::harness::Server;

const LIST: &str = "/mtls_certificates";

fn authority() -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Private CA");
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn client() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::new(vec!["worker.internal".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    (pem, key.serialize_pem())
}

#[tokio::test]
async fn authorities_and_client_certificates_are_kept_for_services() {
    let server = Server::start().await;
    let authority = server
        .call(Method::POST, LIST, json!({ "name": "ca", "ca": true, "certificates": authority() }))
        .await
        .result();
    assert_eq!(authority["ca"], true);
    assert!(authority["issuer"].as_str().unwrap().contains("Private CA"));
    assert!(authority["expires_on"].is_string() && authority["uploaded_on"].is_string());
    let (pem, key) = client();
    let made = server
        .call(Method::POST, LIST, json!({ "name": "me", "ca": false, "certificates": pem, "private_key": key }))
        .await;
    let certificate = made.result();
    assert!(!String::from_utf8_lossy(&made.body).contains("PRIVATE KEY"));
    assert_eq!(server.get(LIST).await.result().as_array().unwrap().len(), 2);
    assert_eq!(server.get(&format!("{LIST}?ca=true")).await.result()[0]["name"], "ca");
    assert_eq!(server.get(&format!("{LIST}?name=me")).await.result()[0]["id"], certificate["id"]);

    let tunnel = server.tunnel("t").await;
    let service = server
        .call(
            Method::POST,
            "/connectivity/directory/services",
            json!({
                "name": "api", "type": "http", "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": tunnel } },
                "tls_settings": { "cert_verification_mode": "verify_full",
                    "certificate_authority": authority["id"], "client_certificate": certificate["id"] },
            }),
        )
        .await
        .result();
    assert_eq!(service["tls_settings"]["client_certificate"], certificate["id"]);
    let one = format!("{LIST}/{}", certificate["id"].as_str().unwrap());
    let message = server.call(Method::DELETE, &one, Value::Null).await.error(409, 20003);
    assert!(message.contains("VPC Service \"api\""), "{message}");
    let path = format!("/connectivity/directory/services/{}", service["service_id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.result();
    assert_eq!(server.get(&one).await.result()["name"], "me");
    server.call(Method::DELETE, &one, Value::Null).await.result();
    server.get(&one).await.error(404, 20001);
}

#[tokio::test]
async fn what_is_no_certificate_is_refused() {
    let server = Server::start().await;
    let (pem, key) = client();
    let (_, other) = client();
    let broken = pem.replacen("MII", "AAA", 1);
    for (body, pointer) in [
        (json!({ "ca": true }), "/certificates"),
        (json!({ "ca": true, "certificates": "" }), "/certificates"),
        (json!({ "ca": true, "certificates": "hello" }), "/certificates"),
        (json!({ "ca": true, "certificates": broken }), "/certificates"),
        (json!({ "ca": true, "certificates": pem }), "/certificates"),
        (json!({ "ca": true, "certificates": key }), "/certificates"),
        (json!({ "ca": "x", "certificates": authority() }), "/ca"),
        (json!({ "ca": false, "certificates": pem }), "/private_key"),
        (json!({ "ca": false, "certificates": pem, "private_key": "x" }), "/private_key"),
        (json!({ "ca": false, "certificates": pem, "private_key": other }), "/private_key"),
        (json!({ "ca": true, "certificates": authority(), "private_key": key }), "/private_key"),
    ] {
        let answer = server.call(Method::POST, LIST, body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), pointer);
    }
    assert_eq!(server.get(LIST).await.result(), json!([]));
}
