//! Lowers texts to values. After a fault it continues with a default value, so that one error lists
//! every fault.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::ValueEnum;
use kilnworks_workflows::fault::quoted;
use url::Url;

use super::layers::{Values, variable};
use crate::output::{Error, units};

/// The texts, and the faults found so far.
pub(crate) struct Lowering<'a> {
    values: &'a Values,
    faults: Vec<String>,
}

impl<'a> Lowering<'a> {
    /// Starts without faults.
    pub(crate) fn of(values: &'a Values) -> Self {
        Self { values, faults: Vec::new() }
    }

    /// The value, or an error with every fault.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Error> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        let count = self.faults.len();
        let plural = if count == 1 { "" } else { "s" };
        let what = format!("{count} fault{plural} in the settings\n  {}", self.faults.join("\n  "));
        let hint = "set a flag, a variable, or a key in the file of `--config`; \
                    see `kiln worker --help`";
        Err(Error::input(what).hint(hint))
    }

    /// A text, if it was given.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.values.get(name).map(str::to_owned)
    }

    /// A path, if it was given.
    pub(crate) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.values.get(name).map(PathBuf::from)
    }

    /// A required text. `accepted` describes it.
    pub(crate) fn needed(&mut self, name: &str, accepted: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.fault(name, &format!("missing; set {}, {accepted}", variable(name)));
            String::new()
        })
    }

    /// The name and value of the one of two settings that was given.
    pub(crate) fn exactly_one<'n>(&mut self, first: &'n str, second: &'n str) -> (&'n str, String) {
        match (self.text(first), self.text(second)) {
            (Some(value), None) => (first, value),
            (None, Some(value)) => (second, value),
            (first_given, _) => {
                let which = if first_given.is_some() { "both are set" } else { "missing" };
                let (one, other) = (variable(first), variable(second));
                self.faults.push(format!(
                    "`{first}`, `{second}`: {which}; accepted is exactly one of {one} and {other}"
                ));
                (first, String::new())
            }
        }
    }

    /// Adds a fault if a given text fails the check.
    pub(crate) fn check(&mut self, name: &str, accepted: &str, check: impl Fn(&str) -> bool) {
        if let Some(given) = self.values.get(name).filter(|given| !check(given)) {
            self.wrong(name, given, accepted);
        }
    }

    /// A DNS label, which is valid for Kubernetes and for task queues.
    pub(crate) fn name(&mut self, name: &str, default: &str) -> String {
        let accepted = "1 to 63 lower-case letters, digits and `-`, not at an end";
        self.check(name, accepted, |given| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let ends = given.starts_with('-') || given.ends_with('-');
            given.len() <= 63 && given.chars().all(plain) && !ends
        });
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    /// Adds a fault if a given image does not name its registry.
    pub(crate) fn check_image(&mut self, name: &str, such_as: &str) {
        let accepted = format!("an image with its registry, such as `{such_as}`");
        self.check(name, &accepted, |image| {
            image.contains('/') && !image.contains(char::is_whitespace)
        });
    }

    /// The URL of a server.
    pub(crate) fn url(&mut self, name: &str) -> Option<Url> {
        let accepted = "an address such as `http://host:8080`";
        self.parsed(name, accepted, |given| {
            let url = Url::parse(given).ok()?;
            (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
        })
    }

    /// An address to listen on.
    pub(crate) fn socket(&mut self, name: &str) -> Option<SocketAddr> {
        let accepted = "an IP address with a port, such as `0.0.0.0:9464`";
        self.parsed(name, accepted, |given| given.parse().ok())
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let accepted = format!("a number from {} to {}", range.start(), range.end());
        let parse = |given: &str| given.parse().ok().filter(|number| range.contains(number));
        self.parsed(name, &accepted, parse).unwrap_or(default)
    }

    /// A duration.
    pub(crate) fn time(
        &mut self,
        name: &str,
        default: &str,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let (start, end) = (units::time(*range.start()), units::time(*range.end()));
        let accepted = format!("a time from {start} to {end}, such as `90s` or `1m 30s`");
        let parse = |given: &str| humantime::parse_duration(given).ok();
        let in_range = |given: &str| parse(given).filter(|time| range.contains(time));
        self.parsed(name, &accepted, in_range).unwrap_or_else(|| parse(default).unwrap_or_default())
    }

    /// A duration, or `never`. `0s` also means never.
    pub(crate) fn time_or_never(
        &mut self,
        name: &str,
        default: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let never = |given: &str| {
            let none = humantime::parse_duration(given).is_ok_and(|time| time.is_zero());
            given == "never" || none
        };
        match self.values.get(name) {
            Some(given) if never(given) => None,
            _ => Some(self.time(name, default, range)),
        }
    }

    /// A size in bytes.
    pub(crate) fn bytes(&mut self, name: &str, default: &str) -> u64 {
        let accepted = "a size such as `500MiB` or `10GiB`";
        self.parsed(name, accepted, units::parse_bytes)
            .unwrap_or_else(|| units::parse_bytes(default).unwrap_or_default())
    }

    /// One of several words.
    pub(crate) fn choice<T: ValueEnum>(&mut self, name: &str, default: T) -> T {
        let words: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|one| Some(format!("`{}`", one.to_possible_value()?.get_name())))
            .collect();
        let parse = |given: &str| T::from_str(given, false).ok();
        self.parsed(name, &words.join(" or "), parse).unwrap_or(default)
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.values.get(name)?;
        let parsed = parse(given);
        if parsed.is_none() {
            self.wrong(name, given, accepted);
        }
        parsed
    }

    fn wrong(&mut self, name: &str, given: &str, accepted: &str) {
        let given = quoted(given);
        let variable = variable(name);
        self.fault(name, &format!("{given} ({variable}); accepted is {accepted}"));
    }

    fn fault(&mut self, name: &str, what: &str) {
        self.faults.push(format!("`{name}`: {what}"));
    }
}
