//! Browsers: signing in, the cookie, calls from other sites, pages.

use http::Method;
use serde_json::json;
use store::Actor;

use crate::harness::{Answer, Server};

fn cookie(answer: &Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_has_the_permissions_of_its_token_and_ends_with_it() {
    let server = Server::start().await;
    let origin = format!("http://{}", server.address);
    let token = server.token_with("reader", &[store::Permission::TunnelRead]).await;
    let wrong = server.send(Method::POST, "/session", &[], json!({ "token": "cvt_no" }).to_string()).await;
    wrong.error(401, 9109);
    server.send(Method::POST, "/session", &[], "{}").await.error(400, 20000);
    let elsewhere = [("origin", "http://evil.example")];
    server.send(Method::POST, "/session", &elsewhere, json!({ "token": token }).to_string()).await.error(403, 20012);

    let signed_in =
        server.send(Method::POST, "/session", &[("origin", &origin)], json!({ "token": token }).to_string()).await;
    assert_eq!(signed_in.result()["name"], "reader");
    assert_eq!(signed_in.result()["permissions"], json!(["cloudflare-tunnel.read"]));
    let set = signed_in.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/client/v4", "Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = cookie(&signed_in);
    let with = [("cookie", cookie.as_str())];
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let foreign = [("cookie", cookie.as_str()), ("origin", "http://evil.example")];
    let get = Method::GET;
    assert_eq!(server.send(get.clone(), "/session", &with, "").await.result()["account"]["id"], "local");
    server.send(get.clone(), "/accounts/local/cfd_tunnel", &with, "").await.result();
    server.send(get.clone(), "/accounts/local/workers/scripts", &with, "").await.error(403, 20007);
    // Changes need the browser's word that they come from here.
    let tunnel = json!({ "name": "t" }).to_string();
    let create = "/accounts/local/cfd_tunnel";
    server.send(Method::POST, create, &with, tunnel.clone()).await.error(403, 20012);
    server.send(Method::POST, create, &foreign, tunnel.clone()).await.error(403, 20012);
    server.send(Method::POST, create, &own, tunnel).await.error(403, 20007);
    server.send(get.clone(), "/session", &[], "").await.error(401, 9106);
    server.send(get.clone(), "/session", &[("cookie", "culvert_session=guess")], "").await.error(401, 9109);

    // Revoked: over at once.
    let id = signed_in.result()["token_id"].as_str().unwrap().parse().unwrap();
    server.store.revoke_token(id, &Actor::program()).await.unwrap();
    server.send(get, "/session", &with, "").await.error(401, 9109);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let server = Server::start().await;
    let origin = format!("http://{}", server.address);
    let signed_in = server.send(Method::POST, "/session", &[], json!({ "token": server.token }).to_string()).await;
    let cookie = cookie(&signed_in);
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let made = server.send(Method::POST, "/accounts/local/cfd_tunnel", &own, json!({ "name": "t" }).to_string()).await;
    assert_eq!(made.result()["name"], "t");
    let out = server.send(Method::DELETE, "/session", &own, "").await;
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    server.send(Method::GET, "/session", &own, "").await.error(401, 9109);
}

#[tokio::test]
async fn pages_are_for_browsers_and_nothing_else_changes() {
    let server = Server::start().await;
    let html = [("accept", "text/html,*/*")];
    let get = async |path: &str, headers: &[(&str, &str)]| server.send_to(Method::GET, path, headers, "").await;
    for path in ["/", "/tunnels/x", "/index.html"] {
        let page = get(path, &html).await;
        assert_eq!((page.status.as_u16(), &page.body[..]), (200, &b"<p>index"[..]), "{path}");
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'; script-src 'self'")
        );
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let tag = page.headers["etag"].to_str().unwrap();
        assert_eq!(get(path, &[("accept", "text/html"), ("if-none-match", tag)]).await.status.as_u16(), 304);
    }
    let asset = get("/assets/a-1.js", &[]).await;
    assert_eq!(
        (&asset.body[..], asset.headers["content-type"].to_str().unwrap()),
        (&b"1"[..], "text/javascript; charset=utf-8")
    );
    assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
    for (accepted, body, encoding) in [
        ("gzip, deflate, br", "1, by brotli", Some("br")),
        ("br;q=0, GZIP;q=0.5", "1, by gzip", Some("gzip")),
        ("identity", "1", None),
    ] {
        let asset = get("/assets/a-1.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(&asset.body[..], body.as_bytes());
        assert_eq!(asset.headers["vary"], "accept-encoding");
        assert_eq!(asset.headers.get("content-encoding").and_then(|name| name.to_str().ok()), encoding);
        assert_eq!(asset.headers["content-type"], "text/javascript; charset=utf-8");
    }
    get("/assets/a-1.js.br", &[]).await.error(404, 7000);
    get("/assets/a-2.js", &html).await.error(404, 7000);
    get("/user", &[]).await.error(404, 7000);
    get("/client/v4/nothing", &html).await.error(404, 7000);
    server.send_to(Method::POST, "/", &html, "").await.error(404, 7000);
    assert_eq!(&get("/metrics", &html).await.body[..], b"up 1\n");
}
