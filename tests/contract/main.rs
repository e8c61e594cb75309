//! The example pipelines whose toolchains not every machine has, against the real stack: run by
//! `make contract`.

use kilnworks_tests::pipelines::holds;

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_in_java_holds() {
    holds("java").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_in_typescript_holds() {
    holds("typescript").await;
}
