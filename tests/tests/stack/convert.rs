//! An app of the predecessor's, from its build file to its images: the spec that `kiln convert`
//! writes is built as it is, with the Secret that its own commands make.

use std::process::{Command, Output};

use kilnworks_tests::{
    engine::variable,
    registry::{config, file, kubectl},
    stack::{Worker, publish, run, unique},
};
use serde_json::Value;

/// A server and what migrates its tables, from one private repository.
const BUILD_FILE: &str = r#"# The shop.
componentType: K8S_MICROSERVICE
componentName: shop
options:
  containers:
    - ports:
        - containerPort: "8080"
      name: server
      build:
        imagePush: ${PUSH}
        imagePushRegistry: ${REGISTRY}
        imagePushTags: [stable]
        args:
          FORMAT: '{{.Id}} $(HOME)'
        dockerfileTemplateArgs: {RUN_IMAGE: ${RUN_IMAGE}, GREETING: ${GREETING}}
        dockerfileTemplate: Dockerfile.tpl
        repoPath: market/shop
        branch: ${BRANCH}
        repo: ${REPO}
        ciAccount: "${CI_USER}"
        ciToken: "${CI_PASS}"
        configKanikoFlags: [--insecure, --label=team=market]
  initContainers:
    - name: db-migration
      build:
        imagePush: ${PUSH}
        imagePushRegistry: ${REGISTRY}
        dockerfileTemplateArgs:
          MIGRATE_IMAGE: ${RUN_IMAGE}
        dockerfileTemplate: docker/Dockerfile-db-migration.tpl
        repoPath: market/shop
        branch: ${BRANCH}
        repo: ${REPO}
        ciAccount: "${CI_USER}"
        ciToken: "${CI_PASS}"
        configKanikoFlags: [--insecure]
  env:
    - DB_HOST
---
#componentType: K8S_JOB
---
componentType: RESOURCE_ADDON
componentName: shop-env@shop-env
options: {}
"#;

/// What a template engine must leave alone is among the lines.
const SERVER: &str = "FROM {{RUN_IMAGE}} AS files\nCOPY page /page\n\
    RUN { \\\n      echo \"{{ GREETING }}\"; \\\n      echo $(cat /page); \\\n    } >/greeting\n\
    FROM {{ RUN_IMAGE }}\nARG FORMAT\nRUN printf %s \"$FORMAT\" >/format\n\
    COPY --from=files /greeting /greeting\n";

const MIGRATION: &str = "FROM {{ MIGRATE_IMAGE }}\nCOPY sql /sql\n";

fn published(name: &str) -> String {
    publish(
        name,
        &[
            ("market/shop/Dockerfile.tpl", SERVER),
            ("market/shop/docker/Dockerfile-db-migration.tpl", MIGRATION),
            ("market/shop/page", "the page"),
            ("market/shop/sql/1.sql", "create table jug ();"),
        ],
    )
}

/// `kiln convert` of the build file, in a directory with its values.
fn convert(worker: &Worker, directory: &std::path::Path, values: &str) -> Output {
    std::fs::write(directory.join("build.yaml"), BUILD_FILE).expect("the build file");
    std::fs::write(directory.join("values.env"), values).expect("the values");
    let app = worker.queue.as_str();
    let arguments =
        ["convert", "sreworks", "build.yaml", "--app", app, "--values", "values.env", "-o"];
    let mut kiln = worker.kiln(&arguments);
    kiln.arg("app.yaml").current_dir(directory).output().expect("kiln runs")
}

/// The Secret that the printed commands make. It goes with this value.
struct Secret(String);

impl Secret {
    /// Runs the commands as a person does, whose shell has the credentials.
    fn made_by(told: &str) -> Self {
        let (_, commands) = told.split_once("first build:\n").expect("commands");
        let name = commands.split_whitespace().nth(4).expect("a name").to_owned();
        let secret = Self(name);
        secret.delete();
        let mut shell = Command::new("sh");
        shell.args(["-euc", commands]);
        shell.env("CI_USER", variable("KILN_GIT_USER"));
        shell.env("CI_PASS", variable("KILN_GIT_PASSWORD"));
        run(&mut shell);
        secret
    }

    fn delete(&self) {
        run(&mut kubectl(&["delete", "secret", &self.0, "--ignore-not-found"]));
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.delete();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_the_predecessor_builds_as_it_is_converted() {
    let worker = Worker::start(&unique("convert"), &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let missing = convert(&worker, directory.path(), "PUSH=true\n");
    let told = String::from_utf8_lossy(&missing.stderr);
    assert_eq!(missing.status.code(), Some(2), "{told}");
    assert!(told.contains("${RUN_IMAGE}: missing value"), "{told}");
    assert!(!directory.path().join("app.yaml").exists());

    let values = format!(
        "export PUSH=true\nexport REGISTRY={}/test\nexport RUN_IMAGE=\"{}\"\nBRANCH=main\n\
         GREETING='kiln: \"{{it}}\"'\nREPO={}\n",
        variable("KILN_REGISTRY"),
        variable("KILN_BASE_IMAGE"),
        published(&format!("private/{}", worker.queue)),
    );
    let converted = convert(&worker, directory.path(), &values);
    let told = String::from_utf8(converted.stderr).expect("text");
    assert_eq!(converted.status.code(), Some(0), "{told}");
    let left_out = told.lines().filter(|line| line.starts_with("left out: ")).count();
    assert_eq!(left_out, 2, "the ports, one document: {told}");
    let _secret = Secret::made_by(&told);

    let mut build = worker.kiln(&["build", "app.yaml", "-o", "json"]);
    let output: Value = serde_json::from_str(&run(build.current_dir(directory.path()))).unwrap();
    let images = output["images"].as_array().expect("images");
    let reference = |name: &str| {
        let image = images.iter().find(|image| image["container"] == name).expect(name);
        image["reference"].as_str().expect("a reference").to_owned()
    };
    assert_eq!(images.len(), 2, "{output}");
    let server = reference("server");
    assert_eq!(file(&server, "greeting"), "kiln: {it}\nthe page\n");
    assert_eq!(file(&server, "format"), "{{.Id}} $(HOME)");
    let repository = server.split('@').next().expect("a repository");
    assert_eq!(config(&format!("{repository}:stable"))["config"]["Labels"]["team"], "market");
    assert_eq!(file(&reference("db-migration"), "sql/1.sql"), "create table jug ();");
    let init = images.iter().find(|image| image["container"] == "db-migration");
    assert_eq!(init.expect("it is there")["init"], true);
}
