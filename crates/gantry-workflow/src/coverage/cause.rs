//! Causes that a plan does not know: actions that do not run here, and what a label asks for.

use gantry_core::diag::did_you_mean;
use gantry_core::{Diagnostic, Span};

use super::System;
use crate::actions::{BUILT_IN, is_built_in, remote_name};

/// Why a remote action does not run here; `None` when it does, and for local ones.
///
/// Container images as actions are reported when the file is read.
pub(super) fn action_problem(file: &str, uses: &str, span: Span) -> Option<Diagnostic> {
    let name = remote_name(uses)?;
    if is_built_in(name) {
        return None;
    }
    let d = Diagnostic::warning(
        "workflow/unsupported-action",
        file,
        format!("the action `{uses}` is not built in"),
    )
    .at(span);
    Some(match did_you_mean(name, BUILT_IN.iter().copied()) {
        Some(near) => {
            d.fix(format!("`{near}` is built in; or put the action into a repository of the hub"))
        }
        None => {
            d.fix("put the action into a repository of the hub, or write its commands as `run`")
        }
    })
}

/// What a label of `runs-on` asks for.
pub(super) fn system_of_label(label: &str) -> System {
    let lower = label.to_lowercase();
    let word = |w: &str| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|p| p == w);
    if lower.starts_with("windows") {
        System::Windows
    } else if lower.starts_with("macos") {
        System::Macos
    } else if ["arm", "arm64", "aarch64", "ppc64le", "s390x", "riscv64"].iter().any(|w| word(w)) {
        System::OtherArchitecture
    } else {
        System::Linux
    }
}
