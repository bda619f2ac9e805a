//! What the demo does, step by step, and what it says about it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::private_network::{PrivateNetwork, this_program};
use crate::api_client::{ADMIN_TOKEN_FILE, ApiClient, Payload};
use crate::commands::deploy;
use crate::commands::serve::{ADDRESSES_FILE, Addresses, TUNNEL_CA_FILE};
use crate::commands::signals::until_told_to_stop;
use crate::failure::Failure;
use crate::output::say;
use crate::project::Project;

/// How long a process may take to be ready, or a fact to turn up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The examples that the demo deploys, as they are in `examples/`.
const PRIVATE_API: &[(&str, &str)] = &[
    ("wrangler.jsonc", include_str!("../../../../examples/private-api/wrangler.jsonc")),
    ("index.js", include_str!("../../../../examples/private-api/index.js")),
    ("describe.js", include_str!("../../../../examples/private-api/describe.js")),
];
const THROWS: &[(&str, &str)] = &[
    ("wrangler.jsonc", include_str!("../../../../examples/throws/wrangler.jsonc")),
    ("index.js", include_str!("../../../../examples/throws/index.js")),
];
const SPINS: &[(&str, &str)] = &[
    ("wrangler.jsonc", include_str!("../../../../examples/spins/wrangler.jsonc")),
    ("index.js", include_str!("../../../../examples/spins/index.js")),
];

