//! Conversions of whole files.

use kilnworks_workflows::{document::Kind, plan};

use super::{Converted, Options, sreworks, values::Values};
use crate::output::{Error, Exit};

const MARKET: &str = include_str!("fixtures/market.yaml");
const KEYS: &str = include_str!("fixtures/keys.yaml");
const FAULTS: &str = include_str!("fixtures/faults.yaml");

fn convert(text: &str, values: &str, push_secret: Option<&str>) -> Result<Converted, Error> {
    let mut given = Values::default();
    given.add_file(values, "values.env").expect("the values are right");
    let options =
        Options { app: "market", name: "of/build.yaml", push_secret, namespace: "kiln-builds" };
    sreworks(text, &options, given)
}

fn market(values: &str) -> Result<Converted, Error> {
    convert(MARKET, values, None)
}

const VALUES: &str = include_str!("fixtures/market.env");

#[test]
fn a_whole_app_is_converted() {
    let converted = market(VALUES).unwrap();
    insta::assert_snapshot!("market", converted.spec);
    insta::assert_snapshot!("market_report", converted.report);
    let document = serde_saphyr::from_str(&converted.spec).unwrap();
    let (_, plan) = plan::read(Kind::App, document).expect("`kiln plan` accepts it");
    let names: Vec<_> =
        plan.containers().map(|one| format!("{}/{}", one.component, one.container)).collect();
    assert_eq!(names, ["shop/server", "shop/db-migration", "shop-job/job", "side-car/proxy"]);
}

#[test]
fn every_key_is_converted_or_reported() {
    let converted = convert(KEYS, "NAME=n\n", Some("push-all")).unwrap();
    insta::assert_snapshot!("keys", converted.spec);
    insta::assert_snapshot!("keys_report", converted.report);
}

#[test]
fn no_credential_is_printed() {
    let all = [market(VALUES).unwrap(), convert(KEYS, "NAME=n\n", None).unwrap()];
    for Converted { spec, report } in all {
        for planted in ["planted", "robot"] {
            assert!(!spec.contains(planted), "{spec}");
            assert!(!report.contains(planted), "{report}");
        }
    }
    let wrong = VALUES.replace("PUSH=true", "PUSH=planted-token-7319");
    for error in [convert(FAULTS, "", None).unwrap_err(), market(&wrong).unwrap_err()] {
        let error = error.to_string();
        assert!(!error.contains("planted"), "{error}");
    }
}

#[test]
fn a_token_in_another_field_is_an_error() {
    let values = VALUES.replace("BRANCH=release", "BRANCH=planted-token-7319");
    let error = market(&values).unwrap_err();
    assert_eq!(error.exit, Exit::BadInput);
    let error = error.to_string();
    assert!(error.contains("would contain the value of a `ciToken`"), "{error}");
    assert!(!error.contains("planted"), "{error}");
}

#[test]
fn a_public_repository_needs_no_secret() {
    let values = VALUES.replace("robot-of-the-market", "").replace("planted-token-7319", "");
    let converted = market(&values).unwrap();
    assert!(!converted.spec.contains("secret:"), "{}", converted.spec);
    assert!(!converted.report.contains("kubectl"), "{}", converted.report);
}

#[test]
fn credentials_need_no_values() {
    let values: Vec<_> = VALUES.lines().filter(|line| !line.contains("CI_")).collect();
    let converted = market(&values.join("\n")).unwrap();
    assert_eq!(converted.spec, market(VALUES).unwrap().spec);
    let note = "if the repository is public, set the values `CI_USER=` and `CI_PASS=`";
    assert_eq!(converted.report.matches(note).count(), 1, "{}", converted.report);
}

#[test]
fn every_unknown_name_is_reported_with_its_paths() {
    let error = market("PUSH=true\n").unwrap_err();
    assert_eq!(error.exit, Exit::BadInput);
    insta::assert_snapshot!("unknown", error);
}

#[test]
fn every_fault_is_reported_with_its_path() {
    let error = convert(FAULTS, "", None).unwrap_err();
    assert_eq!(error.exit, Exit::BadInput);
    insta::assert_snapshot!("faults", error);
}

#[test]
fn invalid_yaml_is_reported_with_its_line_but_not_its_text() {
    let text = "a: 1\n---\nciToken: planted\nciToken: [planted\n";
    let error = convert(text, "", None).unwrap_err().to_string();
    assert!(!error.contains("planted"), "{error}");
    assert!(error.contains("at: of/build.yaml:"), "{error}");
}

