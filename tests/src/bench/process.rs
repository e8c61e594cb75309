//! What a process takes, as the kernel counts it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Ticks of the processor's time in a second. It has been 100 for as long as Linux tells it.
const TICKS: f64 = 100.0;

/// What a process took in a span of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Kilobytes in memory at the end of the span.
    pub(super) kilobytes: f64,
    /// Share of one core, in percent.
    pub(super) percent: f64,
}

/// Looks at a process for so long.
pub(super) async fn usage(id: u32, span: Duration) -> Result<Usage> {
    let (begun, before) = (Instant::now(), ticks(id)?);
    tokio::time::sleep(span).await;
    let seconds = (ticks(id)? - before) / TICKS;
    let percent = 100.0 * seconds / begun.elapsed().as_secs_f64();
    Ok(Usage { kilobytes: resident(id)?, percent })
}

fn ticks(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("the worker is gone")?;
    user_and_system(&stat).context("/proc/*/stat has another form")
}

/// The 14th and 15th field. The second, in brackets, may hold spaces.
fn user_and_system(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}

fn resident(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"));
    let status = status.context("the worker is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.context("/proc/*/status has another form")
}

#[cfg(test)]
mod tests {
    use super::user_and_system;

    #[test]
    fn a_name_with_spaces_hides_no_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 9 8 7 6 250 50 3 4 20 0 9 0 100 2000 300";
        assert_eq!(user_and_system(stat), Some(300.0));
    }
}
