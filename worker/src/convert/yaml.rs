//! The spec as YAML with comments.

use kilnworks_workflows::spec::API_VERSION;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parts::{Component, Part};
use crate::output::Error;

/// Width of a comment line.
const WIDTH: usize = 100;

/// Writes a spec. `head` is the comment at the top.
pub(super) fn write(
    head: &str,
    app: &str,
    defaults: &Map<String, Value>,
    parts: &[Part],
) -> Result<String, Error> {
    let mut text = comment(head, 0);
    text += &block(&json!({"apiVersion": API_VERSION, "app": app}), 0)?;
    if !defaults.is_empty() {
        text += "\n";
        text += &block(&json!({"defaults": defaults}), 0)?;
    }
    text += "\ncomponents:\n";
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text += "\n";
        }
        match part {
            Part::LeftOut(why) => text += &comment(why, 2),
            Part::Component(one) => text += &component(one)?,
        }
    }
    Ok(text)
}

fn component(component: &Component) -> Result<String, Error> {
    let mut text = comments(&component.comments, 2);
    text += &item(&component.head(), 2)?;
    if !component.containers.is_empty() {
        text += "    containers:\n";
    }
    for container in &component.containers {
        text += &comments(&container.comments, 6);
        text += &item(&json!(container.fields()), 6)?;
    }
    if let Some(files) = component.files() {
        text += &in_lines(&json!({"files": files}), 4, true)?;
    }
    Ok(text)
}

/// A value as an item of a list.
fn item(value: &Value, indent: usize) -> Result<String, Error> {
    let mut text = block(value, indent + 2)?;
    text.replace_range(indent..=indent, "-");
    Ok(text)
}

/// A value as indented lines.
fn block(value: &impl Serialize, indent: usize) -> Result<String, Error> {
    in_lines(value, indent, false)
}

/// A value as indented lines. With `texts`, multi-line texts become block scalars.
fn in_lines(value: &impl Serialize, indent: usize, texts: bool) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: texts };
    let text = serde_saphyr::to_string_with_options(value, options).map_err(anyhow::Error::from)?;
    Ok(text.lines().map(|line| format!("{:indent$}{line}\n", "")).collect())
}

fn comments(all: &[String], indent: usize) -> String {
    all.iter().map(|one| comment(one, indent)).collect()
}

/// A comment, wrapped. Control characters of the text cannot end a comment line.
fn comment(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        match lines.last_mut() {
            Some(line) if indent + line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
}
