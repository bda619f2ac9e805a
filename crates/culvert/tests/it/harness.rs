//! An edge, connectors and private services for a test, each a process or a socket of its own, gone when the test ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test.
pub fn culvert() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
    for name in ["CULVERT_API", "CULVERT_API_TOKEN", "CULVERT_DATABASE", "CULVERT_SECRETS_KEY", "TUNNEL_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// Where `scripts/setup test` puts the programs that are only for tests.
pub fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("culvert")
}

/// The URL of a new PostgreSQL database. Nothing where PostgreSQL is not installed.
pub fn postgres() -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(private_postgres::database())
}

/// A child that is killed when the test ends.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

/// Asks again until there is an answer.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running edge.
pub struct Edge {
    /// How many services were registered: their names are unique.
    services: AtomicUsize,
    pub directory: TempDir,
    pub addresses: Addresses,
    pub process: Process,
    /// Further arguments of `culvert serve`.
    arguments: Vec<String>,
}

pub struct Addresses {
    pub http: SocketAddr,
    pub api: SocketAddr,
    pub tunnel: SocketAddr,
}

impl Edge {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options of `culvert serve`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// An edge on what is in a directory.
    pub fn start_in(directory: TempDir, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let any = "127.0.0.1:0";
        let (process, addresses) = Self::serve(directory.path(), [any, any, any], &arguments);
        Self { services: AtomicUsize::new(0), directory, addresses, process, arguments }
    }

    /// The same data, served with more options on other ports.
    pub fn restart_with(self, extra: &[&str]) -> Self {
        let Self { services, directory, process, mut arguments, .. } = self;
        drop(process);
        arguments.extend(extra.iter().map(|&option| option.to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self { services, ..Self::start_in(directory, &arguments) }
    }

    fn serve(directory: &Path, [http, api, tunnel]: [&str; 3], arguments: &[String]) -> (Process, Addresses) {
        let data = directory.join("data");
        let listening = data.join("addresses.json");
        let _ = fs::remove_file(&listening);
        let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("edge.log")).unwrap();
        let child = culvert()
            .args(["serve", "--data-dir"])
            .arg(&data)
            .args(["--http", http, "--api", api, "--tunnel", tunnel])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let addresses = wait_for("culvert serve", || {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!(
                    "culvert serve ended with {status}:\n{}",
                    fs::read_to_string(directory.join("edge.log")).unwrap()
                );
            }
            let json: Value = serde_json::from_str(&fs::read_to_string(&listening).ok()?).ok()?;
            let address = |name: &str| json[name].as_str().unwrap().parse().unwrap();
            Some(Addresses { http: address("http"), api: address("api"), tunnel: address("tunnel") })
        });
        (process, addresses)
    }

