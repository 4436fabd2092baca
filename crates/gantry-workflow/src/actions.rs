//! Names of the remote actions that run here by themselves. What they do is the runner's; not in here.

/// `owner/name[/path]` of the actions that the runner has built in, lower case, in order.
pub const BUILT_IN: &[&str] = &[
    "actions-rs/toolchain",
    "actions-rust-lang/setup-rust-toolchain",
    "actions/cache",
    "actions/cache/restore",
    "actions/cache/save",
    "actions/checkout",
    "actions/download-artifact",
    "actions/setup-go",
    "actions/setup-java",
    "actions/setup-node",
    "actions/setup-python",
    "actions/upload-artifact",
    "dtolnay/rust-toolchain",
];

/// `owner/name[/path]` of a remote `uses:` as written, without its ref; `None` for local actions, container
/// images and what is no action's name.
pub fn remote_name(uses: &str) -> Option<&str> {
    let uses = uses.trim();
    if uses.starts_with(['.', '$']) || uses.contains("://") {
        return None;
    }
    let (name, reference) = uses.split_once('@')?;
    let mut parts = name.split('/');
    let full =
        parts.next().is_some_and(|p| !p.is_empty()) && parts.next().is_some_and(|p| !p.is_empty());
    (full && !reference.is_empty()).then(|| name.trim_end_matches('/'))
}

/// Whether the remote action of this name (as [`remote_name`] gives it) is built in.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_regard_to_case_and_ref() {
        assert!(BUILT_IN.is_sorted());
        assert_eq!(remote_name("Actions/Cache/restore@v4"), Some("Actions/Cache/restore"));
        assert!(is_built_in("Actions/Cache/restore"));
        assert!(!is_built_in("actions/cache/other"));
        for other in ["./local", "$/x", "docker://a@b", "actions/checkout", "x@v1", "a/b@"] {
            assert_eq!(remote_name(other), None, "{other}");
        }
    }
}
