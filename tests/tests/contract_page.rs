//! `docs/contract.md` and `docs/schema` say what the types say, and every change of the contract
//! has a version with a note. `make wire NOTE='what changed'` writes them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use kilnworks_workflows::{
    contract::{names, schemas},
    names::hex,
};
use serde_json::Value;

const REMEDY: &str = "the contract has changed: run `make wire NOTE='what changed'`";
const NAMES: (&str, &str) = ("<!-- names -->\n", "<!-- end of names -->");
const VERSIONS: (&str, &str) = ("<!-- versions -->\n", "<!-- end of versions -->");

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Every file of `docs/schema`, by its name.
fn documents() -> BTreeMap<String, Value> {
    let all = schemas().into_iter().chain([("names", names())]);
    all.map(|(name, document)| (format!("{name}.json"), document)).collect()
}

fn text(document: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(document).expect("JSON"))
}

/// What stands for the contract: every document without what is only said to people.
fn fingerprint(documents: &BTreeMap<String, Value>) -> String {
    let mut bare = serde_json::to_value(documents).expect("JSON");
    strip(&mut bare);
    hex(bare.to_string().as_bytes())[..16].to_owned()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A property of this name would be an object.
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(strip);
            fields.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What the page says between two marks.
fn between<'a>(page: &'a str, (from, to): (&str, &str)) -> &'a str {
    let rest = page.split_once(from).unwrap_or_else(|| panic!("the page has {from}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("the page has {to}")).0
}

/// The part of the page that is made of the names.
fn named(names: &Value) -> String {
    let code = |value: &Value| format!("`{}`", value.as_str().expect("a text"));
    let link = |value: &Value| {
        let name = value.as_str().expect("a text");
        format!("[{name}](schema/{name}.json)")
    };
    let list = |values: &Value| {
        let values = values.as_array().expect("a list").iter();
        values.map(|value| code(value.get("name").unwrap_or(value))).collect::<Vec<_>>().join(", ")
    };
    let mut page = "| workflow type | input | result | details of a failure | workflow id |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for one in names["workflows"].as_array().expect("a list") {
        let documents = ["input", "result", "details"].map(|name| link(&one[name])).join(" | ");
        page += &format!("| {} | {documents} | {} |\n", code(&one["type"]), code(&one["id"]));
    }
    page += &format!("\n* task queue: {}\n", code(&names["taskQueue"]));
    let pairs = |values: &Value, document: &str| {
        let values = values.as_array().expect("a list").iter();
        let pair = |one: &Value| format!("{} ({})", code(&one["name"]), link(&one[document]));
        values.map(pair).collect::<Vec<_>>().join(", ")
    };
    page += &format!("* queries and their answers: {}\n", pairs(&names["queries"], "answer"));
    page += &format!("* updates and their inputs: {}\n", pairs(&names["updates"], "input"));
    page += &format!("* search attributes, all Keyword: {}\n", list(&names["searchAttributes"]));
    page + &format!("* failure types: {}\n", list(&names["failureTypes"]))
}

/// One row of the versions: its number, its fingerprint, its note.
fn rows(page: &str) -> Vec<(usize, String, String)> {
    let rows = between(page, VERSIONS).lines().skip(2);
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [version, fingerprint, note] = cells[..] else { panic!("a row of three: {row}") };
        let version = version.parse().expect("a number");
        (version, fingerprint.trim_matches('`').to_owned(), note.to_owned())
    })
    .collect()
}

/// How the page says which version it is.
fn version(number: usize) -> String {
    format!("This is version {number}.")
}

/// Writes the documents and the page where someone asks for it; a changed contract takes a note.
static WRITTEN: LazyLock<String> = LazyLock::new(|| {
    let path = docs().join("contract.md");
    let mut page = std::fs::read_to_string(&path).expect("docs/contract.md");
    let Ok(note) = std::env::var("KILN_CONTRACT_NOTE") else { return page };
    let documents = documents();
    for (name, document) in &documents {
        std::fs::write(docs().join("schema").join(name), text(document)).expect("a schema");
    }
    let section = |text: &str| format!("{}{text}{}", NAMES.0, NAMES.1);
    page = page.replace(&section(between(&page, NAMES)), &section(&named(&names())));
    let (rows, now) = (rows(&page), fingerprint(&documents));
    if rows.last().is_none_or(|(_, last, _)| *last != now) {
        assert!(!note.trim().is_empty(), "say what changed: NOTE='…'");
        let row = format!("| {} | `{now}` | {} |\n", rows.len() + 1, note.trim());
        page = page.replace(VERSIONS.1, &(row + VERSIONS.1));
        page = page.replace(&version(rows.len()), &version(rows.len() + 1));
    }
    std::fs::write(path, &page).expect("the page");
    page
});

#[test]
fn the_schemas_are_those_of_the_types() {
    LazyLock::force(&WRITTEN);
    for (name, document) in documents() {
        let file = docs().join("schema").join(&name);
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == text(&document), "docs/schema/{name}: {REMEDY}");
    }
    let files = std::fs::read_dir(docs().join("schema")).expect("docs/schema");
    assert_eq!(files.count(), documents().len(), "docs/schema has a file too many");
}

#[test]
fn the_page_has_every_name() {
    assert_eq!(between(&WRITTEN, NAMES), named(&names()), "{REMEDY}");
}

#[test]
fn the_last_version_is_the_contract_as_it_is() {
    let rows = rows(&WRITTEN);
    for (index, (version, _, note)) in rows.iter().enumerate() {
        assert_eq!(*version, index + 1, "versions count up");
        assert!(!note.is_empty(), "version {version} says what changed");
    }
    let (number, last, _) = rows.last().expect("a version");
    assert_eq!(*last, fingerprint(&documents()), "{REMEDY}");
    assert!(WRITTEN.contains(&version(*number)), "the page says `{}`", version(*number));
}

#[test]
fn a_changed_field_is_a_change_and_a_changed_description_is_none() {
    let before = fingerprint(&documents());
    let mut other = documents();
    let output = other.get_mut("output.json").expect("the output");
    output["properties"]["app"]["description"] = "In other words.".into();
    assert_eq!(fingerprint(&other), before);
    let images = other.get_mut("output.json").and_then(|it| it.pointer_mut("/properties/images"));
    images.expect("images").as_object_mut().expect("an object").clear();
    assert_ne!(fingerprint(&other), before);
}
