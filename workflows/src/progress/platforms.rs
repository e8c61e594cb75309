//! A container of several platforms in one row: where each stands, and what that comes to.

use serde::{Deserialize, Serialize};

use super::{ContainerProgress, State, reason};

/// Where one of several platforms of a container stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformProgress {
    /// As the spec names it.
    pub platform: String,
    /// What it does or waits for; `waiting` where nothing was told.
    pub state: State,
    /// Why, in words, where there is something to say.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which attempt.
    #[serde(default)]
    pub attempt: u32,
}

impl PlatformProgress {
    /// Nothing was begun.
    pub(super) fn of(platforms: &[String]) -> Vec<Self> {
        let one = |platform: &String| Self { platform: platform.clone(), ..Self::default() };
        platforms.iter().map(one).collect()
    }

    /// Whether there is something to tell of it.
    fn is_under_way(&self) -> bool {
        self.state != State::Waiting && !self.state.is_final()
    }

    fn words(&self) -> String {
        let (platform, state) = (&self.platform, self.state.word());
        match &self.reason {
            Some(reason) if reason.contains(platform.as_str()) => reason.clone(),
            Some(reason) => format!("{platform} {state}: {reason}"),
            None => format!("{platform} {state}"),
        }
    }
}

impl ContainerProgress {
    /// Sets the state of one of its platforms, and updates the row. Without an attempt, the last one
    /// stays.
    pub(crate) fn stand(
        &mut self,
        platform: &str,
        state: State,
        why: Option<String>,
        attempt: Option<u32>,
    ) {
        if !self.platforms.iter().any(|one| one.platform == platform) {
            self.platforms.extend(PlatformProgress::of(&[platform.to_owned()]));
        }
        let mut own = self.platforms.iter_mut().filter(|one| one.platform == platform);
        if let Some(one) = own.next() {
            (one.state, one.reason) = (state, why);
            one.attempt = attempt.unwrap_or(one.attempt);
        }
        self.sum_up();
    }

    /// The state is that of the platform that is furthest behind. What waits is told first.
    fn sum_up(&mut self) {
        let mut told: Vec<_> = self.platforms.iter().filter(|one| one.is_under_way()).collect();
        told.sort_by_key(|one| one.state as u8);
        if let Some(behind) = told.first() {
            self.state = behind.state;
            let words: Vec<_> = told.iter().map(|one| one.words()).collect();
            self.reason = Some(reason(&words.join("; ")));
        }
        self.attempt = self.platforms.iter().map(|one| one.attempt).fold(self.attempt, u32::max);
    }

    /// Lets every platform end as the container does. Before its end, nothing was told of them yet.
    pub(crate) fn settle(&mut self) {
        let state = if self.state.is_final() { self.state } else { State::Waiting };
        self.platforms.iter_mut().for_each(|one| (one.state, one.reason) = (state, None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_of_the_platform_that_is_furthest_behind() {
        let platforms = ["linux/amd64".to_owned(), "linux/arm64".to_owned()];
        let mut row = ContainerProgress {
            state: State::Waiting,
            platforms: PlatformProgress::of(&platforms),
            ..ContainerProgress::default()
        };
        row.state = State::Packing;
        row.settle();
        row.stand("linux/amd64", State::Building, None, Some(1));
        assert_eq!((row.state, row.attempt), (State::Building, 1));
        let why = Some("no node for linux/arm64: 0/1 nodes".to_owned());
        row.stand("linux/arm64", State::Scheduling, why, Some(2));
        assert_eq!((row.state, row.attempt), (State::Scheduling, 2));
        let said = "no node for linux/arm64: 0/1 nodes; linux/amd64 building";
        assert_eq!(row.reason.as_deref(), Some(said));
        row.stand("linux/amd64", State::Done, None, None);
        row.stand("linux/arm64", State::Pulling, Some("slow".to_owned()), None);
        assert_eq!(row.reason.as_deref(), Some("linux/arm64 pulling: slow"));
        row.state = State::Failed;
        row.settle();
        assert!(row.platforms.iter().all(|one| one.state == State::Failed));
    }
}
