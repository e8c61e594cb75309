//! A proxy before a registry that counts what is sent to it, and may die on the way.

#![allow(dead_code, unreachable_pub, reason = "not every test binary needs all of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A registry under another address.
#[derive(Clone)]
pub struct Recorder {
    pub host: String,
    upstream: String,
    sent: Arc<Mutex<Vec<String>>>,
    left: Arc<AtomicUsize>,
}

impl Recorder {
    /// Stands before the registry at `upstream` until the test ends.
    pub fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Self {
            host: listener.local_addr().unwrap().to_string(),
            upstream: upstream.to_owned(),
            sent: Arc::default(),
            left: Arc::new(AtomicUsize::new(usize::MAX)),
        };
        let serving = recorder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.pass(stream));
            }
        });
        recorder
    }

    /// What was sent since the last call: method and address of every request that writes.
    pub fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// Breaks every connection once so many more writes have passed. The last of them reaches the
    /// registry, and its answer is lost.
    pub fn die_after(&self, writes: usize) {
        self.left.store(writes, Ordering::SeqCst);
    }

    fn pass(&self, mut client: TcpStream) -> Option<()> {
        let (request, first) = read(&client)?;
        let writes = !first.starts_with("GET ") && !first.starts_with("HEAD ");
        let left = match writes {
            true => self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)),
            false => Ok(self.left.load(Ordering::SeqCst).saturating_add(1)),
        };
        let left = left.ok()?;
        if writes {
            self.sent.lock().unwrap().push(first);
        }
        let mut registry = TcpStream::connect(&self.upstream).ok()?;
        registry.write_all(&request).ok()?;
        let mut answer = Vec::new();
        registry.read_to_end(&mut answer).ok()?;
        (left > 1).then_some(())?;
        client.write_all(&answer).ok()
    }
}

/// A request with its body, asking for the end of the connection, and its first two words.
fn read(stream: &TcpStream) -> Option<(Vec<u8>, String)> {
    let mut lines = BufReader::new(stream);
    let (mut head, mut first, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let lower = line.to_ascii_lowercase();
        if first.is_empty() {
            first = line.rsplit_once(' ')?.0.to_owned();
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        assert!(!lower.starts_with("transfer-encoding:"), "a body of unknown length: {first}");
        if !lower.starts_with("connection:") {
            head += &line;
        }
    }
    let mut request = (head + "Connection: close\r\n\r\n").into_bytes();
    let start = request.len();
    request.resize(start + length, 0);
    lines.read_exact(&mut request[start..]).ok()?;
    Some((request, first))
}
