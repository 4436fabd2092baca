//! A store with a million ended runs: how soon the hub is there again, and what its lists cost.
//!
//! One real run is brought to its end; its records are then multiplied by the engine itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::load::{Ask, Http};
use super::reads;
use super::runner;
use super::serve::{Engine, Hub};
use crate::bench::figures::{median, percentile, print, resident_mb};

const RUNS: u64 = 1_000_000;
const REPOS: usize = 50;
/// Starts of a hub, and reads of one list.
const STARTS: usize = 5;
const READS: usize = 200;
const WORKFLOW: &str = "name: CI\non: push\nenv: { LEVEL: debug }\njobs:\n  test:\n    runs-on: ubuntu-latest\n    timeout-minutes: 30\n    steps:\n      - uses: actions/checkout@v4\n      - name: Build\n        run: make build\n      - name: Test\n        run: make test\n        env: { COLOUR: always }\n";

pub(super) async fn run(gantry: &Path, engine: Engine) -> anyhow::Result<()> {
    let mut hub = Hub::start(gantry, engine, REPOS, 0, WORKFLOW).await?;
    let name = engine.name();
    let mut empty = starts(&mut hub).await?;
    print(&format!("start until ready, no runs, {name}"), median(&mut empty), "ms", 150.0, "goal");
    one_real_run(&hub).await?;
    hub.stop()?;
    multiply(&hub)?;
    let mut full = starts(&mut hub).await?;
    print(
        &format!("start until ready, 1,000,000 runs, {name}"),
        median(&mut full),
        "ms",
        1_000.0,
        "goal",
    );
    let memory = resident_mb(hub.pid()).0;
    print("the same: memory of the hub then", memory, "MB", 50.0, "goal with a runner");
    let mut http = hub.connect().await?;
    for (path, what) in [
        ("/runs?limit=30", "list of runs"),
        ("/runs?repo=bench/r7&limit=30", "runs of a repository"),
        ("/runs?org=bench&state=finished&limit=30", "runs of an org"),
        ("/runs?q=nowhere&repo=bench/r7&limit=30", "runs of a repository, text in none"),
        ("/repos?limit=50", "list of repositories"),
        ("/repos/bench/r7", "page of a repository"),
        ("/events?limit=30", "list of events"),
        ("/queue", "queue"),
    ] {
        let mut ms = timed(&hub, &mut http, path).await?;
        let what = format!("{what}, 1,000,000 runs, {name}, p50");
        print(&what, median(&mut ms), "ms", f64::NAN, "");
        print("the same, p99", percentile(&mut ms, 0.99), "ms", 20.0, "goal");
    }
    reads::mixed(&hub).await?;
    if engine == Engine::Sqlite {
        reads::cached(&hub).await?;
    }
    Ok(())
}

async fn starts(hub: &mut Hub) -> anyhow::Result<Vec<f64>> {
    let mut ms = Vec::new();
    for _ in 0..STARTS {
        if hub.pid() != 0 {
            hub.stop()?;
        }
        ms.push(hub.again().await?);
    }
    Ok(ms)
}

