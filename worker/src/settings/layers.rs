//! The sources of a setting, in order of precedence: flag, environment variable, settings file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    cli::{Cli, CommonFlags, InstallationFlags},
    output::Error,
};

/// The given value of each setting, by the name of its flag without the dashes. An empty value counts
/// as not given, so that scripts can pass unset variables.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Flags and variables, and the settings file for the rest.
    pub(crate) fn of(cli: &Cli) -> Result<Self, Error> {
        let mut values = match &cli.common.config {
            Some(path) => Self::file(path)?,
            None => Self::default(),
        };
        values.put(&table(&cli.common));
        if let Some(flags) = cli.command.installation() {
            values.put(&table(flags));
        }
        if let Some(flags) = cli.command.sweeping() {
            values.put(&table(flags));
        }
        Ok(values)
    }

    /// The given value of a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::input(format!("cannot read the settings file: {error}"))
                .at(path.display().to_string())
        })?;
        let given: Value = serde_saphyr::from_str(&text).map_err(|error| {
            Error::input(format!("the settings file is not valid YAML: {error}"))
                .at(path.display().to_string())
        })?;
        let given = match given {
            Value::Object(given) => given,
            Value::Null => Map::new(),
            _ => {
                let what = "the settings file is not a mapping of settings to values";
                return Err(Error::input(what).at(path.display().to_string()));
            }
        };
        refuse_unknown(&given).map_err(|error| error.at(path.display().to_string()))?;
        let mut values = Self::default();
        values.put(&given);
        Ok(values)
    }

    fn put(&mut self, given: &Map<String, Value>) {
        for (name, value) in given {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => continue,
                // A number or a boolean. Lowering reports a list or a map as a fault.
                other => other.to_string(),
            };
            if !text.is_empty() {
                self.0.insert(name.clone(), text);
            }
        }
    }
}

#[cfg(test)]
impl Values {
    /// These values, without the empty ones.
    pub(crate) fn given(given: Vec<(&str, &str)>) -> Self {
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        Self(given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Values {
    fn from(given: [(&str, &str); N]) -> Self {
        Self(given.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

fn table(flags: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(flags) {
        Ok(Value::Object(table)) => table,
        _ => unreachable!("flags are a struct of texts"),
    }
}

/// The names of all settings, as in the settings file.
pub(crate) fn known() -> Vec<String> {
    let mut known = table(&CommonFlags::default());
    known.extend(table(&InstallationFlags::default()));
    known.into_iter().map(|(name, _)| name).collect()
}

fn refuse_unknown(given: &Map<String, Value>) -> Result<(), Error> {
    let known = known();
    let unknown: Vec<String> =
        given.keys().filter(|name| !known.contains(name)).map(|name| format!("`{name}`")).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let what = format!("unknown setting: {}", unknown.join(", "));
    Err(Error::input(what).hint(format!("known settings are {}", known.join(", "))))
}

/// The environment variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    let upper = name.replace('-', "_").to_uppercase();
    match name {
        "aws-region" => upper,
        _ => format!("KILN_{upper}"),
    }
}

/// The default directory of the Git mirrors.
pub(crate) fn default_cache_dir() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    of("XDG_CACHE_HOME")
        .or_else(|| of("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| "/var/cache".into())
        .join("kilnworks/mirrors")
}
