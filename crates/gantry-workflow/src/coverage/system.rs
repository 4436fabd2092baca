//! What a label of `runs-on` asks for.

use super::System;

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
