//! What was acknowledged is there after `kill -9`.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Edge, PATIENCE, http_service, wait_for};

#[test]
fn everything_is_there_after_a_crash_and_the_connector_comes_back() {
    let mut edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "still here".to_owned());
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    assert_eq!(edge.get("private-api", "/").text(), "still here");

    edge.crash_and_restart();
    edge.wait_for_connections(&tunnel.id, 4);
    assert_eq!(edge.get("private-api", "/").text(), "still here");
    let services = edge.json(&["vpc", "service", "list"]);
    assert_eq!(services[0]["service_id"], service.as_str());
}

#[test]
fn an_acknowledged_write_survives_a_crash_right_after() {
    let mut edge = Edge::start();
    for round in 0..5 {
        edge.deploy_module("crashes", &format!("export default {{ fetch: () => new Response('{round}') }};"));
        edge.crash_and_restart();
        assert_eq!(edge.get("crashes", "/").text(), round.to_string());
    }
}

/// A call of the API by somebody who sees it die: an answer counts when it came whole.
#[derive(Clone)]
struct Caller {
    api: SocketAddr,
    token: String,
}

impl Caller {
    fn call(&self, method: &str, path: &str, content_type: &str, body: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect(self.api)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} /client/v4/accounts/local{path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?.1;
        let envelope: Value = serde_json::from_str(body)?;
        assert_eq!(envelope["success"], true, "{method} {path}: {envelope}");
        Ok(envelope["result"].clone())
    }

    /// Deploys a Worker that says its number and its secret, which are the same.
    fn deploy(&self, worker: &str, number: usize) -> io::Result<Value> {
        let metadata = json!({
            "main_module": "index.js",
            "bindings": [{ "name": "KEY", "type": "secret_text", "text": number.to_string() }],
        });
        let module = format!("export default {{ fetch: (request, env) => new Response(`{number} ${{env.KEY}}`) }};");
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
             Content-Type: application/javascript+module\r\n\r\n{module}\r\n--b--\r\n"
        );
        self.call("PUT", &format!("/workers/scripts/{worker}"), "multipart/form-data; boundary=b", &form)
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}")).to_owned()
}

#[test]
fn killed_at_any_moment_every_acknowledged_write_is_there_and_no_half_one() {
    let mut edge = Edge::start();
    let (mut tunnels, mut versions) = (BTreeSet::new(), BTreeSet::new());
    let mut deployed = 0;
    for round in 0..5 {
        let caller = Caller { api: edge.addresses.api, token: edge.token() };
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let names = {
            let (caller, acknowledged) = (caller.clone(), acknowledged.clone());
            thread::spawn(move || {
                let mut made = Vec::new();
                for number in 0.. {
                    let body = json!({ "name": format!("t-{round}-{number}") }).to_string();
                    match caller.call("POST", "/cfd_tunnel", "application/json", &body) {
                        Ok(tunnel) => made.push(text(&tunnel, "id")),
                        Err(_) => break,
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                made
            })
        };
        let workers = {
            let acknowledged = acknowledged.clone();
            thread::spawn(move || {
                let mut made = Vec::new();
                while let Ok(version) = caller.deploy("counter", deployed + 1) {
                    deployed += 1;
                    made.push(text(&version, "version_id"));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                (made, deployed)
            })
        };
        let enough = 5 + fastrand::usize(..20);
        wait_for("writes", || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(()));
        // Not to wait for anything: so that the moment is any.
        thread::sleep(Duration::from_micros(fastrand::u64(..5_000)));
        edge.crash_and_restart();
        tunnels.extend(names.join().unwrap());
        let (made, last) = workers.join().unwrap();
        versions.extend(made);
        deployed = last;

        let mut there = BTreeSet::new();
        for page in 1.. {
            let listed = edge.api(&format!("/cfd_tunnel?per_page=1000&page={page}"));
            let listed = listed.as_array().unwrap();
            if listed.is_empty() {
                break;
            }
            there.extend(listed.iter().map(|tunnel| text(tunnel, "id")));
        }
        assert!(tunnels.is_subset(&there), "lost: {:?}", tunnels.difference(&there));
        if deployed > 0 {
            // The last one that was acknowledged, or one that was under way; and as a whole.
            let said = edge.get("counter", "/").text();
            let (code, secret) = said.split_once(' ').unwrap();
            assert_eq!(code, secret);
            let served: usize = code.parse().unwrap();
            assert!((deployed..=deployed + 1).contains(&served), "{served} is served, {deployed} was acknowledged");
            deployed = served;
            let listed = edge.api("/workers/scripts/counter/versions");
            let listed = listed["items"].as_array().unwrap();
            let kept: BTreeSet<String> = listed.iter().map(|version| text(version, "id")).collect();
            assert!(versions.is_subset(&kept), "lost: {:?}", versions.difference(&kept));
            let deployments = edge.api("/workers/scripts/counter/deployments");
            assert_eq!(text(&deployments["deployments"][0]["versions"][0], "version_id"), text(&listed[0], "id"));
        }
    }
    println!("{} tunnels and {} versions were acknowledged", tunnels.len(), versions.len());
}
