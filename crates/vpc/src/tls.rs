//! TLS with a private service: rustls, checked as the service's settings say, failures told with their facts.

mod certificate;
mod examiner;
mod failure;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use certificate::{CertificateFacts, unreadable};
pub(crate) use examiner::Examiner;
pub(crate) use failure::after_handshake;

use crate::network::Io;
use crate::service::TlsSettings;
use crate::traffic::{Recorded, WriteFailure};
use verifier::Verifier;

/// Which protocols are offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// HTTP/1.1 only, for upgrades.
    Http1,
    /// None: raw TCP.
    Nothing,
}

/// TLS as one service wants it. Sessions are resumed.
pub(crate) struct TlsClient {
    http: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    raw: Arc<ClientConfig>,
}

impl TlsClient {
    /// Fails when the client certificate or an extra root is not usable.
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(settings, &provider)?);
        Self::checked_by(verifier, settings, provider)
    }

    /// One that finishes the handshake whatever is presented, and tells what that was. Not for requests that matter.
    pub(crate) fn examining(settings: &TlsSettings) -> Result<(Self, Arc<Examiner>), String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let examiner = Examiner::new(Verifier::new(settings, &provider)?);
        Ok((Self::checked_by(examiner.clone(), settings, provider)?, examiner))
    }

    fn checked_by(
        verifier: Arc<dyn ServerCertVerifier>,
        settings: &TlsSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &settings.client_certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => builder
                .with_client_auth_cert(certificate.chain.clone(), certificate.key.clone_key())
                .map_err(|error| format!("the service's client certificate is not usable: {error}"))?,
        };
        let raw = Arc::new(config.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { http: Arc::new(config), http1, raw })
    }

    /// Shakes hands.
    pub(crate) async fn connect(
        &self,
        io: Box<dyn Io>,
        server_name: ServerName<'static>,
        offer: Offer,
        timeout: Duration,
    ) -> Result<TlsStream<Recorded<Box<dyn Io>>>, Box<ConnectionError>> {
        let config = match offer {
            Offer::Http => &self.http,
            Offer::Http1 => &self.http1,
            Offer::Nothing => &self.raw,
        };
        let (io, traffic) = Recorded::new(io, WriteFailure::Told);
        let shown_name = server_name.to_str().into_owned();
        let handshake = TlsConnector::from(Arc::clone(config)).connect(server_name, io);
        match tokio::time::timeout(timeout, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failure::during_handshake(&error, &traffic.passed(), &shown_name)),
            Err(_) => {
                let received = traffic.passed().received;
                let error = ConnectionError::new(
                    ErrorCode::TlsProtocolError,
                    Phase::Tls,
                    format!(
                        "The TLS handshake for {shown_name} was not complete after {:.1} s; {received} bytes were received. A port that waits for something other than TLS behaves like this.",
                        timeout.as_secs_f64()
                    ),
                );
                Err(Box::new(ConnectionError { retryable: true, ..error }))
            }
        }
    }
}
