//! Resolvers of the private network, each at an address of its own: a real unbound, one that speaks garbage, one that is silent.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Process, wait_for};

pub const UNBOUND: &str = "10.99.0.53";
pub const GARBAGE: &str = "10.99.0.54";
pub const SILENT: &str = "10.99.0.55";

/// Starts unbound, which knows names below `private`: `here`, `metadata` (a forbidden address), `empty` (no address), and answers
/// SERVFAIL below `broken` and REFUSED below `refused`. Nothing when it is not installed.
pub fn unbound(directory: &Path) -> Option<Process> {
    let program = "/usr/sbin/unbound";
    if !Path::new(program).exists() {
        eprintln!("skipped: unbound is not installed");
        return None;
    }
    let configuration = directory.join("unbound.conf");
    let text = format!(
        r#"server:
  interface: {UNBOUND}
  port: 53
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: "{directory}/unbound.log"
  module-config: "iterator"
  local-zone: "private." static
  local-data: "here.private. IN A 10.99.0.5"
  local-data: "metadata.private. IN A 169.254.169.254"
  local-data: "empty.private. IN TXT nothing"
  local-zone: "refused." refuse
forward-zone:
  name: "broken."
  forward-addr: 127.0.0.1@1
"#,
        directory = directory.display()
    );
    fs::write(&configuration, text).unwrap();
    let child = Command::new(program)
        .arg("-c")
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("unbound.err")).unwrap())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    wait_for("unbound", || {
        if let Some(status) = process.0.try_wait().unwrap() {
            panic!("unbound ended with {status}: {}", fs::read_to_string(directory.join("unbound.err")).unwrap());
        }
        std::net::TcpStream::connect((UNBOUND, 53)).ok()
    });
    Some(process)
}

/// A resolver whose answers belong to no question.
pub fn garbage() {
    let socket = UdpSocket::bind((GARBAGE, 53)).unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            // The same identifier, and then nothing that makes sense.
            let mut answer = query[..length.min(2)].to_vec();
            answer.extend([0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3]);
            let _ = socket.send_to(&answer, from);
        }
    });
}

/// A resolver that hears and never answers. It lives as long as the test.
pub fn silent() -> UdpSocket {
    UdpSocket::bind((SILENT, 53)).unwrap()
}
