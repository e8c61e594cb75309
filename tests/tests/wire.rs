//! The wire that tests break does what it says.

use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use kilnworks_tests::wire::{Mode, Wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A wire to a server that says back what it hears.
async fn echo() -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Wire::to(&address).await
}

async fn say(wire: &Wire, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(wire.address()).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    Ok(heard)
}

#[tokio::test]
async fn it_carries_both_ways() {
    let wire = echo().await;
    let long = vec![7; 300_000];
    assert_eq!(say(&wire, &long).await.unwrap(), long);
    assert_eq!(wire.taken(), 1);
}

#[tokio::test]
async fn it_refuses_resets_and_answers() {
    let wire = echo().await;
    wire.set(Mode::Refuse);
    assert!(say(&wire, b"hello").await.map_or(true, |heard| heard.is_empty()));
    wire.set(Mode::Reset);
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    let reset = stream.read_u8().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    wire.set(Mode::Answer(503));
    let heard = say(&wire, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(heard.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&heard));
}

#[tokio::test]
async fn it_stalls_and_goes_on() {
    let wire = echo().await;
    wire.set(Mode::Stall);
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    stream.write_all(b"a").await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    assert!(heard.is_err(), "nothing comes");
    wire.set(Mode::Forward);
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
}

#[tokio::test]
async fn it_is_slow() {
    let wire = echo().await;
    wire.set(Mode::Slow(100_000));
    let begun = Instant::now();
    assert_eq!(say(&wire, &[1; 50_000]).await.unwrap().len(), 50_000);
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn it_cuts_one_connection_after_so_many_bytes() {
    let wire = echo().await;
    wire.set(Mode::CutAfter(100_000));
    assert!(say(&wire, &[1; 50_000]).await.is_ok());
    assert!(say(&wire, &[1; 900_000]).await.is_err());
    assert!(wire.is_whole());
    assert!(say(&wire, &[1; 900_000]).await.is_ok());
}

#[tokio::test]
async fn it_cuts_what_lives() {
    let wire = echo().await;
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    stream.write_all(b"a").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    wire.cut();
    assert!(stream.read_u8().await.is_err());
    assert!(say(&wire, b"again").await.is_ok());
}
