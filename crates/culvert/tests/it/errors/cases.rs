//! The cases: a fault, what a Worker does to meet it, and the row of the table that it must give.

use std::net::UdpSocket;

use serde_json::{Value, json};

use super::damage;
use super::resolvers::{self, GARBAGE, SILENT, UNBOUND};
use super::servers::{self, Certificates, NAME};
use crate::failures::closed_port;
use crate::harness::{ConnectedTunnel, Edge, Process, http_service};

/// A fault and its row.
pub struct Case {
    /// In a few words.
    pub fault: &'static str,
    /// Code, category, phase.
    pub row: [&'static str; 3],
    /// What the detail must name.
    pub detail: String,
    /// What the Worker does, as the body of a function of `env` and `request`.
    pub script: String,
    /// What the Worker gets where it gets a response all the same.
    pub result: Option<Value>,
    /// How many attempts fail like this.
    pub events: u64,
}

/// The edge with everything that the cases need.
pub struct Stage<'a> {
    edge: &'a Edge,
    pub tunnel: ConnectedTunnel,
    /// Ids of services; the binding of the first is `S0`.
    pub services: Vec<String>,
    certificates: Certificates,
    authority: String,
    /// An authority that is no certificate any more.
    damaged: String,
    lonely: String,
    doomed: String,
    old_fashioned: String,
    /// A tunnel whose connector is killed by a request.
    mortal: ConnectedTunnel,
    /// A tunnel whose connector carries one connection at a time, and which has a route.
    pub narrow: ConnectedTunnel,
    names: usize,
    processes: Vec<Process>,
    /// Deleted once the Worker that uses them is deployed.
    to_delete: Vec<String>,
    _silent: UdpSocket,
}

const BAD: &str = "Bad Upstream";
const CLIENT: &str = "Client";

impl<'a> Stage<'a> {
    /// Starts what is needed; nothing where a program is missing.
    pub fn set(edge: &'a Edge) -> Option<Self> {
        let directory = edge.directory.path();
        let unbound = resolvers::unbound(directory)?;
        resolvers::garbage();
        let tunnel = edge.tunnel(&[]);
        let create = |name: &str| edge.json(&["tunnel", "create", name])["id"].as_str().unwrap().to_owned();
        let old_fashioned = create("old-fashioned");
        let without_udp = servers::without_udp(edge.addresses.tunnel);
        let connector = edge.connect_through(&old_fashioned, without_udp);
        let certificates = Certificates::new(directory, "Matrix CA");
        let upload = |name: &str, pem: &str| {
            let body = json!({ "name": name, "ca": true, "certificates": pem });
            edge.post("/mtls_certificates", &body)["id"].as_str().unwrap().to_owned()
        };
        let authority = upload("matrix", &certificates.authority);
        let damaged = upload("damaged", &certificates.authority);
        Some(Self {
            edge,
            tunnel,
            services: Vec::new(),
            certificates,
            authority,
            damaged,
            lonely: create("lonely"),
            doomed: create("doomed"),
            old_fashioned,
            mortal: edge.named_tunnel("mortal", &["--protocol", "http2"]),
            narrow: narrow(edge),
            names: 0,
            processes: vec![unbound, connector],
            to_delete: Vec::new(),
            _silent: resolvers::silent(),
        })
    }

    /// Deletes what is to be missing.
    pub fn after_deployment(&mut self) {
        for path in self.to_delete.drain(..) {
            self.edge.call_api("DELETE", &path);
        }
    }

    /// Registers a service; gives its binding.
    fn bind(&mut self, changes: Value) -> String {
        self.names += 1;
        let mut body = json!({
            "name": format!("service-{}", self.names), "type": "http",
            "host": { "ipv4": "127.0.0.1", "network": { "tunnel_id": self.tunnel.id } },
        });
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        let service = self.edge.post("/connectivity/directory/services", &body);
        self.services.push(service["service_id"].as_str().unwrap().to_owned());
        format!("S{}", self.services.len() - 1)
    }

    fn by_name(&mut self, name: &str, resolver: &str) -> String {
        let network = json!({ "tunnel_id": self.tunnel.id, "resolver_ips": [resolver] });
        // Only who is silent need not be waited for.
        let timeout = if resolver == SILENT { 1000 } else { 20_000 };
        self.bind(json!({
            "host": { "hostname": name, "resolver_network": network }, "http_port": 80,
            "policy": { "dns_timeout_ms": timeout },
        }))
    }

