//! Sizes and times for people.

use std::time::Duration;

/// An hour.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// A size in bytes: a whole number and an optional unit.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].trim();
    let number: u64 = digits.trim().parse().ok()?;
    let power = match unit {
        "" => 0,
        _ => UNITS.iter().position(|one| one.eq_ignore_ascii_case(unit))?,
    };
    number.checked_mul(1024_u64.pow(power as u32)).filter(|bytes| *bytes > 0)
}

/// A size with three digits.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && size < 100.0);
    format!("{size:.decimals$} {}", UNITS[unit])
}

/// A duration: `4.2s`, `2m 05s`, `3h 20m`.
pub(crate) fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{:.1}s", seconds.max(0.0)),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// An age: `42s ago`, `2m 05s ago`, `3h 20m ago`, `12d ago`.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        whole @ 0..60 => format!("{whole}s ago"),
        whole if age < DAY * 2 => format!("{} ago", seconds(whole as f64)),
        whole => format!("{}d ago", whole / DAY.as_secs()),
    }
}

/// A duration as settings write it. More than 30 whole days stay days, because humantime would
/// print months of 30.44 days.
pub(crate) fn time(time: Duration) -> String {
    let days = time.as_secs() / DAY.as_secs();
    if days > 30 && time == DAY * days as u32 {
        return format!("{days}days");
    }
    humantime::format_duration(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DAY, bytes, parse_bytes, seconds, time};

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("10GiB", Some(10 << 30)),
            ("500 mib", Some(500 << 20)),
            ("12", Some(12)),
            ("0", None),
            ("1GB", None),
            ("GiB", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(parse_bytes(text), size, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (5 << 20, "5.0 MiB"),
            (150 << 20, "150 MiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn ages_are_shown() {
        for (age, text) in [(0, "0s ago"), (61, "1m 01s ago"), (100_000, "27h 46m ago")] {
            assert_eq!(super::age(Duration::from_secs(age)), text);
        }
        assert_eq!(super::age(12 * DAY), "12d ago");
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        let hour = Duration::from_secs(3600);
        for (given, text) in [(hour, "1h"), (DAY, "1day"), (30 * DAY, "30days")] {
            assert_eq!(time(given), text);
        }
        assert_eq!(time(60 * DAY), "60days");
        assert_eq!(humantime::parse_duration(&time(60 * DAY)), Ok(60 * DAY));
        assert_eq!(humantime::parse_duration(&time(60 * DAY + hour)), Ok(60 * DAY + hour));
    }

    #[test]
    fn times_are_shown() {
        for (time, text) in [
            (0.04, "0.0s"),
            (59.4, "59.4s"),
            (59.6, "1m 00s"),
            (125.0, "2m 05s"),
            (12_000.0, "3h 20m"),
        ] {
            assert_eq!(seconds(time), text);
        }
    }
}
