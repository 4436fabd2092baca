//! The commands that use a standing hub, against a real one: a `gantry serve` process with a Git repository on disk.

mod ops;
mod world;

use std::os::unix::fs::PermissionsExt as _;

use world::{Going, World, isolates, masked, said};

#[test]
fn without_a_hub_the_remedy_is_named() {
    if !gantry_testkit::program("git") {
        return;
    }
    let world = World::new();
    let (code, _, err) = world.gantry(&["queue"]);
    assert!(
        code == 2 && err.contains("not logged in") && err.contains("gantry login URL"),
        "{err}"
    );
    let (code, _, err) = world.gantry(&["runs", "watch", "last"]);
    assert!(code == 2 && err.contains("not logged in"), "{err}");
    let with_token = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("GANTRY_TOKEN", "gantry_x");
        said(command.output().expect("the binary starts"))
    };
    // A port that was free a moment ago and is not listened at.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("it")
        .port();
    let gone = format!("http://127.0.0.1:{port}");
    let (code, _, err) = with_token(&["repos", "list", "--url", &gone, "--json"]);
    let error: serde_json::Value = serde_json::from_str(&err).expect("an error as JSON");
    assert_eq!((code, &error["error"]["exit_code"]), (4, &serde_json::json!(4)), "{err}");
    assert!(err.contains("cannot be reached") && err.contains("gantry serve"), "{err}");
    let (code, _, err) = with_token(&["login", "http://192.0.2.1:4711"]);
    assert!(code == 2 && err.contains("plain HTTP") && err.contains("--insecure"), "{err}");
    let (code, _, err) = with_token(&["login", "ci.example"]);
    assert!(code == 2 && err.contains("https://ci.example"), "{err}");
    let (code, _, err) = world.gantry(&["runs", "list", "--repo", "acme/app"]);
    assert!(code == 2 && err.contains("--remote"), "{err}");
    assert!(!world.path(".config/gantry/hosts.json").exists());
}

#[test]
fn a_login_is_checked_kept_for_its_owner_and_forgotten() {
    if !gantry_testkit::program("git") {
        return;
    }
    let world = World::new();
    let hub = world.serve("127.0.0.1:0", "0");
    let file = world.path(".config/gantry/hosts.json");
    let mut wrong = world.command(&["login", &hub.url]);
    wrong.env("GANTRY_TOKEN", "gantry_hunter2hunter2");
    let (code, out, err) = said(wrong.output().expect("the binary starts"));
    assert!(code == 2 && err.contains("auth/token") && err.contains("copied whole"), "{err}");
    assert!(err.contains(", request ") && !format!("{out}{err}").contains("hunter2"), "{err}");
    assert!(!file.exists(), "a token that nobody knows is not kept");

    let token = world.token();
    let stdin = world.path("token");
    std::fs::write(&stdin, format!("{token}\n")).expect("a file");
    let mut login = world.command(&["login", &format!("{}/", hub.url)]);
    login.stdin(std::fs::File::open(&stdin).expect("a file"));
    let (code, out, err) = said(login.output().expect("the binary starts"));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.starts_with(&format!("logged in to {} as ", hub.url))
            && out.contains("admin of every org"),
        "{out}"
    );
    assert!(!format!("{out}{err}").contains(&token));
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    assert_eq!(world.json(&["repos", "list"])[0]["name"], "acme/app");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let (code, _, err) = world.gantry(&["repos", "list"]);
    assert!(code == 2 && err.contains("others may read it") && err.contains("chmod 600"), "{err}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");

    let (code, _, err) = world.gantry(&["runs", "show", "last", "--remote"]);
    assert!(code == 2 && err.contains("no runs yet"), "{err}");
    let (code, _, err) = world.gantry(&["repos", "show", "acme/ap"]);
    assert!(code == 2 && err.contains("did you mean `acme/app`?"), "{err}");
    assert_eq!(world.ok(&["logout"]), format!("logged out of {}\n", hub.url));
    assert!(!std::fs::read_to_string(&file).expect("the file").contains(&token));
    let (code, _, err) = world.gantry(&["repos", "list"]);
    assert!(code == 2 && err.contains("not logged in"), "{err}");
}

