//! A wire that a test can break: a TCP proxy whose behaviour changes at any time.
//!
//! It is in the tests' own process because a cut in the middle of an upload, and an answer that
//! the server never gave, must come at a moment that the test chooses.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What the wire does with a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Carries it.
    Forward,
    /// Closes it at once.
    Refuse,
    /// Resets it at once.
    Reset,
    /// Takes it, and nothing comes of it.
    Stall,
    /// Carries so many bytes in a second, each way.
    Slow(u64),
    /// Answers every HTTP request with this status.
    Answer(u16),
    /// Resets one connection when so many bytes have gone to the server, then carries again.
    CutAfter(u64),
}

/// A proxy on loopback. It ends with this value.
pub struct Wire {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// How many connections it has taken.
    taken: Arc<AtomicU64>,
    /// How many bytes have come from the server.
    received: Arc<AtomicU64>,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// Counts the times that every living connection was cut.
    cuts: u64,
}

impl Wire {
    /// A wire to an address such as `127.0.0.1:5000`.
    pub async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (state, seen) = watch::channel(State { mode: Mode::Forward, cuts: 0 });
        let taken = Arc::new(AtomicU64::new(0));
        let received = Arc::new(AtomicU64::new(0));
        let line = Line {
            address: address.to_owned(),
            seen,
            state: state.clone(),
            sent: Arc::default(),
            taken: taken.clone(),
            received: received.clone(),
        };
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                line.taken.fetch_add(1, Ordering::Relaxed);
                let line = line.clone();
                // A broken connection is what it is for.
                tokio::spawn(async move { line.carry(client).await });
            }
        });
        Self { port, taken, received, state, task }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many connections it has taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many bytes it has carried from the server so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// What it does from now on, with living connections too.
    pub fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Whether it carries everything.
    pub fn is_whole(&self) -> bool {
        self.state.borrow().mode == Mode::Forward
    }

    /// Cuts every living connection; new ones are carried as before.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Mode::Refuse);
    }
}

#[derive(Clone)]
struct Line {
    address: String,
    seen: watch::Receiver<State>,
    state: watch::Sender<State>,
    /// Bytes that went to the server since the last cut.
    sent: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

/// How a connection ended.
enum End {
    Closed,
    Reset,
}

impl Line {
    async fn carry(self, mut client: TcpStream) -> io::Result<()> {
        let mode = self.seen.borrow().mode;
        match mode {
            Mode::Refuse => return Ok(()),
            Mode::Reset => return client.set_zero_linger(),
            Mode::Answer(status) => return answer(client, status).await,
            Mode::Forward | Mode::Stall | Mode::Slow(_) | Mode::CutAfter(_) => {}
        }
        let mut server = TcpStream::connect(&self.address).await?;
        let end = self.pump(&mut client, &mut server).await;
        if matches!(end, Ok(End::Reset)) {
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        end.map(drop)
    }

    async fn pump(&self, client: &mut TcpStream, server: &mut TcpStream) -> io::Result<End> {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = self.copy(from_client, to_server, true);
        let down = self.copy(from_server, to_client, false);
        tokio::select! {
            end = async { tokio::try_join!(up, down) } => match end {
                Ok(_) => Ok(End::Closed),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(End::Reset),
                Err(error) => Err(error),
            },
            end = self.cut() => Ok(end),
        }
    }

    /// Ends when living connections are to be cut.
    async fn cut(&self) -> End {
        let mut seen = self.seen.clone();
        let cuts = seen.borrow().cuts;
        let cut = |state: &State| {
            state.cuts != cuts || matches!(state.mode, Mode::Refuse | Mode::Reset | Mode::Answer(_))
        };
        match seen.wait_for(cut).await.map(|state| state.mode) {
            Ok(Mode::Reset) => End::Reset,
            _ => End::Closed,
        }
    }

    async fn copy(&self, from: ReadHalf<'_>, mut to: WriteHalf<'_>, up: bool) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        let mut seen = self.seen.clone();
        loop {
            from.readable().await?;
            // Nothing is taken from the sender while the wire is stalled.
            let carries = seen.wait_for(|state| state.mode != Mode::Stall).await;
            let mode = carries.map_or(Mode::Refuse, |state| state.mode);
            let count = match from.try_read(&mut buffer) {
                Ok(0) => return to.shutdown().await,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            match mode {
                Mode::Slow(rate) => tokio::time::sleep(duration(count as u64, rate)).await,
                Mode::CutAfter(limit) if up => self.count(count as u64, limit)?,
                _ => {}
            }
            if !up {
                self.received.fetch_add(count as u64, Ordering::Relaxed);
            }
            to.write_all(&buffer[..count]).await?;
        }
    }

    /// Counts what goes to the server, and breaks the connection that goes over the limit.
    fn count(&self, bytes: u64, limit: u64) -> io::Result<()> {
        if self.sent.fetch_add(bytes, Ordering::SeqCst) + bytes <= limit {
            return Ok(());
        }
        self.sent.store(0, Ordering::SeqCst);
        self.state.send_modify(|state| state.mode = Mode::Forward);
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

fn duration(bytes: u64, rate: u64) -> Duration {
    Duration::from_micros(bytes * 1_000_000 / rate)
}

/// An answer that no server gave. What the client still sends is read for a moment, or the reset
/// that follows would take the answer with it.
async fn answer(mut client: TcpStream, status: u16) -> io::Result<()> {
    let mut heard = vec![0; 64 * 1024];
    let _ = client.read(&mut heard).await?;
    let head = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await?;
    client.shutdown().await?;
    let rest = async { while client.read(&mut heard).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
    Ok(())
}
