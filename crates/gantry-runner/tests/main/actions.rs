//! `uses:` steps: the runner's own actions and local ones.

use libtest_mimic::Trial;

use super::hub::Hub;
use super::support::{Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("checkout_unpacks_the_source", checkout),
        trial("checkout_of_another_repository_and_path", checkout_other),
        trial("a_cache_is_saved_and_restored", cache),
        trial("a_failed_job_saves_no_cache", cache_failed),
        trial("artifacts_make_the_round", artifacts),
        trial("a_missing_artifact_is_named_with_those_that_are_there", artifact_missing),
        trial("composite_actions_have_inputs_outputs_and_their_own_steps", composite),
        trial("composite_actions_nest_and_fail_with_their_place", composite_fails),
        trial("composite_actions_may_not_nest_for_ever", composite_depth),
        trial("post_steps_run_in_reverse", post_order),
        trial("javascript_actions_run_with_the_images_node", javascript),
        trial("setup_python_finds_what_the_image_has", setup_python),
        trial("an_action_of_another_repository_of_the_hub", registered_action),
    ]
}

async fn checkout() {
    let done = Fixture::steps(
        "- run: touch old\n- id: co\n  uses: actions/checkout@v4\n- run: |\n    cat a/b.txt; ls; echo \"${{ steps.co.outputs.commit }}\"",
    )
    .file("a/b.txt", "content\n")
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["content", &"a".repeat(40)]);
    assert!(!done.has("old"), "clean removes what was there");
}

async fn checkout_other() {
    let mut fixture = Fixture::steps(
        "- uses: actions/checkout@v4\n- uses: actions/checkout@v4\n  with: { repository: Acme/Tools, path: tools }\n- run: cat own.txt tools/other.txt\n- uses: actions/checkout@v4\n  with: { repository: no/where }",
    )
    .file("own.txt", "own\n");
    let other = Fixture::steps("- run: 'true'").hub(&fixture.hub).file("other.txt", "other\n");
    fixture.repositories.insert("acme/tools".to_owned(), other.source());
    let done = fixture.run().await;
    done.assert_has(&["own", "other"]);
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/policy"), "{verdict}");
    assert!(
        verdict.contains("`no/where` is not one of this hub; it has: acme/tools, acme/lib"),
        "{verdict}"
    );
}

const CACHE: &str = r#"- id: c
  uses: actions/cache@v4
  with:
    path: |
      deps
      ~/.tool/cache
    key: deps-${{ hashFiles('lock') }}-v1
    restore-keys: |
      deps-
- run: |
    echo "hit [${{ steps.c.outputs.cache-hit }}]"
    cat deps/x ~/.tool/cache/y 2>/dev/null || echo empty
    mkdir -p deps ~/.tool/cache
    echo kept > deps/x; echo too > ~/.tool/cache/y"#;

async fn cache() {
    let hub = Hub::default();
    let first = Fixture::steps(CACHE).hub(&hub).run().await;
    first.assert_success();
    first.assert_has(&["hit []", "empty"]);
    assert_eq!(first.steps().last().map(String::as_str), Some("Post Run actions/cache@v4=success"));
    let second = Fixture::steps(CACHE).hub(&hub).run().await;
    second.assert_success();
    second.assert_has(&["hit [true]", "kept", "too"]);
    assert!(second.end.caches[0].hit && !first.end.caches[0].hit);
    let other = CACHE.replace("-v1", "-v2");
    let third = Fixture::steps(&other).hub(&hub).run().await;
    third.assert_has(&["hit [false]", "kept"]);
    assert_eq!(hub.state().caches.len(), 2);
}

async fn cache_failed() {
    let hub = Hub::default();
    let done = Fixture::steps(&format!("{CACHE}\n- run: exit 1")).hub(&hub).run().await;
    assert_eq!(done.steps().last().map(String::as_str), Some("Post Run actions/cache@v4=skipped"));
    assert!(hub.state().caches.is_empty());
}

async fn artifacts() {
    let hub = Hub::default();
    let up = Fixture::steps(
        r#"- run: |
    mkdir -p dist/sub && echo one > dist/a.whl && echo two > dist/sub/b.txt && echo no > dist/c.log
- id: up
  uses: actions/upload-artifact@v4
  with: { name: dist, path: "dist\n!dist/*.log" }
- uses: actions/upload-artifact@v4
  with: { name: single, path: dist/sub/b.txt }
- run: echo "id [${{ steps.up.outputs.artifact-id }}]""#,
    )
    .hub(&hub)
    .run()
    .await;
    up.assert_success();
    let kept: Vec<_> =
        hub.state().artifacts.iter().map(|a| (a.name.clone(), a.files, a.size)).collect();
    assert_eq!(kept, [("dist".to_owned(), 2, 8), ("single".to_owned(), 1, 4)]);
    let id = format!("id [{}]", hub.state().artifacts[0].artifact);
    up.assert_has(&[&id]);
    let down = Fixture::steps(
        r"- uses: actions/download-artifact@v4
  with: { name: dist, path: in }
- uses: actions/download-artifact@v4
  with: { path: all }
- run: find in all -type f | sort | xargs -n1 echo; cat in/a.whl",
    )
    .hub(&hub)
    .run()
    .await;
    down.assert_success();
    down.assert_has(&["in/a.whl", "in/sub/b.txt", "all/dist/a.whl", "all/single/b.txt", "one"]);
    assert!(!down.has("in/c.log"));
}

