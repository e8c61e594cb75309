use kilnworks_activities::{
    package::{
        files::{Ready, files, render_one},
        values::{as_built, values},
    },
    registry::Body,
};
use kilnworks_workflows::{
    failure::FailureType::{self, InvalidSpec, InvalidTemplate, RevisionNotFound},
    record::Record,
    spec::FileSpec,
};
use serde_json::{Value, json};

use crate::support::{Repo, cache, failure};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// An app with two components: three images, one of them used as it is, and a container of files.
fn record(component: Option<&str>) -> Record {
    let image = |component: &str, container: &str, more: Value| {
        let digest = format!("sha256:{}", container.len());
        let name = format!("localhost:5000/team/shop-{component}-{container}");
        let mut image = json!({
            "component": component, "container": container, "digest": digest, "size": 1,
            "reference": format!("{name}@{digest}"), "tags": ["1.2.0"],
            "platform": "linux/amd64", "attempts": 1,
        });
        image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        image
    };
    let images = [
        image("web", "server", json!({})),
        image("web", "db-migration", json!({})),
        image("web", "static", json!({"files": true})),
        image("job-runner", "proxy", json!({"tags": [], "attempts": 0})),
    ];
    let of = |image: &Value| component.is_none_or(|component| image["component"] == component);
    serde_json::from_value(json!({
        "apiVersion": "kilnworks.package/v1", "app": "shop", "version": "1.2.0",
        "component": component, "images": images.into_iter().filter(of).collect::<Vec<_>>(),
        "run": {"workflowId": "w", "runId": "r", "started": "s", "finished": "f", "kilnworks": "0"},
    }))
    .unwrap()
}

fn known(component: Option<&str>) -> minijinja::Value {
    values(&record(component), component, Some(COMMIT), &as_built)
}

async fn ready(repo: &Repo, component: Option<&str>, specs: Value) -> anyhow::Result<Vec<Ready>> {
    let cache = cache();
    let commit = repo.commit();
    let snapshot = cache.sources.ensure(&repo.source(None), &commit).await?;
    let specs: Vec<FileSpec> = serde_json::from_value(specs).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut first = files(
        Some((snapshot.clone(), commit.clone())),
        specs.clone(),
        known(component),
        dir.path(),
    )
    .await?;
    let second = files(Some((snapshot, commit)), specs, known(component), dir.path()).await?;
    assert_eq!(first, second);
    for file in &mut first {
        if let Body::File(path) = &file.content {
            file.content = Body::Bytes(std::fs::read(path).unwrap());
        }
    }
    Ok(first)
}

