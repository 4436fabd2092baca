//! Services in anger: PostgreSQL and Redis from a real registry on this machine, behind health gates, reached from a
//! job in a container by name, from a job on the host's root by port, and from a step in an image of its own.

use gantry_e2e::gantry::Gantry;
use gantry_e2e::image::{Mirror, services};
use gantry_e2e::registry::Registry;
use gantry_testkit::{program, skip};
use serde_json::Value;

const CI: &str = r#"name: Services
on: push
jobs:
  by-name:
    runs-on: ubuntu-latest
    container: REGISTRY/clients:1
SERVICES    env:
      PGPASSWORD: ${{ secrets.DB_PASSWORD }}
      PGUSER: postgres
    steps:
      - name: both are healthy before the first step
        run: |
          psql --host=db --command='create table t (v int)' --command='insert into t values (41)'
          test "$(redis-cli -h cache set greeting hello)" = OK
      - name: a step in an image of its own reaches them too
        uses: docker://REGISTRY/clients:1
        env: { PGHOST: db }
        with:
          entrypoint: /bin/sh
          args: -ec 'psql --command="update t set v = v + 1"; redis-cli -h cache get greeting > from-redis'
      - run: |
          test "$(psql --host=db --tuples-only --no-align --command='select v from t')" = 42
          test "$(cat from-redis)" = hello
      - name: a wrong password is refused
        env: { PGPASSWORD: wrong }
        run: '! psql --host=db --command="select 1"'
  by-port:
    runs-on: ubuntu-latest
SERVICES    steps:
      - shell: bash
        run: |
          test "${{ job.services.db.ports['5432'] }} ${{ job.services.cache.ports['6379'] }}" = "15432 6379"
          exec 3<>/dev/tcp/localhost/6379
          printf 'PING\r\n' >&3
          read -r answer <&3
          test "${answer%$'\r'}" = +PONG
          # PostgreSQL answers the question for TLS with one letter.
          exec 4<>/dev/tcp/localhost/15432
          printf '\x00\x00\x00\x08\x04\xd2\x16\x2f' >&4
          read -r -N 1 letter <&4
          case "$letter" in S|N) ;; *) echo "it said $letter"; exit 1;; esac
  by-expression:
    runs-on: ubuntu-latest
    services: ${{ fromJSON('{"cache":{"image":"REGISTRY/redis:1","ports":["16379:6379"],"options":"--health-cmd \"redis-cli ping\" --health-interval 1s --health-timeout 30s --health-retries 60"}}') }}
    container: ${{ fromJSON('{"image":"REGISTRY/clients:1","env":{"WHO":"expression"}}') }}
    steps:
      - run: |
          test "$(redis-cli -h cache set greeting "$WHO")" = OK
          test "$(redis-cli -h cache get greeting) ${{ job.services.cache.ports['6379'] }}" = "expression 16379"
  unhealthy:
    runs-on: ubuntu-latest
    services:
      db:
        image: REGISTRY/postgres:1
        options: --health-cmd "pg_isready --host=localhost" --health-interval 1s --health-retries 60
    steps:
      - run: echo never
"#;

/// What two of the jobs have beside them.
const SERVICES: &str = r#"    services:
      db:
        image: REGISTRY/postgres:1
        env: { POSTGRES_PASSWORD: "${{ secrets.DB_PASSWORD }}" }
        options: >-
          --health-cmd "pg_isready --host=localhost"
          --health-interval 1s --health-timeout 30s --health-retries 60
        ports: ["15432:5432"]
      cache:
        image: REGISTRY/redis:1
        options: --health-cmd "redis-cli ping" --health-interval 1s --health-timeout 30s --health-retries 60
        ports: [6379]
"#;

fn of<'a>(jobs: &'a [Value], id: &str) -> &'a Value {
    jobs.iter().find(|j| j["key"] == id).unwrap_or_else(|| panic!("no job {id} in {jobs:#?}"))
}

#[test]
fn databases_serve_jobs_by_name_and_by_port() -> anyhow::Result<()> {
    let Some(mirror) = Mirror::of_this_machine() else {
        skip("this machine names no Debian archive");
        return Ok(());
    };
    if !program("debootstrap") {
        return Ok(());
    }
    let registry = match Registry::start() {
        Ok(registry) => registry,
        Err(error) => {
            skip(format!("there is no registry: {error:#}"));
            return Ok(());
        }
    };
    registry.push(&services(&mirror)?)?;
    let hub = tempfile::tempdir()?;
    let ci = CI.replace("SERVICES", SERVICES).replace("REGISTRY", &registry.address);
    let workflows = hub.path().join("app/.github/workflows");
    std::fs::create_dir_all(&workflows)?;
    std::fs::write(workflows.join("ci.yml"), ci)?;
    let file = "repos:\n  app:\n    source: ./app\n    owner: services\n    secrets: { DB_PASSWORD: { file: ./password } }\n";
    std::fs::write(hub.path().join("gantry.yaml"), file)?;
    std::fs::write(hub.path().join("password"), "sesame-42")?;
    let gantry = Gantry::new()?;
    let called = gantry.call(&["run", "--hub", &hub.path().to_string_lossy()])?;
    println!("{}\n{}", called.stdout, called.stderr);
    let jobs = gantry.telemetry("job")?;
    assert_eq!(of(&jobs, "by-name")["status"], "success");
    assert_eq!(of(&jobs, "by-port")["status"], "success");
    assert_eq!(of(&jobs, "by-expression")["status"], "success");
    // A server that ends says why, with its own words.
    let unhealthy = of(&jobs, "unhealthy");
    assert_eq!((&unhealthy["status"], &unhealthy["fault"]), (&"failed".into(), &"user".into()));
    let text = serde_json::to_string(&jobs)?;
    assert!(text.contains("POSTGRES_PASSWORD is not set"), "{text}");
    assert!(!text.contains("sesame-42"), "the secret shows: {text}");
    assert_eq!(called.code, 1);
    Ok(())
}
