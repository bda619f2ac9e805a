//! The private side: `tunnel …` and `vpc service …`, and what is reached by them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use super::{Wrangler, after, uuid_in};
use crate::harness::{Process, http_service};

/// A private service. Asked for `/wait` it says so, and answers nothing before its end.
pub struct Service {
    pub port: u16,
    /// Told of each request that waits.
    pub waits: mpsc::Receiver<()>,
    _end: mpsc::Sender<()>,
}

impl Service {
    pub fn start() -> Self {
        let (waiting, waits) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let (waiting, ended) = (Mutex::new(waiting), Mutex::new(ended));
        let gate = Arc::new((waiting, ended));
        let port = http_service(move |line, _, _| {
            if line.contains("/wait") {
                let _ = gate.0.lock().unwrap().send(());
                let _ = gate.1.lock().unwrap().recv();
            }
            "private".to_owned()
        });
        Service { port, waits, _end: end }
    }
}

/// What `wrangler tunnel run` runs; it goes with this.
pub struct Connector {
    _wrangler: Process,
    /// Where the connector noted its process id.
    pid: PathBuf,
}

impl Drop for Connector {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(&self.pid) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

/// `tunnel …`: the identifier of a tunnel that `wrangler tunnel run` has connected, and its connector.
pub fn tunnels(wrangler: &Wrangler) -> (String, Connector) {
    let text = wrangler.good("tunnel create warehouse", &["warehouse"]);
    let tunnel = uuid_in(&text);
    wrangler.good("tunnel create spare", &["spare"]);
    wrangler.bad("tunnel create spare", &["spare"]);
    wrangler.good("tunnel list", &["warehouse", "spare", &tunnel]);
    wrangler.good("tunnel delete spare --force", &["spare"]);
    let listed = wrangler.good("tunnel list", &["warehouse"]);
    assert!(!listed.contains("spare"), "{listed}");

    // What wrangler runs as cloudflared gets the token as cloudflared does.
    let connector = wrangler.project.path().join("connector");
    let edge = &wrangler.edge;
    let pid = wrangler.project.path().join("connector.pid");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = tunnel ] || exit 9\necho $$ > {}\nexec {} connect --edge {} --ca {}/tunnel-ca.pem\n",
        pid.display(),
        env!("CARGO_BIN_EXE_culvert"),
        edge.addresses.tunnel,
        edge.data().display()
    );
    fs::write(&connector, script).unwrap();
    fs::set_permissions(&connector, fs::Permissions::from_mode(0o755)).unwrap();
    let child = wrangler
        .command("tunnel run warehouse")
        .env("CLOUDFLARED_PATH", &connector)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Connector { _wrangler: Process(child), pid };
    edge.wait_for_connections(&tunnel, 4);
    wrangler.good("tunnel info warehouse", &["warehouse", &tunnel, "healthy"]);
    (tunnel, running)
}

/// `vpc service …`, all five: the identifier of a service.
pub fn services(wrangler: &Wrangler, tunnel: &str, port: u16) -> String {
    let text = wrangler.good(
        &format!("vpc service create api --type http --ipv4 127.0.0.1 --http-port {port} --tunnel-id {tunnel}"),
        &["Created VPC service"],
    );
    let service = uuid_in(after(&text, "Created VPC service"));
    let text = wrangler.good(
        &format!("vpc service create pg --type tcp --tcp-port 5432 --app-protocol postgresql --hostname db.internal --resolver-ips 10.0.0.2 --tunnel-id {tunnel}"),
        &["Created VPC service", "db.internal"],
    );
    let database = uuid_in(after(&text, "Created VPC service"));
    wrangler.good("vpc service list", &[&service, &format!("HTTP:{port}"), "TCP:5432 (postgresql)", "db.internal"]);
    wrangler.good(&format!("vpc service get {service}"), &["api", "127.0.0.1"]);
    wrangler.good(
        &format!("vpc service update {database} --name pg --type http --hostname web.internal --tunnel-id {tunnel} --cert-verification-mode verify_ca"),
        &["web.internal"],
    );
    wrangler.bad(
        "vpc service create x --type http --ipv4 10.0.0.5 --tunnel-id 00000000-0000-4000-8000-000000000000",
        &["does not exist"],
    );
    wrangler.good(&format!("vpc service delete {database}"), &["Deleted"]);
    let listed = wrangler.good("vpc service list", &[&service]);
    assert!(!listed.contains(&database), "{listed}");
    service
}
