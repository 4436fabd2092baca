//! What stands beside our figures: bare `runc run true` and `crun run true`, and a shell without a sandbox.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;

/// A bare runtime with a bundle whose only program is `true`.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its program.
    pub(crate) runtime: &'static str,
    bundle: PathBuf,
}

/// The runtimes of this machine, `crun` last.
///
/// # Errors
/// When a bundle cannot be made.
pub(crate) fn installed(work: &Path) -> anyhow::Result<Vec<Peer>> {
    let mut found = Vec::new();
    for runtime in ["runc", "crun"] {
        let quiet = |c: &mut Command| c.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if quiet(Command::new(runtime).arg("--version")).is_ok_and(|s| s.success()) {
            let bundle = work.join(runtime);
            make_bundle(runtime, &bundle)?;
            found.push(Peer { runtime, bundle });
        }
    }
    Ok(found)
}

fn make_bundle(runtime: &str, bundle: &Path) -> anyhow::Result<()> {
    let script = format!(
        r#"set -e
mkdir -p '{b}/rootfs'/{{proc,sys,dev}}; cd '{b}'
for f in /bin/true $(ldd /bin/true | grep -o '/[^ ]*'); do mkdir -p "rootfs$(dirname "$f")"; cp -L "$f" "rootfs$f"; done
{runtime} spec
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"\/bin\/true"/' config.json"#,
        b = bundle.display()
    );
    let made = Command::new("bash").args(["-c", &script]).status()?;
    ensure!(made.success(), "no bundle for {runtime}");
    Ok(())
}

impl Peer {
    /// Containers per second of `count` runs of `true`, `parallel` at once.
    ///
    /// # Errors
    /// When a container fails.
    pub(crate) fn rate(&self, count: usize, parallel: usize) -> anyhow::Result<f64> {
        // crun refuses a machine with both versions of control groups until the second is out of sight.
        let script = format!(
            r#"[ {runtime} = crun ] && umount /sys/fs/cgroup/unified 2>/dev/null
for i in $(seq {each}); do
  {runtime} run --bundle '{bundle}' bench-$$-$i </dev/null >/dev/null || exit 1
done"#,
            runtime = self.runtime,
            each = count / parallel,
            bundle = self.bundle.display()
        );
        let began = Instant::now();
        let lanes: Vec<_> = (0..parallel)
            .map(|_| Command::new("unshare").args(["--mount", "bash", "-c", &script]).spawn())
            .collect::<Result<_, _>>()?;
        for mut child in lanes {
            ensure!(child.wait()?.success(), "`{} run` failed", self.runtime);
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    }
}

/// Milliseconds of one `bash -e` on a script, mean of `count`.
///
/// # Errors
/// When bash cannot be started.
pub(crate) fn shell_ms(count: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    for _ in 0..count {
        ensure!(Command::new("bash").args(["-e", "-c", "true"]).status()?.success(), "bash failed");
    }
    Ok(began.elapsed().as_secs_f64() * 1e3 / count as f64)
}

/// Megabytes per second of the same lines through a pipe into a file that is synchronised at its end.
///
/// # Errors
/// When the shell fails.
pub(crate) fn pipe_mb_per_second(work: &Path, script: &str, bytes: usize) -> anyhow::Result<f64> {
    let file = work.join("peer.log");
    let script = format!(
        "{script} | dd of='{}' bs=1M iflag=fullblock conv=fdatasync 2>/dev/null",
        file.display()
    );
    let began = Instant::now();
    ensure!(Command::new("bash").args(["-c", &script]).status()?.success(), "the pipe failed");
    let rate = bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
    std::fs::remove_file(file)?;
    Ok(rate)
}
