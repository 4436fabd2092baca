//! The folder with the results of a run: summary, logs, artifacts, telemetry.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use gantry_observe::log::LogLine;

use super::summary::Summary;
use super::telemetry;
use crate::exit::Failure;

/// A folder with results.
#[derive(Debug, Clone)]
pub struct Output {
    dir: PathBuf,
}

impl Output {
    /// Makes the folder `dir` and what lies in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(dir: &Path) -> Result<Self, Failure> {
        for part in ["log", "artifacts", "telemetry"] {
            let path = dir.join(part);
            std::fs::create_dir_all(&path).map_err(|e| Failure::file("make", &path, &e))?;
        }
        let dir = dir.canonicalize().map_err(|e| Failure::file("find", dir, &e))?;
        Ok(Self { dir })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins a job's log as plain text; `name` is its path below `log/`, made of [`file_name`]s.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn log(&self, name: &str) -> Result<LogFile, Failure> {
        let relative = format!("log/{name}.log");
        let path = self.dir.join(&relative);
        let make = || -> std::io::Result<std::fs::File> {
            std::fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            std::fs::File::create(&path)
        };
        let file = make().map_err(|e| Failure::file("write", &path, &e))?;
        Ok(LogFile { file: std::io::BufWriter::new(file), path, relative })
    }

    /// A path below `artifacts/` for an artifact of a repository.
    pub fn artifact(&self, repository: &str, name: &str) -> (PathBuf, String) {
        let relative = format!("artifacts/{}/{}", file_name(repository), file_name(name));
        (self.dir.join(&relative), relative)
    }

    /// Writes `summary.json` and the telemetry records.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(&self, summary: &Summary, pr: Option<u64>) -> Result<(), Failure> {
        let runs = summary.runs.iter().map(|r| telemetry::pipeline_run(r, pr));
        self.ndjson("telemetry/pipeline_run.ndjson", runs)?;
        let jobs = summary.runs.iter().flat_map(|r| r.jobs.iter().map(|j| telemetry::job(r, j)));
        self.ndjson("telemetry/job.ndjson", jobs)?;
        let text = serde_json::to_string_pretty(summary)
            .map_err(|e| Failure::infra("cannot write the summary as JSON").because(&e))?;
        self.put("summary.json", &format!("{text}\n"))
    }

    fn ndjson<T: serde::Serialize>(
        &self,
        name: &str,
        records: impl Iterator<Item = T>,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        for record in records {
            text += &serde_json::to_string(&record)
                .map_err(|e| Failure::infra("cannot write a record as JSON").because(&e))?;
            text.push('\n');
        }
        self.put(name, &text)
    }

    /// Writes beside and renames, so that a reader sees the whole or nothing.
    fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let beside = self.dir.join(format!("{name}.new"));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|e| Failure::file("write", &path, &e))
    }
}

/// A log being written.
pub struct LogFile {
    file: std::io::BufWriter<std::fs::File>,
    path: PathBuf,
    relative: String,
}

impl LogFile {
    /// Adds a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn line(&mut self, line: &LogLine) -> Result<(), Failure> {
        let mark = super::lines::file_mark(line.kind);
        writeln!(self.file, "{} {mark}{}", line.t.rfc3339(), line.text)
            .map_err(|e| Failure::file("write", &self.path, &e))
    }

    /// Ends it; answers its path relative to the output folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(mut self) -> Result<String, Failure> {
        self.file.flush().map_err(|e| Failure::file("write", &self.path, &e))?;
        Ok(self.relative)
    }
}

/// `text` as the name of one file: never empty, never a path, at most 120 bytes.
pub fn file_name(text: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "-_. ()+,=@".contains(c) { c } else { '_' };
    let mut name: String = text.chars().map(safe).collect();
    while name.len() > 120 {
        name.pop();
    }
    let name = name.trim_matches([' ', '.']).to_owned();
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_name_from_a_job_never_leaves_its_folder() {
        for (text, name) in [
            ("test (3.11, ubuntu)", "test (3.11, ubuntu)"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "_"),
            ("", "_"),
            ("a/b\u{0}c", "a_b_c"),
        ] {
            assert_eq!(file_name(text), name);
        }
        assert!(file_name(&"ä".repeat(500)).len() <= 120);
    }
}