fn text(file: &Ready) -> &str {
    let Body::Bytes(bytes) = &file.content else { panic!("{} is on the disk", file.name) };
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_component_s_files_know_its_images() {
    let repo = Repo::new();
    let template = "# {{ app }}/{{ component }} {{ version }} {{ commit }} $(HOME) ${X}\n\
        image: {{ images.server.reference }}\n\
        init: {{ images.db_migration.repository }}:{{ images[\"db-migration\"].tag }}\n\
        digest: {{ images['db-migration'].digest }}\n";
    repo.write("deploy/web.yaml", template);
    let specs = json!([{"name": "manifests/web.yaml", "path": "deploy/web.yaml"}]);
    let files = ready(&repo, Some("web"), specs).await.unwrap();
    insta::assert_snapshot!(text(&files[0]), @"
    # shop/web 1.2.0 0123456789abcdef0123456789abcdef01234567 $(HOME) ${X}
    image: localhost:5000/team/shop-web-server@sha256:6
    init: localhost:5000/team/shop-web-db-migration:1.2.0
    digest: sha256:12
    ");
    assert_eq!(files[0].name, "manifests/web.yaml");
    assert_eq!(files[0].media_type, "application/yaml");
    assert_eq!(files[0].template.as_deref(), Some(template));
    assert_eq!(files[0].size, text(&files[0]).len() as u64);
}

#[tokio::test]
async fn an_app_s_files_know_the_images_of_every_component() {
    let content = "{% for name, one in images.web|items %}{{ name }} {% endfor %}\
        {{ images.job_runner.proxy.reference }} {% if component is defined %}no{% endif %}";
    let specs = json!([{"name": "all.txt", "content": content}]);
    let files = ready(&Repo::new(), None, specs).await.unwrap();
    insta::assert_snapshot!(text(&files[0]), @"db-migration db_migration server localhost:5000/team/shop-job-runner-proxy@sha256:5");
}

#[test]
fn a_template_is_rendered_again_with_other_references() {
    let elsewhere = |image: &kilnworks_workflows::output::ContainerImage| {
        format!("other:5000/shop@{}", image.digest)
    };
    let values = values(&record(None), Some("web"), None, &elsewhere);
    let text = "{{ images.server.reference }} {{ images.server.repository }}";
    let rendered = render_one("web.yaml", text, &values).unwrap();
    assert_eq!(rendered, "other:5000/shop@sha256:6 other:5000/shop");
}

#[tokio::test]
async fn a_directory_is_all_files_below_it() {
    let repo = Repo::new();
    let large = vec![0xff; 3 * 1024 * 1024];
    repo.write("site/index.html", "{{ nothing }}").write("site/a/b.css", "b").write("x/c.txt", "c");
    repo.write("site/large.bin", &large).symlink("site/a/link.txt", "../../x/c.txt");
    let specs = json!([
        {"path": "site", "template": false},
        {"name": "more", "path": "x", "template": false, "mediaType": "text/x-more"},
    ]);
    let files = ready(&repo, None, specs).await.unwrap();
    let seen: Vec<_> = files
        .iter()
        .map(|file| (file.name.as_str(), file.media_type.as_str(), file.size))
        .collect();
    insta::assert_yaml_snapshot!(seen);
    assert_eq!(text(&files[1]), "c");
    assert_eq!(files[3].content, Body::Bytes(large));
    assert!(files.iter().all(|file| file.template.is_none()));
}

#[tokio::test]
async fn a_fault_of_a_file_says_where_and_what() {
    let repo = Repo::new();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n",
        "a".repeat(64)
    );
    repo.write("binary", [0xff]).write("pointer", pointer).write("dir/a", "1").write("dir/b", "2");
    repo.write("links/x", "").symlink("links/out", "/etc/passwd").symlink("dirs", "dir");
    repo.symlink("links2", "links").write("big", "x".repeat(1024 * 1024 + 1));
    repo.write("linked/x", "").symlink("linked/to-dir", "../dir");
    let template = |text: &str| json!([{"name": "a.yaml", "content": text}]);
    let path = |path: &str| json!([{"path": path, "template": false}]);
    let mut many = Vec::new();
    for index in 0..1001 {
        many.push(json!({"name": format!("{index}"), "content": ""}));
    }
    let cases: Vec<(Value, FailureType, &str)> = vec![
        (
            template("\n{{ images.web.reference }}"),
            InvalidTemplate,
            "a.yaml line 2: `images.web` is undefined; defined are `images.db_migration`, `images.server`",
        ),
        (
            template("{{ images.server.refrence }}"),
            InvalidTemplate,
            "`images.server.refrence` is undefined; defined are `images.server.digest`, `images.server.reference`, `images.server.repository`, `images.server.tag`",
        ),
        (
            template("{{ images.static.reference }}"),
            InvalidTemplate,
            "`images.static` is undefined",
        ),
        (
            template("{{ verion }}"),
            InvalidTemplate,
            "`verion` is undefined; defined are `app`, `commit`, `component`, `images`, `version`",
        ),
        (template("{% include 'other' %}"), InvalidTemplate, "other"),
        (
            template(
                "{% for i in range(9999) %}{% for i in range(9999) %}{% endfor %}{% endfor %}",
            ),
            InvalidTemplate,
            "computes for too long",
        ),
        (
            template("{% for i in range(2000) %}{{ 'x' * 1000 }}{% endfor %}"),
            InvalidTemplate,
            "a.yaml: more than 1024 KiB, which is what a template of a package",
        ),
        (template(&"x".repeat(1024 * 1024 + 1)), InvalidTemplate, "a.yaml: more than 1024 KiB"),
        (json!([{"path": "big"}]), InvalidSpec, "`big` has more than 1024 KiB"),
        (
            json!([{"path": "binary"}]),
            InvalidTemplate,
            "binary: is not UTF-8, so it cannot be a template; `template: false`",
        ),
        (path("pointer"), InvalidSpec, "`pointer` is a Git LFS pointer"),
        (path("links"), InvalidSpec, "`links/out` is a symlink that leads to no file"),
        (path("linked"), InvalidSpec, "`linked/to-dir` is a symlink that leads to no file"),
        (path("links/out"), RevisionNotFound, "there is no `links/out` at the commit"),
        (path("dir/c"), RevisionNotFound, "there are `dir/a`, `dir/b`"),
        (path("nodir/c"), RevisionNotFound, "there are `big`"),
        (
            json!([{"path": "dir", "template": false}, {"name": "dir/a", "content": ""}]),
            InvalidSpec,
            "two files of the package have the name `dir/a`",
        ),
        (
            json!([{"path": "dir", "template": false}, {"name": "dir/a/b", "content": ""}]),
            InvalidSpec,
            "`dir/a` is a file of the package, and so is `dir/a/b`",
        ),
        (json!(many), InvalidSpec, "more than 1000 files"),
    ];
    for (specs, kind, expected) in cases {
        let (found, message) = failure(ready(&repo, Some("web"), specs).await);
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
        assert_eq!(found, kind, "{message}");
    }
}

#[tokio::test]
async fn a_file_of_no_source_needs_none() {
    let dir = tempfile::tempdir().unwrap();
    let spec = |json: Value| vec![serde_json::from_value::<FileSpec>(json).unwrap()];
    let written = spec(json!({"name": "a", "content": "{{ app }}"}));
    let ready = files(None, written, known(None), dir.path()).await.unwrap();
    assert_eq!(text(&ready[0]), "shop");
    let (kind, _) = failure(files(None, spec(json!({"path": "a"})), known(None), dir.path()).await);
    assert_eq!(kind, InvalidSpec);
}
