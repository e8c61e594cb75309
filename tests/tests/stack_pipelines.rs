//! The example pipelines of the languages that this repository's own toolchains can build, against
//! the real stack. `make contract` runs the others.

use kilnworks_tests::pipelines::holds;

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_in_go_holds() {
    holds("go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_in_python_holds() {
    holds("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_in_rust_holds() {
    holds("rust").await;
}
