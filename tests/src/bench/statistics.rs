//! What many measurements come to.

use std::time::Duration;

/// The value below which so much of them lies, the nearest rank. There must be one at least.
pub(super) fn percentile(times: &[Duration], share: f64) -> f64 {
    let mut sorted: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The middle one.
pub(super) fn median(times: &[Duration]) -> f64 {
    percentile(times, 0.5)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{median, percentile};

    #[test]
    fn the_nearest_rank_is_one_of_them() {
        let times: Vec<_> = (1..=20).rev().map(Duration::from_secs).collect();
        assert_eq!(median(&times), 10.0);
        assert_eq!(percentile(&times, 0.95), 19.0);
        assert_eq!(percentile(&times, 1.0), 20.0);
        assert_eq!(percentile(&times[..1], 0.95), 20.0);
    }
}
