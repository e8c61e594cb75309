//! The JSON Schemas of the three documents, made once.

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::Kind;
use crate::spec::{AppSpec, ComponentInput, ContainerInput};

/// A schema, ready for use.
pub(super) struct Schema {
    /// As it is published.
    pub(super) document: Value,
    pub(super) validator: Validator,
}

impl Schema {
    fn new(document: Value) -> Self {
        let validator = jsonschema::validator_for(&document).expect("our own schema is valid");
        Self { document, validator }
    }
}

/// The schema of documents of a kind.
pub(super) fn of(kind: Kind) -> &'static Schema {
    static APP: LazyLock<Schema> = LazyLock::new(|| Schema::new(generate::<AppSpec>()));
    static COMPONENT: LazyLock<Schema> =
        LazyLock::new(|| Schema::new(generate::<ComponentInput>()));
    static CONTAINER: LazyLock<Schema> =
        LazyLock::new(|| Schema::new(generate::<ContainerInput>()));
    match kind {
        Kind::App => &APP,
        Kind::Component => &COMPONENT,
        Kind::Container => &CONTAINER,
    }
}

/// The schema without `null`s, which count as missing.
fn generate<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(no_null))
        .into_generator();
    generator.into_root_schema_for::<T>().into()
}

fn no_null(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = any.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}
