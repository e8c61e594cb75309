//! Against a server of our own, as it is the connections that count.

mod server;

use std::{sync::atomic::Ordering, time::Duration};

use futures::{AsyncBufRead, AsyncReadExt, FutureExt};
use tokio::time::timeout;

use self::server::{BYTES, Server};
use super::{STREAMS, SharedConnection, Streams, client};
use crate::log::live;

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

fn streams(server: &Server) -> Streams {
    let config = server.config();
    Streams::new(move || {
        let client = client(&config);
        async { client }.boxed()
    })
}

/// A stream and its connection.
type Open = (SharedConnection, Box<dyn AsyncBufRead + Unpin + Send>);

async fn open(streams: &Streams, pod: &str) -> Open {
    let connection = streams.connection().await.unwrap();
    let pods = connection.pods("builds");
    let stream =
        timeout(PATIENCE, live::open(&pods, pod, None, true)).await.expect("an answer").unwrap();
    (connection, Box::new(stream))
}

/// Reads so much of a stream.
async fn read((_, stream): &mut Open, bytes: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; bytes];
    timeout(PATIENCE, stream.read_exact(&mut buffer)).await.expect("it comes")
}

#[tokio::test]
async fn many_share_a_connection_and_the_last_one_closes_it() {
    let server = Server::start(&["h2", "http/1.1"]).await;
    let streams = streams(&server);
    let mut all = Vec::new();
    for _ in 0..=2 * STREAMS {
        let mut stream = open(&streams, "begun").await;
        read(&mut stream, 1).await.unwrap();
        all.push(stream);
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
    // What is free on the first one is taken again.
    all.truncate(STREAMS - 1);
    server.open_are(1).await;
    all.push(open(&streams, "begun").await);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
    drop(all);
    server.open_are(0).await;
    open(&streams, "begun").await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_server_without_http2_is_asked_as_ever() {
    for protocols in [&["http/1.1"][..], &[]] {
        let server = Server::start(protocols).await;
        let streams = streams(&server);
        let mut all = Vec::new();
        for _ in 0..3 {
            let mut stream = open(&streams, "begun").await;
            read(&mut stream, 1).await.unwrap();
            all.push(stream);
        }
        assert_eq!(server.accepted.load(Ordering::SeqCst), 3, "{protocols:?}");
    }
}

#[tokio::test]
async fn readers_that_stand_still_hold_up_no_other() {
    let server = Server::start(&["h2"]).await;
    let streams = streams(&server);
    let mut still = Vec::new();
    for _ in 1..STREAMS {
        let mut stream = open(&streams, "endless").await;
        read(&mut stream, 1).await.unwrap();
        still.push(stream);
    }
    let mut last = open(&streams, "long").await;
    read(&mut last, BYTES).await.unwrap();
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_broken_connection_breaks_its_streams_and_no_others() {
    let server = Server::start(&["h2"]).await;
    let streams = streams(&server);
    let mut all = Vec::new();
    for _ in 0..=STREAMS {
        all.push(open(&streams, "begun").await);
    }
    server.break_first();
    let mut other = all.pop().expect("it is on the second one");
    for stream in &mut all {
        read(stream, BYTES).await.unwrap_err();
    }
    read(&mut other, 1).await.unwrap();
    // They begin again on new ones.
    let again = async |stream: Open| {
        drop(stream);
        read(&mut open(&streams, "begun").await, 1).await.unwrap();
    };
    futures::future::join_all(all.into_iter().map(again)).await;
}
