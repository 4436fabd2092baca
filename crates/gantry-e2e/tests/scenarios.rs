//! Behaviour scenarios of `tests/scenarios/`: what GitHub documents of its runner, in the real sandbox.

use gantry_e2e::scenario;

macro_rules! themes {
    ($($theme:ident),* $(,)?) => {
        const THEMES: &[&str] = &[$(stringify!($theme)),*];
        $(
            #[test]
            fn $theme() -> anyhow::Result<()> {
                play(stringify!($theme))
            }
        )*
    };
}

themes! {
    artifacts_caches,
    cancellation,
    checkout,
    command_files,
    composite,
    concurrency,
    conditions,
    contexts,
    environment,
    javascript,
    jobs,
    masks,
    processes,
    triggers,
    matchers,
    matrix,
    reusable,
    workflow_commands,
}

/// What scripts of scenarios need.
const PROGRAMS: &[&str] = &["git", "node", "perl", "python3"];

fn folder() -> std::path::PathBuf {
    gantry_testkit::checkout().join("crates/gantry-e2e/tests/scenarios")
}

fn play(theme: &str) -> anyhow::Result<()> {
    let has = |program: &&str| gantry_testkit::program(program);
    if !gantry_testkit::root_for("a sandbox") || !PROGRAMS.iter().all(has) {
        return Ok(());
    }
    scenario::check(&folder().join(format!("{theme}.yaml")))
}

#[test]
fn every_file_is_a_theme() -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let known = path.extension().is_some_and(|e| e == "md") || THEMES.contains(&stem.as_str());
        assert!(known, "`{stem}` is no theme of `scenarios.rs`");
    }
    Ok(())
}