#[test]
fn a_hub_is_looked_after_from_a_shell() {
    if !gantry_testkit::program("git") {
        return;
    }
    let world = World::new();
    let hub = world.serve("127.0.0.1:0", "0");
    world.login(&hub);
    // Tokens: a secret is shown once, and does what its role says.
    let secret =
        world.ok(&["tokens", "create", "eyes", "--org", "acme", "--role", "viewer", "--quiet"]);
    assert!(secret.starts_with("gantry_") && secret.lines().count() == 1, "{secret}");
    let all = world.json(&["tokens", "list"]);
    let eyes = all.as_array().expect("tokens").iter().find(|t| t["name"] == "eyes").expect("it");
    assert!(eyes["role"] == "viewer" && eyes.get("secret").is_none(), "{eyes}");
    let by_viewer = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("GANTRY_TOKEN", secret.trim());
        said(command.output().expect("the binary starts"))
    };
    assert_eq!(by_viewer(&["repos", "list"]).0, 0);
    let (code, _, err) = by_viewer(&["repos", "disable", "acme/app"]);
    assert!(code == 2 && err.contains("auth/forbidden"), "{err}");
    world.ok(&["tokens", "revoke", eyes["id"].as_str().expect("an id")]);
    let (code, _, err) = by_viewer(&["repos", "list"]);
    assert!(code == 2 && err.contains("auth/token"), "{err}");

    // Repositories.
    let url = format!("file://{}", world.path("app.git").display());
    world.ok(&["repos", "add", "acme/other", &url, "--branch", "main"]);
    assert_eq!(
        masked(&world.ok(&["repos", "list", "--search", "other"])),
        "repo state branch open last run outcome ended time\nacme/other enabled main 0"
    );
    world.ok(&["repos", "disable", "acme/other", "--reason", "moved"]);
    let shown = world.ok(&["repos", "show", "acme/other"]);
    assert!(
        shown.starts_with("acme/other  disabled: moved\n") && shown.contains("--input mode="),
        "{shown}"
    );
    world.ok(&["repos", "enable", "acme/other"]);
    world.ok(&["repos", "remove", "acme/other"]);
    let (code, _, err) = world.gantry(&["repos", "remove", "acme/app"]);
    assert!(code == 2 && err.contains("cannot remove the repository"), "{err}");

    // Raw calls.
    let me: serde_json::Value =
        serde_json::from_str(&world.ok(&["api", "get", "me"])).expect("JSON");
    assert_eq!(me["kind"], "bootstrap");
    let paged = world.ok(&["api", "GET", "/tokens?limit=1", "--paginate"]);
    let paged: Vec<serde_json::Value> = serde_json::from_str(&paged).expect("an array");
    assert_eq!(paged.len(), world.json(&["tokens", "list"]).as_array().expect("tokens").len());
    assert!(paged.len() > 1);
    let (code, _, err) =
        world.gantry(&["api", "POST", "/repos", "-f", "name=acme/x", "-F", "url=1"]);
    assert!(code == 2 && err.contains("request/invalid"), "{err}");
    let (code, _, err) = world.gantry(&["api", "GET", "https://ci.example/api/v1/me"]);
    assert!(code == 2 && err.contains("name a path"), "{err}");
}

#[test]
fn a_run_is_started_watched_followed_cancelled_and_run_again() {
    if !isolates() {
        return;
    }
    let world = World::new();
    let hub = world.serve("127.0.0.1:0", "2");
    world.login(&hub);
    // The first look at the repository starts nothing.
    world.wait_for(&["events", "list"], |events| events[0]["decided_at"].is_string());
    let (code, out, err) =
        world.gantry(&["dispatch", "acme/app", "ci.yml", "--input", "mode=pass", "--watch"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("app · build | ▸ ") && out.contains("app · after | success in "), "{out}");
    let table = out.rsplit_once("\n\n").expect("a table").1;
    assert_eq!(
        masked(table),
        "repo workflow job outcome fault time\nacme/app CI build success SPAN\nacme/app CI after success SPAN"
    );
    let (code, out, _) =
        world.gantry(&["dispatch", "acme/app", "--input", "mode=fail", "--watch", "--json"]);
    let failed: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &failed[0]["outcome"]), (1, &serde_json::json!("failure")));
    let listed = masked(&world.ok(&["runs", "list", "--remote", "--event", "workflow_dispatch"]));
    assert_eq!(
        listed,
        "run repo workflow # event ref outcome started time\n\
         run_ID acme/app CI 2 workflow_dispatch main failure TIME SPAN\n\
         run_ID acme/app CI 1 workflow_dispatch main success TIME SPAN"
    );
    let why = world.ok(&["why", "last/after", "--remote"]);
    assert!(why.contains("decisions:") && why.contains("build"), "{why}");
    let logs = world.ok(&["logs", "last/build"]);
    assert!(
        logs.contains("▸ Greet\n") && logs.contains("▾ Details\n  hello from the job\n"),
        "{logs}"
    );
    let (code, _, _) = world.gantry(&["logs", "last", "-f"]);
    assert_eq!(code, 1, "followed, it ends as the run did");

    // A run that goes on: followed while it is cancelled.
    world.ok(&["dispatch", "acme/app", "-i", "mode=hang"]);
    let queue = world.wait_for(&["queue"], |items| items[0]["state"] == "running");
    let run = queue[0]["run"].as_str().expect("a run");
    let mut follow = Going::start(
        world.command(&["logs", &format!("{run}/build"), "--follow"]),
        &world.path("err"),
    );
    follow.until("it hangs");
    let runner = &world.json(&["runners", "list", "--state", "online"])[0];
    assert_eq!((&runner["busy"], &runner["slots"]), (&1.into(), &2.into()));
    assert!(
        world
            .ok(&["runners", "show", runner["name"].as_str().expect("a name")])
            .contains("1 of 2 slots taken")
    );
    world.ok(&["runs", "cancel", run, "--reason", "enough"]);
    assert_eq!(follow.end(), 130, "{}", follow.heard);
    let shown = world.ok(&["runs", "show", run, "--remote"]);
    assert!(shown.contains("cancelled") && shown.contains("enough"), "{shown}");
    let near = format!("{}0{}", &run[..20], &run[21..]);
    let near = if near == run { format!("{}1{}", &run[..20], &run[21..]) } else { near };
    let (code, _, err) = world.gantry(&["runs", "show", &near, "--remote"]);
    assert!(code == 2 && err.contains("did you mean `run_"), "{err}");

    it_fails_again(&world, failed[0]["id"].as_str().expect("an id"));
    a_delivery_is_replayed(&world);
    a_runner_is_drained(&world, runner["name"].as_str().expect("a name"));
}

