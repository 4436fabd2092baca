//! `options`, `volumes`, `credentials` of a job's container and of services: what they ask for, and what is refused.
//!
//! Not in here: the words of `docker create` ([`gantry_sandbox::service::options`]).

use gantry_core::Resources;
use gantry_sandbox::service::options::{self, Create};
use gantry_sandbox::spec::HealthCheck;
use gantry_sandbox::{ContainerOptions, Credentials, JobUser};
use gantry_workflow::model::Container;

use super::prepare::{early_env, read_port, text};
use crate::attempt::Facts;
use crate::contexts::Vars;
use crate::failure::Failure;

/// What a container asks for beside its image.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// For the sandbox.
    pub options: ContainerOptions,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Entry point.
    pub entrypoint: Option<String>,
    /// Ports, `host:container`.
    pub ports: Vec<(u16, u16)>,
    /// Health check.
    pub health: Option<HealthCheck>,
    cpu_millis: Option<u32>,
    memory_bytes: Option<u64>,
    pids: Option<u32>,
}

impl Asked {
    /// The limits, none above what the hub allows.
    pub(super) fn limited(&self, most: Resources) -> Resources {
        Resources {
            cpu_millis: self.cpu_millis.map_or(most.cpu_millis, |v| v.min(most.cpu_millis)),
            memory_bytes: self.memory_bytes.map_or(most.memory_bytes, |v| v.min(most.memory_bytes)),
            pids: self.pids.map_or(most.pids, |v| v.min(most.pids)),
            ..most
        }
    }
}

/// Those of a job's own container.
pub(super) fn of_job(
    facts: &Facts<'_>,
    env: &Vars,
    what: &str,
    container: &Container,
) -> Result<Asked, Failure> {
    let asked = of_service(facts, env, what, container)?;
    let refused = [
        (
            asked.entrypoint.is_some(),
            "--entrypoint",
            "the steps are what runs in a job's container",
        ),
        (asked.options.workdir.is_some(), "--workdir", "write `defaults.run.working-directory`"),
        (!asked.options.aliases.is_empty(), "--network-alias", "nothing calls a job by a name"),
    ];
    if let Some((_, option, why)) = refused.iter().find(|r| r.0) {
        return Err(refuse(facts, what, container, &format!("the option `{option}`: {why}")));
    }
    match asked.options.user.as_deref() {
        None | Some("root" | "0" | "0:0" | "root:root" | "runner" | "1001" | "1001:1001") => {}
        Some(user) => {
            let why = format!("the steps of a job are `root` or `1001` (runner), not `{user}`");
            return Err(refuse(facts, what, container, &why));
        }
    }
    Ok(asked)
}

/// Who the steps of a job with a container of its own are: root, unless its options name the runner.
pub(super) fn user_of_job(facts: &Facts<'_>) -> JobUser {
    let spec = &facts.lease.spec;
    let options = spec.definition.container.as_ref().and_then(|c| c.options.as_ref());
    let env = early_env(facts).unwrap_or_default();
    let user = options
        .and_then(|template| text(facts, &env, "options", template).ok())
        .and_then(|text| options::parse(&text).ok())
        .and_then(|create| create.user);
    match user.as_deref() {
        Some("runner" | "1001" | "1001:1001") => JobUser::Runner,
        _ => JobUser::Root,
    }
}

