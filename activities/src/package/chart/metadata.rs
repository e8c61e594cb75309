//! `Chart.yaml`: the fields that Helm requires, and those that a chart's manifest repeats.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Map, Value};

/// The line of the version: the text before, the version, the text after.
static VERSION_LINE: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::unwrap_used, reason = "the pattern is fixed")]
    Regex::new(r#"(?m)^(["']?version["']?[ \t]*:[ \t]+)([^ \t\r\n#][^ \t\r\n]*)([ \t]*(?:[ \t]#[^\r\n]*)?\r?)$"#)
        .unwrap()
});

/// The fields that are strings, however YAML reads them.
const TEXTS: [&str; 11] = [
    "apiVersion",
    "appVersion",
    "condition",
    "description",
    "home",
    "icon",
    "kubeVersion",
    "name",
    "tags",
    "type",
    "version",
];

/// A `Chart.yaml`.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) version: String,
    /// The text of the file, with the chart's version.
    pub(super) text: String,
    fields: Map<String, Value>,
}

impl Metadata {
    /// Parses the file. With `version` it changes the line of the version only.
    pub(super) fn read(content: Vec<u8>, version: Option<&str>) -> Result<Self, String> {
        let text = String::from_utf8(content).map_err(|_| "is not UTF-8".to_owned())?;
        let fields = parse(&text)?;
        let own = field(&fields, "version").ok_or("`version` is missing")?;
        let (text, fields) = match version {
            None => (text, fields),
            Some(version) => {
                let text = VERSION_LINE.replacen(&text, 1, |found: &regex::Captures<'_>| {
                    format!("{}{version}{}", &found[1], &found[3])
                });
                let text = text.into_owned();
                let fields = parse(&text)?;
                (text, fields)
            }
        };
        let version = version.unwrap_or(&own).to_owned();
        if field(&fields, "version").as_deref() != Some(&version) {
            return Err(format!(
                "the version `{own}` cannot be replaced; write it in a line of its own, as `version: {own}`"
            ));
        }
        let name = field(&fields, "name").ok_or("`name` is missing")?;
        let metadata = Self { name, version, text, fields };
        metadata.check()?;
        Ok(metadata)
    }

    fn check(&self) -> Result<(), String> {
        match field(&self.fields, "apiVersion").as_deref() {
            Some("v1" | "v2") => {}
            Some(other) => {
                return Err(format!("`apiVersion` is `{other}`; accepted is `v1`, `v2`"));
            }
            None => return Err("`apiVersion` is missing; accepted is `v1`, `v2`".to_owned()),
        }
        // The name is part of a repository's name, and of paths in the archive.
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let name = &self.name;
        let is_name =
            name.chars().all(allowed) && outer(name.chars().next()) && outer(name.chars().last());
        if !is_name || name.len() > 128 {
            return Err(format!(
                "`name` is `{name}`; accepted are lower-case letters, digits, and `-`, `.`, `_` between them"
            ));
        }
        semver::Version::parse(&self.version).map_err(|error| {
            format!("`version` is `{}`, which is not a semantic version: {error}", self.version)
        })?;
        match field(&self.fields, "type").as_deref() {
            None | Some("application" | "library") => Ok(()),
            Some(other) => {
                Err(format!("`type` is `{other}`; accepted is `application`, `library`"))
            }
        }
    }

    /// Names of the charts that must be beside it.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = &str> {
        let all = self.fields.get("dependencies").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|one| one.get("name")?.as_str())
    }

    /// The config of the chart's manifest. Like Helm, it writes the repository of each dependency, even an
    /// empty one.
    pub(super) fn config(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let all = fields.get_mut("dependencies").and_then(Value::as_array_mut);
        for one in all.into_iter().flatten().filter_map(Value::as_object_mut) {
            one.entry("repository").or_insert_with(|| "".into());
        }
        Value::Object(fields).to_string().into_bytes()
    }

    /// The annotations of the chart's manifest: those of `helm push`, without the time.
    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        let texts = |value: Option<&Value>| {
            let all = value.and_then(Value::as_object).into_iter().flatten();
            let texts = all.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
            texts.collect::<BTreeMap<_, _>>()
        };
        let mut all = texts(self.fields.get("annotations"));
        let source = self.fields.get("sources").and_then(|sources| text(sources.get(0)?));
        for (name, value) in [
            ("title", Some(self.name.clone())),
            ("version", Some(self.version.clone())),
            ("description", field(&self.fields, "description")),
            ("url", field(&self.fields, "home")),
            ("source", source),
            ("authors", self.authors()),
        ] {
            if let Some(value) = value {
                all.insert(format!("org.opencontainers.image.{name}"), value);
            }
        }
        all
    }

    fn authors(&self) -> Option<String> {
        let all = self.fields.get("maintainers")?.as_array()?;
        let one = |one: &Value| {
            let name = text(one.get("name")?)?;
            let email = one.get("email").and_then(text).filter(|email| !email.is_empty());
            Some(email.map_or(name.clone(), |email| format!("{name} ({email})")))
        };
        let all: Vec<_> = all.iter().filter_map(one).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

/// The fields of the file, without empty ones.
fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let mut fields: Map<String, Value> = serde_saphyr::from_str(text)
        .map_err(|error| format!("cannot be read: {}", error.without_snippet()))?;
    fields.retain(|_, value| !value.is_null());
    for name in TEXTS {
        if let Some(value) = fields.get_mut(name) {
            *value = self::text(value).ok_or(format!("`{name}` is not a string"))?.into();
        }
    }
    Ok(fields)
}