/// The failed one fails again, as a further attempt.
fn it_fails_again(world: &World, failed: &str) {
    let (code, out, err) =
        world.gantry(&["runs", "rerun", failed, "--failed", "--watch", "--json"]);
    let again: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!((code, &again[0]["attempt"]), (1, &2.into()), "{out}{err}");
}

fn a_delivery_is_replayed(world: &World) {
    let events = world.json(&["events", "list", "--outcome", "runs"]);
    let first = events.as_array().expect("events").last().expect("one")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let taken = world.json(&["events", "replay", &first]);
    let taken = taken["event"].as_str().expect("an id");
    let replayed = world.wait_for(&["events", "show", taken], |e| e["decided_at"].is_string());
    assert_eq!((&replayed["replay_of"], &replayed["outcome"]), (&first.into(), &"runs".into()));
    assert!(world.ok(&["why", taken, "--remote"]).contains("replay of"));
}

fn a_runner_is_drained(world: &World, name: &str) {
    world.ok(&["runners", "drain", name]);
    assert_eq!(world.json(&["runners", "show", name])["state"], "draining");
    world.ok(&["runners", "resume", name]);
    assert_eq!(world.json(&["runners", "show", name])["state"], "online");
}

#[test]
fn following_goes_on_when_the_hub_was_killed_and_started_again() {
    if !isolates() {
        return;
    }
    let world = World::new();
    let mut hub = world.serve("127.0.0.1:0", "2");
    world.login(&hub);
    world.wait_for(&["events", "list"], |events| events[0]["decided_at"].is_string());
    world.ok(&["dispatch", "acme/app", "-i", "mode=hang"]);
    let queue = world.wait_for(&["queue"], |items| items[0]["state"] == "running");
    let run = queue[0]["run"].as_str().expect("a run");
    let errors = world.path("err");
    let mut follow = Going::start(world.command(&["logs", run, "-f"]), &errors);
    follow.until("it hangs");
    let address = hub.address().to_owned();
    hub.kill();
    let _hub = world.serve(&address, "2");
    let began = std::time::Instant::now();
    while !std::fs::read_to_string(&errors)
        .expect("a file")
        .contains("the connection is there again")
    {
        assert!(
            began.elapsed() < world::PATIENCE,
            "{}",
            std::fs::read_to_string(&errors).unwrap_or_default()
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    world.ok(&["runs", "cancel", run]);
    assert_eq!(follow.end(), 130, "{}", follow.heard);
    assert!(follow.heard.contains("build · Hang | it hangs"), "{}", follow.heard);
    let said = std::fs::read_to_string(&errors).expect("a file");
    assert_eq!(said.matches("the connection broke").count(), 1, "{said}");
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["reference", "man", "--dir"])
        .arg(dir.path())
        .output()
        .expect("the binary starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for page in ["gantry", "gantry-runs-watch", "gantry-tokens-create", "gantry-api"] {
        let text = std::fs::read_to_string(dir.path().join(format!("{page}.1"))).expect(page);
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    assert!(!dir.path().join("gantry-reference.1").exists(), "what is hidden has no page");
}
