//! The same jobs in a container, where this machine can make one.

use libtest_mimic::Trial;

use super::hub::Hub;
use super::support::{Done, Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_job_runs_in_a_container", whole),
        trial("one_expression_stands_for_a_whole_key", expressions),
        trial("a_cache_goes_from_container_to_container", cache),
        trial("a_workflow_names_no_file_of_the_machine_as_an_image", files),
        trial("a_step_that_eats_memory_is_told_so", memory),
    ]
}

/// Whether this machine made the container; if not, says so.
fn ran(done: &Done) -> bool {
    let verdict = done.verdict();
    let cannot = verdict.contains("this machine cannot isolate");
    if cannot {
        gantry_testkit::skip(&verdict);
    }
    !cannot
}

async fn whole() {
    let mut fixture = Fixture::steps(
        r#"- uses: actions/checkout@v4
- id: a
  run: |
    echo "$(whoami) $(id -u) $PWD $HOME"
    echo "v=1" >> "$GITHUB_OUTPUT"; echo "E=2" >> "$GITHUB_ENV"
    cat a.txt
- uses: ./act
  with: { x: "${{ steps.a.outputs.v }}${{ env.E }}" }
- run: sudo id -u
- run: test -n "${{ hashFiles('a.txt') }}" && exit 5"#,
    )
    .file("a.txt", "content\n")
    .file(
        "act/action.yml",
        "inputs: { x: {} }\nruns:\n  using: composite\n  steps:\n    - run: echo x=${{ inputs.x }}\n      shell: bash\n",
    );
    fixture.isolation = "container";
    let done = fixture.run().await;
    if !ran(&done) {
        return;
    }
    done.assert_has(&[
        "runner 1001 /home/runner/work/lib/lib /home/runner",
        "content",
        "x=12",
        "0",
    ]);
    assert!(done.verdict().contains("exited with code 5"), "{}", done.verdict());
    assert!(done.end.usage.cpu_us > 0, "{:?}", done.end.usage);
}

/// Every key that takes one expression for the whole of it; `PLACE` gives one of them the wrong shape.
const WHOLE: &str = r#"on: push
env: ${{ fromJSON('{"TOP":"t","OVER":"top"}') }}
jobs:
  j:
    runs-on: ubuntu-latest
    env: ${{ fromJSON('{"JOB":7,"OVER":"job","TEXT":"${{ x }}"}') }}
    defaults:
      run: ${{ fromJSON(format('{{"shell":"bash -e {{0}}","working-directory":"{0}"}}', env.JOB)) }}
    container: ${{ fromJSON('null') || '' }}
    services: ${{ fromJSON('{"left-out":""}') }}
    steps:
      - uses: actions/checkout@v4
      - run: mkdir -p 7 && echo "{\"STEP\":\"s\",\"OVER\":\"step\"}" > 7/env.json
        working-directory: .
      - id: read
        run: echo "env=$(cat env.json)" >> "$GITHUB_OUTPUT"
      - run: echo "$TOP $JOB $STEP $OVER $TEXT ${PWD##*/}"
        env: ${{ fromJSON(steps.read.outputs.env) }}
      - uses: ./act
        with: ${{ fromJSON('{"x":"given"}') }}
      - run: echo never
        env: ${{ steps.read.outputs.env }}
"#;

async fn expressions() {
    let mut fixture = Fixture::workflow(WHOLE).file(
        "act/action.yml",
        "inputs: { x: {} }\nruns:\n  using: composite\n  steps:\n    - run: echo \"$E x=${{ inputs.x }}\"\n      shell: bash\n      env: ${{ fromJSON('{\"E\":\"inside\"}') }}\n",
    );
    fixture.isolation = "container";
    let done = fixture.run().await;
    if !ran(&done) {
        return;
    }
    done.assert_has(&["t 7 s step ${{ x }} 7", "inside x=given"]);
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/user: "), "{verdict}");
    assert!(
        verdict.contains("`env` must be a mapping, and the expression gives a text"),
        "{verdict}"
    );
    assert!(verdict.contains(".yml:22)"), "{verdict}");
    let wrong = WHOLE.replace(r#"fromJSON('{"left-out":""}')"#, "fromJSON('[1]')");
    let verdict = Fixture::workflow(&wrong).run().await.verdict();
    assert!(
        verdict.contains("`services` must be a mapping, and the expression gives a list"),
        "{verdict}"
    );
}

const CACHE: &str = "- id: c\n  uses: actions/cache@v4\n  with: { path: \"deps\\n~/.tool\", key: k }\n- run: |\n    echo \"hit [${{ steps.c.outputs.cache-hit }}]\"\n    cat deps/x ~/.tool/y || mkdir -p deps ~/.tool\n    echo one > deps/x; echo two > ~/.tool/y";

async fn cache() {
    let hub = Hub::default();
    for hit in ["hit []", "hit [true]"] {
        let mut fixture = Fixture::steps(CACHE).hub(&hub);
        fixture.isolation = "container";
        let done = fixture.run().await;
        if !ran(&done) {
            return;
        }
        done.assert_success();
        done.assert_has(&[hit]);
        assert_eq!(done.has("one") && done.has("two"), hit == "hit [true]", "{}", done.text());
    }
}

async fn files() {
    for kind in ["container: IMAGE", "services: { s: { image: IMAGE } }"] {
        for image in ["oci-layout:/", "oci:/", "oci-archive:/x.tar", "docker-archive:/x.tar"] {
            let line = kind.replace("IMAGE", &format!("\"{image}\""));
            let workflow = format!(
                "on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n    {line}\n    steps:\n      - run: echo never\n"
            );
            let verdict = Fixture::workflow(&workflow).run().await.verdict();
            assert!(verdict.starts_with("failure/policy: "), "{verdict}");
            assert!(verdict.contains(&format!("a file of the machine, `{image}`")), "{verdict}");
        }
    }
}

async fn memory() {
    let mut fixture = Fixture::steps("- name: eat\n  run: head -c 1G /dev/zero | tail");
    fixture.isolation = "container";
    fixture.memory_bytes = 128 << 20;
    let done = fixture.run().await;
    if !ran(&done) {
        return;
    }
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/user: step `eat`"), "{verdict}");
    assert!(verdict.contains("out of memory (limit 128 MiB)"), "{verdict}");
}
