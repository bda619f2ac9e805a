//! Private services that fail, each in one way.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::failures::closed_port;
use crate::harness::{Process, private_service, read_request, wait_for};

/// The name in the URLs of services with TLS.
pub const NAME: &str = "inventory.internal";

/// Reads a request, writes these bytes and closes.
pub fn answers(bytes: &'static [u8]) -> u16 {
    private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream));
        let _ = writer.write_all(bytes);
    })
}

/// Reads a request, writes these bytes and then keeps still until the other side closes.
pub fn answers_and_stops(bytes: &'static [u8]) -> u16 {
    private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        read_request(&mut reader);
        let _ = writer.write_all(bytes);
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    })
}

/// Accepts, and never reads what is sent.
pub fn never_reads() -> u16 {
    private_service(|stream| {
        // Until the other side has gone: the socket's error says so without reading.
        let mut byte = [0];
        while !matches!(stream.peek(&mut byte), Ok(0) | Err(_))
            && stream.take_error().is_ok_and(|error| error.is_none())
        {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    })
}

/// Reads a little of the request and closes, with bytes unread: a reset.
pub fn resets() -> u16 {
    private_service(|mut stream: TcpStream| {
        let mut some = [0; 4096];
        let _ = stream.read(&mut some);
    })
}

/// Files of certificates, made on the spot.
pub struct Certificates {
    pub authority: String,
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    pub fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { authority: issuer.pem(), directory: directory.to_owned(), issuer }
    }

    /// A certificate for a name; expired long ago when `expired`.
    pub fn issue(&self, name: &str, expired: bool) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.directory.join(format!("{name}-{expired}-{}.{kind}", uuid::Uuid::new_v4()));
        let identity = Identity { certificate: file("crt"), key: file("key") };
        fs::write(&identity.certificate, certificate.pem()).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}

/// A real `openssl s_server`, which answers HTTP with a page of its own.
pub fn openssl(identity: &Identity, extra: &[&str]) -> (Process, u16) {
    let port = closed_port();
    let child = Command::new("openssl")
        .args(["s_server", "-www", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
        .arg(&identity.certificate)
        .arg("-key")
        .arg(&identity.key)
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("openssl s_server", || TcpStream::connect(("127.0.0.1", port)).ok());
    (process, port)
}

/// A real nginx that passes everything on to another address, as the host of a Worker. Nothing when it is not installed.
pub fn nginx(directory: &Path, to: SocketAddr, host: &str) -> Option<(Process, u16)> {
    let program = "/usr/sbin/nginx";
    if !Path::new(program).exists() {
        eprintln!("skipped: nginx is not installed");
        return None;
    }
    let port = closed_port();
    let directory = directory.join("nginx");
    fs::create_dir_all(&directory).unwrap();
    let configuration = directory.join("nginx.conf");
    let text = format!(
        "daemon off; user root; master_process off; error_log {0}/error.log; pid {0}/pid; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; \
         uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; \
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{to}; proxy_set_header Host {host}; }} }} }}",
        directory.display()
    );
    fs::write(&configuration, text).unwrap();
    let child = Command::new(program)
        .arg("-c")
        .arg(&configuration)
        .args(["-p"])
        .arg(&directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("nginx", || TcpStream::connect(("127.0.0.1", port)).ok());
    Some((process, port))
}

/// Speaks HTTP/2 in TLS and refuses every stream, as a server does that is about to go.
pub fn refuses_streams(identity: &Identity) -> u16 {
    let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    private_service(move |stream| {
        let acceptor = acceptor.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            stream.set_nonblocking(true).unwrap();
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        });
    })
}

/// Reads a request and then kills a process.
pub fn kills(pid: u32) -> u16 {
    private_service(move |stream| {
        let mut reader = BufReader::new(stream);
        if read_request(&mut reader).is_some() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
        }
    })
}

/// Passes TCP on to the tunnel port and has no UDP: whoever connects through it must fall back to HTTP/2.
pub fn without_udp(to: SocketAddr) -> u16 {
    private_service(move |near| {
        let Ok(far) = TcpStream::connect(to) else { return };
        let (mut near_reads, mut far_writes) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let there = std::thread::spawn(move || std::io::copy(&mut near_reads, &mut far_writes));
        let (mut far_reads, mut near_writes) = (far, near);
        let _ = std::io::copy(&mut far_reads, &mut near_writes);
        let _ = near_writes.shutdown(std::net::Shutdown::Both);
        let _ = there.join();
    })
}
