//! TLS settings of both transports.

use crate::authority::CertificateAuthority;
use crate::quic::SetupError;
use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;

/// QUIC has nothing else.
pub(crate) const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
/// What cloudflared offers over TCP.
pub(crate) const TLS12_AND_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// aws-lc-rs: it has X25519MLKEM768 and P-256, of which cloudflared needs one. AES with 128 bits comes first, as in Go: each
/// packet is encrypted by one end and decrypted by the other, and with 256 bits that takes a third longer.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn refused(error: rustls::Error) -> SetupError {
    SetupError::Tls(error.to_string())
}

/// The edge's side, with a new certificate.
pub(crate) fn server(
    authority: &CertificateAuthority,
    names: &[String],
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, SetupError> {
    let certificate = authority.issue(names)?;
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)
        .map_err(refused)
}

/// The connector's side. Without `ca_pem` the public web's authorities are trusted.
pub(crate) fn client(
    ca_pem: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| SetupError::NoCertificate)?;
                roots.add(certificate).map_err(|_| SetupError::NoCertificate)?;
            }
            if roots.is_empty() {
                return Err(SetupError::NoCertificate);
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).map_err(refused)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
