//! Rendering a Dockerfile and the texts of a spec.

use std::collections::BTreeMap;

use kilnworks_activities::render::read;
use kilnworks_workflows::{
    bounds,
    document::Kind,
    failure::FailureType::{self, InvalidTemplate, RevisionNotFound},
    plan::{self, ContainerPlan},
    steps::{RenderInput, Rendered},
};
use serde_json::{Value, json};

use crate::support::{Repo, cache, failure};

/// The plan of a container, with more fields than it must have.
pub(crate) fn container(repo: &Repo, version: Option<&str>, more: Value) -> ContainerPlan {
    let mut container = json!({"name": "web"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut app = json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "defaults": {"registry": {"prefix": "registry.example.com/team"}, "source": {"git": {"url": "https://e.com/a.git"}}},
        "components": [{"name": "front", "containers": [container]}],
    });
    if let Some(version) = version {
        app["version"] = json!(version);
    }
    let (_, plan) = plan::read(Kind::App, app).unwrap();
    let mut container = plan.components[0].containers[0].clone();
    if let kilnworks_workflows::plan::Work::Build(build) = &mut container.work {
        build.source = repo.source(None);
    }
    container
}

pub(crate) async fn rendered(
    repo: &Repo,
    version: Option<&str>,
    more: Value,
) -> anyhow::Result<Rendered> {
    let commit = repo.commit();
    let plan = container(repo, version, more);
    let cache = cache();
    let input = RenderInput { id: Default::default(), plan, commit, images: BTreeMap::new() };
    let first = read(&cache.sources, input.clone()).await?;
    let second = read(&cache.sources, input).await?;
    assert_eq!(first, second);
    Ok(first)
}

/// The Dockerfile that a template gives.
async fn dockerfile(template: &str, values: Value) -> String {
    let repo = Repo::new();
    repo.write("Dockerfile.tpl", template);
    let more = json!({"dockerfile": "Dockerfile.tpl", "template": values});
    rendered(&repo, Some("1.2.0+build"), more).await.unwrap().dockerfile
}

