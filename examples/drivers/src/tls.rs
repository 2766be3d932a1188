//! What rustls needs to know, from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(Arc::new(roots))
}

/// Those of the system, or of the file and the directory that SSL_CERT_FILE and SSL_CERT_DIR name.
fn system_roots() -> Result<Arc<RootCertStore>, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems have certificates that webpki does not take.
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})"));
        let why = why.unwrap_or_default();
        return Err(format!(
            "this system trusts no certificate authority{why}; --cafile names some"
        )
        .into());
    }
    Ok(Arc::new(roots))
}

/// A server with this chain; with `client_ca` it takes clients with a certificate of that authority only.
pub fn server(
    chain: &Path,
    private_key: &Path,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots(ca)?, provider).build()?,
        ),
    };
    let config = builder.with_single_cert(certificates(chain)?, key(private_key)?)?;
    Ok(Arc::new(config))
}

/// Whom a client takes for the server.
pub enum Trust<'a> {
    /// Whoever has a certificate for the server's name, of an authority that this system trusts.
    System,
    /// The same, of an authority in this file.
    Authorities(&'a Path),
    /// Anybody at all: nothing is known of who is at the other end.
    Anybody,
}

impl<'a> Trust<'a> {
    /// As the options `--cafile` and `--insecure` have it.
    pub fn new(authorities: Option<&'a Path>, is_insecure: bool) -> Self {
        match authorities {
            _ if is_insecure => Self::Anybody,
            Some(path) => Self::Authorities(path),
            None => Self::System,
        }
    }
}

/// A client that shows a certificate if it has one.
pub fn client(
    trust: &Trust<'_>,
    identity: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(system_roots()?),
        Trust::Authorities(path) => builder.with_root_certificates(roots(path)?),
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked)),
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, private_key)) => {
            builder.with_client_auth_cert(certificates(chain)?, key(private_key)?)?
        }
    };
    Ok(Arc::new(config))
}

/// Dangerous: takes every certificate, and does not even ask whether the server has its key. A certificate of X.509 version 1, as
/// those made by hand often are, is none that could be looked at.
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
