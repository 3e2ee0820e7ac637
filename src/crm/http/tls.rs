//! TLS towards a CRM: which roots are trusted, and what a failed handshake means to the operator.
//!
//! A connector of our own instead of ureq's, because ureq's keeps every root twice (once as the file had it) and a
//! session cache for 256 hosts; on a router that is a tenth of the memory budget. Roots come from the system's bundle
//! or from one file; verification cannot be switched off. TLS 1.2 and 1.3, SNI always. Does not pin certificates.

use super::provider;
use crate::limits::{CA_CERTIFICATES, CA_FILE_BYTES, CRM_CONNECTIONS, HTTP_BUFFER_BYTES};
use core::fmt;
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::{CertificateError, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, TcpConnector, Transport, TransportAdapter,
};

/// Where systems keep the bundle of trusted roots: Debian and OpenWrt, musl distributions, Red Hat.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"];

/// No roots to trust.
#[derive(Debug)]
#[non_exhaustive]
pub enum RootsError {
    /// None of the system's bundles is there.
    NoBundle,
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file is larger than [`CA_FILE_BYTES`].
    TooLarge(PathBuf),
    /// The file holds no usable certificate.
    Empty(PathBuf),
}

impl core::error::Error for RootsError {}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBundle => {
                write!(
                    f,
                    "no bundle of trusted roots ({}): install ca-bundle or set ca_file",
                    SYSTEM_BUNDLES.join(", ")
                )
            }
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::TooLarge(path) => write!(f, "{}: larger than {CA_FILE_BYTES} bytes", path.display()),
            Self::Empty(path) => write!(f, "{}: no certificate in PEM form", path.display()),
        }
    }
}

/// Why a handshake failed, as far as it matters for the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate lies in the future: this machine's clock is behind.
    NotYetValid,
    /// The certificate has run out, or this machine's clock is ahead.
    Expired,
    /// Nobody we trust vouches for it.
    UnknownIssuer,
    /// It belongs to another host.
    WrongName,
    /// The certificate cannot be used for another reason.
    BadCertificate,
    /// No common ground, or not TLS at all.
    Handshake,
}

impl TlsFault {
    /// Sorts rustls' error.
    pub fn of(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(error) = error else { return Self::Handshake };
        match error {
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            // A private CA that was made anew has the old one's name and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            _ => Self::BadCertificate,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYetValid => "its certificate is not valid yet: this machine's clock is behind, set it (NTP)",
            Self::Expired => "its certificate has expired, or this machine's clock is ahead: compare the date (NTP)",
            Self::UnknownIssuer => "its certificate is signed by nobody we trust: update ca-bundle, or set ca_file",
            Self::WrongName => "its certificate belongs to another host: check the address",
            Self::BadCertificate => "its certificate cannot be used",
            Self::Handshake => "no TLS connection: is it an https address?",
        })
    }
}

/// Wraps TCP connections in TLS.
pub(super) struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, RootsError> {
        let roots = match ca_file {
            Some(path) => roots_of(path)?,
            None => system_roots_in(&SYSTEM_BUNDLES.map(Path::new))?,
        };
        let mut config =
            ClientConfig::builder_with_details(Arc::new(provider::provider()), Arc::new(provider::OurClock))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(|_| RootsError::NoBundle)?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(CRM_CONNECTIONS);
        Ok(Self { config: Arc::new(config) })
    }

    /// The chain that ureq runs: TCP, then TLS.
    pub(super) fn after_tcp(self) -> impl Connector {
        ().chain(TcpConnector::default()).chain(self)
    }
}

/// The roots of the first bundle that is there.
fn system_roots_in(bundles: &[&Path]) -> Result<RootCertStore, RootsError> {
    let found = bundles.iter().find(|path| path.is_file());
    roots_of(found.ok_or(RootsError::NoBundle)?)
}

fn roots_of(path: &Path) -> Result<RootCertStore, RootsError> {
    let unreadable = |error| RootsError::Unreadable(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut pem = Vec::new();
    file.take(CA_FILE_BYTES.saturating_add(1)).read_to_end(&mut pem).map_err(unreadable)?;
    if u64::try_from(pem.len()).unwrap_or(u64::MAX) > CA_FILE_BYTES {
        return Err(RootsError::TooLarge(path.to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem).take(CA_CERTIFICATES).flatten() {
        // A bundle may hold a root that rustls cannot use; the others still count.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(roots) }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = TlsTransport;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(tcp) = chained else { return Err(ureq::Error::ConnectionFailed) };
        let name = server_name(details)?;
        let mut connection = ClientConnection::new(self.config.clone(), name)?;
        // TLS records of 16 KiB are the largest; more would only wait in memory.
        connection.set_buffer_limit(Some(HTTP_BUFFER_BYTES));
        let mut socket = TransportAdapter::new(tcp.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket).map_err(handshake_error)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(TlsTransport { buffers, stream: StreamOwned::new(connection, socket) }))
    }
}

fn server_name(details: &ConnectionDetails) -> Result<ServerName<'static>, ureq::Error> {
    let host = details.uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| ureq::Error::Tls("not a host name"))
}

fn handshake_error(error: std::io::Error) -> ureq::Error {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    refused.map_or_else(|| ureq::Error::from(error), ureq::Error::Rustls)
}

/// A TLS connection as ureq wants it.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output();
        let output = output.get(..amount).unwrap_or(output);
        self.stream.write_all(output)?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused_with_its_name() {
        let path = std::env::temp_dir().join(format!("ringpost-roots-{}", std::process::id()));
        std::fs::write(&path, "not a certificate").unwrap_or_default();
        let error = TlsConnector::new(Some(&path)).err().map(|error| error.to_string()).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        assert!(error.ends_with("no certificate in PEM form"), "{error}");
        let error = TlsConnector::new(Some(&path)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("ringpost-roots"), "{error}");
    }

    /// The first bundle that is there counts, however many there are.
    #[test]
    fn the_roots_are_those_of_the_system() -> Result<(), Box<dyn core::error::Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/etc");
        let (absent, bundle, useless) = (root.join("absent.pem"), root.join("ca.pem"), root.join("pbx.secret"));
        assert_eq!(system_roots_in(&[&absent, &bundle, &useless])?.len(), 1);
        let error = system_roots_in(&[&absent, &useless]).err().ok_or("no certificate, yet roots")?;
        assert!(matches!(&error, RootsError::Empty(path) if *path == useless), "{error}");
        // A directory is no bundle.
        let error = system_roots_in(&[&absent, &root]).err().ok_or("no bundle, yet roots")?.to_string();
        for words in
            ["no bundle of trusted roots", "/etc/ssl/certs/ca-certificates.crt", "install ca-bundle", "ca_file"]
        {
            assert!(error.contains(words), "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_clock_that_is_behind_is_told_as_such() {
        let error = rustls::Error::InvalidCertificate(CertificateError::NotValidYet);
        assert_eq!(TlsFault::of(&error), TlsFault::NotYetValid);
        assert!(TlsFault::NotYetValid.to_string().contains("clock"));
    }
}