#[tokio::test]
async fn a_template_leaves_shell_and_docker_alone() {
    let template = r#"# syntax, not a {{ "comment" }}
FROM {{registry}}/base:{{ tag }}
ARG VERSION={{version}}
RUN { \
      echo "${HOME:-/root}" "$(date)" "$$" `id`; \
      awk '{ print $1 }' /etc/passwd; \
    }
{% raw %}RUN docker inspect --format '{{ .Id }}' ${#list[@]}{% endraw %}
{%- for package in packages %}
RUN apt-get install -y {{ package }}
{%- endfor %}
{% if debug %}ENV DEBUG=1{% else %}ENV DEBUG=0{% endif %}
LABEL quoted="{{ quoted }}" of={{app}}-{{component}}-{{container}}
"#;
    let values = json!({
        "registry": "localhost:5000", "tag": 12, "packages": ["git", "curl"],
        "debug": false, "quoted": "a \"b\" <c> & 'd'",
    });
    insta::assert_snapshot!(dockerfile(template, values).await);
}

#[tokio::test]
async fn a_value_is_rendered_once() {
    let template = "RUN echo {{ one }} {{ two }} {{ deep.list[0] }}\n";
    let values = json!({
        "one": "{{ '{{ app }}' }}",
        "two": "{{ app }}:{{ version }}",
        "deep": {"list": ["{% raw %}{{ x }}{% endraw %}"]},
    });
    insta::assert_snapshot!(dockerfile(template, values).await, @"RUN echo {{ app }} shop:1.2.0+build {{ x }}");
}

#[tokio::test]
async fn a_template_includes_files_of_its_context() {
    let repo = Repo::new();
    repo.write("ctx/Dockerfile.j2", "FROM base\n{% include 'parts/user' %}\nCMD {{ cmd }}\n");
    repo.write("ctx/parts/user", "{% include 'parts/id' %}\nUSER {{ cmd }}")
        .write("ctx/parts/id", "# id");
    let more =
        json!({"contextDir": "ctx", "dockerfile": "Dockerfile.j2", "template": {"cmd": "run"}});
    let rendered = rendered(&repo, None, more).await.unwrap();
    assert_eq!(rendered.dockerfile, "FROM base\n# id\nUSER run\nCMD run\n");
}

/// Renders a container that stands on another of its component and on one of another component.
async fn on_others(template: &str, more: Value) -> anyhow::Result<Rendered> {
    let repo = Repo::new();
    repo.write("Dockerfile.tpl", template);
    let mut fields = json!({"dockerfile": "Dockerfile.tpl"});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let cache = cache();
    let images = [("front/base-image", "a"), ("front/data", "b"), ("data/tools", "c")];
    let images = images
        .map(|(name, digit)| (name.to_owned(), format!("r.io/{name}@sha256:{}", digit.repeat(64))));
    let plan = container(&repo, None, fields);
    let commit = repo.commit();
    let input = RenderInput { id: Default::default(), plan, commit, images: images.into() };
    read(&cache.sources, input).await
}

#[tokio::test]
async fn a_template_knows_the_images_that_it_is_built_from() {
    let template = "FROM {{ images.base_image.reference }}\n\
                    # {{ images['base-image'].repository }} {{ images['front/base-image'].digest }}\n\
                    COPY --from={{ images.data.reference }} a b\n\
                    COPY --from={{ images.data.tools.reference }} a b\nARG BASE\n";
    let args = json!({"buildArgs": {"BASE": "{{ images['data/tools'].digest }}"}});
    let rendered = on_others(template, args).await.unwrap();
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let (a, b, c) = (digest("a"), digest("b"), digest("c"));
    let expected = format!(
        "FROM r.io/front/base-image@{a}\n# r.io/front/base-image {a}\n\
         COPY --from=r.io/front/data@{b} a b\nCOPY --from=r.io/data/tools@{c} a b\nARG BASE\n"
    );
    assert_eq!(rendered.dockerfile, expected);
    assert_eq!(rendered.build_args["BASE"], c);
}

#[tokio::test]
async fn what_is_built_from_an_image_must_name_it() {
    let both =
        "FROM {{ images.base_image.reference }}\nCOPY --from={{ images.data.reference }} a b\n";
    let table = [
        ("FROM {{ images.bsae.reference }}\n", "`images.bsae` is undefined; defined are"),
        (
            both,
            "`from` names `data/tools`, whose image is not in the Dockerfile; write `FROM {{ images.data.tools.reference }}`",
        ),
        ("FROM base:1\n", "`FROM {{ images.data.tools.reference }}`"),
    ];
    for (template, expected) in table {
        let (kind, message) = failure(on_others(template, json!({})).await);
        assert_eq!(kind, InvalidTemplate);
        assert!(message.contains(expected), "{message}");
    }
    let (_, message) = failure(on_others(both, json!({"template": {"images": 1}})).await);
    assert!(message.contains("template.images: the name belongs to Kilnworks"), "{message}");
}

#[tokio::test]
async fn a_plain_dockerfile_is_passed_as_it_is() {
    let repo = Repo::new();
    let text = "FROM {{ base }}\nRUN {% this is no template\n";
    repo.write("a/docker/Dockerfile", text).write("a/docker/Dockerfile.dockerignore", "*\n");
    repo.symlink("a/Dockerfile", "docker/Dockerfile");
    for path in ["docker/Dockerfile", "Dockerfile"] {
        let rendered =
            rendered(&repo, None, json!({"contextDir": "a", "dockerfile": path})).await.unwrap();
        assert_eq!(rendered.dockerfile, text);
        let beside = (path == "docker/Dockerfile").then(|| "*\n".to_owned());
        assert_eq!(rendered.dockerignore, beside);
    }
}

#[tokio::test]
async fn texts_of_the_spec_know_the_five_variables() {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM base\n");
    let more = json!({
        "buildArgs": {"NAME": "{{ app }}-{{ component }}-{{ container }}", "PLAIN": "$(x) ${y} { \\"},
        "labels": {"org.opencontainers.image.version": "{{ version }}"},
        "tags": ["latest", "{{ version | replace('+', '.') }}", "1.2.0_build", "latest"],
    });
    let rendered = rendered(&repo, Some("1.2.0+build"), more).await.unwrap();
    assert_eq!(rendered.tags, ["1.2.0_build", "latest", "1.2.0.build"]);
    assert_eq!(rendered.labels["org.opencontainers.image.version"], "1.2.0+build");
    let expected = [("NAME", "shop-front-web"), ("PLAIN", "$(x) ${y} { \\")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(rendered.build_args, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_fault_says_where_and_what() {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM base\n").write("dir/a", "1").symlink("link", "dir");
    repo.write("binary", [0xff, 0xfe])
        .write("large", "x".repeat(70_000))
        .symlink("out", "/etc/passwd");
    for (name, text) in [
        ("unknown", "FROM base\n\nRUN {{ tagg }}\n"),
        ("attribute", "FROM {{ tag.nothing.more }}\n"),
        ("syntax", "FROM base\nRUN {{ tag }\n"),
        ("open", "FROM base\n{% if tag %}\n"),
        ("comment", "FROM base\nRUN echo ${#list[@]}\n"),
        ("include", "{% include 'nowhere' %}\n"),
        ("version", "FROM base:{{ version }}\n"),
        ("endless", "{% for i in range(9999) %}{% for i in range(9999) %}{% endfor %}{% endfor %}"),
        ("huge", "{% for i in range(9999) %}xxxxxxxxxx{% endfor %}"),
    ] {
        repo.write(&format!("{name}.tpl"), text);
    }
    let template =
        |name: &str| json!({"dockerfile": format!("{name}.tpl"), "template": {"tag": "1"}});
    let plain = |path: &str| json!({"dockerfile": path});
    let cases: Vec<(Value, FailureType, &str)> = vec![
        (
            template("unknown"),
            InvalidTemplate,
            "unknown.tpl line 3: `tagg` is undefined; defined are `app`, `commit`, `component`, `container`, `tag`",
        ),
        (template("attribute"), InvalidTemplate, "attribute.tpl line 1"),
        (template("syntax"), InvalidTemplate, "syntax.tpl line 2"),
        (template("open"), InvalidTemplate, "open.tpl line"),
        (template("comment"), InvalidTemplate, "{% raw %}"),
        (template("include"), InvalidTemplate, "nowhere"),
        (template("version"), InvalidTemplate, "`version` is undefined"),
        (template("endless"), InvalidTemplate, "computes for too long"),
        (template("huge"), InvalidTemplate, "more than 64 KiB"),
        (plain("dir"), InvalidTemplate, "dir: is a directory"),
        (plain("link"), InvalidTemplate, "link: is a directory"),
        (plain("binary"), InvalidTemplate, "binary: is not UTF-8"),
        (plain("large"), InvalidTemplate, "large: more than 64 KiB"),
        (plain("out"), RevisionNotFound, "no file `out`"),
        (plain("dir/b"), RevisionNotFound, "there is no file `dir/b` at the commit"),
        (plain("dir/b"), RevisionNotFound, "there are `dir/a`"),
        (json!({"contextDir": "nodir"}), RevisionNotFound, "the context `nodir` does not exist"),
        (
            json!({"template": {"app": "x"}}),
            InvalidTemplate,
            "template.app: the name belongs to Kilnworks",
        ),
        (
            json!({"template": {"x": "{{ tag }}"}}),
            InvalidTemplate,
            "template.x line 1: `tag` is undefined",
        ),
        (
            json!({"buildArgs": {"X": "{{ nothing }}"}}),
            InvalidTemplate,
            "buildArgs.X line 1: `nothing` is undefined; defined are",
        ),
        (json!({"tags": ["{{ app }}/x"]}), InvalidTemplate, "tags[0]: "),
    ];
    for (more, kind, expected) in cases {
        let (found, message) = failure(rendered(&repo, None, more.clone()).await);
        assert_eq!(found, kind, "{more} {message}");
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
    }
}

#[tokio::test]
async fn what_is_rendered_fits_into_a_pod() {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM scratch\n");
    let refused = async |more: Value| {
        let (kind, message) = failure(rendered(&repo, None, more).await);
        assert_eq!(kind, InvalidTemplate, "{message}");
        message
    };
    let grown = |count: usize| format!("{{% for _ in range({count}) %}}x{{% endfor %}}");
    let value = |count| json!({"buildArgs": {"A": grown(count)}});
    let at = rendered(&repo, None, value(bounds::VALUE_BYTES)).await.unwrap();
    assert_eq!(at.build_args["A"].len(), bounds::VALUE_BYTES);
    let message = refused(value(bounds::VALUE_BYTES + 1)).await;
    assert_eq!(message, "buildArgs.A: 32769 bytes; at most 32768 are accepted");

    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let full: BTreeMap<_, _> =
        names.map(|name| (name, "x".repeat(bounds::ARGUMENT_BYTES / 8 - 1))).into();
    rendered(&repo, None, json!({"buildArgs": full})).await.unwrap();
    let message = refused(json!({"buildArgs": full, "labels": {"i": ""}})).await;
    assert_eq!(message, "buildArgs and labels: 262145 bytes; at most 262144 are accepted");
}
