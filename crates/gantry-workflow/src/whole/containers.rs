//! `container` and `services`, and what in them one expression gives.

use indexmap::IndexMap;

use super::{Evaluate, Misfit, env, fill_env, given, list, mapping, text, unknown};
use crate::expr::Value;
use crate::model::{Container, Template};

const KEYS: &str = "image, options, env, ports, volumes, credentials";
const SERVICE_KEYS: &str = "image, options, env, ports, volumes, credentials, entrypoint, command";

/// Puts what the expressions of a container give in their place.
pub(super) fn fill(
    what: &str,
    container: &mut Container,
    evaluate: &Evaluate<'_>,
) -> Result<(), Misfit> {
    if let Some(template) = container.wholes.shift_remove("container") {
        let value = given(what, &template, evaluate)?;
        *container = of_value(what, &template, &value)?;
        return Ok(());
    }
    let mut wholes = std::mem::take(&mut container.wholes);
    fill_env(&mut wholes, "env", &mut container.env, evaluate)?;
    for (key, template) in wholes {
        let value = given(&format!("{what}.{key}"), &template, evaluate)?;
        field(what, container, &key, &template, &value)?;
    }
    Ok(())
}

/// Services by name out of a mapping.
pub(super) fn services(
    template: &Template,
    value: &Value,
) -> Result<IndexMap<String, Container>, Misfit> {
    mapping("services", template, value)?
        .iter()
        .map(|(name, v)| Ok((name.clone(), of_value(&format!("services.{name}"), template, v)?)))
        .collect()
}

/// A container out of an image's name or a mapping.
fn of_value(what: &str, template: &Template, value: &Value) -> Result<Container, Misfit> {
    let mut out = Container { span: template.span, ..Container::default() };
    let Value::Object(map) = value else {
        out.image = text(what, template, value)?;
        return Ok(out);
    };
    for (key, value) in map {
        field(what, &mut out, key, template, value)?;
    }
    if !map.contains_key("image") {
        return Err(Misfit::of(what, template)("has no `image`".to_owned()));
    }
    Ok(out)
}

fn field(
    what: &str,
    out: &mut Container,
    key: &str,
    template: &Template,
    value: &Value,
) -> Result<(), Misfit> {
    let place = format!("{what}.{key}");
    match key {
        "image" => out.image = text(&place, template, value)?,
        "options" => out.options = Some(text(&place, template, value)?),
        "env" => out.env = env(&place, template, value)?,
        "ports" => out.ports = texts(&place, template, value)?,
        "volumes" => out.volumes = texts(&place, template, value)?,
        "credentials" => out.credentials = credentials(&place, template, value)?,
        _ if what == "container" => return Err(unknown(what, template, key, KEYS)),
        "entrypoint" => out.entrypoint = Some(text(&place, template, value)?),
        "command" => out.command = Some(text(&place, template, value)?),
        _ => return Err(unknown(what, template, key, SERVICE_KEYS)),
    }
    Ok(())
}

fn texts(what: &str, template: &Template, value: &Value) -> Result<Vec<Template>, Misfit> {
    list(what, template, value)?.iter().map(|v| text(what, template, v)).collect()
}

fn credentials(
    what: &str,
    template: &Template,
    value: &Value,
) -> Result<Option<(Template, Template)>, Misfit> {
    let (mut user, mut password) = (None, None);
    for (key, value) in mapping(what, template, value)? {
        let text = text(&format!("{what}.{key}"), template, value)?;
        match key.as_str() {
            "username" => user = Some(text),
            "password" => password = Some(text),
            _ => return Err(unknown(what, template, key, "username, password")),
        }
    }
    Ok(user.zip(password))
}
