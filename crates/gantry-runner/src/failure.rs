//! How a step fails: a verdict with the right fault.

use gantry_core::{Fault, Verdict};
use gantry_sandbox::SandboxError;

use crate::link::LinkError;

/// Why something of a job did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub Verdict);

impl Failure {
    /// The repository's own fault.
    pub fn user(reason: impl Into<String>) -> Self {
        Self(Verdict::failure(Fault::User, reason))
    }

    /// A rule, or something that is not supported here.
    pub fn policy(reason: impl Into<String>) -> Self {
        Self(Verdict::failure(Fault::Policy, reason))
    }

    /// Something of the runner or the hub.
    pub fn infra(reason: impl Into<String>) -> Self {
        Self(Verdict::failure(Fault::Infra, reason))
    }

    /// The same with `what` before the reason.
    #[must_use]
    pub fn during(mut self, what: &str) -> Self {
        self.0.reason = self.0.reason.map(|reason| format!("{what}: {reason}"));
        self
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let fault = match &error {
            SandboxError::Unsupported(_) => Fault::Policy,
            SandboxError::Image { .. } => Fault::Upstream,
            SandboxError::Service { .. } | SandboxError::File(_) => Fault::User,
            SandboxError::Gone(_) | SandboxError::Machine(_) => Fault::Infra,
        };
        Self(Verdict::failure(fault, error.to_string()))
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        let fault = match &error {
            LinkError::Refused { code, .. }
                if code.starts_with("artifact/") || code.starts_with("cache/") =>
            {
                Fault::User
            }
            LinkError::Refused { code, .. } if code.starts_with("quota/") => Fault::Policy,
            _ => Fault::Infra,
        };
        Self(Verdict::failure(fault, error.to_string()))
    }
}

/// Bytes as people read them: `512 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) if bytes.is_multiple_of(1 << shift) => {
            format!("{} {unit}", bytes >> shift)
        }
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_fault() {
        let fault = |f: Failure| f.0.fault;
        assert_eq!(fault(SandboxError::Machine("x".into()).into()), Some(Fault::Infra));
        assert_eq!(fault(SandboxError::File("x".into()).into()), Some(Fault::User));
        let image = SandboxError::Image { image: "a".into(), reason: "b".into() };
        assert_eq!(fault(image.into()), Some(Fault::Upstream));
        assert_eq!(fault(SandboxError::Unsupported("x".into()).into()), Some(Fault::Policy));
        assert_eq!(bytes_text(512 << 20), "512 MiB");
        assert_eq!(bytes_text(1_610_612_736), "1.5 GiB");
        assert_eq!(bytes_text(7), "7 bytes");
    }
}
