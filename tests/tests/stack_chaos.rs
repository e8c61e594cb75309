//! The short form of the chaos suite; `make chaos` runs the whole of it.

use kilnworks_tests::chaos::{Stage, cases, table};

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_sharpest_faults_lose_nothing() {
    // Another moment each time; a failure names the seed to repeat it with.
    let seed = fastrand::u64(..);
    let sharp: Vec<_> = cases().into_iter().filter(|case| case.is_sharp).collect();
    assert_eq!(sharp.len(), 10);
    let verdicts = Stage::open(seed).await.run(sharp, 4, |_| {}).await;
    let faults: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| verdict.faults().map(|fault| format!("{}: {fault}", verdict.case)))
        .collect();
    assert!(faults.is_empty(), "seed {seed}\n{}\n{}", table(&verdicts), faults.join("\n"));
}
