//! `kiln convert`: a spec out of what another tool builds from.
//!
//! The result, on stdout or in a file, is a spec that `kiln plan` accepts. What has no equivalent
//! is named on stderr, and so are the Secrets that take the place of written-out credentials.

mod build;
mod comments;
mod component;
mod container;
mod credentials;
mod documents;
mod fields;
mod flags;
mod reading;
mod spec;
mod texts;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::Path;

use kilnworks_workflows::{document::Kind, fault::Faults, plan};
use serde_json::Value;

use self::{
    component::Part, container::Means, credentials::Credentials, reading::Reading, values::Values,
};
use crate::{
    cli::{ConvertArgs, ConvertFrom},
    end::{Error, Exit},
    spec::{name_of, text_of},
    table,
};

/// Converts a file.
pub(crate) fn convert(args: ConvertArgs) -> Result<Exit, Error> {
    let values = values(&args)?;
    let name = name_of(&args.file);
    let text = text_of(&args.file)
        .map_err(|error| Error::input(format!("cannot read the build file: {error}")).at(&name))?;
    let asked = Asked {
        app: &args.app,
        name: &name,
        push_secret: args.push_secret.as_deref(),
        namespace: &args.namespace,
    };
    let converted = match args.from {
        ConvertFrom::Sreworks => sreworks(&text, &asked, values)?,
    };
    match &args.output {
        None => table::print(converted.spec.trim_end())?,
        Some(path) => write(path, &converted.spec)?,
    }
    eprint!("{}", converted.told);
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
        // A variable that is no text cannot be a value.
        let texts = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        values.add_environment(texts);
    }
    Ok(values)
}

/// What is asked for beside the file.
struct Asked<'a> {
    /// Name of the app: a build file has none.
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
    /// What there is to tell of it.
    told: String,
}

/// Converts a build file of SREWorks.
fn sreworks(text: &str, asked: &Asked<'_>, values: Values) -> Result<Converted, Error> {
    let mut reading = Reading::new(values);
    let documents = documents::read(text, &mut reading);
    let mut credentials = Credentials::of(&documents, &reading);
    let push_secret = asked.push_secret;
    let mut means = Means { reading: &mut reading, credentials: &mut credentials, push_secret };
    let mut parts: Vec<_> =
        documents.into_iter().map(|one| component::read(&mut means, one)).collect();
    fault_free(reading.faults(), asked, "the build file", &credentials)?;
    spec::packages(&mut parts, &mut reading);
    if spec::components(&parts).next().is_none() {
        let what = format!(
            "the build file has neither an image to build nor a chart to deliver\n{}",
            reading.told()
        );
        return Err(Error::input(credentials.redact(what.trim_end())).at(asked.name));
    }
    spec::tell_apart(&mut parts, &mut reading);
    if spec::some_push_without_secret(&parts) {
        let what = "some images are pushed without credentials, as their containers name no \
                    `dockerSecretName`; `--push-secret NAME` gives them one";
        reading.note(asked.name, what);
    }
    let spec = write_spec(parts, asked, &credentials)?;
    let mut told = credentials.redact(&reading.told());
    let commands = credentials.commands(asked.namespace);
    if !commands.is_empty() {
        told += &format!("note: make the Secrets ready before the first build:\n{commands}");
    }
    Ok(Converted { spec, told })
}

/// Writes the spec, once it is sure that a build takes it.
fn write_spec(
    mut parts: Vec<Part>,
    asked: &Asked<'_>,
    credentials: &Credentials,
) -> Result<String, Error> {
    let defaults = spec::share(&mut parts);
    let document = spec::document(asked.app, &defaults, &parts);
    let faults = plan::read(Kind::App, document.clone()).err().unwrap_or_default();
    let whose = "the spec that the build file comes to";
    fault_free(traced(faults, &parts), asked, whose, credentials)?;
    let file = Path::new(asked.name).file_name().unwrap_or_default().to_string_lossy();
    let head = format!("Converted from {file} by `kiln convert sreworks`.");
    let text = yaml::write(&head, asked.app, &defaults, &parts)?;
    check(&text, &document, credentials)?;
    Ok(text)
}

/// Faults end the command, all in one message.
fn fault_free(
    faults: Faults,
    asked: &Asked<'_>,
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
    let error = Error::input(credentials.redact(&what)).at(asked.name);
    Err(match faults.0.iter().any(|fault| fault.path.starts_with("${")) {
        true => error.hint("give values by `--values FILE`, in lines `NAME=value`, or by `--env`"),
        false => error,
    })
}

/// Faults of the spec, each with the place in the build file.
fn traced(mut faults: Faults, parts: &[Part]) -> Faults {
    for fault in &mut faults.0 {
        if let Some(origin) = spec::origin(parts, &fault.path) {
            fault.path = format!("{} (from {origin})", fault.path);
        }
    }
    faults
}

/// The text must say what was meant, whatever the values hold, and no token.
fn check(text: &str, document: &Value, credentials: &Credentials) -> Result<(), Error> {
    let is_meant = serde_saphyr::from_str::<Value>(text).is_ok_and(|read| read == *document);
    if !is_meant {
        let what = "the spec cannot be written as YAML; please report the build file";
        return Err(Error::new(Exit::Failed, what));
    }
    match credentials.are_in(text) {
        true => Err(Error::input("the spec would hold the value of a `ciToken`")
            .hint("take it out of the other fields of the build file")),
        false => Ok(()),
    }
}
