//! Containers whose image another build's Pod makes at the same time.

use kilnworks_tests::{
    engine::{activities, end, start, with_fakes},
    fakes::{ANOTHERS, Another, FakeSteps, Fate, digest},
    specs::container,
};
use kilnworks_workflows::{BuildContainer, output::ContainerImage};

/// Builds the container, and returns its image and the activities of its workflow.
async fn built(steps: &FakeSteps) -> (ContainerImage, Vec<String>) {
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        let image = end(&handle).await.output().images.remove(0);
        (image, activities(&client, &queue).await)
    })
    .await
}

fn another(ends: Another) -> FakeSteps {
    FakeSteps::default().fate("web/server", Fate::IsAnothers(ends))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_builds_pod_is_tagged_from_its_repository() {
    let steps = another(Another::WithAnImage);
    let (image, _) = built(&steps).await;
    assert_eq!((image.attempts, image.reused), (0, true));
    let repository = "registry.example.com/shop/shop-web-server";
    assert_eq!(image.reference, format!("{repository}@{}", digest("web/server")));
    assert_eq!((steps.count("launch"), steps.count("await_build")), (1, 1));
    let [tagged] = steps.tagged().try_into().expect("one image is tagged");
    assert_eq!((tagged.from.as_str(), tagged.to.as_str()), (ANOTHERS, repository));
    assert_eq!(tagged.digest, digest("web/server"));
    assert!(steps.pushed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_launches_its_own_pod_where_the_other_makes_no_image() {
    let steps = another(Another::WithoutAnImage);
    let (image, activities) = built(&steps).await;
    assert_eq!((image.attempts, image.reused), (1, false));
    let launches = steps.notes("launch");
    assert_eq!(launches, ["launch web/server 2Gi", "launch web/server 2Gi alone"]);
    let walk = ["upload", "launch", "await_build", "launch", "await_build", "tag", "clean_up"];
    assert_eq!(activities[3..], walk);
    let [tagged] = steps.tagged().try_into().expect("one image is tagged");
    assert_eq!(tagged.from, tagged.to, "the image is in its own repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_looks_again_for_an_equal_one_where_the_pod_was_deleted() {
    let steps = another(Another::Deleted);
    let (image, _) = built(&steps).await;
    assert_eq!((image.attempts, image.reused), (0, true));
    assert_eq!(steps.notes("launch"), ["launch web/server 2Gi"; 2], "it does not build alone");
}
