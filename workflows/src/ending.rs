//! How the parts of a build ended, and the result of that.

use crate::{
    bounds,
    failure::{FailedAttempt, Failure, tail},
    output::{BuildOutput, ContainerImage, FailureDetails, Outcome, Package},
    stop::Stop,
};

/// Shortens the earlier attempts. The workflow of each container has them in full.
fn brief(earlier: &mut Vec<FailedAttempt>) {
    earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER_OF_MANY));
    for attempt in earlier {
        attempt.message = tail(&attempt.message, bounds::EARLIER_BYTES);
    }
}

/// How the parts of a build ended, in plan order.
pub(crate) struct Ending {
    pub(crate) images: Vec<ContainerImage>,
    stop: Option<Stop>,
    package: Option<Package>,
}

impl Ending {
    /// `asked` is whether a user cancelled the build. Then it ends as cancelled, whatever failed.
    pub(crate) fn of(outcomes: Vec<Result<BuildOutput, Stop>>, asked: bool) -> Self {
        let mut images: Vec<ContainerImage> = Vec::new();
        let mut failures: Vec<Failure> = Vec::new();
        let mut cancelled = asked;
        for outcome in outcomes {
            match outcome {
                Ok(output) => images.extend(output.images),
                Err(Stop::Cancelled) => cancelled = true,
                Err(Stop::Failed(details)) => {
                    failures.extend(details.failures);
                    images.extend(details.images);
                }
            }
        }
        failures.sort_by_key(|failure| failure.cause.is_some());
        images.iter_mut().for_each(|image| brief(&mut image.earlier));
        failures.iter_mut().for_each(|failure| brief(&mut failure.earlier));
        let stop = match (failures.is_empty(), cancelled) {
            (false, _) if !asked => {
                Some(Stop::Failed(Box::new(FailureDetails { failures, images: images.clone() })))
            }
            (_, true) => Some(Stop::Cancelled),
            (_, false) => None,
        };
        Self { images, stop, package: None }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.stop.is_none()
    }

    pub(crate) fn deliver(&mut self, outcome: Result<Option<Package>, Stop>) {
        // The package has it now.
        self.images.iter_mut().for_each(|image| image.made = None);
        match outcome {
            Ok(package) => self.package = package,
            Err(Stop::Failed(mut details)) => {
                details.images = self.images.clone();
                self.stop = Some(Stop::Failed(details));
            }
            Err(Stop::Cancelled) => self.stop = Some(Stop::Cancelled),
        }
    }

    /// Records a user's answer about the delivery.
    pub(crate) fn consent(&mut self, consent: Result<(), Stop>) {
        if let Err(stop) = consent {
            self.deliver(Err(stop));
        }
    }

    /// The value of the search attribute of the outcome.
    pub(crate) fn word(&self) -> String {
        self.stop.as_ref().map_or_else(|| "succeeded".to_owned(), Stop::word)
    }

    pub(crate) fn output(self, app: &str, version: Option<&str>) -> Result<BuildOutput, Stop> {
        match self.stop {
            Some(stop) => Err(stop),
            None => Ok(BuildOutput {
                app: app.to_owned(),
                version: version.map(str::to_owned),
                outcome: Outcome::Succeeded,
                images: self.images,
                package: self.package,
            }),
        }
    }
}
