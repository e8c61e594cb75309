//! `kiln convert`: converts another tool's build file to a spec.
//!
//! The result, on stdout or in a file, is a spec that `kiln plan` accepts. The command reports on stderr
//! what it left out, and how to create the Secrets that replace inline credentials.

mod build;
mod component;
mod container;
mod credentials;
mod fields;
mod flags;
mod reading;
mod spec;
mod texts;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;

use kilnworks_workflows::{document::Kind, fault::Faults, plan};
use serde_json::Value;

use self::{
    credentials::Credentials,
    reading::{Means, Reading},
    spec::Component,
    values::Values,
};
use crate::{
    builds::spec::yaml_fault,
    cli::{
        ConvertArgs, ConvertFrom,
        input::{name_of, text_of},
    },
    output::{Error, Exit, stdout},
};

/// Converts a file.
pub(crate) fn convert(args: ConvertArgs) -> Result<Exit, Error> {
    let values = values(&args)?;
    let name = name_of(&args.file);
    let text = text_of(&args.file)
        .map_err(|error| Error::input(format!("cannot read the build file: {error}")).at(&name))?;
    let options = Options {
        app: &args.app,
        name: &name,
        push_secret: args.push_secret.as_deref(),
        namespace: &args.namespace,
    };
    let converted = match args.from {
        ConvertFrom::Sreworks => sreworks(&text, &options, values)?,
    };
    match &args.output {
        None => stdout::print(converted.spec.trim_end())?,
        Some(path) => write(path, &converted.spec)?,
    }
    eprint!("{}", converted.report);
    Ok(Exit::Success)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| {
        let what = format!("cannot write the spec: {error}");
        Error::new(Exit::Failed, what).at(path.display().to_string())
    })
}

fn values(args: &ConvertArgs) -> Result<Values, Error> {
    let mut values = Values::default();
    for path in &args.values {
        let name = name_of(path);
        let text = text_of(path)
            .map_err(|error| Error::input(format!("cannot read the values: {error}")).at(&name))?;
        values.add_file(&text, &name)?;
    }
    if args.env {
        // A variable that is not UTF-8 cannot be a value.
        let texts = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        values.add_environment(texts);
    }
    Ok(values)
}

/// The arguments besides the file.
struct Options<'a> {
    /// Name of the app, which a build file does not contain.
    app: &'a str,
    /// Name of the build file.
    name: &'a str,
    /// Secret for the images of containers that name none.
    push_secret: Option<&'a str>,
    /// Namespace of the Secrets.
    namespace: &'a str,
}

#[derive(Debug)]
struct Converted {
    /// The spec.
    spec: String,
    /// What was left out or chosen.
    report: String,
}

/// Converts a build file of SREWorks.
fn sreworks(text: &str, options: &Options<'_>, values: Values) -> Result<Converted, Error> {
    let mut reading = Reading::new(values);
    let documents = documents(text, options.name)?;
    let mut credentials = Credentials::of(&documents, &reading);
    let push_secret = options.push_secret;
    let mut means = Means { reading: &mut reading, credentials: &mut credentials, push_secret };
    let mut components = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        components.extend(component::read(&mut means, format!("document {}", index + 1), document));
    }
    fault_free(reading.faults(), options, "the build file", &credentials)?;
    spec::packages(&mut components, &mut reading);
    if components.is_empty() {
        let what = format!(
            "the build file has no image to build and no chart to deliver\n{}",
            reading.report()
        );
        return Err(Error::input(credentials.redact(what.trim_end())).at(options.name));
    }
    spec::rename_duplicates(&mut components, &mut reading);
    if spec::some_push_without_secret(&components) {
        let what = "some images are pushed without credentials, because their containers have no \
                    `dockerSecretName`; `--push-secret NAME` sets one";
        reading.note(options.name, what);
    }
    let spec = write_spec(components, options, &credentials)?;
    let mut report = credentials.redact(&reading.report());
    let commands = credentials.commands(options.namespace);
    if !commands.is_empty() {
        report += &format!("note: create the Secrets before the first build:\n{commands}");
    }
    Ok(Converted { spec, report })
}

/// The documents of a build file, without empty ones. An error repeats no text, because the text may
/// contain a token.
fn documents(text: &str, name: &str) -> Result<Vec<Value>, Error> {
    // A byte order mark does not belong to the text.
    let marked = values::mark(text.trim_start_matches('\u{feff}'));
    serde_saphyr::from_multiple(&marked).map_err(|error| {
        let (at, what) = yaml_fault(&error, name);
        Error::input(format!("the build file is not valid YAML: {what}")).at(at)
    })
}

/// Writes the spec after validating it.
fn write_spec(
    mut components: Vec<Component>,
    options: &Options<'_>,
    credentials: &Credentials,
) -> Result<String, Error> {
    let document = spec::document(options.app, &mut components);
    let text = serde_saphyr::to_string(&document).map_err(anyhow::Error::from)?;
    let faults = plan::read(Kind::App, document).err().unwrap_or_default();
    fault_free(traced(faults, &components), options, "the converted spec", credentials)?;
    match credentials.are_in(&text) {
        true => Err(Error::input("the spec would contain the value of a `ciToken`")
            .hint("remove the value from the other fields of the build file")),
        false => Ok(text),
    }
}

/// An error that lists every fault, if there is one.
fn fault_free(
    faults: Faults,
    options: &Options<'_>,
    whose: &str,
    credentials: &Credentials,
) -> Result<(), Error> {
    let count = faults.0.len();
    if count == 0 {
        return Ok(());
    }
    let mut what = format!("{count} fault{} in {whose}", if count == 1 { "" } else { "s" });
    for fault in &faults.0 {
        what += &format!("\n  {}: {}", fault.path, fault.message);
    }
    let error = Error::input(credentials.redact(&what)).at(options.name);
    Err(match faults.0.iter().any(|fault| fault.path.starts_with("${")) {
        true => error.hint("set values by `--values FILE`, with lines `NAME=value`, or by `--env`"),
        false => error,
    })
}

/// Faults of the spec, with their position in the build file.
fn traced(mut faults: Faults, components: &[Component]) -> Faults {
    for fault in &mut faults.0 {
        if let Some(origin) = spec::origin(components, &fault.path) {
            fault.path = format!("{} (from {origin})", fault.path);
        }
    }
    faults
}