/// Tells the story; with `once` it ends after the last step, else on Ctrl-C.
pub async fn tell(once: bool) -> Result<(), Failure> {
    let directory = tempfile::Builder::new()
        .prefix("culvert-demo-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("cannot make a directory for the demo: {error}")))?;
    tokio::select! {
        told = play(directory.path(), once) => told,
        stopped = until_told_to_stop() => {
            say!("\nStopped.");
            stopped
        }
    }
}

async fn play(directory: &Path, once: bool) -> Result<(), Failure> {
    say("1. The edge: `culvert serve`, a process of its own, with a fresh data directory.");
    let mut stage = Stage::open(directory).await?;
    stage.show_addresses();

    say("\n2. A tunnel and a private network.");
    stage.make_tunnel().await?;

    say("\n3. A VPC Service and a Worker that is bound to it, both through the API.");
    stage.register_and_deploy().await?;

    say("\n4. A visitor's request: edge -> Worker -> tunnel -> private service, and back.");
    let stock = stage.visit("private-api", "GET", "/stock/7", "").await?;
    check(
        stock.status == StatusCode::OK && stock.body.contains("culvert pipe"),
        "the private service answers",
        &stock,
    )?;
    let order = stage.visit("private-api", "POST", "/orders", "12 pieces of item 7").await?;
    check(
        order.status == StatusCode::CREATED && order.body.contains("12 pieces"),
        "a body goes in and comes back",
        &order,
    )?;

    say("\n5. The point of it: the private service stops, and the Worker learns precisely what failed.");
    stage.stop_service().await?;
    let refused = stage.visit("private-api", "GET", "/stock/7", "").await?;
    let told: Value = serde_json::from_str(&refused.body).unwrap_or_default();
    let precise = told["caught"] == "Error: ProxyError: connection_refused"
        && told["category"] == "Bad Upstream"
        && told["phase"] == "connect"
        && told["detail"].as_str().is_some_and(|detail| detail.contains(&stage.service_address.to_string()))
        && told["timings"]["connect"].is_number();
    check(precise, "the Worker catches `ProxyError: connection_refused` with its detail and timings", &refused)?;
    let event = stage.last_fact("/connectivity/events?code=connection_refused", |_| true).await?;
    say(&format!("   The same facts are kept: {}", brief(&event, &["code", "category", "phase", "detail"])));

    say("\n6. A Worker that throws.");
    let threw = stage.visit("throws", "GET", "/pipes", "").await?;
    check(threw.status == StatusCode::INTERNAL_SERVER_ERROR && threw.body.contains("1101"), "500, Error 1101", &threw)?;
    let record = stage.last_invocation("throws", "exception").await?;
    say(&format!("   Its log record: {}", brief(&record, &["outcome", "exceptions", "cpuTime"])));

    say("\n7. A Worker that loops for ever, with a CPU limit of 200 ms.");
    let spun = stage.visit("spins", "GET", "/", "").await?;
    check(spun.status == StatusCode::SERVICE_UNAVAILABLE && spun.body.contains("1102"), "503, Error 1102", &spun)?;
    let record = stage.last_invocation("spins", "exceededCpu").await?;
    let cpu = record["cpuTime"].as_f64().unwrap_or_default();
    if cpu < 200.0 {
        return Err(Failure::failed(format!("the record says {cpu} ms of CPU time, less than the limit of 200 ms")));
    }
    say(&format!("   Its log record: {}", brief(&record, &["outcome", "exceptions", "cpuTime", "wallTime"])));

    say("\n8. The private service starts again, and nothing else has to be done.");
    stage.start_service().await?;
    let again = stage.visit("private-api", "GET", "/stock/7", "").await?;
    check(again.status == StatusCode::OK, "the Worker reaches it again", &again)?;

    if once {
        say("\nEvery step did what it says.");
        return Ok(());
    }
    stage.show_what_to_try();
    std::future::pending().await
}

/// The processes and what is known of them.
struct Stage {
    directory: PathBuf,
    addresses: Addresses,
    api: ApiClient,
    admin_token: String,
    visitor: Client<HttpConnector, Full<Bytes>>,
    network: Option<PrivateNetwork>,
    tunnel: Uuid,
    service: Option<Child>,
    service_address: SocketAddr,
    connector: Option<Child>,
    /// Ends with the stage.
    _edge: Child,
}

/// A visitor's answer.
struct Answer {
    status: StatusCode,
    body: String,
}

impl Stage {
    /// Starts the edge and waits until it serves.
    async fn open(directory: &Path) -> Result<Self, Failure> {
        let data = directory.join("data");
        let log = directory.join("edge.log");
        let free = |preferred: &str| {
            let address: SocketAddr = preferred.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
            let free = std::net::TcpListener::bind(address).is_ok() && std::net::UdpSocket::bind(address).is_ok();
            if free { preferred.to_owned() } else { "127.0.0.1:0".to_owned() }
        };
        let output = std::fs::File::create(&log).map_err(|error| Failure::file("write", &log, &error))?;
        let mut edge = Command::new(this_program().map_err(could_not("find this program"))?)
            .arg("serve")
            .arg("--data-dir")
            .arg(&data)
            .args([
                "--http",
                &free("127.0.0.1:8787"),
                "--api",
                &free("127.0.0.1:8788"),
                "--tunnel",
                &free("127.0.0.1:7844"),
            ])
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(could_not("keep the edge's log"))?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(could_not("start the edge"))?;
        let deadline = Instant::now() + PATIENCE;
        let addresses = loop {
            if let Some(addresses) = Addresses::read(&data.join(ADDRESSES_FILE)) {
                break addresses;
            }
            let ended = edge.try_wait().map_err(could_not("watch the edge"))?;
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Failure::failed(format!("the edge did not start. Its log:\n{log}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let token_path = data.join(ADMIN_TOKEN_FILE);
        let token = std::fs::read_to_string(&token_path).map_err(|error| Failure::file("read", &token_path, &error))?;
        Ok(Self {
            directory: directory.to_path_buf(),
            api: ApiClient::with_token(&format!("http://{}", addresses.api), token.trim()),
            admin_token: token.trim().to_owned(),
            visitor: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            network: None,
            tunnel: Uuid::nil(),
            service: None,
            service_address: SocketAddr::from(([0, 0, 0, 0], 0)),
            connector: None,
            addresses,
            _edge: edge,
        })
    }

    fn show_addresses(&self) {
        say(&format!(
            "   visitors  http://{}   (Worker NAME at http://NAME.localhost:{})",
            self.addresses.http,
            self.addresses.http.port()
        ));
        say(&format!("   API       http://{}/client/v4", self.addresses.api));
        say(&format!("   dashboard http://{}/", self.addresses.api));
        say(&format!("   tunnels   {} (QUIC)", self.addresses.tunnel));
    }

    async fn make_tunnel(&mut self) -> Result<(), Failure> {
        let body = json!({"name": "warehouse", "config_src": "cloudflare"});
        let tunnel: Value = self.api.post("/cfd_tunnel", Payload::json(&body)).await?;
        self.tunnel = tunnel["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Failure::failed(format!("the API made a tunnel without an id: {tunnel}")))?;
        say(&format!("   created tunnel `warehouse` {}", self.tunnel));
        let token: String = self.api.get(&format!("/cfd_tunnel/{}/token", self.tunnel)).await?;

        let (network, without_namespace) = PrivateNetwork::create(&self.directory, self.addresses.tunnel).await;
        match without_namespace {
            None => say(
                "   the private network is a network namespace: a loopback interface and no way in or out but the connector's",
            ),
            Some(reason) => say(&format!(
                "   no network namespace can be made here ({reason}), so the private service listens on this machine's loopback instead"
            )),
        }
        let address = network.service_address();
        self.network = Some(network);
        self.service_address = address;
        self.start_service().await?;

        let ca = self.directory.join("data").join(TUNNEL_CA_FILE);
        let log = self.directory.join("connector.log");
        let connector = self.network()?.start_connector(&token, &ca, &log).map_err(could_not("start the connector"))?;
        self.connector = Some(connector);
        let path = format!("/cfd_tunnel/{}", self.tunnel);
        let connected =
            |tunnel: &Value| tunnel["connections"].as_array().is_some_and(|connections| connections.len() == 4);
        let waited = self.wait_for(&path, connected).await;
        let Some(tunnel) = waited? else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(Failure::failed(format!("the connector did not connect. Its log:\n{log}")));
        };
        let status = tunnel["status"].as_str().unwrap_or("connected");
        say(&format!("   `culvert connect` dialled out from it: 4 connections, the tunnel is {status}"));
        Ok(())
    }

    async fn register_and_deploy(&mut self) -> Result<(), Failure> {
        let service = json!({
            "name": "inventory",
            "type": "http",
            "host": {"ipv4": self.service_address.ip(), "network": {"tunnel_id": self.tunnel}},
            "http_port": self.service_address.port(),
        });
        let service: Value = self.api.post("/connectivity/directory/services", Payload::json(&service)).await?;
        let id = service["service_id"].as_str().unwrap_or_default();
        say(&format!("   registered `inventory` {id}: {} behind `warehouse`", self.service_address));
        let mut private_api = Project::from_files(PRIVATE_API)?;
        private_api.bind_vpc_service("PRIVATE_API", id);
        for (name, project) in [
            ("private-api", private_api),
            ("throws", Project::from_files(THROWS)?),
            ("spins", Project::from_files(SPINS)?),
        ] {
            let deployed = deploy::upload(&self.api, name, &project).await?;
            let startup = deployed["startup_time_ms"].as_u64().unwrap_or_default();
            say(&format!("   deployed `{name}` from examples/{name} (startup {startup} ms)"));
        }
        Ok(())
    }

    fn network(&self) -> Result<&PrivateNetwork, Failure> {
        self.network.as_ref().ok_or_else(|| Failure::failed("the private network has not been made yet"))
    }

    async fn start_service(&mut self) -> Result<(), Failure> {
        let started = self.network()?.start_service(self.service_address).await;
        let (child, address) = started.map_err(could_not("start the private service"))?;
        self.service = Some(child);
        self.service_address = address;
        say(&format!("   the private service listens at {address}, where only the connector can reach it"));
        Ok(())
    }

    async fn stop_service(&mut self) -> Result<(), Failure> {
        if let Some(mut service) = self.service.take() {
            service.kill().await.map_err(could_not("stop the private service"))?;
        }
        say("   stopped the private service");
        Ok(())
    }

    /// Sends a visitor's request to a Worker by its host name.
    async fn visit(&self, worker: &str, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
        let host = format!("{worker}.localhost:{}", self.addresses.http.port());
        say(&format!("   > {method} http://{host}{path}"));
        let started = Instant::now();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addresses.http))
            .header(header::HOST, host)
            .body(Full::new(Bytes::from(body.to_owned())))
            .map_err(|error| Failure::failed(format!("cannot ask the Worker: {error}")))?;
        let answered = async {
            let response = self.visitor.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body =
                Limited::new(response.into_body(), 1 << 20).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Answer { status, body: String::from_utf8_lossy(&body.to_bytes()).trim().to_owned() })
        };
        let answer = tokio::time::timeout(PATIENCE, answered)
            .await
            .map_err(|_| Failure::failed(format!("no answer in {} s", PATIENCE.as_secs())))?
            .map_err(|error| Failure::failed(format!("the visitor's request failed: {error}")))?;
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        say(&format!("   < {} in {milliseconds:.1} ms: {}", answer.status, answer.body));
        Ok(answer)
    }

    async fn last_invocation(&self, worker: &str, outcome: &str) -> Result<Value, Failure> {
        self.last_fact(&format!("/workers/invocations?worker={worker}"), |record| record["outcome"] == outcome).await
    }

    /// The newest fact of a listing that fits, once it is there: facts are written within a second.
    async fn last_fact(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let found = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(&fits));
        let list = self.wait_for(path, found).await?;
        list.as_ref()
            .and_then(Value::as_array)
            .and_then(|list| list.iter().find(|record| fits(record)).cloned())
            .ok_or_else(|| Failure::failed(format!("{path} did not show what just happened")))
    }

    /// Asks the API until the answer is as wanted; nothing when patience ends.
    async fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let value: Value = self.api.get(path).await?;
            if wanted(&value) {
                return Ok(Some(value));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(None)
    }

    fn show_what_to_try(&self) {
        let port = self.addresses.http.port();
        let api = self.addresses.api;
        let data = self.directory.join("data");
        say("\nEverything stays up until Ctrl-C. In a browser:");
        say(&format!("   http://{api}/                  the dashboard, with all that happened above"));
        say(&format!("   {}   the token to sign in with", self.admin_token));
        say("\nOr on the command line:");
        say(&format!("   curl http://private-api.localhost:{port}/stock/7"));
        say(&format!("   curl -i http://throws.localhost:{port}/"));
        say(&format!("   curl -i http://spins.localhost:{port}/          (and in a browser, for the page)"));
        say(&format!("   culvert vpc service list --api http://{api} --data-dir {}", data.display()));
        say(&format!("   culvert tunnel list --api http://{api} --data-dir {}", data.display()));
        say("   culvert explain connection_refused");
        say(&format!("   logs of the processes: {}", self.directory.display()));
    }
}

fn say(line: &str) {
    say!("{line}");
}

/// Goes on when the step did what it says; ends the demo when it did not.
fn check(did: bool, what: &str, answer: &Answer) -> Result<(), Failure> {
    if did {
        say(&format!("   ok: {what}"));
        Ok(())
    } else {
        Err(Failure::failed(format!("expected: {what}; got {}: {}", answer.status, answer.body)))
    }
}

/// Some members of a fact, on one line.
fn brief(fact: &Value, members: &[&str]) -> String {
    let members: serde_json::Map<String, Value> =
        members.iter().filter_map(|member| Some(((*member).to_owned(), fact.get(member)?.clone()))).collect();
    Value::Object(members).to_string()
}

fn could_not(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::failed(format!("cannot {what}: {error}"))
}
