//! The projects: where each comes from, and how each leg of its workflow must end.

/// A published package with the workflow file of its authors.
#[derive(Debug)]
pub struct Project {
    /// Name in the hub file.
    pub name: &'static str,
    /// Where it is fetched.
    pub from: Registry,
    /// Package and version.
    pub package: (&'static str, &'static str),
    /// Branch that its workflow is for.
    pub branch: &'static str,
    /// The workflow file.
    pub workflow: &'static str,
    /// Its jobs may not reach its registry, and have so long in all.
    pub shut_in_for: Option<&'static str>,
    /// Every leg and how it ends.
    pub legs: &'static [(&'static str, End)],
    /// A leg (the start of its name; `{python}` is the machine's, as in `311`), and commands by hand whose tests
    /// must come to the same.
    pub by_hand: Option<(&'static str, &'static [&'static str])>,
}

/// A registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    Crates,
    Npm,
    PyPi,
}

/// How a leg ends.
#[derive(Debug)]
pub enum End {
    /// With success, every step of it.
    Green,
    /// As these commands end by hand.
    AsByHand(&'static [&'static str]),
    /// Refused for its system.
    System(&'static str),
    /// Refused, with this in the reason.
    Refused(&'static str),
    /// In this way when the machine has this version of a tool; else the step that asks for it fails and says
    /// what is there.
    With(&'static str, &'static str, &'static End),
    /// By this program, which jobs do not find here; in any way where they do.
    Lacks(&'static str),
    /// Failed by its own commands, with this in its log.
    Red(&'static str),
    /// Out of time in this step.
    TimedOut(&'static str),
    /// Cancelled as another leg failed first, or in this way when it was as fast.
    FailFast(&'static End),
    /// Not run, for this reason.
    Skipped(&'static str),
}

use End::{AsByHand, FailFast, Green, Lacks, Red, Refused, Skipped, System, TimedOut, With};
use Registry::{Crates, Npm, PyPi};

const NIGHTLY: End = With("Rust", "nightly", &Green);
const BETA: End = With("Rust", "beta", &Green);
const DOCUMENT_FEATURES: &str = "RUSTFLAGS='-D warnings' cargo test --verbose --all-features";
const WINDOWS: End = System("windows-latest");
const MACOS: End = System("macos-latest");

/// All of them.
pub const PROJECTS: &[Project] = &[
    Project {
        name: "scopeguard",
        from: Crates,
        package: ("scopeguard", "1.2.0"),
        branch: "main",
        workflow: "ci.yaml",
        shut_in_for: None,
        legs: &[
            ("build (stable)", Green),
            ("build (beta)", FailFast(&BETA)),
            ("build (nightly)", FailFast(&NIGHTLY)),
            ("build (1.20.0)", FailFast(&With("Rust", "1.20.0", &Green))),
            ("no_std", Lacks("rustup")),
            ("format", AsByHand(&["cargo fmt -- --check"])),
        ],
        by_hand: Some(("build (stable)", &["cargo test", "cargo test --no-default-features"])),
    },
    Project {
        name: "document-features",
        from: Crates,
        package: ("document-features", "0.2.12"),
        branch: "master",
        workflow: "rust.yml",
        shut_in_for: None,
        legs: &[
            ("test (stable)", AsByHand(&[DOCUMENT_FEATURES, "RUSTFLAGS='-D warnings' cargo doc"])),
            ("test (1.56.0)", FailFast(&With("Rust", "1.56.0", &Green))),
            ("test (nightly)", FailFast(&NIGHTLY)),
            ("format", AsByHand(&["cargo fmt --all -- --check"])),
            ("crater", NIGHTLY),
        ],
        by_hand: Some(("test (stable)", &[DOCUMENT_FEATURES])),
    },
    Project {
        name: "mime",
        from: Crates,
        package: ("mime", "0.3.18"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[
            ("test (stable)", AsByHand(&["cargo test --all", "cargo fmt --all --check"])),
            ("test (beta)", FailFast(&BETA)),
            ("test (nightly)", FailFast(&NIGHTLY)),
            ("MSRV", With("Rust", "1.16.0", &Green)),
        ],
        by_hand: Some(("test (stable)", &["cargo test --all"])),
    },
    Project {
        // `#![deny(warnings)]`: newer compilers warn of more.
        name: "try-lock",
        from: Crates,
        package: ("try-lock", "0.2.5"),
        branch: "master",
        workflow: "CI.yml",
        shut_in_for: None,
        legs: &[
            ("test (stable)", AsByHand(&["cargo test"])),
            ("test (beta)", FailFast(&BETA)),
            ("test (nightly)", FailFast(&NIGHTLY)),
            ("test (1.31.0)", FailFast(&With("Rust", "1.31.0", &Green))),
        ],
        by_hand: None,
    },
    Project {
        name: "equivalent",
        from: Crates,
        package: ("equivalent", "1.0.3"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[
            ("tests (1.6.0)", With("Rust", "1.6.0", &Green)),
            ("tests (stable)", FailFast(&Green)),
            ("tests (beta)", FailFast(&BETA)),
            ("tests (nightly)", FailFast(&NIGHTLY)),
            // `if: always()`, and then it looks at the results of the others.
            ("success", Red("step `check if any dependency failed` exited with code")),
        ],
        by_hand: None,
    },
    Project {
        name: "version_check",
        from: Crates,
        package: ("version_check", "0.9.5"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[
            ("test (Linux, ubuntu-latest, nightly)", NIGHTLY),
            ("test (Linux, ubuntu-latest, beta)", FailFast(&BETA)),
            ("test (Linux, ubuntu-latest, stable)", FailFast(&Green)),
            ("test (Windows, windows-latest, nightly)", WINDOWS),
            ("test (Windows, windows-latest, beta)", WINDOWS),
            ("test (Windows, windows-latest, stable)", WINDOWS),
            ("test (macOS, macOS-latest, nightly)", System("macOS-latest")),
            ("test (macOS, macOS-latest, beta)", System("macOS-latest")),
            ("test (macOS, macOS-latest, stable)", System("macOS-latest")),
            ("test (Linux, ubuntu-latest, 1.0.0)", FailFast(&With("Rust", "1.0.0", &Green))),
        ],
        by_hand: None,
    },
    Project {
        name: "wait-timeout",
        from: Crates,
        package: ("wait-timeout", "0.2.1"),
        branch: "main",
        workflow: "main.yml",
        shut_in_for: None,
        legs: &[
            ("test (ubuntu-latest, stable)", Lacks("rustup")),
            ("test (ubuntu-latest, beta)", FailFast(&Lacks("rustup"))),
            ("test (ubuntu-latest, nightly)", FailFast(&Lacks("rustup"))),
            ("test (windows-latest, stable)", WINDOWS),
            ("rustfmt", Lacks("rustup")),
        ],
        by_hand: None,
    },
    Project {
        name: "pkg-config",
        from: Crates,
        package: ("pkg-config", "0.3.34"),
        branch: "master",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[
            ("build (1.63.0)", With("Rust", "1.63.0", &Green)),
            ("build (stable)", Lacks("rustup")),
            ("build (beta)", BETA),
            ("build (nightly)", NIGHTLY),
        ],
        by_hand: None,
    },
    Project {
        name: "bl",
        from: Npm,
        package: ("bl", "6.1.0"),
        branch: "main",
        workflow: "test-and-release.yml",
        shut_in_for: None,
        legs: &[
            ("test (18.x, ubuntu-latest)", With("Node.js", "18", &Green)),
            ("test (18.x, macos-latest)", MACOS),
            ("test (18.x, windows-latest)", WINDOWS),
            ("test (20.x, ubuntu-latest)", With("Node.js", "20", &Green)),
            ("test (20.x, macos-latest)", MACOS),
            ("test (20.x, windows-latest)", WINDOWS),
            ("test (lts/*, ubuntu-latest)", Green),
            ("test (lts/*, macos-latest)", MACOS),
            ("test (lts/*, windows-latest)", WINDOWS),
            ("test (current, ubuntu-latest)", Green),
            ("test (current, macos-latest)", MACOS),
            ("test (current, windows-latest)", WINDOWS),
            ("release", Skipped("it needs `test`, which failed")),
        ],
        by_hand: Some((
            "test (current, ubuntu-latest)",
            &["npm install --no-progress", "node test/test.js"],
        )),
    },
    Project {
        // The same without its registry: npm waits and asks again.
        name: "bl-alone",
        from: Npm,
        package: ("bl", "6.1.0"),
        branch: "main",
        workflow: "test-and-release.yml",
        shut_in_for: Some("20s"),
        legs: &[
            (
                "test (18.x, ubuntu-latest)",
                With("Node.js", "18", &TimedOut("Install Dependencies")),
            ),
            ("test (18.x, macos-latest)", MACOS),
            ("test (18.x, windows-latest)", WINDOWS),
            (
                "test (20.x, ubuntu-latest)",
                With("Node.js", "20", &TimedOut("Install Dependencies")),
            ),
            ("test (20.x, macos-latest)", MACOS),
            ("test (20.x, windows-latest)", WINDOWS),
            ("test (lts/*, ubuntu-latest)", TimedOut("Install Dependencies")),
            ("test (lts/*, macos-latest)", MACOS),
            ("test (lts/*, windows-latest)", WINDOWS),
            ("test (current, ubuntu-latest)", TimedOut("Install Dependencies")),
            ("test (current, macos-latest)", MACOS),
            ("test (current, windows-latest)", WINDOWS),
            ("release", Skipped("it needs `test`, which failed")),
        ],
        by_hand: None,
    },
    Project {
        name: "brace-expansion",
        from: Npm,
        package: ("brace-expansion", "4.0.1"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        // The package has no lock file, which `npm ci` wants.
        legs: &[
            ("build (18)", FailFast(&With("Node.js", "18", &Red("npm error")))),
            ("build (20)", FailFast(&With("Node.js", "20", &Red("npm error")))),
        ],
        by_hand: None,
    },
    Project {
        name: "on-exit-leak-free",
        from: Npm,
        package: ("on-exit-leak-free", "2.1.2"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[
            ("test (14, ubuntu-latest)", With("Node.js", "14", &Green)),
            ("test (14, macos-latest)", MACOS),
            ("test (16, ubuntu-latest)", FailFast(&With("Node.js", "16", &Green))),
            ("test (16, macos-latest)", MACOS),
            ("test (16, windows-latest)", WINDOWS),
            ("test (18, ubuntu-latest)", FailFast(&With("Node.js", "18", &Green))),
            ("test (18, macos-latest)", MACOS),
            ("test (18, windows-latest)", WINDOWS),
            ("test (20, ubuntu-latest)", FailFast(&With("Node.js", "20", &Green))),
            ("test (20, macos-latest)", MACOS),
            ("test (20, windows-latest)", WINDOWS),
            ("automerge", Skipped("it needs `test`, which failed")),
        ],
        by_hand: None,
    },
    Project {
        name: "avvio",
        from: Npm,
        package: ("avvio", "9.1.0"),
        branch: "main",
        workflow: "ci.yml",
        shut_in_for: None,
        legs: &[("test", Refused("`fastify/workflows/.github/workflows/plugins-ci.yml@v5.0.0`"))],
        by_hand: None,
    },
    Project {
        name: "pluggy",
        from: PyPi,
        package: ("pluggy", "1.6.0"),
        branch: "main",
        workflow: "main.yml",
        shut_in_for: None,
        legs: &[
            ("build (windows-py39, 3.9, windows-latest, py39)", WINDOWS),
            ("build (windows-py313, 3.13, windows-latest, py313)", WINDOWS),
            ("build (windows-pypy3, pypy3.9, windows-latest, pypy3)", WINDOWS),
            (
                "build (ubuntu-py39-pytestmain, 3.9, ubuntu-latest, py39-pytestmain, true)",
                // Its test runner comes from a Git repository outside.
                With("Python", "3.9", &Red("exited with code")),
            ),
            ("build (ubuntu-py39, 3.9, ubuntu-latest, py39, true)", With("Python", "3.9", &Green)),
            ("build (ubuntu-py310, 3.10, ubuntu-latest, py310)", With("Python", "3.10", &Green)),
            (
                "build (ubuntu-py311, 3.11, ubuntu-latest, py311, true)",
                With("Python", "3.11", &Green),
            ),
            (
                "build (ubuntu-py312, 3.12, ubuntu-latest, py312, true)",
                With("Python", "3.12", &Green),
            ),
            (
                "build (ubuntu-py313, 3.13, ubuntu-latest, py313, true)",
                With("Python", "3.13", &Green),
            ),
            (
                "build (ubuntu-pypy3, pypy3.9, ubuntu-latest, pypy3, true)",
                With("Python", "pypy3.9", &Green),
            ),
            (
                "build (ubuntu-benchmark, 3.9, ubuntu-latest, benchmark)",
                With("Python", "3.9", &Green),
            ),
            ("deploy", Skipped("its condition is false")),
        ],
        by_hand: Some((
            "build (ubuntu-py{python}, ",
            &[
                "python3 -m venv .venv",
                ".venv/bin/pip install --quiet '.[testing]'",
                ".venv/bin/pytest",
            ],
        )),
    },
];
