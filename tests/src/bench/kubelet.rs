//! The logs of Pods that do not exist: what answers the API server in a fake node's place.
//!
//! A worker reads the log of every build, and holds a stream open while it runs. Without an answer
//! it would try again and again, and that would be measured.

use std::{process::Command, sync::Arc};

use anyhow::{Context, Result};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::stack::run;

/// A kubelet that knows of empty logs. It ends with this value.
pub(super) struct Kubelet {
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Kubelet {
    pub(super) async fn start(directory: &std::path::Path) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config(directory)?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                // A client that hangs up is none of its business.
                tokio::spawn(async move { answer(acceptor.accept(stream).await?).await });
            }
        });
        Ok(Self { port, task })
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A certificate that nobody knows: the API server of the stack asks for none in particular.
fn config(directory: &std::path::Path) -> Result<ServerConfig> {
    let (key, certificate) = (directory.join("kubelet.key"), directory.join("kubelet.crt"));
    let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let subject = ["-nodes", "-days", "2", "-subj", "/CN=bench", "-addext"];
    let mut openssl = Command::new("openssl");
    openssl.args(request).args(subject).arg("subjectAltName=IP:127.0.0.1");
    run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate));
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let builder = ServerConfig::builder().with_no_client_auth();
    builder.with_single_cert(chain, key).context("the certificate of the fake kubelet")
}

/// Answers one request after another: with an empty log, or with one to which nothing is added.
async fn answer(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut heard = Vec::new();
    loop {
        while !heard.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        }
        let follows = String::from_utf8_lossy(&heard).contains("follow=true");
        heard.clear();
        let length = if follows { "Transfer-Encoding: chunked" } else { "Content-Length: 0" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await?;
    }
}
