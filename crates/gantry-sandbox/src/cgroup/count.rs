//! What a job's control groups counted: processor, memory, block traffic, kills for memory.
//!
//! Not in here: network bytes, which the egress gateway counts.

use std::fs;
use std::path::Path;

use gantry_core::Usage;

use super::JobGroups;

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind `key` in a file of `key number` lines.
fn keyed(path: &Path, key: &str) -> Option<u64> {
    fs::read_to_string(path)
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Sum over all devices of version 1's `major:minor Read|Write bytes` lines.
fn sum_v1(text: &str, operation: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            (fields.next()? == operation).then(|| fields.next()?.parse::<u64>().ok())?
        })
        .sum()
}

/// Sum over all devices of version 2's `major:minor rbytes=… wbytes=…` lines.
fn sum_v2(text: &str, key: &str) -> u64 {
    text.split_whitespace()
        .filter_map(|field| field.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok())
        .sum()
}

impl JobGroups {
    /// What was used so far; a counter that the machine lacks is 0.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        if let Some(cpu) = self.dirs.get("cpuacct") {
            usage.cpu_us = number(&cpu.join("cpuacct.usage")).unwrap_or(0) / 1_000;
        }
        if let Some(memory) = self.dirs.get("memory") {
            usage.memory_peak_bytes =
                number(&memory.join("memory.max_usage_in_bytes")).unwrap_or(0);
        }
        if let Some(blkio) = self.dirs.get("blkio") {
            let file = blkio.join("blkio.throttle.io_service_bytes");
            let text = fs::read_to_string(file).unwrap_or_default();
            usage.io_read_bytes = sum_v1(&text, "Read");
            usage.io_write_bytes = sum_v1(&text, "Write");
        }
        if let (Some(dir), false) = (self.dirs.get("unified"), self.dirs.contains_key("memory")) {
            usage.cpu_us = keyed(&dir.join("cpu.stat"), "usage_usec").unwrap_or(0);
            usage.memory_peak_bytes = number(&dir.join("memory.peak")).unwrap_or(0);
            let text = fs::read_to_string(dir.join("io.stat")).unwrap_or_default();
            usage.io_read_bytes = sum_v2(&text, "rbytes");
            usage.io_write_bytes = sum_v2(&text, "wbytes");
        }
        usage
    }

    /// Processes that the kernel killed because the job's memory was full.
    pub fn oom_kills(&self) -> u64 {
        if let Some(memory) = self.dirs.get("memory") {
            return keyed(&memory.join("memory.oom_control"), "oom_kill").unwrap_or(0);
        }
        self.dirs
            .get("unified")
            .and_then(|dir| keyed(&dir.join("memory.events"), "oom_kill"))
            .unwrap_or(0)
    }

    /// The limit on processes, as the kernel has it.
    pub fn pids_max(&self) -> Option<u64> {
        let dir = self.dirs.get("pids").or_else(|| self.dirs.get("unified"))?;
        number(&dir.join("pids.max"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_block_counters_are_summed() {
        let v1 = "7:0 Read 10\n7:0 Write 20\n7:0 Total 30\n8:0 Read 1\nTotal 31\n";
        assert_eq!((sum_v1(v1, "Read"), sum_v1(v1, "Write")), (11, 20));
        let v2 = "7:0 rbytes=10 wbytes=20 rios=1 wios=1\n8:0 rbytes=1 wbytes=2 rios=1 wios=1\n";
        assert_eq!((sum_v2(v2, "rbytes"), sum_v2(v2, "wbytes")), (11, 22));
    }
}
