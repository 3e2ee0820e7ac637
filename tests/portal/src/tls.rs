//! A certificate authority of the portal's own, and the certificate it signs for the server.
//!
//! Made anew at every start from P-256 keys, which takes about a millisecond; nothing is read from or left
//! on disk but the CA's certificate. It can be made wrong on purpose, see [`Certificate`].

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::Certificate;

/// The CA's certificate as PEM, and the server side of TLS.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// Makes a CA and a server certificate for `host`.
///
/// # Errors
/// When a key cannot be made or used; in practice, when the machine has no randomness.
pub(crate) fn identity(host: &str, fault: Certificate) -> io::Result<Identity> {
    let shown = authority()?;
    let other = authority()?;
    let signing = if fault == Certificate::OtherCa { &other } else { &shown };
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let issuer = Issuer::from_params(&signing.params, &signing.key);
    let params = server_params(host, fault)?;
    let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(io::Error::other)?;
    Ok(Identity { ca_pem: shown.pem()?, server: Arc::new(server) })
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn pem(&self) -> io::Result<String> {
        Ok(self.params.self_signed(&self.key).map_err(io::Error::other)?.pem())
    }
}

fn authority() -> io::Result<Authority> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, "Portal for tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(Authority { params, key: KeyPair::generate().map_err(io::Error::other)? })
}

fn server_params(host: &str, fault: Certificate) -> io::Result<CertificateParams> {
    let names = match fault {
        Certificate::OtherHost => vec!["elsewhere.invalid".to_owned()],
        _ => vec![host.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()],
    };
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    match fault {
        Certificate::Expired => {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        Certificate::Until2039 => params.not_after = date_time_ymd(2039, 1, 1),
        Certificate::Good | Certificate::OtherHost | Certificate::OtherCa => {}
    }
    Ok(params)
}
