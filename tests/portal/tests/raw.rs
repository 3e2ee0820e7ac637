//! Bytes that no proper client sends, over a TLS connection made by hand.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use common::{Bench, SOON};
use portal::Portal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn connect(portal: &Portal) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(portal.ca_pem().as_bytes()).expect("a certificate")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(("127.0.0.1", portal.port())).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
}

/// Sends `bytes` in pieces of `step` and returns what comes until the portal closes.
fn exchange(portal: &Portal, bytes: &[u8], step: usize) -> String {
    let mut stream = connect(portal);
    for piece in bytes.chunks(step) {
        // The portal may close before it has all.
        if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
            break;
        }
    }
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_not_http_is_answered_with_an_error_and_an_end() {
    let bench = Bench::new();
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    let chunk = "POST /rest/1/s/profile HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned();
    let endless = "POST /rest/1/s/profile HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n".to_owned();
    let length = "POST /rest/1/s/profile HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned();
    let huge = "POST /rest/1/s/profile HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n".to_owned();
    for (bytes, status) in [
        ("\0\u{1}\u{2}rubbish\r\n\r\n".to_owned(), "400"),
        (long, "431"),
        (many, "431"),
        (chunk, "400"),
        (endless, "413"),
        (length, "400"),
        (huge, "413"),
    ] {
        let answer = exchange(&bench.portal, bytes.as_bytes(), 10_000);
        let sent: String = bytes.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent:?}: {answer}");
    }
    bench.call("profile", "{}").result();
}

#[test]
fn a_request_may_come_byte_by_byte_and_another_behind_it() {
    let bench = Bench::new();
    let path = "/rest/1/s3cr3tw3bh00k/profile";
    let first = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    let last = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answers = exchange(&bench.portal, format!("{first}{last}").as_bytes(), 1);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let requests = bench.portal.requests();
    assert_eq!(requests.iter().map(|request| request.verb.as_str()).collect::<Vec<_>>(), ["POST", "GET"]);
    assert!(requests[0].arrived < requests[0].complete);
}
