//! The short form of the chaos suite, and a test of its judge. `make chaos` runs all cases.

use kilnworks_tests::chaos::{Stage, Verdict, cases, planted, table};

fn seed() -> u64 {
    // Another moment each time; a failure names the seed to repeat it with.
    uuid::Uuid::new_v4().as_u64_pair().0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sharpest_faults_lose_nothing() {
    let sharp: Vec<_> = cases().into_iter().filter(|case| case.is_sharp).collect();
    let seed = seed();
    let verdicts = Stage::open(seed).await.run(sharp, 4, |_| {}).await;
    let faults: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| verdict.faults().map(|fault| format!("{}: {fault}", verdict.case)))
        .collect();
    assert!(faults.is_empty(), "seed {seed}\n{}\n{}", table(&verdicts), faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_a_double_a_leftover_and_a_hang_are_seen() {
    let verdicts = Stage::open(seed()).await.run(planted(), 2, |_| {}).await;
    let of = |name: &str| verdicts.iter().find(|verdict| verdict.case == name).expect("a verdict");
    let Verdict { lost, duplicated, orphans, hung, .. } = of("planted-loss");
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(duplicated.len(), 1, "{duplicated:?}");
    assert_eq!(orphans.len(), 2, "{orphans:?}");
    assert!(hung.is_empty(), "{hung:?}");
    assert_eq!(of("planted-hang").hung.len(), 1);
    assert!(of("no-fault").is_good());
}