    /// Kills the edge with SIGKILL and starts it again on the same addresses and data.
    pub fn crash_and_restart(&mut self) {
        self.process.signal("-KILL");
        self.process.0.wait().unwrap();
        let Addresses { http, api, tunnel } = &self.addresses;
        let texts = [http, api, tunnel].map(ToString::to_string);
        let (process, addresses) =
            Self::serve(self.directory.path(), texts.each_ref().map(String::as_str), &self.arguments);
        self.process = process;
        self.addresses = addresses;
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("edge.log")).unwrap()
    }

    /// Runs a command against this edge.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let api = format!("http://{}", self.addresses.api);
        culvert().args(arguments).args(["--api", &api, "--data-dir"]).arg(self.data()).output().unwrap()
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the administrator's token is.
    pub fn token(&self) -> String {
        fs::read_to_string(self.data().join("admin-token")).unwrap().trim().to_owned()
    }

    /// A GET of the API, below the account.
    pub fn api(&self, path: &str) -> Value {
        self.call_api("GET", path)
    }

    /// A call of the API without a body, below the account, that must succeed.
    pub fn call_api(&self, method: &str, path: &str) -> Value {
        self.call_api_with(method, path, b"")
    }

    /// A POST of the API, below the account, that must succeed.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.call_api_with("POST", path, body.to_string().as_bytes())
    }

    /// A PUT of the API, below the account, that must succeed.
    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.call_api_with("PUT", path, body.to_string().as_bytes())
    }

    fn call_api_with(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let path = format!("/client/v4/accounts/local{path}");
        let authorization = format!("Bearer {}", self.token());
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let answer = request(self.addresses.api, method, &path, &headers, body);
        let envelope: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(envelope["success"], true, "{envelope}");
        envelope["result"].clone()
    }

    /// What Prometheus reads.
    pub fn prometheus(&self) -> String {
        let authorization = format!("Bearer {}", self.token());
        request(self.addresses.api, "GET", "/metrics", &[("Authorization", &authorization)], b"").text()
    }

    /// The newest fact of a listing that fits, once it is there.
    pub fn fact(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(path, || self.api(path).as_array()?.iter().find(|fact| fits(fact)).cloned())
    }

    /// Deploys files, one of them `index.js`.
    pub fn deploy(&self, name: &str, files: &[(&str, &str)], configuration: &str, extra: &[&str]) -> Value {
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join("wrangler.jsonc"), configuration).unwrap();
        for (file, content) in files {
            let path = project.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let directory = project.path().to_str().unwrap();
        self.json(&[&["deploy", directory, "--name", name], extra].concat())
    }

    /// Deploys one module.
    pub fn deploy_module(&self, name: &str, module: &str) {
        self.deploy(name, &[("index.js", module)], r#"{"main": "index.js", "compatibility_date": "2026-11-01"}"#, &[]);
    }

    /// Deploys `examples/private-api`, bound to a service.
    pub fn deploy_private_api(&self, name: &str, service: &str) {
        self.json(&[
            "deploy",
            "../../examples/private-api",
            "--name",
            name,
            "--vpc-service",
            &format!("PRIVATE_API={service}"),
        ]);
    }

    /// A visitor's request to a Worker.
    pub fn visit(&self, worker: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = format!("{worker}.localhost");
        request(self.addresses.http, method, path, &[&[("Host", host.as_str())], headers].concat(), body)
    }

    /// A visitor's GET.
    pub fn get(&self, worker: &str, path: &str) -> Answer {
        self.visit(worker, "GET", path, &[], b"")
    }

    /// A tunnel with a connector, connected.
    pub fn tunnel(&self, extra: &[&str]) -> ConnectedTunnel {
        self.named_tunnel("private", extra)
    }

    /// One of this name.
    pub fn named_tunnel(&self, name: &str, extra: &[&str]) -> ConnectedTunnel {
        let id = self.json(&["tunnel", "create", name])["id"].as_str().unwrap().to_owned();
        let connector = self.connect(&id, extra);
        ConnectedTunnel { id, connector }
    }

    /// A connector of a tunnel, once its four connections stand.
    pub fn connect(&self, tunnel: &str, extra: &[&str]) -> Process {
        self.connect_at(tunnel, &self.addresses.tunnel.to_string(), extra)
    }

    /// A connector that reaches the edge through a port of this machine.
    pub fn connect_through(&self, tunnel: &str, port: u16) -> Process {
        self.connect_at(tunnel, &format!("127.0.0.1:{port}"), &[])
    }

    fn connect_at(&self, tunnel: &str, edge: &str, extra: &[&str]) -> Process {
        let token = self.json(&["tunnel", "token", tunnel])["token"].as_str().unwrap().to_owned();
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.directory.path().join("connector.log")).unwrap();
        let child = culvert()
            .args(["connect", "--edge", edge, "--ca"])
            .arg(self.data().join("tunnel-ca.pem"))
            .args(extra)
            .env("TUNNEL_TOKEN", token)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.wait_for_connections(tunnel, 4);
        Process(child)
    }

    pub fn wait_for_connections(&self, tunnel: &str, count: usize) {
        wait_for(&format!("{count} connections of the tunnel"), || {
            (self.api(&format!("/cfd_tunnel/{tunnel}"))["connections"].as_array()?.len() == count).then_some(())
        });
    }

    /// Registers a service on a port of 127.0.0.1 behind the tunnel; gives its id.
    pub fn service(&self, tunnel: &str, scheme: &str, port: u16, extra: &[&str]) -> String {
        let port = port.to_string();
        let flag = format!("--{scheme}-port");
        let host: &[&str] = if extra.iter().any(|flag| ["--hostname", "--ipv4", "--ipv6"].contains(flag)) {
            &[]
        } else {
            &["--ipv4", "127.0.0.1"]
        };
        let name = format!("inventory-{}", self.services.fetch_add(1, Ordering::Relaxed));
        let fixed = ["vpc", "service", "create", &name, "--type", "http", "--tunnel-id", tunnel, &flag, &port];
        let service = self.json(&[&fixed, host, extra].concat());
        service["service_id"].as_str().unwrap().to_owned()
    }
}

/// A tunnel and its connector.
pub struct ConnectedTunnel {
    pub id: String,
    pub connector: Process,
}

/// An HTTP answer, its body decoded.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One request on a connection of its own.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = connect(address);
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("Host: localhost\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(body);
    read_answer(&mut BufReader::new(stream))
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads status line and headers.
pub fn read_head(stream: &mut impl BufRead) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("not an answer: {line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => return Answer { status, headers, body: Vec::new() },
        }
    }
}

/// Reads a whole answer.
pub fn read_answer(stream: &mut impl BufRead) -> Answer {
    let mut answer = read_head(stream);
    if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = read_chunk(stream) {
            answer.body.extend(chunk);
        }
    } else if let Some(length) = answer.header("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        answer.body = body;
    } else {
        stream.read_to_end(&mut answer.body).unwrap();
    }
    answer
}

/// One chunk of a chunked body; nothing at its end.
pub fn read_chunk(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let length = usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("not a chunk: {line:?}"));
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).unwrap();
    chunk.truncate(length);
    (length > 0).then_some(chunk)
}

/// A private service: each connection goes to `serve`, on a thread of its own.
pub fn private_service(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    service_at(Ipv4Addr::LOCALHOST, serve)
}

/// The same at another address of this machine.
pub fn service_at(address: Ipv4Addr, serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// A request as a private service reads it: its first line, its headers (names in lower case), its body.
pub type Request = (String, Vec<(String, String)>, Vec<u8>);

/// Reads one request, head and (by Content-Length or chunks) body.
pub fn read_request(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let header = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        while let Some(chunk) = read_chunk(stream) {
            body.extend(chunk);
        }
    } else if let Some(length) = header("content-length") {
        body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).ok()?;
    }
    Some((line.trim_end().to_owned(), headers, body))
}

/// A private service that answers each request with what `answer` says of it.
pub fn http_service(
    answer: impl Fn(&str, &[(String, String)], &[u8]) -> String + Send + Sync + Clone + 'static,
) -> u16 {
    private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some((line, headers, body)) = read_request(&mut reader) {
            let text = answer(&line, &headers, &body);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
            if writer.write_all(format!("{head}{text}").as_bytes()).is_err() {
                return;
            }
        }
    })
}
