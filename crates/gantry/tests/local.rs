//! The real binary at somebody's desk, without a sandbox: drawings, editors, refusals.

use std::path::Path;

use assert_cmd::Command;

const CI: &str = "name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy: {matrix: {py: ['3.11', '3.12']}}
    steps: [{run: make test}]
  win: {runs-on: windows-latest, steps: [{run: dir}]}
  ship: {needs: [test, win], runs-on: ubuntu-latest, steps: [{run: make ship}]}
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

/// Exit code, standard output, standard error.
fn gantry(dir: &Path, args: &[&str], stdin: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .write_stdin(stdin)
        .output()
        .expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn graph_draws_a_file_in_every_form() {
    let dir = folder(&[(".github/workflows/ci.yml", CI)]);
    let file = ".github/workflows/ci.yml";
    let (code, out, err) = gantry(dir.path(), &["workflow", "graph", file], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let rails = ["●   test  2 legs", "│ ✗ win", "●─┘ ship"];
    assert!(out.starts_with("CI — push, 3 jobs, 4 legs\n"), "{out}");
    assert!(out.contains(rails[0]) && out.contains(rails[1]) && out.contains(rails[2]), "{out}");
    assert!(out.contains("cannot run: job `win` asks for the runner `windows-latest`"), "{out}");
    let (code, out, _) = gantry(dir.path(), &["workflow", "graph", file, "--json"], "");
    let graph: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &graph["event"]), (0, &serde_json::json!("push")));
    assert_eq!(graph["jobs"][1]["state"], "unsupported");
    let (_, svg, _) = gantry(dir.path(), &["workflow", "graph", file, "--format", "svg"], "");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let (_, dot, _) = gantry(dir.path(), &["workflow", "graph", file, "--format", "dot"], "");
    match Command::new("dot").args(["-Tplain"]).write_stdin(dot.clone()).output() {
        Err(_) => println!("SKIPPED: Graphviz is not installed"),
        Ok(read) => {
            assert!(read.status.success(), "{dot}\n{}", String::from_utf8_lossy(&read.stderr));
            let plain = String::from_utf8_lossy(&read.stdout).into_owned();
            assert_eq!(plain.lines().filter(|l| l.starts_with("node ")).count(), 3, "{plain}");
            assert_eq!(plain.lines().filter(|l| l.starts_with("edge ")).count(), 2, "{plain}");
        }
    }
}

#[test]
fn graph_of_a_broken_file_says_where_it_is_broken() {
    let dir =
        folder(&[("a.yml", "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n")]);
    let (code, out, err) = gantry(dir.path(), &["workflow", "graph", "a.yml"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("a.yml:5:5: error[workflow/unknown-key]"), "{err}");
}
