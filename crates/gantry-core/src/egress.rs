//! What a job may reach over the network, as values.

use serde::{Deserialize, Serialize};

/// Ports that an entry without a port opens.
pub const DEFAULT_PORTS: &[u16] = &[443, 80];

/// What happens to a connection that no rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EgressMode {
    /// Refuse and record it.
    #[default]
    Enforce,
    /// Let it pass and record it, to print the minimal list afterwards.
    Learn,
}

/// One allowed destination: an exact host or every name below a suffix, on some ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EgressRule {
    /// Lower-case host name or IP address; for a wildcard the suffix without `*.`.
    pub host: String,
    /// Whether every name below `host` is meant (`*.host`, which is not `host` itself).
    pub wildcard: bool,
    /// Allowed ports; never empty.
    pub ports: Vec<u16>,
}

/// The egress rules of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EgressPolicy {
    /// What happens to what is not allowed.
    #[serde(default)]
    pub mode: EgressMode,
    /// What is allowed.
    #[serde(default)]
    pub rules: Vec<EgressRule>,
    /// Whether allowed names may resolve to private, loopback or link-local addresses.
    #[serde(default)]
    pub allow_private: bool,
}

/// An entry of `allowed_egress` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressRuleError {
    /// Nothing before the port.
    #[error("the egress entry `{0}` has no host")]
    NoHost(String),
    /// The part behind the colon is no port.
    #[error("the egress entry `{0}` has a port that is not a number from 1 to 65535")]
    BadPort(String),
    /// A URL instead of a host.
    #[error(
        "the egress entry `{0}` is a URL; write the host, for instance `pypi.org` or `pypi.org:443`"
    )]
    Url(String),
    /// `*` somewhere else than as the first label.
    #[error("the egress entry `{0}` has a wildcard that is not a leading `*.`")]
    BadWildcard(String),
    /// A character that no host name has.
    #[error("the egress entry `{0}` is not a host name")]
    BadHost(String),
}

impl EgressRule {
    /// Whether a connection to `host` (lower case) on `port` is allowed by this rule.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.ports.contains(&port) && self.covers_name(host)
    }

    /// Whether `host` (lower case, no final dot) is a name of this rule, whatever the port.
    pub fn covers_name(&self, host: &str) -> bool {
        if self.wildcard {
            host.strip_suffix(self.host.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        }
    }
}

impl EgressPolicy {
    /// Whether a connection to `host` (lower case) on `port` is allowed by some rule.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.rules.iter().any(|r| r.allows(host, port))
    }
}

impl std::str::FromStr for EgressRule {
    type Err = EgressRuleError;

    fn from_str(s: &str) -> Result<Self, EgressRuleError> {
        let text = s.trim();
        if text.contains("://") || text.contains('/') {
            return Err(EgressRuleError::Url(s.to_owned()));
        }
        let (host, ports) = match text.rsplit_once(':') {
            Some((h, p)) => {
                let port: u16 = p.parse().map_err(|_| EgressRuleError::BadPort(s.to_owned()))?;
                if port == 0 {
                    return Err(EgressRuleError::BadPort(s.to_owned()));
                }
                (h, vec![port])
            }
            None => (text, DEFAULT_PORTS.to_vec()),
        };
        let host = host.trim_end_matches('.').to_lowercase();
        let (wildcard, host) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest.to_owned()),
            None => (false, host),
        };
        if host.is_empty() {
            return Err(EgressRuleError::NoHost(s.to_owned()));
        }
        if host.contains('*') {
            return Err(EgressRuleError::BadWildcard(s.to_owned()));
        }
        let valid = host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        if !valid || host.len() > 253 {
            return Err(EgressRuleError::BadHost(s.to_owned()));
        }
        Ok(Self { host, wildcard, ports })
    }
}

impl std::fmt::Display for EgressRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.wildcard {
            f.write_str("*.")?;
        }
        f.write_str(&self.host)?;
        if self.ports != DEFAULT_PORTS
            && let Some(port) = self.ports.first()
        {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

impl Serialize for EgressRule {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EgressRule {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(s: &str) -> EgressRule {
        s.parse().expect(s)
    }

    #[test]
    fn an_entry_opens_just_what_it_says() {
        assert!(rule("pypi.org").allows("pypi.org", 443));
        assert!(!rule("pypi.org").allows("evil.pypi.org", 443));
        assert!(!rule("pypi.org").allows("pypi.org", 22));
        assert!(rule("git.example:22").allows("git.example", 22));
        assert!(!rule("git.example:22").allows("git.example", 443));
        assert!(rule("*.npmjs.org").allows("registry.npmjs.org", 443));
        assert!(rule("*.npmjs.org").allows("a.b.npmjs.org", 443));
        assert!(!rule("*.npmjs.org").allows("npmjs.org", 443));
        assert!(!rule("*.npmjs.org").allows("evilnpmjs.org", 443));
        assert!(!rule("*.npmjs.org").allows(".npmjs.org", 443));
    }

    #[test]
    fn entries_that_mean_nothing_are_refused_with_the_reason() {
        for bad in
            ["", ":443", "https://pypi.org", "a:b", "a:0", "a:70000", "a.*.b", "*", "a b", "-/"]
        {
            assert!(bad.parse::<EgressRule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_text_form_is_kept() {
        for text in ["pypi.org", "*.crates.io", "db.internal:5432"] {
            assert_eq!(rule(text).to_string(), text);
        }
    }
}
