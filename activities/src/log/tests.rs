//! Keeping and reading together: a real store in a directory, a stream made up.

use k8s_openapi::jiff::Timestamp;
use tempfile::TempDir;

use super::{
    parts::{self, Writer},
    read::{Line, Reader},
};
use crate::{
    settings::VolumeMount,
    store::{ContextStore, volume::VolumeStore},
};

const PREFIX: &str = "logs/run/1/";
const MAX: u64 = 64 * 1024 * 1024;

fn store(dir: &TempDir) -> VolumeStore {
    VolumeStore::open(dir.path(), VolumeMount::Claim("kiln".to_owned())).unwrap()
}

/// The line of a number, a second after the one before.
fn add(writer: &mut Writer<'_>, number: i64) {
    let at = Timestamp::from_second(1_800_000_000 + number).unwrap();
    writer.add(at, format!("line {number}").as_bytes());
}

async fn read(store: &dyn ContextStore) -> Vec<String> {
    let (mut reader, mut lines) = (Reader::default(), Vec::new());
    let mut out = |line: Line<'_>| {
        lines.push(String::from_utf8(line.text.to_vec())?);
        Ok(())
    };
    reader.stored(store, PREFIX, &mut out).await.unwrap();
    reader.end(&mut out).unwrap();
    lines
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

#[tokio::test]
async fn who_begins_anew_goes_on_after_the_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let mut first = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    (0..50).for_each(|number| add(&mut first, number));
    first.flush().await.unwrap();
    (50..70).for_each(|number| add(&mut first, number));
    // It dies here. What it had not put is read again from the whole second on.
    let mut second = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    assert_eq!(second.last().unwrap().as_second(), 1_800_000_049);
    (45..90).for_each(|number| add(&mut second, number));
    second.flush().await.unwrap();
    assert_eq!(read(&store).await, numbers(0..90));
    let parts = parts::list(&store, PREFIX).await.unwrap();
    assert_eq!(parts[1].offset, parts[0].size, "an offset is what lies before");
}

#[tokio::test]
async fn two_at_once_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let mut paused = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    (0..10).for_each(|number| add(&mut paused, number));
    paused.flush().await.unwrap();
    (10..20).for_each(|number| add(&mut paused, number));
    let mut next = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    (9..60).for_each(|number| add(&mut next, number));
    next.flush().await.unwrap();
    // The first one wakes up and puts what it had.
    paused.flush().await.unwrap();
    assert_eq!(read(&store).await, numbers(0..60));
    (20..80).for_each(|number| add(&mut paused, number));
    (60..70).for_each(|number| add(&mut next, number));
    paused.flush().await.unwrap();
    next.mark_cut();
    next.flush().await.unwrap();
    let mut expected = numbers(0..80);
    expected.push(parts::CUT.to_owned());
    assert_eq!(read(&store).await, expected);
}

#[tokio::test]
async fn a_log_beyond_the_bound_keeps_head_and_tail() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let max = 1024 * 1024;
    let mut writer = Writer::begin(&store, PREFIX, max).await.unwrap();
    let (mut written, count) = (0_u64, 100_000);
    for number in 0..count {
        add(&mut writer, number);
        if writer.is_full() {
            writer.flush().await.unwrap();
        }
        written += format!("2027-01-15T08:00:00.000000000Z line {number}\n").len() as u64;
        if number == count / 2 {
            // Another one goes on with it.
            writer.flush().await.unwrap();
            writer = Writer::begin(&store, PREFIX, max).await.unwrap();
        }
    }
    writer.flush().await.unwrap();
    let kept = parts::list(&store, PREFIX).await.unwrap();
    let size: u64 = kept.iter().map(|part| part.size).sum();
    assert!(size <= max && size > max * 3 / 4, "{size} of {max} bytes");
    let lines = read(&store).await;
    let gap = lines.iter().position(|line| line.starts_with('…')).expect("a gap");
    let missing = (written - size) as f64 / 1024.0 / 1024.0;
    assert_eq!(lines[gap], format!("… {missing:.1} MiB of the log are not kept …"));
    assert_eq!(lines[..gap], numbers(0..gap as i64));
    let tail = (lines.len() - gap - 1) as i64;
    assert_eq!(lines[gap + 1..], numbers(count - tail..count));
    let head: usize = lines[..gap].iter().map(|line| line.len() + 32).sum();
    assert!(head as u64 >= max / 2, "{head} bytes of head");
}

#[tokio::test]
async fn a_quiet_log_is_few_parts_and_a_growing_part_is_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let mut writer = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    let (mut reader, mut lines) = (Reader::default(), Vec::new());
    for number in 0..500 {
        add(&mut writer, number);
        writer.flush().await.unwrap();
        let mut out = |line: Line<'_>| {
            lines.push(String::from_utf8(line.text.to_vec())?);
            Ok(())
        };
        reader.stored(&store, PREFIX, &mut out).await.unwrap();
    }
    assert_eq!(lines, numbers(0..500));
    assert_eq!(parts::list(&store, PREFIX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_fails_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let mut writer = Writer::begin(&store, PREFIX, MAX).await.unwrap();
    add(&mut writer, 0);
    // Where its directory belongs there is a file.
    std::fs::write(dir.path().join("logs"), "").unwrap();
    assert!(writer.flush().await.is_err());
    assert!(writer.due().is_some(), "it is still to be put");
    std::fs::remove_file(dir.path().join("logs")).unwrap();
    add(&mut writer, 1);
    writer.flush().await.unwrap();
    assert_eq!(read(&store).await, numbers(0..2));
}
