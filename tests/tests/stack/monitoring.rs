//! The alert rules and the dashboard are what Prometheus and Grafana read, and each alert is
//! explained. That every metric is there is seen by `stack_telemetry.rs`.

use kilnworks_tests::telemetry::{alerts, dashboard, monitoring, named, promtool};
use serde_json::{Value, json};

#[test]
fn prometheus_takes_the_alert_rules() {
    let said = promtool(&["check", "rules", "--lint-fatal", "alerts.yaml"]);
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    let said = promtool(&["test", "rules", "alerts_test.yaml", "alerts_days_test.yaml"]);
    assert_eq!(said.matches("SUCCESS").count(), 2, "{said}");
    let text = std::fs::read_to_string(monitoring("alerts_test.yaml")).expect("the tests");
    let tests: Value = serde_saphyr::from_str(&text).expect("YAML");
    let tests = tests["tests"].as_array().expect("tests").iter();
    let cases: Vec<&Value> =
        tests.flat_map(|test| test["alert_rule_test"].as_array().expect("cases")).collect();
    for (alert, _) in alerts() {
        let of_it = || cases.iter().filter(|case| case["alertname"] == alert.as_str());
        let fires = |case: &Value| case["exp_alerts"].as_array().is_some_and(|it| !it.is_empty());
        assert!(of_it().any(|case| fires(case)), "{alert} is never seen to fire");
        assert!(of_it().any(|case| !fires(case)), "{alert} is never seen to be silent");
    }
}

#[test]
fn prometheus_takes_every_query_of_the_dashboard() {
    let queries = dashboard();
    assert!(queries.len() > 20, "only {} queries", queries.len());
    let rules = queries.iter().enumerate().map(|(number, query)| {
        let query = query.replace("$__rate_interval", "5m");
        json!({"record": format!("panel:{number}"), "expr": query})
    });
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules.to_string()).expect("the rules");
    let said = promtool(&["check", "rules", file.path().to_str().expect("a path")]);
    assert!(said.contains(&format!("{} rules found", queries.len())), "{said}");
}

#[test]
fn installations_are_told_apart() {
    let picked = r#"{namespace=~"$namespace", job=~"$job""#;
    for query in dashboard() {
        for name in named(&query) {
            assert!(query.contains(&format!("{name}{picked}")), "it takes all of them: {query}");
        }
    }
    for (alert, query) in alerts() {
        assert!(query.contains("by (namespace, job"), "{alert} hides one behind another");
    }
}

#[test]
fn operators_are_told_what_each_alert_means() {
    let page = include_str!("../../../docs/operators.md");
    for (alert, _) in alerts() {
        assert!(page.contains(&format!("| `{alert}` |")), "docs/operators.md is silent on {alert}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `Kiln"));
    assert_eq!(rows.count(), alerts().len(), "docs/operators.md has an alert too many");
}
