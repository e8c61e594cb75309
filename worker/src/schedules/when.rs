//! The times of a schedule, in words.

use std::time::{Duration, SystemTime};

use temporalio_common::protos::temporal::api::schedule::v1::{IntervalSpec, ScheduleSpec};

use crate::output::units;

/// A cron line with its own text as a comment. The engine stores the parsed calendar and the comment,
/// but not the cron line.
pub(super) fn commented(cron: &str) -> String {
    match cron.contains('#') {
        true => cron.to_owned(),
        false => format!("{cron} # {cron}"),
    }
}

/// The times of a schedule.
pub(super) fn when(spec: &ScheduleSpec) -> String {
    let calendars = spec.structured_calendar.iter().map(|calendar| match calendar.comment.trim() {
        "" => "by calendar".to_owned(),
        comment => comment.to_owned(),
    });
    let mut whens: Vec<_> = calendars.chain(spec.interval.iter().filter_map(every)).collect();
    whens.dedup();
    let mut when = match whens.is_empty() {
        true => "never".to_owned(),
        false => whens.join("; "),
    };
    if !spec.timezone_name.is_empty() {
        when += &format!(" {}", spec.timezone_name);
    }
    let jitter = spec.jitter.and_then(|time| Duration::try_from(time).ok());
    if let Some(jitter) = jitter.filter(|time| !time.is_zero()) {
        when += &format!(", up to {} later", units::time(jitter));
    }
    when
}

fn every(interval: &IntervalSpec) -> Option<String> {
    let time = Duration::try_from(interval.interval?).ok()?;
    Some(format!("every {}", units::time(time)))
}

/// A time, RFC 3339 in seconds.
pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use temporalio_common::protos::temporal::api::schedule::v1::{
        IntervalSpec, ScheduleSpec, StructuredCalendarSpec,
    };

    use super::{commented, when};

    #[test]
    fn a_spec_is_shown_as_it_was_given() {
        let time = |seconds| Duration::from_secs(seconds).try_into().ok();
        let calendar = |comment: &str| StructuredCalendarSpec {
            comment: comment.to_owned(),
            ..StructuredCalendarSpec::default()
        };
        let nightly = ScheduleSpec {
            structured_calendar: vec![calendar("0 2 * * *"), calendar("")],
            timezone_name: "Europe/Berlin".to_owned(),
            jitter: time(600),
            ..ScheduleSpec::default()
        };
        let expected = "0 2 * * *; by calendar Europe/Berlin, up to 10m later";
        assert_eq!(when(&nightly), expected);
        let interval = IntervalSpec { interval: time(6 * 3600), phase: None };
        let often = ScheduleSpec { interval: vec![interval], ..ScheduleSpec::default() };
        assert_eq!(when(&often), "every 6h");
        assert_eq!(when(&ScheduleSpec::default()), "never");
    }

    #[test]
    fn an_existing_comment_stays() {
        assert_eq!(commented("0 2 * * *"), "0 2 * * * # 0 2 * * *");
        assert_eq!(commented("0 2 * * * # nights"), "0 2 * * * # nights");
    }
}