    fn openssl(&mut self, name: &str, expired: bool, extra: &[&str]) -> u16 {
        let identity = self.certificates.issue(name, expired);
        let (process, port) = servers::openssl(&identity, extra);
        self.processes.push(process);
        port
    }

    /// Every case, at least one for each row.
    pub fn cases(&mut self) -> Vec<Case> {
        let mut cases = Vec::new();
        self.route(&mut cases);
        self.dns(&mut cases);
        self.connect(&mut cases);
        self.tls(&mut cases);
        self.exchange(&mut cases);
        cases
    }

    fn route(&mut self, cases: &mut Vec<Case>) {
        let port = http_service(|_, _, _| "here".to_owned());
        let service = self.bind(json!({ "http_port": port }));
        self.to_delete.push(format!("/connectivity/directory/services/{}?force=true", self.services.last().unwrap()));
        cases.push(get(
            "service deleted",
            ["destination_not_found", BAD, "route"],
            "does not exist any more",
            &service,
        ));
        let network = json!({ "tunnel_id": self.doomed });
        let service = self.bind(json!({ "host": { "ipv4": "127.0.0.1", "network": network } }));
        self.to_delete.push(format!("/cfd_tunnel/{}?force=true", self.doomed));
        cases.push(get("tunnel deleted", ["destination_not_found", BAD, "route"], "tunnel", &service));

        let network = json!({ "tunnel_id": self.lonely });
        let service = self.bind(json!({ "host": { "ipv4": "127.0.0.1", "network": network } }));
        cases.push(case(
            "no route of the network (VPC Network)",
            ["destination_not_found", BAD, "route"],
            "No route of the network `narrow` covers 10.98.0.1",
            "return await env.ROUTED.fetch('http://10.98.0.1/');".to_owned(),
        ));
        cases.push(get("no connector", ["destination_unavailable", BAD, "route"], "no connected connector", &service));
        let closed = closed_port();
        let breaker = json!({ "breaker": { "failures": 2, "trial_every_ms": 3_600_000 } });
        let service = self.bind(json!({ "http_port": closed, "policy": breaker }));
        cases.push(Case {
            events: 1,
            ..case(
                "breaker open after two refusals",
                ["destination_unavailable", BAD, "route"],
                "after 2 consecutive failures",
                format!(
                    "for (let i = 0; i < 2; i++) await env.{service}.fetch('http://x/').catch(() => {{}});
                     return await env.{service}.fetch('http://x/');"
                ),
            )
        });

        for (fault, address, detail) in [
            ("cloud metadata address", "169.254.169.254", "link-local"),
            ("the edge's own API", "127.0.0.1", "own listener"),
        ] {
            let host = json!({ "ipv4": address, "network": { "tunnel_id": self.tunnel.id } });
            let service = self.bind(json!({ "host": host, "http_port": self.edge.addresses.api.port() }));
            cases.push(get(fault, ["destination_ip_prohibited", BAD, "route"], detail, &service));
        }
        cases.push(case(
            "loopback chosen by the URL (VPC Network)",
            ["destination_ip_prohibited", BAD, "route"],
            "loopback",
            "return await env.NETWORK.fetch('http://127.0.0.1/');".to_owned(),
        ));
        cases.push(case(
            "loopback chosen by connect() (VPC Network)",
            ["destination_ip_prohibited", BAD, "route"],
            "loopback",
            "return await env.NETWORK.connect('127.0.0.1:5432').opened;".to_owned(),
        ));

        let service = self.bind(json!({ "https_port": 443 }));
        cases.push(get(
            "http: where only https: has a port",
            ["http_request_denied", BAD, "route"],
            "https only",
            &service,
        ));
        let policy = json!({ "allowed_methods": ["HEAD"], "allowed_path_prefixes": ["/api"] });
        let service = self.bind(json!({ "http_port": port, "policy": policy }));
        cases.push(get("method not allowed", ["http_request_denied", BAD, "route"], "method GET", &service));
        cases.push(case(
            "path not allowed",
            ["http_request_denied", BAD, "route"],
            "path /admin",
            format!("return await env.{service}.fetch('http://x/admin', {{ method: 'HEAD' }});"),
        ));

        let once = servers::answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let service = self.bind(json!({ "http_port": once, "policy": { "max_new_connections_per_second": 1 } }));
        cases.push(case(
            "two new connections at once, one a second allowed",
            ["rate_limited", CLIENT, "route"],
            "1 new connections per second",
            format!("await Promise.all([env.{service}.fetch('http://x/'), env.{service}.fetch('http://x/')]);"),
        ));
        let held = servers::answers_and_stops(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let service = self.bind(json!({ "http_port": held, "policy": { "max_connections": 1 } }));
        cases.push(case(
            "a second connection, one allowed",
            ["connection_limit_reached", BAD, "route"],
            "All 1 connections",
            format!(
                "const held = await env.{service}.fetch('http://x/'); return await env.{service}.fetch('http://x/');"
            ),
        ));

        let network = json!({ "ipv4": "127.0.0.1", "network": { "tunnel_id": self.narrow.id } });
        let held = servers::answers_and_stops(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let first = self.bind(json!({ "host": network, "http_port": held }));
        let second = self.bind(json!({ "host": network, "http_port": port }));
        cases.push(case(
            "a connector that carries one connection",
            ["connection_limit_reached", BAD, "connect"],
            "carries no more connections",
            format!(
                "const held = await env.{first}.fetch('http://x/');
                 try {{ return await env.{second}.fetch('http://x/'); }} finally {{ await held.body.cancel(); }}"
            ),
        ));

        let service = self.bind(json!({ "http_port": port }));
        cases.push(case(
            "CDN-Loop names this edge",
            ["proxy_loop_detected", BAD, "route"],
            "CDN-Loop",
            format!("return await env.{service}.fetch('http://x/', {{ headers: {{ 'CDN-Loop': 'culvert' }} }});"),
        ));
        let service = self.bind(json!({ "http_port": self.edge.addresses.http.port() }));
        cases.push(get(
            "the edge's own visitors' listener",
            ["proxy_loop_detected", BAD, "route"],
            "listens for visitors",
            &service,
        ));
        if let Some((nginx, port)) =
            servers::nginx(self.edge.directory.path(), self.edge.addresses.http, "prober.localhost")
        {
            self.processes.push(nginx);
            let service = self.bind(json!({ "http_port": port }));
            cases.push(get(
                "nginx that leads back to the edge",
                ["proxy_loop_detected", BAD, "head"],
                "leads back",
                &service,
            ));
        }
    }

    fn dns(&mut self, cases: &mut Vec<Case>) {
        for (fault, name, resolver, row, detail) in [
            ("NXDOMAIN (unbound)", "nowhere.private", UNBOUND, ["dns_error", CLIENT, "dns"], "nowhere.private"),
            ("SERVFAIL (unbound)", "name.broken", UNBOUND, ["dns_error", BAD, "dns"], "SERVFAIL"),
            ("REFUSED (unbound)", "name.refused", UNBOUND, ["dns_error", BAD, "dns"], "REFUSED"),
            (
                "a name without addresses (unbound)",
                "empty.private",
                UNBOUND,
                ["dns_error", BAD, "dns"],
                "neither an IPv4 nor an IPv6 address",
            ),
            ("garbage for an answer", "here.private", GARBAGE, ["dns_error", BAD, "dns"], GARBAGE),
            ("a silent resolver", "here.private", SILENT, ["dns_timeout", BAD, "dns"], SILENT),
            (
                "a name that leads to a metadata address (unbound)",
                "metadata.private",
                UNBOUND,
                ["destination_ip_prohibited", BAD, "dns"],
                "metadata.private resolves to 169.254.169.254",
            ),
        ] {
            let service = self.by_name(name, resolver);
            cases.push(get(fault, row, detail, &service));
        }
        let network = json!({ "tunnel_id": self.old_fashioned, "resolver_ips": [UNBOUND] });
        let service = self.bind(json!({ "host": { "hostname": "here.private", "resolver_network": network } }));
        cases.push(get("a connector over HTTP/2", ["dns_error", BAD, "dns"], "carries no UDP", &service));
    }

    fn connect(&mut self, cases: &mut Vec<Case>) {
        let closed = closed_port();
        let service = self.bind(json!({ "http_port": closed, "policy": { "breaker": { "enabled": false } } }));
        cases.push(Case {
            // The breaker's case refused twice, too.
            events: 3,
            ..get("a closed port", ["connection_refused", BAD, "connect"], &closed.to_string(), &service)
        });
        let tcp = self.bind(json!({ "type": "tcp", "tcp_port": closed }));
        cases.push(case(
            "a closed port, by connect()",
            ["connection_refused", BAD, "connect"],
            &closed.to_string(),
            format!("return await env.{tcp}.connect('x:1').opened;"),
        ));
        for (fault, address, row, detail) in [
            ("packets are lost", "10.96.0.5", ["connection_timeout", BAD, "connect"], "within 1.0 s"),
            ("no route", "10.97.0.5", ["destination_ip_unroutable", BAD, "connect"], "no route to 10.97.0.5"),
        ] {
            let host = json!({ "ipv4": address, "network": { "tunnel_id": self.tunnel.id } });
            let service = self.bind(json!({ "host": host, "http_port": 80, "policy": { "connect_timeout_ms": 1000 } }));
            cases.push(get(fault, row, detail, &service));
        }
    }

    fn tls(&mut self, cases: &mut Vec<Case>) {
        let trusting = json!({ "trusted_roots": [self.authority] });
        let impatient = json!({ "trusted_roots": [self.authority], "tls_timeout_ms": 1000 });
        let protocol = ["tls_protocol_error", BAD, "tls"];
        let certificate = ["tls_certificate_error", BAD, "tls"];
        let plain = http_service(|_, _, _| "plain".to_owned());
        let mute = servers::answers_and_stops(b"");
        let old = self.openssl(NAME, false, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
        let demanding = self.openssl(NAME, false, &["-Verify", "1"]);
        for (fault, port, detail) in [
            ("a plain HTTP port", plain, "TLS"),
            ("a port that keeps still", mute, "not complete after 1.0 s"),
            ("openssl s_server with TLS 1.1 only", old, "rotocol"),
            ("openssl s_server that demands a client certificate", demanding, "certificate"),
        ] {
            let policy = if port == mute { &impatient } else { &trusting };
            let service = self.bind(json!({ "https_port": port, "policy": policy }));
            cases.push(get_https(fault, protocol, detail, &service));
        }
        let good = self.openssl(NAME, false, &[]);
        let expired = self.openssl(NAME, true, &[]);
        let other = self.openssl("other.internal", false, &[]);
        let service = self.bind(json!({ "https_port": good, "policy": { "trusted_roots": [self.damaged] } }));
        damage::certificate(&self.edge.data().join("culvert.db"), "damaged");
        cases.push(get_https(
            "an authority that has been damaged in Culvert's own database",
            ["proxy_internal_error", "Internal", "tls"],
            "cannot be set up",
            &service,
        ));
        let service = self.bind(json!({ "https_port": good }));
        cases.push(get_https("an issuer that is not trusted", certificate, "issuer", &service));
        for (fault, port, detail) in [
            ("an expired certificate", expired, "expired"),
            ("a certificate for another name", other, "other.internal"),
        ] {
            let service = self.bind(json!({ "https_port": port, "policy": trusting }));
            cases.push(get_https(fault, certificate, detail, &service));
        }
        // And what each setting accepts.
        let by_authority = json!({ "cert_verification_mode": "verify_ca", "certificate_authority": self.authority });
        for (port, changes) in [
            (good, json!({ "policy": trusting })),
            (good, json!({ "tls_settings": { "certificate_authority": self.authority } })),
            (other, json!({ "tls_settings": by_authority })),
            (expired, json!({ "tls_settings": { "cert_verification_mode": "disabled" } })),
        ] {
            let mut registration = changes;
            registration["https_port"] = port.into();
            let service = self.bind(registration);
            cases.push(Case {
                result: Some(json!(200)),
                events: 0,
                ..case(
                    "(accepted, as its TLS settings say)",
                    ["none", "none", "none"],
                    "",
                    format!("return (await env.{service}.fetch('https://{NAME}/')).status;"),
                )
            });
        }
    }

    fn exchange(&mut self, cases: &mut Vec<Case>) {
        let send = |service: &str, body: &str| {
            format!("return await env.{service}.fetch('http://x/', {{ method: 'POST', body: {body} }});")
        };
        let service = self.bind(json!({ "http_port": servers::never_reads(), "policy": { "write_timeout_ms": 1000 } }));
        cases.push(case(
            "a service that never reads",
            ["connection_write_timeout", CLIENT, "request"],
            "took no more bytes",
            send(&service, "endless()"),
        ));
        let tcp = self
            .bind(json!({ "type": "tcp", "tcp_port": servers::never_reads(), "policy": { "write_timeout_ms": 1000 } }));
        cases.push(case(
            "a service that never reads, by connect()",
            ["connection_write_timeout", CLIENT, "request"],
            "took no more bytes",
            format!(
                "const writer = env.{tcp}.connect('x:1').writable.getWriter();
                 for (;;) await writer.write(new Uint8Array(65536));"
            ),
        ));
        let service = self.bind(json!({ "http_port": servers::answers_and_stops(b"") }));
        cases.push(case(
            "the request body's source fails",
            ["http_request_error", BAD, "request"],
            "the disk is gone",
            send(
                &service,
                "new ReadableStream({ pull(controller) { controller.error(new Error('the disk is gone')); } })",
            ),
        ));
        let service = self.bind(json!({ "http_port": servers::resets() }));
        cases.push(case(
            "a reset while the request is being sent",
            ["connection_terminated", BAD, "request"],
            "while the request was being sent",
            send(&service, "endless()"),
        ));
        let identity = self.certificates.issue(NAME, false);
        let port = servers::refuses_streams(&identity);
        let service = self.bind(json!({ "https_port": port, "policy": { "trusted_roots": [self.authority] } }));
        cases.push(get_https(
            "an HTTP/2 stream that is refused",
            ["http_request_error", BAD, "request"],
            "reset the request's HTTP/2 stream with REFUSED_STREAM",
            &service,
        ));
        let network = json!({ "ipv4": "127.0.0.1", "network": { "tunnel_id": self.mortal.id } });
        let port = servers::kills(self.mortal.connector.0.id());
        let service = self.bind(json!({ "host": network, "http_port": port }));
        cases.push(get("the connector is killed", ["connection_terminated", BAD, "head"], "connector", &service));
        for (fault, bytes, row, detail) in [
            ("closed without an answer", &b""[..], ["connection_terminated", BAD, "head"], "without an answer"),
            (
                "closed in the middle of the head",
                b"HTTP/1.1 200 OK\r\nContent-",
                ["connection_terminated", BAD, "head"],
                "in the middle of the response head",
            ),
            (
                "a mail server",
                b"220 mail.internal ESMTP ready\r\n",
                ["http_protocol_error", BAD, "head"],
                "220 mail.internal",
            ),
            (
                "a body cut short",
                b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                ["http_response_incomplete", BAD, "body"],
                "after 4 of 100 bytes",
            ),
            (
                "a body cut in the middle of a chunk",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
                ["http_response_incomplete", BAD, "body"],
                "after 4 bytes",
            ),
        ] {
            let service = self.bind(json!({ "http_port": servers::answers(bytes) }));
            cases.push(get(fault, row, detail, &service));
        }
        for (fault, bytes, row, detail) in [
            ("silence after the request", &b""[..], ["connection_read_timeout", CLIENT, "head"], "for 1.0 s"),
            (
                "silence in the middle of the body",
                b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                ["connection_read_timeout", CLIENT, "body"],
                "for 1.0 s",
            ),
        ] {
            let policy = json!({ "read_timeout_ms": 1000 });
            let service = self.bind(json!({ "http_port": servers::answers_and_stops(bytes), "policy": policy }));
            cases.push(get(fault, row, detail, &service));
        }
        let upgrade = |service: &str| {
            format!(
                "return (await env.{service}.fetch('http://x/', {{ headers: {{ Upgrade: 'websocket' }} }})).status;"
            )
        };
        let wrong = servers::answers(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
        );
        let service = self.bind(json!({ "http_port": wrong }));
        cases.push(case(
            "a wrong 101",
            ["http_upgrade_failed", BAD, "head"],
            "Sec-WebSocket-Accept",
            upgrade(&service),
        ));
        let service =
            self.bind(json!({ "http_port": servers::answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }));
        cases.push(Case {
            result: Some(json!(404)),
            ..case("404 in answer to an upgrade", ["http_upgrade_failed", BAD, "head"], "404", upgrade(&service))
        });
    }
}

/// A tunnel whose connector carries one connection at a time, with a route to where nothing is.
fn narrow(edge: &Edge) -> ConnectedTunnel {
    let tunnel = edge.named_tunnel("narrow", &[]);
    let configuration = json!({ "config": { "warp-routing": { "maxActiveFlows": 1 } } });
    edge.put(&format!("/cfd_tunnel/{}/configurations", tunnel.id), &configuration);
    edge.json(&["tunnel", "route", "add", "narrow", "10.99.0.0/16"]);
    tunnel
}

fn case(fault: &'static str, row: [&'static str; 3], detail: &str, script: String) -> Case {
    Case { fault, row, detail: detail.to_owned(), script, result: None, events: 1 }
}

fn get(fault: &'static str, row: [&'static str; 3], detail: &str, service: &str) -> Case {
    case(fault, row, detail, format!("return await (await env.{service}.fetch('http://x/')).text();"))
}

fn get_https(fault: &'static str, row: [&'static str; 3], detail: &str, service: &str) -> Case {
    case(fault, row, detail, format!("return await (await env.{service}.fetch('https://{NAME}/')).text();"))
}
