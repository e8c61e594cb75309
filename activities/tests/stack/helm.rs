//! Helm itself, as the stack has it, takes the charts that are packed, and packs the same files.

use std::{
    collections::BTreeSet,
    fs::File,
    path::Path,
    process::{Command, Output},
};

use crate::support::{Repo, cache, registries, stack::of_stack};
use flate2::read::GzDecoder;
use kilnworks_activities::package::chart::{Chart, chart};

const CHART: &str = "# The shop.\napiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: \"1.16\"\n\
    description: All of it\ntype: application\nmaintainers:\n- name: ann\n  email: ann@shop.example\n\
    dependencies:\n- name: db\n  version: 1.0.0\n";

fn helm(dir: &Path, args: &[&str]) -> Output {
    let mut helm = Command::new("helm");
    helm.current_dir(dir).args(args);
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(name, dir.join("helm"));
    }
    helm.output().expect("helm is on PATH: run `make up` and source `.local/env`")
}

fn says(dir: &Path, args: &[&str]) -> String {
    let done = helm(dir, args);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "helm {args:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

/// A chart with a subchart, and with much that `.helmignore` leaves out.
fn repo() -> Repo {
    let repo = Repo::new();
    repo.write("shop/Chart.yaml", CHART).write("shop/values.yaml", "image: a@sha256:1\n");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n\
                    data:\n  image: {{ .Values.image }}\n  version: {{ .Chart.Version }}\n";
    repo.write("shop/templates/map.yaml", template).write("shop/templates/.map.yaml.swp", "no");
    repo.write("shop/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n");
    repo.write("shop/charts/db/templates/a.yaml", "").write("shop/crds/shop.yaml", "");
    let ignore = "# what is left out\n*.tmp\n\n/ci/\nfiles/*.txt\n[^a-z]*.bak\ndocs/\n{a,b}\n";
    repo.write("shop/.helmignore", ignore).write("shop/one.tmp", "").write("shop/ci/a", "");
    repo.write("shop/files/a.txt", "").write("shop/files/deep/a.txt", "").write("shop/a", "");
    repo.write("shop/files/ci/b", "").write("shop/1.bak", "").write("shop/a.bak", "");
    repo.write("shop/files/docs/c", "").write("shop/LICENSE", "all").write("shared", "me");
    repo.write("shop/values.schema.json", "{}").symlink("shop/README.md", "../shared");
    repo
}

async fn packed(repo: &Repo, version: Option<&str>) -> Chart {
    let cache = cache();
    let commit = repo.commit();
    let snapshot = cache.sources.ensure(&repo.source(None), &commit).await.unwrap();
    chart(&snapshot, &commit, "shop", version).await.unwrap()
}

fn names(archive: &Path) -> BTreeSet<String> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test]
async fn helm_takes_a_chart_that_is_packed() {
    let repo = repo();
    let chart = packed(&repo, Some("2.0.0-rc.1+build.5")).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.tgz"), &chart.archive).unwrap();
    let shown = says(dir.path(), &["show", "chart", "shop.tgz"]);
    assert!(shown.contains("version: 2.0.0-rc.1+build.5"), "{shown}");
    says(dir.path(), &["lint", "--strict", "shop.tgz"]);
    let rendered = says(dir.path(), &["template", "shelf", "shop.tgz"]);
    assert!(rendered.contains("name: shelf"), "{rendered}");
    assert!(rendered.contains("image: a@sha256:1"), "{rendered}");
    assert!(rendered.contains("version: 2.0.0-rc.1+build.5"), "{rendered}");
}

#[tokio::test]
async fn helm_packs_the_same_files() {
    let repo = repo();
    let chart = packed(&repo, Some("2.0.0")).await;
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.tgz");
    std::fs::write(&ours, &chart.archive).unwrap();
    let source = repo.path().join("shop");
    says(dir.path(), &["package", "--version", "2.0.0", source.to_str().unwrap()]);
    assert_eq!(names(&ours), names(&dir.path().join("shop-2.0.0.tgz")));
}

/// What Helm makes of the archive is the config that is published with it.
#[tokio::test]
async fn the_config_is_helm_s_own() {
    let chart = packed(&repo(), Some("2.0.0")).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.tgz"), &chart.archive).unwrap();
    let shown = says(dir.path(), &["show", "chart", "shop.tgz"]);
    let shown: serde_json::Value = serde_saphyr::from_str(&shown).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&chart.config).unwrap();
    assert_eq!(config, shown);
}

/// The artifact is what `helm pull` wants, whatever its repository is called.
#[tokio::test]
async fn helm_pulls_a_chart_from_a_registry() {
    let chart = packed(&repo(), Some("2.0.0+build.5")).await;
    let repository = registries::repository(&of_stack("KILN_REGISTRY"), "test/chart").await;
    let parts = chart.manifest.parts().unwrap();
    let (config, archive) = (&parts.config.unwrap(), &parts.layers[0]);
    for (described, bytes) in [(config, &chart.config), (archive, &chart.archive)] {
        let sent = registries::blob(&repository, &described.media_type, bytes).await;
        assert_eq!((&sent.digest, sent.size), (&described.digest, described.size));
    }
    repository.put_manifest("2.0.0_build.5", &chart.manifest).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let place = format!("oci://{}", repository.name());
    says(dir.path(), &["pull", "--plain-http", &place, "--version", "2.0.0+build.5"]);
    let pulled = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let pulled = pulled.filter(|path| path.extension().is_some_and(|it| it == "tgz"));
    let pulled: Vec<_> = pulled.map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(pulled, [chart.archive]);
}
