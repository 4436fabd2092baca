//! From a lease to a sandbox: directories, image, services, limits.

use std::path::PathBuf;

use gantry_api::lease::{JobSpec, Lease};
use gantry_sandbox::{Isolation, JobUser, RootFs, Runtime, SandboxSpec, ServiceSpec, ToolMount};
use gantry_workflow::expr;
use gantry_workflow::model::{Container, Template};
use indexmap::IndexMap;

use super::{Host, options};
use crate::attempt::Facts;
use crate::contexts::Vars;
use crate::failure::Failure;
use crate::paths::Paths;

/// What stands in the job's definition and needs evaluation before there is a sandbox.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Variables of hub, workflow and job.
    pub env: Vars,
    /// Variables of `container.env`.
    pub container_env: Vars,
    /// The sandbox.
    pub spec: SandboxSpec,
}

/// Where things are in the sandbox of this job. Plain processes have them below the sandbox's own
/// directory, where [`gantry_sandbox::Sandbox::path`] maps them too.
pub fn sandbox_paths(spec: &JobSpec, host: &Host, lease: &Lease, user: JobUser) -> Paths {
    if spec.sandbox.isolation == "process" {
        let state = host.state_dir.canonicalize().unwrap_or_else(|_| host.state_dir.clone());
        let base = state.join("sandboxes").join(sandbox_id(lease)).join("root");
        Paths::below(&base.to_string_lossy(), &spec.repository)
    } else {
        Paths::new(&spec.repository, user)
    }
}

fn sandbox_id(lease: &Lease) -> String {
    lease.attempt.0.simple().to_string()
}

/// Who the hub wants the steps to be.
pub(super) fn user_of_hub(spec: &JobSpec) -> JobUser {
    match spec.sandbox.user.as_str() {
        "root" => JobUser::Root,
        _ => JobUser::Runner,
    }
}

/// Who the steps are: as on GitHub, root in a job's own `container:`, else who the hub wants.
pub(super) fn user(facts: &Facts<'_>) -> JobUser {
    let spec = &facts.lease.spec;
    let own = spec.definition.container.as_ref().is_some_and(|container| {
        text(facts, &early_env(facts).unwrap_or_default(), "image", &container.image)
            .is_ok_and(|image| !image.is_empty())
    });
    if own { options::user_of_job(facts) } else { user_of_hub(spec) }
}

/// Variables of hub, workflow and job.
pub(super) fn early_env(facts: &Facts<'_>) -> Result<Vars, Failure> {
    let spec = &facts.lease.spec;
    let mut env: Vars = spec.hub_env.clone();
    env.extend(texts(facts, &env, "env", &spec.workflow_env)?);
    env.extend(texts(facts, &env, &format!("jobs.{}.env", spec.job_id), &spec.definition.env)?);
    Ok(env)
}

/// Evaluates and translates.
///
/// # Errors
/// A broken expression (user), or something that is not supported (policy).
pub(super) fn prepare(facts: &Facts<'_>, host: &Host) -> Result<Prepared, Failure> {
    let lease = facts.lease;
    let spec = &lease.spec;
    let env = early_env(facts)?;
    let mut container_env = Vars::new();
    let mut image = spec.sandbox.image.clone();
    let mut asked = options::Asked::default();
    if let Some(container) = &spec.definition.container {
        let what = format!("jobs.{}.container", spec.job_id);
        let name = text(facts, &env, &format!("{what}.image"), &container.image)?;
        container_env = texts(facts, &env, &format!("{what}.env"), &container.env)?;
        asked = options::of_job(facts, &env, &what, container)?;
        container_env.extend(asked.env.clone());
        if !name.is_empty() {
            image = Some(known_image(facts, &what, container, name)?);
        }
    }
    let mut directories = facts.paths.directories();
    directories.append(&mut asked.options.directories);
    let mut services = Vec::new();
    options::shared_volumes(facts, &env)?;
    for (name, container) in &spec.definition.services {
        services.extend(service(facts, &env, name, container)?);
    }
    let sandbox = SandboxSpec {
        id: sandbox_id(lease),
        state_dir: host.state_dir.clone(),
        isolation: match spec.sandbox.isolation.as_str() {
            "process" => Isolation::Process,
            _ => Isolation::Container,
        },
        runtime: match spec.sandbox.runtime.as_str() {
            "runc" => Runtime::Runc,
            "crun" => Runtime::Crun,
            "runsc" => Runtime::Runsc,
            _ => Runtime::Embedded,
        },
        rootfs: image.map_or(RootFs::Host, RootFs::Image),
        user: facts.user,
        hostname: asked.options.hostname.take().unwrap_or_else(|| hostname(&spec.key)),
        resources: asked.limited(spec.sandbox.resources),
        options: asked.options,
        egress: spec.sandbox.egress.clone(),
        directories,
        tools: tools(spec, facts.paths),
        services,
        keep: spec.sandbox.keep,
    };
    Ok(Prepared { env, container_env, spec: sandbox })
}

