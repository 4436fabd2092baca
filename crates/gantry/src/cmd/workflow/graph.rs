//! `gantry workflow graph`: the drawing and its colours. The graph and its layout are `gantry-workflow`'s.

use gantry_workflow::graph::{Graph, Line, LineKind, NodeState, dot, lines, svg};

use crate::cli::{GraphArgs, GraphFormat};
use crate::exit::{Done, Exit, Failure};
use crate::files::count;
use crate::out;

/// Legs of one job that the text lists.
const MOST_LEGS: usize = 8;

/// Draws a workflow file.
///
/// # Errors
/// The file cannot be read or has errors.
pub(super) fn run(args: &GraphArgs) -> Done {
    let event = match &args.event {
        Some(name) => name.clone(),
        None => default_event(args)?,
    };
    let plan = super::plan_file(
        &args.file,
        &event,
        args.event_file.as_deref(),
        &args.inputs,
        &gantry_server::Changed::Payload,
    )?;
    let graph = Graph::of(&plan);
    if args.json {
        let mut value = graph.json();
        value["event"] = event.into();
        out::json(&value)?;
        return Ok(Exit::Green);
    }
    out::line(
        match args.format {
            GraphFormat::Text => text(&graph, &event, args.all_legs),
            GraphFormat::Dot => dot(&graph),
            GraphFormat::Svg => svg(&graph),
        }
        .trim_end(),
    )?;
    Ok(Exit::Green)
}

/// What the file is drawn for when nobody says: `push`, or its first trigger.
fn default_event(args: &GraphArgs) -> Result<String, Failure> {
    let triggers = super::read_valid(&args.file)?.triggers;
    let first = triggers.keys().next().map(String::as_str);
    let name = if triggers.contains_key("push") { "push" } else { first.unwrap_or("push") };
    Ok(name.to_owned())
}

fn text(graph: &Graph, event: &str, all_legs: bool) -> String {
    let legs: usize = graph.jobs.iter().map(|j| j.legs.len()).sum();
    let name = crate::run::lines::printable(&graph.workflow);
    let jobs = count(graph.jobs.len(), "job", "jobs");
    let legs = count(legs, "leg", "legs");
    let mut text = format!("{} — {event}, {jobs}, {legs}\n", console::style(name).bold());
    if let Some(reason) = &graph.not_triggered {
        text += &format!("not started: {}\n", crate::run::lines::printable(reason));
    }
    let most = if all_legs { usize::MAX - 1 } else { MOST_LEGS };
    for line in lines(graph, most) {
        text += colored(&line).trim_end();
        text.push('\n');
    }
    text
}

fn colored(line: &Line) -> String {
    let rails: String = line.rails.chars().map(|c| rail(c, line.kind)).collect();
    let detail = console::style(&line.detail).dim();
    let gap = if line.text.is_empty() || line.detail.is_empty() { "" } else { "  " };
    let said = match line.kind {
        LineKind::Job(NodeState::Unsupported) => console::style(line.text.as_str()).red().bold(),
        LineKind::Job(NodeState::NotSelected) => console::style(line.text.as_str()).dim(),
        LineKind::Job(NodeState::Runnable) => console::style(line.text.as_str()).bold(),
        LineKind::Leg(false) => console::style(line.text.as_str()).red(),
        LineKind::Leg(true) => console::style(line.text.as_str()),
        LineKind::Note => console::style(line.text.as_str()).dim(),
        LineKind::Cause => console::style(line.text.as_str()).red(),
    };
    let lead = match line.kind {
        LineKind::Job(_) => "",
        LineKind::Leg(_) => "  · ",
        LineKind::Note => "    ",
        LineKind::Cause => "    cannot run: ",
    };
    format!("{rails} {lead}{said}{gap}{detail}")
}

fn rail(c: char, kind: LineKind) -> String {
    match (c, kind) {
        ('●', _) => console::style(c).green().to_string(),
        ('✗', _) => console::style(c).red().to_string(),
        (' ', _) => " ".to_owned(),
        _ => console::style(c).dim().to_string(),
    }
}