#[test]
fn faults_of_the_spec_are_traced_to_the_file() {
    let text = KEYS.replace("repoPath: /services/one/", "repoPath: ../one");
    let error = convert(&text.replace("name: three", "name: th ree"), "NAME=n\n", None);
    insta::assert_snapshot!("traced", error.unwrap_err());
}

#[test]
fn a_file_without_images_is_an_error() {
    let text = "componentType: HELM\ncomponentName: chart\noptions: {}\n";
    insta::assert_snapshot!("no_images", convert(text, "", None).unwrap_err());
    insta::assert_snapshot!("no_documents", convert("# nothing\n---\n", "", None).unwrap_err());
}

#[test]
fn without_a_registry_there_is_no_package() {
    let chart = "---\ncomponentType: HELM\ncomponentName: chart\noptions: {repo: 'https://a.example/b.git'}\n";
    let text = format!(
        "componentType: K8S_JOB\ncomponentName: used\noptions:\n  env: [A]\n  job: {{image: a}}\n{chart}"
    );
    let converted = convert(&text, "", None).unwrap();
    insta::assert_snapshot!("no_registry", format!("{}{}", converted.spec, converted.report));
    let error = convert(chart, "", None).unwrap_err().to_string();
    assert!(error.contains("no image of the file has a registry"), "{error}");
}

/// An image with another source than the chart keeps its source.
#[test]
fn a_chart_and_images_of_one_component_have_their_sources() {
    let build = |repo: &str| {
        format!(
            "{{repo: '{repo}', imagePushRegistry: r.example/x, dockerfileTemplate: Dockerfile.tpl}}"
        )
    };
    let one = build("https://a.example/one.git");
    let text = format!(
        "componentType: K8S_JOB\ncomponentName: a\noptions: {{job: {{build: {one}}}}}\n---\n\
         componentType: HELM\ncomponentName: b\noptions:\n  repo: https://a.example/chart.git\n  \
         containers: [{{name: c, build: {one}}}]\n"
    );
    let spec = convert(&text, "", Some("push")).unwrap().spec;
    insta::assert_snapshot!("chart_and_images", spec);
}

#[test]
fn any_text_is_preserved() {
    let odd = [
        "yes",
        "1e3",
        "0x1f",
        "12:30:45",
        "~",
        "",
        " x ",
        "# x",
        "a: b",
        "- a",
        "a\nb\n",
        "\t",
        "'",
        "\"",
        "\\",
        "%x",
        "@x",
        "<<",
        "=",
        "|",
        "é…\u{1f600}",
        "\u{85}\u{2028}",
        "{a}",
        "[a",
        "*a",
        "&a",
        "!a",
        "{{ x",
        "${NAME",
        "$(x)",
        "\u{feff}",
        "null",
        "---",
        "...",
        "2001-01-01",
    ];
    let args: serde_json::Map<String, serde_json::Value> =
        odd.iter().enumerate().map(|(index, text)| (format!("A{index}"), (*text).into())).collect();
    let build = serde_json::json!({
        "imagePushRegistry": "registry.example.com/x", "repo": "https://example.com/x.git",
        "dockerfileTemplate": "Dockerfile.tpl", "dockerfileTemplateArgs": args,
    });
    let file = serde_json::json!({
        "componentType": "K8S_JOB", "componentName": "x", "options": {"job": {"build": build}},
    });
    let spec = convert(&file.to_string(), "", None).unwrap().spec;
    let spec: serde_json::Value = serde_saphyr::from_str(&spec).unwrap();
    let values = spec["components"][0]["containers"][0]["template"].as_object().unwrap();
    for (text, (_, value)) in odd.iter().zip(values) {
        match text.contains("{{") {
            true => assert_eq!(value, &format!("{{{{ \"{text}\" }}}}")),
            false => assert_eq!(value, text),
        }
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_do_not_matter() {
    let windows = format!("\u{feff}{}", MARKET.replace('\n', "\r\n"));
    let values = format!("\u{feff}{}", VALUES.replace('\n', "\r\n"));
    assert_eq!(convert(&windows, &values, None).unwrap().spec, market(VALUES).unwrap().spec);
}
