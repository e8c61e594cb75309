//! The names of the containers of a build.

use kilnworks_workflows::progress::{ContainerProgress, State};

use crate::output::Error;

/// A container, with the platforms of a multi-platform image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) component: String,
    pub(super) container: String,
    pub(super) platforms: Vec<String>,
    /// Whether the image exists.
    pub(super) is_done: bool,
}

impl From<ContainerProgress> for Name {
    fn from(row: ContainerProgress) -> Self {
        Self {
            component: row.component,
            container: row.container,
            platforms: row.platforms.into_iter().map(|one| one.platform).collect(),
            is_done: row.state == State::Done,
        }
    }
}

impl Name {
    fn full(&self) -> String {
        format!("{}/{}", self.component, self.container)
    }

    /// The name and platform of each log.
    pub(super) fn each(&self) -> Vec<(String, String)> {
        let one = |platform: &String| (format!("{} {platform}", self.full()), platform.clone());
        match self.platforms.as_slice() {
            [] => vec![(self.full(), String::new())],
            several => several.iter().map(one).collect(),
        }
    }
}

/// Merges entries of the same container: each container once, with all its platforms.
pub(super) fn merged(all: impl Iterator<Item = Name>) -> Vec<Name> {
    let mut merged: Vec<Name> = Vec::new();
    for one in all {
        match merged.iter_mut().find(|other| other.full() == one.full()) {
            Some(other) => other.platforms.extend(one.platforms),
            None => merged.push(one),
        }
    }
    merged
}

/// The container with this name, with or without the component.
pub(super) fn one_of(all: &[Name], wanted: &str) -> Result<Name, Error> {
    let named = |name: &&Name| name.full() == wanted || name.container == wanted;
    let full = |names: Vec<&Name>| listed(names.into_iter().map(Name::full));
    let found: Vec<_> = all.iter().filter(named).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::input(format!("there is no container `{wanted}` in this build"))
            .hint(format!("containers: {}", full(all.iter().collect())))),
        _ => Err(Error::input(format!("several containers are named `{wanted}`"))
            .hint(format!("use one of {}", full(found)))),
    }
}

/// The containers that have this platform, without their other platforms.
pub(super) fn of_platform(all: Vec<Name>, wanted: &str) -> Result<Vec<Name>, Error> {
    let wants = |one: &Name| one.platforms.iter().any(|own| own == wanted);
    let own = || vec![wanted.to_owned()];
    let found = all.iter().filter(|one| wants(one));
    let found: Vec<_> = found.map(|one| Name { platforms: own(), ..one.clone() }).collect();
    if found.is_empty() {
        return Err(not_for(&all, wanted));
    }
    Ok(found)
}

fn not_for(all: &[Name], wanted: &str) -> Error {
    let mut there: Vec<String> = all.iter().flat_map(|one| one.platforms.clone()).collect();
    there.sort_unstable();
    there.dedup();
    let error = Error::input(match all {
        [one] => format!("`{}` is not for `{wanted}`", one.full()),
        _ => format!("no container of this build is for `{wanted}`"),
    });
    error.hint(match there.is_empty() {
        true => "every image has one platform: omit `--platform`".to_owned(),
        false => format!("platforms: {}", listed(there.into_iter())),
    })
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(component: &str, container: &str, platforms: &[&str]) -> Name {
        Name {
            component: component.to_owned(),
            container: container.to_owned(),
            platforms: platforms.iter().map(|&one| one.to_owned()).collect(),
            is_done: false,
        }
    }

    #[test]
    fn a_container_is_named_in_full_or_alone() {
        let all = [name("web", "server", &[]), name("web", "init", &[]), name("data", "init", &[])];
        assert_eq!(one_of(&all, "server").unwrap(), all[0]);
        assert_eq!(one_of(&all, "data/init").unwrap(), all[2]);
        let message = |wanted| one_of(&all, wanted).unwrap_err().to_string();
        assert!(
            message("init").contains("use one of `web/init`, `data/init`"),
            "{}",
            message("init")
        );
        assert!(message("x").contains("containers: `web/server`, `web/init`, `data/init`"));
    }

    #[test]
    fn a_platform_selects_one_of_several() {
        let (both, one) = (["linux/amd64", "linux/arm64"], name("web", "init", &[]));
        let all = vec![name("web", "server", &both), one.clone()];
        let arm = name("web", "server", &both[1..]);
        assert_eq!(of_platform(all.clone(), "linux/arm64").unwrap(), [arm]);
        let message =
            |all: &[Name]| of_platform(all.to_vec(), "linux/386").unwrap_err().to_string();
        let there = "hint: platforms: `linux/amd64`, `linux/arm64`";
        for (all, expected) in [
            (&all[..], format!("error: no container of this build is for `linux/386`\n{there}")),
            (&all[..1], format!("error: `web/server` is not for `linux/386`\n{there}")),
        ] {
            assert_eq!(message(all), expected);
        }
        assert!(message(&[one]).ends_with("omit `--platform`"));
    }

    #[test]
    fn two_platforms_merge_into_one_container() {
        let failed = ["linux/amd64", "linux/arm64"].map(|one| name("web", "server", &[one]));
        let merged = merged(failed.into_iter());
        assert_eq!(merged, [name("web", "server", &["linux/amd64", "linux/arm64"])]);
        assert!(one_of(&merged, "server").is_ok());
    }
}
