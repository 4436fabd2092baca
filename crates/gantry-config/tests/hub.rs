//! Loading hub files: what holds for each repository, and what is said about wrong files.

use gantry_config::{HubText, Layer, Loaded, SecretRef, Source, load};
use rstest::rstest;

fn hub(text: &str) -> Loaded {
    load(&[HubText { file: "gantry.yaml".to_owned(), text: text.to_owned() }])
}

fn clean(text: &str) -> Loaded {
    let loaded = hub(text);
    assert_eq!(loaded.diagnostics(), [], "no findings expected");
    loaded
}

fn findings(text: &str) -> String {
    let texts: Vec<String> = hub(text).diagnostics().iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn the_short_form_loads_as_it_stands_and_lower_layers_override() {
    let loaded = clean(
        "org_defaults: {runner: ubuntu-latest, timeout: 6h}\n\
         teams: {platform: {runner: ubuntu-22.04}}\n\
         repos: {vector-space: {timeout: 12h}}\n",
    );
    let repos = loaded.repos();
    assert_eq!(repos.len(), 1);
    assert_eq!(repos[0].full_name(), "local/vector-space");
    assert_eq!(repos[0].runner.value, "ubuntu-latest");
    assert_eq!(repos[0].timeout_ms.value, 12 * 3_600_000);
    assert_eq!(repos[0].timeout_ms.origin.to_string(), "repos.vector-space (gantry.yaml:3)");
    assert_eq!(repos[0].runner.origin.layer, Layer::Org);
}

const FULL: &str = "
org: acme
org_defaults:
  runner: ubuntu-latest
  images: {ubuntu-latest: 'oci-layout:images/base'}
  limits: {cpu: 2, memory: 4GiB, pids: 512, disk: 10 GB}
  env: {CI_HUB: gantry, PY: 3.10}
  allowed_egress: [pypi.org]
teams:
  platform:
    labels: {big: 'docker://debian:12'}
    limits: {cpu: 500m}
    env: {PY: '3.12', EMPTY: }
    allowed_egress: ['*.pythonhosted.org', pypi.org]
    user: root
repos:
  lib:
    source: ./lib
    team: platform
  acme-labs/service:
    source: {git: 'https://git.example/service.git', ref: main}
    depends_on: [lib]
    egress: learn
    secrets: {TOKEN: {env: SERVICE_TOKEN}, KEY: {file: key.pem}}
    workflows: [ci.yml, 'test-*.yml']
  archive:
    source: {archive: pkgs/x.tar.gz}
    enabled: false
";

#[test]
fn layers_merge_field_by_field_maps_by_key_and_egress_adds_up() {
    let repos = clean(FULL).repos();
    let names: Vec<String> = repos.iter().map(gantry_config::EffectiveRepo::full_name).collect();
    assert_eq!(names, ["acme/lib", "acme-labs/service", "acme/archive"]);
    let lib = &repos[0];
    assert_eq!(lib.resources().cpu_millis, 500);
    assert_eq!(lib.resources().memory_bytes, 4 << 30);
    assert_eq!(lib.resources().disk_bytes, 10_000_000_000);
    assert_eq!(lib.limits.cpu_millis.origin.layer, Layer::Team("platform".to_owned()));
    assert_eq!(lib.limits.cpu_millis.origin.line, Some(12));
    let env: Vec<(&str, &str)> =
        lib.env.iter().map(|(k, v)| (k.as_str(), v.value.as_str())).collect();
    assert_eq!(env, [("CI_HUB", "gantry"), ("PY", "3.12"), ("EMPTY", "")]);
    assert_eq!(lib.labels.len(), 2);
    assert!(lib.egress_policy().allows("files.pythonhosted.org", 443));
    assert_eq!(lib.allowed_egress.len(), 2, "equal entries count once");
    let archive = &repos[2];
    assert!(!archive.enabled.value);
    assert_eq!(archive.env["PY"].value, "3.10", "numbers keep their text");
    let service = &repos[1];
    assert_eq!(service.secrets["TOKEN"].value, SecretRef::Env("SERVICE_TOKEN".to_owned()));
    assert!(service.runs_workflow("test-api.yml") && !service.runs_workflow("release.yml"));
    assert!(matches!(&service.source.as_ref().expect("source").value,
        Source::Git { git_ref: Some(r), .. } if r == "main"));
}

const FLAT: &str = "
repositories:
  - name: alpha
    owner: acme
    enabled: true
    settings:
      path: packages/alpha
      package: alpha-core
      build_timeout: 30m
      resource_limit_mb: 1024
      max_parallel_jobs: 2
      allowed_egress: [pypi.org, 'files.pythonhosted.org:443']
      secret_scope: alpha
  - name: beta
    enabled: false
";
const BUDGETS: &str = "
workflows:
  release.yml:
    max_in_progress: 1
    jobs:
      project-tests:
        max_parallel: 2
";

#[test]
fn the_older_flat_files_load_alone_and_side_by_side() {
    let file = |name: &str, text: &str| HubText { file: name.to_owned(), text: text.to_owned() };
    for texts in [
        vec![file("repositories.yaml", FLAT), file("runner-isolation.yaml", BUDGETS)],
        vec![file("runner-isolation.yaml", BUDGETS), file("repositories.yaml", FLAT)],
    ] {
        let loaded = load(&texts);
        assert_eq!(loaded.diagnostics(), []);
        let repos = loaded.repos();
        let alpha = &repos[0];
        assert_eq!(alpha.full_name(), "acme/alpha");
        assert_eq!(alpha.timeout_ms.value, 1_800_000);
        assert_eq!(alpha.limits.memory_bytes.value, 1 << 30);
        assert_eq!(alpha.max_parallel.as_ref().map(|m| m.value), Some(2));
        assert_eq!(
            alpha.source.as_ref().map(|s| s.value.clone()),
            Some(Source::Path("packages/alpha".to_owned()))
        );
        let rule = &alpha.workflows["release.yml"].value;
        assert_eq!(rule.max_in_progress, Some(1));
        assert_eq!(rule.jobs["project-tests"].max_parallel, Some(2));
        assert!(!repos[1].enabled.value);
    }
    assert_eq!(load(&[file("runner-isolation.yaml", BUDGETS)]).diagnostics(), []);
}

#[test]
fn an_entry_of_repos_overrides_the_flat_list() {
    let file = |name: &str, text: &str| HubText { file: name.to_owned(), text: text.to_owned() };
    let over = "repos: {alpha: {timeout: 1h}}";
    let loaded = load(&[file("gantry.yaml", over), file("repositories.yaml", FLAT)]);
    assert_eq!(loaded.diagnostics(), []);
    let alpha = &loaded.repos()[0];
    assert_eq!(alpha.timeout_ms.origin.to_string(), "repos.alpha (gantry.yaml:1)");
    assert_eq!(alpha.limits.memory_bytes.value, 1 << 30);
}

#[test]
fn every_problem_is_reported_at_once_with_place_and_fix() {
    insta::assert_snapshot!(findings(
        "org_defaults:
  runer: x
  timeout: soon
  limits: {memory: lots, cpu: 0, disk: 10}
  allowed_egress: ['https://pypi.org', ok.example]
  max_parallel: 0
  secrets: {TOKEN: hunter2hunter2}
  runtime: runk
teams: [a]
repos:
  lib: {team: platfrom, depends_on: [servce]}
  service: {source: {git: x, path: y}, enabled: maybe}
  lib: {}
"
    ));
}

#[test]
fn a_literal_secret_is_refused_and_never_repeated() {
    let text = findings("org_defaults: {secrets: {TOKEN: hunter2hunter2}}");
    assert!(text.contains("config/literal-secret") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_cycle_is_reported_with_its_path_and_only_its_members_are_refused() {
    let loaded = hub("repos: {a: {depends_on: [b]}, b: {depends_on: a}, c: {}}");
    assert!(!loaded.is_refused());
    let refused: Vec<(String, bool)> =
        loaded.repos().iter().map(|r| (r.name.clone(), r.is_refused())).collect();
    assert_eq!(refused, [("c".to_owned(), false), ("a".to_owned(), true), ("b".to_owned(), true)]);
    insta::assert_snapshot!(loaded.diagnostics()[0], @r"
    gantry.yaml:1:1: error[config/dependency-cycle]: repository `a` depends on itself: a → b → a
      fix: remove one `depends_on` of this path
    ");
}

#[rstest]
#[case::not_yaml("repos: [", "config/yaml")]
#[case::not_a_mapping("- a", "config/wrong-type")]
#[case::unknown_top("repo: {}", "config/unknown-key")]
#[case::name("repos: {'../x': {}}", "config/bad-value")]
#[case::dup("repos: {a: {}, o/a: {}}", "config/duplicate")]
#[case::secret("org_defaults: {secrets: {T: {}}}", "config/bad-value")]
#[case::ref_("repos: {a: {source: {path: x, ref: y}}}", "config/bad-value")]
fn each_wrong_file_has_its_code(#[case] text: &str, #[case] code: &str) {
    let found = hub(text).diagnostics();
    assert!(found.iter().any(|d| d.code == code), "{found:?}");
    assert!(found.iter().all(|d| d.fix.is_some()), "every finding has a remedy: {found:?}");
}

#[test]
fn an_alias_bomb_is_refused() {
    let first = "a: &a [x, x, x, x, x, x, x, x, x, x]".to_owned();
    let pairs = ["ba", "cb", "dc", "ed", "fe", "gf", "hg"].iter().map(|p| p.split_at(1));
    let more = pairs
        .map(|(name, of)| format!("{name}: &{name} [{}]", vec![format!("*{of}"); 10].join(", ")));
    let text = std::iter::once(first).chain(more).collect::<Vec<_>>().join("\n");
    assert!(hub(&text).is_refused());
}

mod never_panics {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn on_any_text(text in "\\PC{0,200}") {
            super::hub(&text).repos();
        }

        #[test]
        fn on_texts_of_its_own_words(words in prop::collection::vec(prop::sample::select(vec![
            "org_defaults", "teams", "repos", "repositories", "workflows", ": ", "{", "}", "[", "]",
            ", ", "\n", "  ", "- ", "a", "limits", "cpu", "1", "secrets", "source", "git", "env",
            "depends_on", "&x ", "*x", "name", "settings", "'", "\"", "<<", "~", "3.10", "4GiB",
        ]), 0..60)) {
            super::hub(&words.concat()).repos();
        }
    }
}

#[test]
fn the_reference_names_every_key() {
    let path = gantry_testkit::checkout().join("docs/reference/hub-file.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let schema = gantry_config::json_schema();
    let definitions = schema["$defs"].as_object().expect("definitions");
    for form in definitions.values().chain([&schema]) {
        for key in form["properties"].as_object().into_iter().flat_map(|p| p.keys()) {
            assert!(page.contains(key.as_str()), "`{key}` is not in docs/reference/hub-file.md");
        }
    }
}

#[test]
fn actions_from_outside_are_nobodys_until_a_layer_names_them() {
    let loaded = clean(
        "org_defaults: {actions: {server: 'https://forge.example/', allow: acme/*}}\n\
         teams: {t: {actions: {fetch: locked}}}\n\
         repos: {a: {team: t, actions: {allow: [acme/*, 'x/y']}}, b: {}}\n",
    );
    let repos = loaded.repos();
    let a = &repos[0].actions;
    let allowed: Vec<&str> = a.allow.iter().map(|p| p.value.as_str()).collect();
    assert_eq!(
        (a.server.value.as_str(), allowed),
        ("https://forge.example", vec!["acme/*", "x/y"])
    );
    assert_eq!(a.fetch.value, gantry_config::Fetch::Locked);
    assert_eq!(a.fetch.origin.to_string(), "teams.t (gantry.yaml:2)");
    assert_eq!(repos[1].actions.fetch.value, gantry_config::Fetch::Allowed);
    assert!(clean("repos: {a: {}}\n").repos()[0].actions.allow.is_empty());
    let wrong = findings(
        "repos: {a: {actions: {server: 'https://me:pw1234@forge.example', fetch: always, allow: [acme], alow: x}}}\n",
    );
    for text in [
        "has a credential in it",
        "no value `always`",
        "`acme` names no actions",
        "did you mean `allow`?",
    ] {
        assert!(wrong.contains(text), "{text}: {wrong}");
    }
    assert!(!wrong.contains("pw1234"), "{wrong}");
}
