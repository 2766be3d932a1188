//! The mode `broker` over TLS: which certificates of a server are taken.

#![allow(dead_code)] // a part of the servers is used

mod servers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sansio_mqtt_drivers::{Scheme, tls};
use serde_json::json;
use tempfile::TempDir;

use servers::server::{Change, good_over};

/// An authority in `ca.pem`, another one in `other.pem`, and servers with certificates of the first.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let own = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).expect("parameters");
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            fs::write(directory.path().join(name), certificate.pem()).expect("a file");
            Issuer::new(params, key)
        };
        own("other.pem");
        let issuer = own("ca.pem");
        Self { directory, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The port of a broker with a certificate for this name.
    fn server(&self, scheme: Scheme, name: &str, is_expired: bool) -> u16 {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        if is_expired {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (chain, private) = (self.path("server.pem"), self.path("server.key"));
        fs::write(&chain, certificate.pem()).expect("a file");
        fs::write(&private, key.serialize_pem()).expect("a file");
        let config = tls::server(&chain, &private, None).expect("a configuration");
        good_over(scheme, Some(config), &json!({}), "5.0", Change::None)
    }
}

/// The runner, which asks for localhost.
fn run(scheme: Scheme, port: u16, system: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(["broker", "--version", "5.0"])
        .args(["--filter", "traces/connect/accepted"])
        .arg("--target")
        .arg(format!("{}://localhost:{port}", scheme.name()))
        .args(arguments)
        .env("SSL_CERT_FILE", system)
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("the program runs")
}

fn passes(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

fn is_refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(why), "{said}");
}

#[test]
fn authorities_of_a_file_or_of_the_system() {
    let authority = Authority::new();
    let (ca, other) = (authority.path("ca.pem"), authority.path("other.pem"));
    let text = |path: &Path| path.to_str().expect("a text").to_owned();
    for scheme in [Scheme::Mqtts, Scheme::Wss] {
        let port = authority.server(scheme, "localhost", false);
        passes(&run(scheme, port, &ca, &[]));
        passes(&run(scheme, port, &other, &["--cafile", &text(&ca)]));
        is_refused(&run(scheme, port, &other, &[]), "UnknownIssuer");
        let only = ["--cafile", &text(&other)];
        is_refused(&run(scheme, port, &ca, &only), "UnknownIssuer");
        passes(&run(scheme, port, &other, &["--insecure"]));
    }
}

#[test]
fn names_and_times_unless_insecure() {
    let authority = Authority::new();
    let ca = authority.path("ca.pem");
    let port = authority.server(Scheme::Mqtts, "elsewhere", false);
    is_refused(&run(Scheme::Mqtts, port, &ca, &[]), "not valid for name");
    passes(&run(Scheme::Mqtts, port, &ca, &["--insecure"]));
    let port = authority.server(Scheme::Mqtts, "localhost", true);
    is_refused(&run(Scheme::Mqtts, port, &ca, &[]), "expired");
    passes(&run(Scheme::Mqtts, port, &ca, &["--insecure"]));
    let only = ["--cafile", ca.to_str().expect("a text"), "--insecure"];
    passes(&run(Scheme::Mqtts, port, &ca, &only));
}

#[test]
fn a_system_without_authorities_says_so() {
    let authority = Authority::new();
    let empty = authority.path("empty.pem");
    fs::write(&empty, "").expect("a file");
    let output = run(Scheme::Mqtts, 1, &empty, &[]);
    // Nothing was tried: it is a matter of usage.
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("trusts no certificate authority"), "{error}");
    assert!(error.contains("--cafile"), "{error}");
}
