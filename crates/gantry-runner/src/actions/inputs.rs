//! Inputs of the runner's own actions, read as the actions toolkit reads them.

use crate::contexts::Vars;
use crate::failure::Failure;

/// What stands below `with:`, evaluated.
#[derive(Debug, Clone, Default)]
pub struct Inputs(Vars);

impl Inputs {
    /// From names and values as written.
    pub fn new(with: Vars) -> Self {
        Self(with.into_iter().map(|(k, v)| (k.to_lowercase(), v.trim().to_owned())).collect())
    }

    /// A text; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// When it is absent or empty.
    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::user(format!("the input `{name}` is missing")))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        match self.get(name) {
            None => Ok(default),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            Some(other) => Err(Failure::user(format!(
                "the input `{name}` is `{other}`, not `true` or `false`"
            ))),
        }
    }

    /// Lines that are not blank.
    pub fn lines(&self, name: &str) -> Vec<String> {
        self.get(name)
            .map(|v| {
                v.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_as_the_toolkit_reads_them() {
        let with = [("Path", " a\n\n b \n"), ("flag", "TRUE"), ("odd", "yes"), ("none", " ")];
        let inputs =
            Inputs::new(with.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect());
        assert_eq!(inputs.lines("path"), ["a", "b"]);
        assert_eq!(inputs.flag("flag", false), Ok(true));
        assert_eq!(inputs.flag("absent", true), Ok(true));
        assert!(inputs.flag("odd", true).is_err() && inputs.required("none").is_err());
    }
}
