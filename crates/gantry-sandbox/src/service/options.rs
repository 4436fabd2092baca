//! The `options:` of a container, as the command line of `docker create` has them.
//!
//! Pure. Not in here: what they lead to.

use crate::spec::HealthCheck;

/// Docker's default time between two checks and of one check, in milliseconds.
const DEFAULT_MS: u64 = 30_000;
/// Docker's default number of failures.
const DEFAULT_RETRIES: u32 = 3;

/// Options that cannot be read or are not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A quotation mark without its partner, or a backslash at the end.
    #[error("the options `{0}` end inside of a quotation")]
    Unclosed(String),
    /// Some other option of `docker create`.
    #[error("the option `{0}` is not supported")]
    Unsupported(String),
    /// An option that would weaken the isolation of jobs.
    #[error("the option `{option}` is refused: {why}")]
    Refused {
        /// Option.
        option: String,
        /// Reason.
        why: &'static str,
    },
    /// A value of the wrong form.
    #[error("the option `{option}` has the value `{value}`, which is not {wanted}")]
    BadValue {
        /// Option.
        option: String,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// An option without its value.
    #[error("the option `{0}` has no value")]
    NoValue(String),
    /// A duration that is none.
    #[error(
        "the option `{option}` has the value `{value}`, which is no duration such as `10s` or `1m30s`"
    )]
    BadDuration {
        /// Option.
        option: String,
        /// Its value.
        value: String,
    },
    /// A number that is none.
    #[error("the option `{option}` has the value `{value}`, which is no number from 1 on")]
    BadNumber {
        /// Option.
        option: String,
        /// Its value.
        value: String,
    },
    /// Other health flags, but no command.
    #[error("the option `{0}` means nothing without `--health-cmd`")]
    NoCommand(String),
}