async fn timed(hub: &Hub, http: &mut Http, path: &str) -> anyhow::Result<Vec<f64>> {
    let mut ms = Vec::new();
    let begun = std::time::Instant::now();
    while ms.len() < READS && begun.elapsed().as_secs() < 10 {
        let sent = std::time::Instant::now();
        http.json(Ask::get(format!("/api/v1{path}"), Some(&hub.token))).await?;
        ms.push(sent.elapsed().as_secs_f64() * 1e3);
        // One token may ask so often.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(ms)
}

async fn one_real_run(hub: &Hub) -> anyhow::Result<()> {
    let mut http = hub.connect().await?;
    let me = runner::register(&mut http, "bench").await?;
    http.json(hub.delivery("first", 0)).await?;
    let lease = loop {
        let mut leases = runner::poll(&mut http, &me, 1, &[], 1_000).await?;
        if let Some(lease) = leases.pop() {
            break lease;
        }
    };
    http.json(runner::end(&me, &lease, runner::now_us(), 0)).await?;
    hub.until("/runs", "ended", |r| r["items"][0]["state"] == "finished").await?;
    Ok(())
}

/// Columns that are copied, and in their place what is different for each copy (`=` is the same).
const TABLES: &[(&str, &[(&str, &str)])] = &[
    (
        "events",
        &[
            ("id", "EVT"),
            ("source", "="),
            ("connection", "="),
            ("delivery", "'copy ' || i"),
            ("kind", "="),
            ("repository", "REPO"),
            ("git_ref", "="),
            ("sha", "="),
            ("actor", "="),
            ("title", "="),
            ("headers", "="),
            ("payload", "="),
            ("received_us", "received_us - AGO"),
            ("decided_us", "decided_us - AGO"),
            ("outcome", "="),
            ("reason", "="),
            ("tries", "="),
            ("next_try_us", "="),
        ],
    ),
    (
        "submissions",
        &[
            ("id", "EVT"),
            ("hub", "="),
            ("event", "="),
            ("detail", "="),
            ("created_us", "created_us - AGO"),
            ("ended_us", "ended_us - AGO"),
        ],
    ),
    (
        "runs",
        &[
            ("id", "RUN"),
            ("submission", "EVT"),
            ("hub", "="),
            ("repository", "REPO"),
            ("seq", "="),
            ("workflow_path", "="),
            ("workflow_name", "="),
            ("run_name", "="),
            ("number", "i / REPOS + 2"),
            ("event", "="),
            ("sha", "="),
            ("git_ref", "="),
            ("dirty", "="),
            ("state", "="),
            ("outcome", "CASE WHEN i % 7 = 0 THEN 'failure' ELSE 'success' END"),
            ("fault", "CASE WHEN i % 7 = 0 THEN 'user' END"),
            ("reason", "="),
            ("config_digest", "="),
            ("plan_digest", "="),
            ("created_us", "created_us - AGO"),
            ("started_us", "started_us - AGO"),
            ("ended_us", "ended_us - AGO"),
            ("attempt", "="),
            ("tier", "="),
            ("actor", "="),
            ("title", "="),
        ],
    ),
    (
        "run_plans",
        &[
            ("run", "RUN"),
            ("plan", "="),
            ("settings", "="),
            ("source", "="),
            ("actions", "="),
            ("sources", "="),
        ],
    ),
    (
        "jobs",
        &[
            ("id", "JOB"),
            ("run", "RUN"),
            ("key", "="),
            ("job", "="),
            ("name", "="),
            ("seq", "="),
            ("state", "="),
            ("outcome", "="),
            ("continue_on_error", "="),
            ("leg", "="),
            ("needs", "="),
            ("outputs", "="),
            ("attempts", "="),
            ("created_us", "created_us - AGO"),
            ("queued_us", "queued_us - AGO"),
            ("started_us", "started_us - AGO"),
            ("ended_us", "ended_us - AGO"),
        ],
    ),
    (
        "attempts",
        &[
            ("id", "ATT"),
            ("job", "JOB"),
            ("run", "RUN"),
            ("number", "="),
            ("state", "="),
            ("outcome", "="),
            ("runner", "="),
            ("runner_name", "="),
            ("usage", "="),
            ("report", "="),
            ("log_bytes", "="),
            ("created_us", "created_us - AGO"),
            ("started_us", "started_us - AGO"),
            ("ended_us", "ended_us - AGO"),
        ],
    ),
    (
        "leases",
        &[
            ("id", "LEA"),
            ("attempt", "ATT"),
            ("hub", "="),
            ("runner", "="),
            ("epoch", "="),
            ("expires_us", "expires_us - AGO"),
            ("released_us", "released_us - AGO"),
        ],
    ),
    (
        "steps",
        &[
            ("attempt", "ATT"),
            ("idx", "="),
            ("name", "="),
            ("state", "="),
            ("outcome", "="),
            ("conclusion", "="),
            ("usage", "="),
            ("line", "="),
            ("started_us", "="),
            ("ended_us", "="),
        ],
    ),
    (
        "decisions",
        &[
            ("submission", "EVT"),
            ("run", "RUN"),
            ("job", "JOB"),
            ("at_us", "at_us - AGO"),
            ("kind", "="),
            ("reason", "="),
        ],
    ),
];

/// The statements, the same for both engines.
fn statements() -> String {
    let zeros = "0".repeat(32);
    let id = |prefix: &str| format!("'{prefix}_' || substr('{zeros}' || i, length('' || i) + 1)");
    let mut sql = format!(
        "BEGIN; CREATE TEMP TABLE copies AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) SELECT i FROM n;\n"
    );
    for (table, columns) in TABLES {
        let template = if *table == "events" { " WHERE kind = 'push'" } else { "" };
        let template = if *table == "decisions" { " WHERE run IS NOT NULL" } else { template };
        sql += &format!("CREATE TEMP TABLE t_{table} AS SELECT * FROM {table}{template};\n");
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> = columns
            .iter()
            .map(|(name, value)| match *value {
                "=" => (*name).to_owned(),
                "EVT" | "RUN" | "JOB" | "ATT" | "LEA" => id(&value.to_lowercase()),
                "REPO" => format!("'bench/r' || (i % {REPOS})"),
                other => other
                    .replace("AGO", &format!("({RUNS} + 1 - i) * CAST(30000000 AS BIGINT)"))
                    .replace("REPOS", &REPOS.to_string()),
            })
            .collect();
        let (names, values) = (names.join(", "), values.join(", "));
        sql += &format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM t_{table}, copies ORDER BY i;\n"
        );
    }
    sql + "COMMIT;\n"
}

fn multiply(hub: &Hub) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    // The server's own user reads it.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode)?;
    let file = dir.path().join("fill.sql");
    if let Some(database) = &hub.database {
        let sql = format!(
            "SET synchronous_commit = off; SET work_mem = '256MB';\n{}ANALYZE;\n",
            statements()
        );
        std::fs::write(&file, sql)?;
        return database.sql(&file).context("the store cannot be filled");
    }
    let before = "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;\n";
    std::fs::write(&file, format!("{before}{}PRAGMA journal_mode = WAL;\n", statements()))?;
    let store = hub.data().join("hub.db");
    let done = Command::new("sqlite3")
        .arg("-bail")
        .arg(&store)
        .stdin(std::fs::File::open(&file)?)
        .stdout(std::process::Stdio::null())
        .status()
        .context("`sqlite3` cannot be started")?;
    ensure!(done.success(), "`sqlite3` ended with {done}");
    Ok(())
}