fn field(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(text).filter(|text| !text.is_empty())
}

/// A scalar as a string.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    fn read(text: &str, version: Option<&str>) -> Result<Metadata, String> {
        Metadata::read(text.as_bytes().to_vec(), version)
    }

    #[test]
    fn only_the_line_of_the_version_is_changed() {
        let text = "# A chart.\napiVersion: v2\nname: shop\ndependencies:\n  - name: a\n    version: 1.0.0\n\
                    version: \"0.1.0\"  # of the chart\r\nappVersion: 1.16  # of the app\n";
        let read = read(text, Some("2.0.0-rc.1+b.5")).unwrap();
        let expected = text.replace("\"0.1.0\"", "2.0.0-rc.1+b.5");
        assert_eq!(read.text, expected);
        assert_eq!(read.version, "2.0.0-rc.1+b.5");
        let config: serde_json::Value = serde_json::from_slice(&read.config()).unwrap();
        assert_eq!(config["version"], "2.0.0-rc.1+b.5");
        assert_eq!(config["appVersion"], "1.16");
    }

    #[test]
    fn a_manifest_tells_what_helm_tells() {
        let text = "apiVersion: v2\nname: shop\nversion: 1.0.0\ndescription: All of it\n\
                    home: https://shop.example\nsources: [https://git.example/shop, x]\n\
                    maintainers:\n- name: ann\n  email: ann@shop.example\n- name: bob\n\
                    annotations:\n  team: web\n  org.opencontainers.image.title: another\n";
        insta::assert_yaml_snapshot!(read(text, None).unwrap().annotations());
    }

    #[test]
    fn a_fault_says_what_is_wrong() {
        let chart = |more: &str| format!("apiVersion: v2\nname: shop\nversion: 1.0.0\n{more}");
        for (text, version, expected) in [
            ("a: [", None, "cannot be read"),
            ("- a", None, "cannot be read"),
            ("apiVersion: v2\nname: shop\n", None, "`version` is missing"),
            ("apiVersion: v2\nversion: 1.0.0\n", None, "`name` is missing"),
            ("name: shop\nversion: 1.0.0\n", None, "`apiVersion` is missing"),
            ("apiVersion: v3\nname: a\nversion: 1.0.0\n", None, "`apiVersion` is `v3`"),
            ("apiVersion: v2\nname: ../a\nversion: 1.0.0\n", None, "`name` is `../a`"),
            ("apiVersion: v2\nname: Shop\nversion: 1.0.0\n", None, "`name` is `Shop`"),
            ("apiVersion: v2\nname: shop\nversion: 1.0\n", None, "not a semantic version"),
            ("apiVersion: v2\nname: shop\nversion: [1]\n", None, "`version` is not a string"),
            ("{apiVersion: v2, name: shop, version: 1.0.0}", Some("2.0.0"), "cannot be replaced"),
            (&chart("type: operator\n"), None, "`type` is `operator`"),
            (&chart("name: again\n"), None, "cannot be read"),
        ] {
            let error = read(text, version).expect_err(text);
            assert!(error.contains(expected), "{error}\nshould contain\n{expected}");
        }
    }
}