/// What options ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Create {
    /// `--health-*`.
    pub health: Option<HealthCheck>,
    /// `--cpus`, in thousandths.
    pub cpu_millis: Option<u32>,
    /// `--memory`.
    pub memory_bytes: Option<u64>,
    /// `--pids-limit`.
    pub pids: Option<u32>,
    /// `--user`.
    pub user: Option<String>,
    /// `--env`.
    pub env: Vec<(String, String)>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--entrypoint`.
    pub entrypoint: Option<String>,
    /// `--workdir`.
    pub workdir: Option<String>,
    /// `--tmpfs`, with its size.
    pub tmpfs: Vec<(String, Option<u64>)>,
    /// `--shm-size`.
    pub shm_bytes: Option<u64>,
    /// `--ulimit`: name, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// `--network-alias` and `--name`.
    pub aliases: Vec<String>,
    /// `--volume`.
    pub volumes: Vec<String>,
    /// `--publish`.
    pub ports: Vec<String>,
}

/// Options without a value that change nothing here.
const WITHOUT_EFFECT: &[&str] =
    &["--init", "--rm", "--detach", "-d", "--tty", "-t", "--interactive", "-i"];
/// Options that a sandbox does not grant, and why.
const REFUSED: &[(&str, &str)] = &[
    ("--privileged", "a job has no rights over the machine"),
    ("--cap-add", "a job's capabilities are the same for every job"),
    ("--device", "a job sees no device of the machine"),
    ("--gpus", "a job sees no device of the machine"),
    ("--security-opt", "the system call filter and the namespaces are the same for every job"),
    ("--sysctl", "a job does not set up the kernel"),
    ("--cgroup-parent", "limits are the hub's"),
    ("--pid", "a container has processes of its own"),
    ("--ipc", "a container has shared memory of its own"),
    ("--uts", "a container has a host name of its own"),
    ("--userns", "a container has users of its own"),
    ("--network", "the network is the job's own, as on GitHub"),
    ("--net", "the network is the job's own, as on GitHub"),
    ("--dns", "names are answered by the egress rules"),
    ("--add-host", "names are answered by the egress rules"),
];

/// Reads options.
///
/// # Errors
/// Names the first option that cannot be read, is not supported or is refused.
pub fn parse(options: &str) -> Result<Create, OptionsError> {
    let mut create = Create::default();
    let mut health = Health::default();
    let mut words = words(options)?.into_iter();
    while let Some(word) = words.next() {
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) if word.starts_with('-') => {
                (option.to_owned(), Some(value.to_owned()))
            }
            _ => (word, None),
        };
        if WITHOUT_EFFECT.contains(&option.as_str()) {
            continue;
        }
        if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == option) {
            return Err(OptionsError::Refused { option, why });
        }
        if option == "--no-healthcheck" {
            health.none = true;
            continue;
        }
        if !known(&option) {
            return Err(OptionsError::Unsupported(option));
        }
        let value =
            inline.or_else(|| words.next()).ok_or_else(|| OptionsError::NoValue(option.clone()))?;
        if option.starts_with("--health-") {
            health.set(&option, value)?;
        } else {
            create.set(&option, value)?;
        }
    }
    create.health = health.check()?;
    Ok(create)
}

/// Whether it is an option with a value that is understood.
fn known(option: &str) -> bool {
    const NAMES: &[&str] = &[
        "--cpus",
        "--memory",
        "-m",
        "--pids-limit",
        "--user",
        "-u",
        "--env",
        "-e",
        "--hostname",
        "-h",
        "--entrypoint",
        "--workdir",
        "-w",
        "--tmpfs",
        "--shm-size",
        "--ulimit",
        "--network-alias",
        "--net-alias",
        "--name",
        "--volume",
        "-v",
        "--publish",
        "-p",
        "--label",
        "-l",
        "--health-cmd",
        "--health-interval",
        "--health-timeout",
        "--health-start-period",
        "--health-retries",
    ];
    NAMES.contains(&option)
}

impl Create {
    fn set(&mut self, option: &str, value: String) -> Result<(), OptionsError> {
        let bad = |wanted| OptionsError::BadValue {
            option: option.to_owned(),
            value: value.clone(),
            wanted,
        };
        let size = |text: &str| bytes(text).ok_or_else(|| bad("a size such as `512m` or `2g`"));
        match option {
            "--cpus" => {
                let cpus = value.parse::<f64>().ok().filter(|c| *c >= 0.01 && *c < 4096.0);
                let cpus = cpus.ok_or_else(|| bad("a number of processors"))?;
                self.cpu_millis = Some((cpus * 1000.0) as u32);
            }
            "--memory" | "-m" => self.memory_bytes = Some(size(&value)?),
            "--shm-size" => self.shm_bytes = Some(size(&value)?),
            "--pids-limit" => {
                let count = value.parse().ok().filter(|n| *n > 0);
                self.pids = Some(count.ok_or_else(|| bad("a number from 1 on"))?);
            }
            "--env" | "-e" => {
                let pair = value.split_once('=').filter(|(name, _)| !name.is_empty());
                let (name, text) = pair.ok_or_else(|| bad("`NAME=value`"))?;
                self.env.push((name.to_owned(), text.to_owned()));
            }
            "--tmpfs" => {
                let (path, rest) = value.split_once(':').unwrap_or((&value, ""));
                if !path.starts_with('/') || path.len() < 2 || path.contains("..") {
                    return Err(bad("an absolute path"));
                }
                let mut most = None;
                for part in rest.split(',').filter(|p| !p.is_empty()) {
                    match part.split_once('=') {
                        Some(("size", text)) => most = Some(size(text)?),
                        None if matches!(part, "rw" | "nosuid" | "nodev" | "exec") => {}
                        _ => return Err(bad("`PATH` or `PATH:size=SIZE`")),
                    }
                }
                self.tmpfs.push((path.to_owned(), most));
            }
            "--ulimit" => {
                let limit = ulimit(&value).ok_or_else(|| bad("`NAME=SOFT[:HARD]`"))?;
                self.ulimits.push(limit);
            }
            "--user" | "-u" => self.user = Some(value),
            "--hostname" | "-h" => self.hostname = Some(value),
            "--entrypoint" => self.entrypoint = Some(value),
            "--workdir" | "-w" => self.workdir = Some(value),
            "--network-alias" | "--net-alias" | "--name" => self.aliases.push(value),
            "--volume" | "-v" => self.volumes.push(value),
            "--publish" | "-p" => self.ports.push(value),
            // Labels are seen by nobody here.
            _ => {}
        }
        Ok(())
    }
}

/// Bytes of a size as Docker writes it; `None` when it is none.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift).filter(|b| *b > 0)
}

fn ulimit(text: &str) -> Option<(String, u64, u64)> {
    const NAMES: &[&str] = &["core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "stack"];
    let (name, values) = text.split_once('=')?;
    let number = |text: &str| if text == "-1" { Some(u64::MAX) } else { text.parse().ok() };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    (NAMES.contains(&name) && soft <= hard).then(|| (name.to_owned(), soft, hard))
}

/// Health flags so far.
#[derive(Debug, Default)]
struct Health {
    none: bool,
    last: Option<String>,
    command: String,
    interval_ms: Option<u64>,
    timeout_ms: Option<u64>,
    start_period_ms: u64,
    retries: Option<u32>,
}

impl Health {
    fn set(&mut self, option: &str, value: String) -> Result<(), OptionsError> {
        match option {
            "--health-cmd" => self.command = value,
            "--health-interval" => self.interval_ms = Some(duration(option, &value)?),
            "--health-timeout" => self.timeout_ms = Some(duration(option, &value)?),
            "--health-start-period" => self.start_period_ms = duration(option, &value)?,
            _ => {
                let count = value.parse().ok().filter(|n| *n > 0);
                let option = option.to_owned();
                self.retries = Some(count.ok_or(OptionsError::BadNumber { option, value })?);
            }
        }
        self.last = Some(option.to_owned());
        Ok(())
    }

    fn check(self) -> Result<Option<HealthCheck>, OptionsError> {
        match self.last {
            _ if self.none => Ok(None),
            None => Ok(None),
            Some(option) if self.command.is_empty() => Err(OptionsError::NoCommand(option)),
            Some(_) => Ok(Some(HealthCheck {
                command: self.command,
                interval_ms: self.interval_ms.unwrap_or(DEFAULT_MS),
                timeout_ms: self.timeout_ms.unwrap_or(DEFAULT_MS),
                retries: self.retries.unwrap_or(DEFAULT_RETRIES),
                start_period_ms: self.start_period_ms,
            })),
        }
    }
}

/// Milliseconds of a duration as Go writes it; 0 stands for Docker's default of the option.
fn duration(option: &str, value: &str) -> Result<u64, OptionsError> {
    let bad = || OptionsError::BadDuration { option: option.to_owned(), value: value.to_owned() };
    if value == "0" {
        return Ok(if option == "--health-start-period" { 0 } else { DEFAULT_MS });
    }
    let mut rest = value;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return Err(bad()),
        };
        total += number * unit;
        rest = &rest[end..];
    }
    // Docker takes nothing below one millisecond; a week is beyond every job.
    if (1.0..=604_800_000.0).contains(&total) { Ok(total as u64) } else { Err(bad()) }
}

/// Splits as a shell does: blanks, both quotation marks, backslashes.
///
/// # Errors
/// A quotation mark without its partner, or a backslash at the end.
pub fn words(text: &str) -> Result<Vec<String>, OptionsError> {
    let unclosed = || OptionsError::Unclosed(text.to_owned());
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next().ok_or_else(unclosed)?),
            '\'' => loop {
                match characters.next().ok_or_else(unclosed)? {
                    '\'' => {
                        word.get_or_insert_default();
                        break;
                    }
                    c => word.get_or_insert_default().push(c),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match characters.next().ok_or_else(unclosed)? {
                    '"' => break,
                    '\\' => match characters.next().ok_or_else(unclosed)? {
                        c @ ('"' | '\\' | '$' | '`') => word.push(c),
                        c => word.extend(['\\', c]),
                    },
                    c => word.push(c),
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_flags_of_a_database_are_read() {
        let text = "--health-cmd \"pg_isready -U 'x'\"\n --health-interval 10s --health-timeout=5s\n  \
                    --health-retries 5 --health-start-period 1m1.5s";
        let check = parse(text).unwrap().health.unwrap();
        assert_eq!(check.command, "pg_isready -U 'x'");
        assert_eq!((check.interval_ms, check.timeout_ms), (10_000, 5_000));
        assert_eq!((check.retries, check.start_period_ms), (5, 61_500));
        let check = parse("--health-cmd=redis-cli\\ ping").unwrap().health.unwrap();
        assert_eq!((check.command.as_str(), check.interval_ms), ("redis-cli ping", 30_000));
        assert_eq!(parse(" \n"), Ok(Create::default()));
        assert_eq!(parse("--health-cmd x --no-healthcheck").unwrap().health, None);
    }

    #[test]
    fn limits_users_and_names_are_read() {
        let text = "--cpus 1.5 -m 2g --user 999:999 -e A=b=c --hostname=h --entrypoint /run.sh --tmpfs /t:size=64m \
                    --shm-size 256mb --ulimit nofile=10:20 --network-alias db --name=one -v pg:/data -p 80:8080 --init";
        let create = parse(text).unwrap();
        assert_eq!((create.cpu_millis, create.memory_bytes), (Some(1500), Some(2 << 30)));
        assert_eq!(
            (create.user.as_deref(), create.hostname.as_deref()),
            (Some("999:999"), Some("h"))
        );
        assert_eq!(create.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(create.tmpfs, [("/t".to_owned(), Some(64 << 20))]);
        assert_eq!(create.shm_bytes, Some(256 << 20));
        assert_eq!(create.ulimits, [("nofile".to_owned(), 10, 20)]);
        assert_eq!(create.aliases, ["db", "one"]);
        assert_eq!(
            (create.volumes, create.ports),
            (vec!["pg:/data".into()], vec!["80:8080".into()])
        );
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            error("--privileged --health-cmd x"),
            "the option `--privileged` is refused: a job has no rights over the machine"
        );
        assert!(error("--cap-add=SYS_ADMIN").contains("`--cap-add` is refused"));
        assert!(error("--link db").contains("`--link` is not supported"));
        assert!(error("--memory=lots").ends_with("not a size such as `512m` or `2g`"));
        assert!(error("--ulimit nofile=9:3").ends_with("not `NAME=SOFT[:HARD]`"));
        assert_eq!(
            error("--health-cmd x --health-interval ten"),
            "the option `--health-interval` has the value `ten`, which is no duration such as `10s` or `1m30s`"
        );
        assert!(error("--health-cmd x --health-retries 0").ends_with("no number from 1 on"));
        assert_eq!(
            error("--health-retries 3"),
            "the option `--health-retries` means nothing without `--health-cmd`"
        );
        assert_eq!(error("--health-cmd"), "the option `--health-cmd` has no value");
        assert_eq!(
            error("--health-cmd 'a"),
            "the options `--health-cmd 'a` end inside of a quotation"
        );
        assert!(error("--health-cmd x --health-timeout 5").contains("no duration"));
    }
}