/// The image that the hub file gives this name, or the reference as it is. Only the hub file may name
/// files of the machine.
fn known_image(
    facts: &Facts<'_>,
    what: &str,
    container: &Container,
    name: String,
) -> Result<String, Failure> {
    if let Some(known) = facts.lease.spec.sandbox.images.get(&name) {
        return Ok(known.clone());
    }
    if file_of_machine(&name) {
        return Err(Failure::policy(format!(
            "`{what}.image` names a file of the machine, `{name}`, which only the hub file may: give it a \
             name in `images` there ({})",
            facts.place(container.image.span)
        )));
    }
    Ok(name)
}

/// Whether an image is a file of the machine.
pub(crate) fn file_of_machine(image: &str) -> bool {
    ["oci-layout:", "oci:", "oci-archive:", "docker-archive:"].iter().any(|k| image.starts_with(k))
}

/// The machine's tool-chains, below the tool cache.
fn tools(spec: &JobSpec, paths: &Paths) -> Vec<ToolMount> {
    let mount = |(name, source): (&String, &PathBuf)| ToolMount {
        source: source.clone(),
        target: format!("{}/{name}", paths.tool_cache),
    };
    spec.sandbox.tools.iter().map(mount).collect()
}

fn hostname(key: &str) -> String {
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name: String = name.trim_matches('-').chars().take(40).collect();
    if name.is_empty() { "job".to_owned() } else { name.trim_end_matches('-').to_owned() }
}

pub(super) fn text(
    facts: &Facts<'_>,
    env: &Vars,
    what: &str,
    template: &Template,
) -> Result<String, Failure> {
    facts.eval_early(env, |cx| expr::interpolate(&template.text, cx)).map_err(|error| {
        let place = facts.place(template.span);
        Failure::user(format!("`{what}` cannot be evaluated: {error} ({place})"))
    })
}

fn texts(
    facts: &Facts<'_>,
    env: &Vars,
    what: &str,
    map: &IndexMap<String, Template>,
) -> Result<Vars, Failure> {
    map.iter()
        .map(|(name, t)| Ok((name.clone(), text(facts, env, &format!("{what}.{name}"), t)?)))
        .collect()
}

/// A service; `None` when its image is empty, as on GitHub.
fn service(
    facts: &Facts<'_>,
    env: &Vars,
    name: &str,
    container: &Container,
) -> Result<Option<ServiceSpec>, Failure> {
    let what = format!("services.{name}");
    let image = text(facts, env, &format!("{what}.image"), &container.image)?;
    if image.trim().is_empty() {
        return Ok(None);
    }
    let mut ports = Vec::new();
    for port in &container.ports {
        let text = text(facts, env, &format!("{what}.ports"), port)?;
        ports.push(read_port(&text).ok_or_else(|| {
            let place = facts.place(port.span);
            Failure::user(format!(
                "the port `{text}` of `{what}` is not `port` or `host:container` ({place})"
            ))
        })?);
    }
    let asked = options::of_service(facts, env, &what, container)?;
    ports.extend(asked.ports.iter().copied());
    let words = |template: &Option<Template>, key: &str| -> Result<Option<Vec<String>>, Failure> {
        let Some(template) = template else { return Ok(None) };
        let text = text(facts, env, &format!("{what}.{key}"), template)?;
        Ok(Some(text.split_whitespace().map(str::to_owned).collect()))
    };
    Ok(Some(ServiceSpec {
        name: name.to_owned(),
        image: known_image(facts, &what, container, image)?,
        env: texts(facts, env, &format!("{what}.env"), &container.env)?
            .into_iter()
            .chain(asked.env.clone())
            .collect(),
        ports,
        command: words(&container.command, "command")?,
        entrypoint: match words(&container.entrypoint, "entrypoint")? {
            None => asked.entrypoint.clone().map(|program| vec![program]),
            given => given,
        },
        health: asked.health.clone(),
        resources: asked.limited(facts.lease.spec.sandbox.resources),
        options: asked.options,
    }))
}

pub(super) fn read_port(text: &str) -> Option<(u16, u16)> {
    let text = text.trim().trim_end_matches("/tcp");
    match text.split_once(':') {
        Some((host, inner)) => Some((host.parse().ok()?, inner.parse().ok()?)),
        None => text.parse().ok().map(|port| (port, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_host_names_are_read() {
        assert_eq!(read_port("5432:5432"), Some((5432, 5432)));
        assert_eq!(read_port("6379"), Some((6379, 6379)));
        assert_eq!(read_port("8080:80/tcp"), Some((8080, 80)));
        assert_eq!(read_port("x"), None);
        assert_eq!(hostname("test (3.11, Ubuntu)"), "test--3-11--ubuntu");
        assert_eq!(hostname("()"), "job");
    }
}