async fn artifact_missing() {
    let done = Fixture::steps(
        "- run: touch x\n- uses: actions/upload-artifact@v4\n  with: { name: a, path: x }\n- uses: actions/upload-artifact@v4\n  with: { name: e, path: nothing }\n- name: get\n  uses: actions/download-artifact@v4\n  with: { name: b }",
    )
    .run()
    .await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: step `get` (.github/workflows/ci.yml:11): there is no artifact `b`; there are: a");
}

const GREET: &str = r#"name: greet
inputs:
  who: { description: w, default: world }
  loud: { description: l, required: true }
outputs:
  text: { description: t, value: "${{ steps.say.outputs.t }}!" }
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      run: |
        echo "t=hello ${{ inputs.who }}" >> "$GITHUB_OUTPUT"
        echo "FROM_ACTION=yes" >> "$GITHUB_ENV"
        echo "path ${GITHUB_ACTION_PATH#$GITHUB_WORKSPACE} ${{ github.action_path == env.GITHUB_ACTION_PATH }} $OUTER"
    - if: inputs.loud == 'true'
      shell: bash
      run: echo LOUD
    - if: failure()
      shell: bash
      run: echo never
"#;

async fn composite() {
    let done = Fixture::steps(
        r#"- uses: actions/checkout@v4
- id: say
  run: echo outer
- id: greet
  uses: ./actions/greet
  env: { OUTER: seen }
  with: { who: you, loud: true }
- run: echo "${{ steps.greet.outputs.text }} [${{ steps.say.outputs.t }}] $FROM_ACTION [$OUTER]""#,
    )
    .file("actions/greet/action.yml", GREET)
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["LOUD", "hello you! [] yes []"]);
    assert!(done.out().iter().any(|l| l.starts_with("path /actions/greet") && l.ends_with("seen")));
}

async fn composite_fails() {
    let outer = "runs:\n  using: composite\n  steps:\n    - uses: ./actions/inner\n    - run: echo no\n      shell: sh\n    - if: always()\n      run: echo cleanup\n      shell: sh\n";
    let inner = "runs:\n  using: composite\n  steps:\n    - name: deep\n      run: exit 4\n      shell: sh\n";
    let done = Fixture::steps(
        "- uses: actions/checkout@v4\n- name: outer\n  uses: ./actions/outer\n- run: echo no",
    )
    .file("actions/outer/action.yml", outer)
    .file("actions/inner/action.yaml", inner)
    .run()
    .await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: step `deep` exited with code 4 (actions/inner/action.yaml:4)");
    done.assert_has(&["cleanup"]);
    assert!(!done.has("no"));
}

async fn composite_depth() {
    let text = "runs:\n  using: composite\n  steps:\n    - uses: ./a\n";
    let done = Fixture::steps("- uses: actions/checkout@v4\n- uses: ./a")
        .file("a/action.yml", text)
        .run()
        .await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: composite actions are nested deeper than 10 (a/action.yml:4)");
}

async fn post_order() {
    let cache = |n: u32| {
        format!(
            "- name: cache {n}\n  uses: actions/cache@v4\n  with: {{ path: d{n}, key: k{n} }}\n"
        )
    };
    let steps = format!("{}{}- run: mkdir d1 d2; touch d1/x d2/x", cache(1), cache(2));
    let done = Fixture::steps(&steps).run().await;
    done.assert_success();
    assert_eq!(done.steps()[3..], ["Post cache 2=success", "Post cache 1=success"]);
}

async fn javascript() {
    if !gantry_testkit::program("node") {
        return;
    }
    let action = "inputs:\n  my-name: { default: you }\nruns:\n  using: node20\n  main: main.js\n  post: post.js\n";
    let main = "const fs = require('fs');\nconsole.log('main ' + process.env['INPUT_MY-NAME']);\n\
                fs.appendFileSync(process.env.GITHUB_OUTPUT, 'o=out\\n');\n\
                fs.appendFileSync(process.env.GITHUB_STATE, 's=kept\\n');\n";
    let post = "console.log('post ' + process.env.STATE_s + ' ' + process.env['INPUT_MY-NAME']);\n";
    let done = Fixture::steps(
        "- uses: actions/checkout@v4\n- id: js\n  name: js\n  uses: ./js\n  with: { my-name: me }\n- run: echo \"[${{ steps.js.outputs.o }}]\"\n- run: exit 1",
    )
    .file("js/action.yml", action)
    .file("js/main.js", main)
    .file("js/post.js", post)
    .run()
    .await;
    done.assert_has(&["main me", "[out]", "post kept me"]);
    assert_eq!(done.steps().last().map(String::as_str), Some("Post js=success"));
}

async fn setup_python() {
    let done = Fixture::steps(
        r#"- id: py
  uses: actions/setup-python@v5
  with: { python-version: 3.x }
- run: |
    test "$(python3 -c 'import platform; print(platform.python_version())')" = "${{ steps.py.outputs.python-version }}" && echo same
- name: future
  uses: actions/setup-python@v5
  with: { python-version: "2.99" }"#,
    )
    .run()
    .await;
    done.assert_has(&["same"]);
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/policy: step `future`"), "{verdict}");
    assert!(
        verdict.contains("Python `2.99` is not in the image of this job; there is: 3."),
        "{verdict}"
    );
}

async fn registered_action() {
    let mut fixture = Fixture::steps("- uses: acme/actions/greet@main\n  with: { loud: false }");
    let other = Fixture::steps("- run: 'true'").hub(&fixture.hub).file("greet/action.yml", GREET);
    fixture.repositories.insert("acme/actions".to_owned(), other.source());
    let done = fixture.run().await;
    done.assert_success();
    assert!(done.out().iter().any(|l| l.starts_with("path ")), "{}", done.text());
}
