//! An API server that has nothing but logs.

use std::{
    convert::Infallible,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use kube::Config;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle},
};
use tokio_rustls::TlsAcceptor;

/// How many bytes the log of the Pod `long` has: many times what comes unread.
pub(super) const BYTES: usize = 4 * 1024 * 1024;

const PIECE: &[u8] = &[b'x'; 16 * 1024];

/// It ends with this value.
pub(super) struct Server {
    url: String,
    /// How many connections there were, and how many there are.
    pub(super) accepted: Arc<AtomicUsize>,
    pub(super) open: Arc<AtomicUsize>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// One that offers these protocols when TLS begins.
    pub(super) async fn start(protocols: &[&str]) -> Self {
        // It may be settled already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let acceptor = TlsAcceptor::from(Arc::new(tls(protocols)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (accepted, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let (count, now, all) = (accepted.clone(), open.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let serving = serve(acceptor.clone(), stream, Counted::of(&now));
                all.lock().unwrap().push(tokio::spawn(serving).abort_handle());
            }
        });
        Self { url, accepted, open, connections, task }
    }

    /// How a client finds it.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new(self.url.parse().unwrap());
        config.accept_invalid_certs = true;
        config
    }

    /// Waits until so many connections are open.
    pub(super) async fn open_are(&self, expected: usize) {
        for _ in 0..3000 {
            if self.open.load(Ordering::SeqCst) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are open", self.open.load(Ordering::SeqCst));
    }

    /// Breaks the connection that came first.
    pub(super) fn break_first(&self) {
        self.connections.lock().unwrap()[0].abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.connections.lock().unwrap().iter().for_each(AbortHandle::abort);
    }
}

/// A connection, while it is open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tls(protocols: &[&str]) -> ServerConfig {
    let dir = tempfile::tempdir().unwrap();
    let (key, certificate) = (dir.path().join("key"), dir.path().join("crt"));
    let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let mut openssl = Command::new("openssl");
    openssl.args(request).args(["-nodes", "-days", "2", "-subj", "/CN=test"]);
    let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, _open: Counted) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that hangs up is none of its business.
    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The log of `begun` is one piece and goes on; that of `endless` comes for ever, that of `long` ends.
async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let pod = request.uri().path().rsplit('/').nth(1).unwrap_or_default().to_owned();
    let piece = || Ok(Frame::data(Bytes::from_static(PIECE)));
    let pieces = match pod.as_str() {
        "begun" => stream::iter([piece()]).chain(stream::pending()).boxed(),
        "endless" => stream::repeat_with(piece).boxed(),
        _ => stream::repeat_with(piece).take(BYTES / PIECE.len()).boxed(),
    };
    Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(pieces))))
}
