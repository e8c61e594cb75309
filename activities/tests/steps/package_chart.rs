use std::{collections::BTreeMap, io::Read};

use flate2::read::GzDecoder;
use kilnworks_activities::package::chart::{Chart, chart};
use kilnworks_workflows::{
    failure::FailureType::{self, InvalidSpec, RevisionNotFound},
    names,
};

use crate::support::{Repo, cache, failure};

const CHART: &str =
    "apiVersion: v2\nname: shop\nversion: 0.1.0 # not of the app\ndescription: The shop\n";

async fn packed(repo: &Repo, path: &str, version: Option<&str>) -> anyhow::Result<Chart> {
    let cache = cache();
    let commit = repo.commit();
    let snapshot = cache.sources.ensure(&repo.source(None), &commit).await?;
    chart(&snapshot, &commit, path, version).await
}

/// The files of an archive, in its order.
fn contents(archive: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

#[tokio::test]
async fn a_chart_is_packed_as_helm_does() {
    let repo = Repo::new();
    repo.write("c/Chart.yaml", CHART).write("c/values.yaml", "a: 1\n").write("c/notes.tmp", "no");
    repo.write("c/templates/a.yaml", "{{ .Values.a }}").write("c/templates/.b.swp", "no");
    repo.write("c/.helmignore", "*.tmp\n/ci/\nChart.yaml\n").write("c/ci/test.yaml", "no");
    repo.write("shared/README.md", "me").symlink("c/README.md", "../shared/README.md");
    let chart = packed(&repo, "c", Some("2.0.0+b")).await.unwrap();
    let found: BTreeMap<_, _> = contents(&chart.archive).into_iter().collect();
    insta::assert_yaml_snapshot!(found);
    let again = packed(&repo, "c", Some("2.0.0+b")).await.unwrap();
    assert_eq!(chart.archive, again.archive);
    assert_eq!((chart.name.as_str(), chart.version.as_str()), ("shop", "2.0.0+b"));
    let parts = chart.manifest.parts().unwrap();
    assert_eq!(parts.layers[0].digest, format!("sha256:{}", names::hex(&chart.archive)));
    assert_eq!(parts.config.unwrap().digest, format!("sha256:{}", names::hex(&chart.config)));
    let own = packed(&repo, "c", None).await.unwrap();
    assert_eq!(own.version, "0.1.0");
    assert_eq!(contents(&own.archive)[1], ("shop/Chart.yaml".to_owned(), CHART.to_owned()));
}

#[tokio::test]
async fn a_chart_may_be_the_whole_source() {
    let repo = Repo::new();
    repo.write("Chart.yaml", CHART);
    let chart = packed(&repo, "", None).await.unwrap();
    assert_eq!(contents(&chart.archive), [("shop/Chart.yaml".to_owned(), CHART.to_owned())]);
}

#[tokio::test]
async fn a_fault_of_a_chart_says_where_and_what() {
    let repo = Repo::new();
    let needs = format!("{CHART}dependencies:\n- name: db\n  version: 1.0.0\n");
    repo.write("file", "").write("empty/values.yaml", "").write("bad/Chart.yaml", "name: shop\n");
    repo.write("needs/Chart.yaml", &needs);
    repo.write("has/Chart.yaml", &needs).write("has/charts/db-1.0.0.tgz", "");
    repo.write("rules/Chart.yaml", CHART).write("rules/.helmignore", "a/**\n");
    repo.write("links/Chart.yaml", CHART).symlink("links/out", "/etc/passwd");
    repo.write("large/Chart.yaml", CHART).write("large/x", "x".repeat(5 * 1024 * 1024 + 1));
    let cases: [(&str, FailureType, &str); 8] = [
        ("nowhere", RevisionNotFound, "there is no `nowhere` at the commit"),
        ("file", InvalidSpec, "chart: file: is not a directory"),
        ("empty", RevisionNotFound, "there is no `empty/Chart.yaml` at the commit"),
        ("bad", InvalidSpec, "chart: bad/Chart.yaml: `version` is missing"),
        ("needs", InvalidSpec, "needs/Chart.yaml: its dependency `db` is not in `charts/`"),
        ("rules", InvalidSpec, "chart: rules/.helmignore: line 1: `a/**`: Helm knows no `**`"),
        ("links", InvalidSpec, "`links/out` is a symlink that leads to no file"),
        ("large", InvalidSpec, "`large/x` has more than 5120 KiB"),
    ];
    for (path, kind, expected) in cases {
        let (found, message) = failure(packed(&repo, path, None).await);
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
        assert_eq!(found, kind, "{message}");
    }
    assert!(packed(&repo, "has", None).await.is_ok());
}
