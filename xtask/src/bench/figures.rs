//! Arithmetic and printing of figures.

/// Prints one row; a peer that is not a number is left out.
pub(crate) fn print(what: &str, here: f64, unit: &str, beside: f64, peer: &str) {
    if beside.is_nan() {
        println!("{what:<46} {here:>10.1} {unit:<7} {:>10} {:>8}   {peer}", "", "");
    } else {
        let ratio = here / beside;
        println!("{what:<46} {here:>10.1} {unit:<7} {beside:>10.1} {ratio:>8.2}   {peer}");
    }
}

/// Prints the medians of rounds that took turns, and from where to where their ratios went.
pub(crate) fn print_rounds(what: &str, here: &[f64], unit: &str, beside: &[f64], peer: &str) {
    let mut ratios: Vec<f64> = here.iter().zip(beside).map(|(h, b)| h / b).collect();
    ratios.sort_by(f64::total_cmp);
    let spread = match (ratios.first(), ratios.last()) {
        (Some(least), Some(most)) => format!("{peer}; {least:.2} to {most:.2}"),
        _ => peer.to_owned(),
    };
    print(what, median(&mut here.to_vec()), unit, median(&mut beside.to_vec()), &spread);
}

/// The middle of the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value below which the share `p` lies (nearest rank).
pub(crate) fn percentile(values: &mut [f64], p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (p * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Seconds since midnight of an RFC 3339 time in UTC; runs over midnight are not measured.
pub(crate) fn day_seconds(text: &str) -> f64 {
    let clock = text.split(['T', 'Z']).nth(1).unwrap_or_default();
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap_or(f64::NAN))
}

/// Seconds since midnight in UTC of a time in seconds since the epoch.
pub(crate) fn of_day(epoch_seconds: f64) -> f64 {
    epoch_seconds.rem_euclid(86_400.0)
}

/// Resident memory in megabytes of a `gantry run` process, its runner and the runner's helper; what runs inside
/// sandboxes is left out. First with the pages that they share counted once (`Pss`), then the plain sum (`Rss`).
pub(crate) fn resident_mb(pid: u32) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        let rollup =
            std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let mb = |key: &str| {
            let kb = rollup.lines().find_map(|l| l.strip_prefix(key));
            let kb = kb.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
            kb.unwrap_or(0.0) / 1024.0
        };
        sum.0 += mb("Pss:");
        sum.1 += mb("Rss:");
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children =
                std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|c| c.parse::<u32>().ok())
                    .filter(|c| is_service(*c) && !is_service_child(*c, pid)),
            );
        }
    }
    sum
}

fn cmdline(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

fn is_service(pid: u32) -> bool {
    let words = cmdline(pid);
    words.contains("\0runner\0") || words.contains("\0__sandbox-helper")
}

/// Whether it is the helper's process for one job: it belongs to the job.
fn is_service_child(pid: u32, parent: u32) -> bool {
    cmdline(pid) == cmdline(parent)
}