/// Those of a service.
pub(super) fn of_service(
    facts: &Facts<'_>,
    env: &Vars,
    what: &str,
    container: &Container,
) -> Result<Asked, Failure> {
    let create = match &container.options {
        Some(template) => {
            let text = text(facts, env, &format!("{what}.options"), template)?;
            options::parse(&text).map_err(|e| {
                let place = facts.place(container.span);
                Failure::policy(format!("`{what}.options`: {e} ({place})"))
            })?
        }
        None => Create::default(),
    };
    let mut directories = Vec::new();
    let mut volumes = create.volumes.clone();
    for template in &container.volumes {
        volumes.push(text(facts, env, &format!("{what}.volumes"), template)?);
    }
    for volume in &volumes {
        let directory = target(volume).map_err(|why| refuse(facts, what, container, &why))?;
        directories.push(directory.to_owned());
    }
    let mut ports = Vec::new();
    for port in &create.ports {
        ports.push(read_port(port).ok_or_else(|| {
            let why = format!("the port `{port}` is not `port` or `host:container`");
            refuse(facts, what, container, &why)
        })?);
    }
    let credentials = match &container.credentials {
        Some((user, password)) => Some(Credentials {
            username: text(facts, env, &format!("{what}.credentials.username"), user)?,
            password: text(facts, env, &format!("{what}.credentials.password"), password)?,
        }),
        None => None,
    };
    Ok(Asked {
        options: ContainerOptions {
            credentials: credentials.filter(|c| !c.username.is_empty() || !c.password.is_empty()),
            shm_bytes: create.shm_bytes,
            tmpfs: create.tmpfs,
            ulimits: create.ulimits,
            user: create.user,
            workdir: create.workdir,
            hostname: create.hostname,
            aliases: create.aliases,
            directories,
        },
        env: create.env,
        entrypoint: create.entrypoint,
        ports,
        health: create.health,
        cpu_millis: create.cpu_millis,
        memory_bytes: create.memory_bytes,
        pids: create.pids,
    })
}

/// A named volume lies in its container; one in two of them would have to be shared.
pub(super) fn shared_volumes(facts: &Facts<'_>, env: &Vars) -> Result<(), Failure> {
    let definition = &facts.lease.spec.definition;
    let mut names: Vec<String> = Vec::new();
    for container in definition.container.iter().chain(definition.services.values()) {
        for template in &container.volumes {
            let volume = text(facts, env, "volumes", template)?;
            let Some((name, _)) = volume.split_once(':') else { continue };
            if names.iter().any(|known| known == name) {
                let why =
                    format!("the volume `{name}` is in two containers, which is not supported");
                return Err(refuse(facts, "volumes", container, &why));
            }
            names.push(name.to_owned());
        }
    }
    Ok(())
}

/// Where a volume is in the container; the error says why it cannot be had.
fn target(volume: &str) -> Result<&str, String> {
    let Some((source, rest)) = volume.split_once(':') else {
        return absolute(volume);
    };
    let (target, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
    if source.ends_with("docker.sock") {
        return Err(format!("the volume `{volume}`: there is no container daemon here"));
    }
    if source.starts_with(['/', '.', '~']) {
        return Err(format!(
            "the volume `{volume}`: a workflow sees no directory of the machine; write a named volume, or copy \
             files in a step"
        ));
    }
    if !matches!(mode, "rw" | "z" | "Z") {
        return Err(format!("the volume `{volume}`: the mode `{mode}` is not supported"));
    }
    absolute(target)
}

fn absolute(path: &str) -> Result<&str, String> {
    let plain = path.starts_with('/') && path.len() > 1 && !path.split('/').any(|p| p == "..");
    plain.then_some(path).ok_or_else(|| format!("the volume's path `{path}` is not absolute"))
}

fn refuse(facts: &Facts<'_>, what: &str, container: &Container, why: &str) -> Failure {
    Failure::policy(format!("`{what}`: {why} ({})", facts.place(container.span)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_that_are_directories_of_the_machine_are_refused() {
        assert_eq!(target("/data"), Ok("/data"));
        assert_eq!(target("pg:/var/lib/pg"), Ok("/var/lib/pg"));
        assert!(target("/srv:/data").unwrap_err().contains("no directory of the machine"));
        assert!(target("/var/run/docker.sock:/x").unwrap_err().contains("no container daemon"));
        assert!(target("pg:/data:ro").unwrap_err().contains("the mode `ro`"));
        assert!(target("pg:data").unwrap_err().contains("not absolute"));
    }

    #[test]
    fn limits_never_exceed_those_of_the_hub() {
        let asked =
            Asked { cpu_millis: Some(500), memory_bytes: Some(1 << 60), ..Asked::default() };
        let limited = asked.limited(Resources::default());
        let most = Resources::default();
        assert_eq!((limited.cpu_millis, limited.memory_bytes), (500, most.memory_bytes));
    }
}
