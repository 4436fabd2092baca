//! Steps in an image of their own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use sha2::{Digest, Sha256};

use super::support::{Done, Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_step_runs_in_an_image_of_its_own", step),
        trial("an_action_runs_in_an_image_of_its_own", action),
        trial("a_step_in_an_image_needs_a_container", process),
        trial("a_step_names_no_file_of_the_machine_as_an_image", files),
    ]
}

/// An image with a few programs of this machine, `WHO=image` and an entry point that shows its arguments.
fn image(dir: &Path) -> String {
    let layer = layer(&["sh", "cat", "id", "ls", "mkdir", "getent"]);
    let hex: String = Sha256::digest(&layer).iter().map(|b| format!("{b:02x}")).collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{hex}")]},
        "config": {
            "Env": ["WHO=image", "PATH=/bin"],
            "Entrypoint": ["/bin/sh", "-c", "echo \"args: $* in $PWD\"", "entry"], "Cmd": ["default"],
        },
    });
    let manifest =
        serde_json::json!([{"Config": "c.json", "RepoTags": ["t:1"], "Layers": ["l.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    put(&mut archive, "c.json", config.to_string().as_bytes(), 0o644);
    put(&mut archive, "manifest.json", manifest.to_string().as_bytes(), 0o644);
    put(&mut archive, "l.tar", &layer, 0o644);
    let file = dir.join("image.tar");
    std::fs::write(&file, archive.into_inner().expect("a tar")).expect("a file");
    format!("docker-archive:{}", file.display())
}

fn layer(programs: &[&str]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut libraries = BTreeSet::new();
    for name in programs {
        let program = std::fs::canonicalize(Path::new("/bin").join(name)).expect("a program");
        let bytes = std::fs::read(&program).expect("a program");
        put(&mut layer, &format!("bin/{name}"), &bytes, 0o755);
        let output = Command::new("ldd").arg(&program).output().expect("ldd");
        let text = String::from_utf8(output.stdout).expect("text");
        let found = text.split_whitespace().filter(|word| word.starts_with('/'));
        libraries.extend(found.map(str::to_owned));
    }
    for library in libraries {
        let bytes = std::fs::read(&library).expect("a library");
        put(&mut layer, library.trim_start_matches('/'), &bytes, 0o755);
    }
    layer.into_inner().expect("a tar")
}

fn put(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes).expect("an entry");
}

/// Runs in a container with the image `tools`; `None` where this machine cannot make one.
pub async fn run(mut fixture: Fixture) -> Option<Done> {
    let dir = tempfile::tempdir().expect("a directory");
    fixture.isolation = "container";
    fixture.images.insert("tools".to_owned(), image(dir.path()));
    let done = fixture.run().await;
    if done.verdict().contains("this machine cannot isolate") {
        gantry_testkit::skip(done.verdict());
        return None;
    }
    Some(done)
}

const STEP: &str = r#"- run: |
    echo from the job > a.txt
    echo "SAID=hello" >> "$GITHUB_ENV"
- uses: docker://tools
- id: own
  uses: docker://tools
  env: { HERE: "${{ github.workspace }}/a.txt", TOKEN: "${{ secrets.TOKEN }}" }
  with:
    entrypoint: /bin/sh
    args: >-
      -ec 'cat a.txt "$HERE"; echo "$WHO $SAID $HOME $GITHUB_WORKSPACE $HERE $(id -u) $INPUT_ENTRYPOINT"; echo "token $TOKEN";
      echo "v=1" >> "$GITHUB_OUTPUT"; echo "NEXT=2" >> "$GITHUB_ENV"; echo own > own.txt; cat "$GITHUB_EVENT_PATH";
      ls /usr/bin/env /github || true; echo done'
- run: |
    echo "then ${{ steps.own.outputs.v }} $NEXT $(cat own.txt) $(stat -c %u own.txt)"
- uses: docker://tools
  with: { entrypoint: /bin/sh, args: "-c 'exit 7'" }"#;

async fn step() {
    let Some(done) = run(Fixture::steps(STEP).secret("TOKEN", "verysecret")).await else { return };
    done.assert_has(&[
        "args: default in /github/workspace",
        "from the job",
        "image hello /github/home /github/workspace /github/workspace/a.txt 0 /bin/sh",
        "token ***",
        "done",
        "then 1 2 own 0",
    ]);
    assert!(done.text().contains("\"number\":7"), "the event's payload is there: {}", done.text());
    assert!(!done.text().contains("verysecret"), "{}", done.text());
    assert!(!done.has("/usr/bin/env"), "nothing of the host shows: {}", done.text());
    let verdict = done.verdict();
    assert!(
        verdict.starts_with("failure/user: ") && verdict.contains("exited with code 7"),
        "{verdict}"
    );
}

const ACTION: &str = "inputs:\n  who: { default: world }\n  two words: {}\nruns:\n  using: docker\n  image: docker://tools\n  \
    entrypoint: /bin/sh\n  args: [-ec, 'echo \"$1 $INPUT_WHO $INPUT_TWO_WORDS $OF $GITHUB_ACTION_REPOSITORY.\"; echo k=v >> \"$GITHUB_STATE\"; echo o=x >> \"$GITHUB_OUTPUT\"', \
    sh, 'to ${{ inputs.who }}']\n  env: { OF: '${{ inputs.who }}', SET: action }\n  post-entrypoint: /bin/post\n";

async fn action() {
    // The post entry point does not exist: that it is tried, and last, is what is seen.
    let fixture = Fixture::steps(
        "- uses: actions/checkout@v4\n- id: a\n  uses: ./act\n  with: { who: all, two words: 'a  b' }\n- run: echo \"out ${{ steps.a.outputs.o }}\"",
    )
    .file("act/action.yml", ACTION);
    let Some(done) = run(fixture).await else { return };
    done.assert_has(&["to all all a  b all .", "out x"]);
    assert_eq!(done.steps().last().map(String::as_str), Some("Post Run ./act=failure"));
    assert!(done.verdict().contains("cannot start `/bin/post`"), "{}", done.verdict());
}

async fn process() {
    let verdict = Fixture::steps("- uses: docker://alpine:3").run().await.verdict();
    assert!(verdict.starts_with("failure/policy: "), "{verdict}");
    assert!(verdict.contains("the image `alpine:3` of a step needs a container"), "{verdict}");
}

async fn files() {
    let verdict = Fixture::steps("- uses: docker://oci-layout:/").run().await.verdict();
    assert!(verdict.starts_with("failure/policy: "), "{verdict}");
    assert!(verdict.contains("a file of the machine, `oci-layout:/`"), "{verdict}");
}
