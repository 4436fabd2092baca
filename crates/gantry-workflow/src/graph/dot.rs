//! A graph in the DOT language of Graphviz.

use super::{Graph, Node, NodeState, one_line};

/// Longest line of a label, in characters.
const MAX_CHARS: usize = 60;
/// Most legs that a node lists.
const MAX_LEGS: usize = 12;

/// The graph as a DOT document; edges that follow from others are dotted.
pub fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&one_line(&graph.workflow, MAX_CHARS)));
    out += "  rankdir=LR;\n";
    out += "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#57606a\", fontname=\"sans-serif\", fontsize=11];\n";
    out += "  edge [color=\"#57606a\", arrowsize=0.7];\n";
    for node in &graph.jobs {
        let look = match node.state {
            NodeState::Runnable => "",
            NodeState::Unsupported => {
                ", style=\"rounded,filled,dashed\", color=\"#cf222e\", fillcolor=\"#ffebe9\""
            }
            NodeState::NotSelected => ", style=\"rounded,dotted\", fontcolor=\"#8c959f\"",
        };
        out += &format!("  {} [label=\"{}\"{look}];\n", quoted(&node.id), label(node));
    }
    for edge in &graph.edges {
        let look = if edge.implied { " [style=dotted]" } else { "" };
        let (from, to) = (&graph.jobs[edge.from].id, &graph.jobs[edge.to].id);
        out += &format!("  {} -> {}{look};\n", quoted(from), quoted(to));
    }
    out += "}\n";
    out
}

fn label(node: &Node) -> String {
    let mut lines = vec![one_line(&node.name, MAX_CHARS)];
    let place = one_line(&node.place(), MAX_CHARS);
    if !place.is_empty() {
        lines.push(place);
    }
    if let Some(condition) = &node.condition {
        lines.push(format!("if {}", one_line(condition, MAX_CHARS)));
    }
    if node.deferred {
        lines.push("legs known later".to_owned());
    }
    if node.is_matrix() {
        lines.extend(node.legs.iter().take(MAX_LEGS).map(|l| {
            let cross = if l.runnable { "" } else { " (cannot run here)" };
            format!("· {}{cross}", one_line(&l.values, MAX_CHARS))
        }));
        if node.legs.len() > MAX_LEGS {
            lines.push(format!("… and {} more", node.legs.len() - MAX_LEGS));
        }
    }
    lines
        .extend(node.unsupported.first().map(|d| format!("✗ {}", one_line(&d.message, MAX_CHARS))));
    lines.iter().map(|l| escaped(l)).collect::<Vec<_>>().join("\\n")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Inside quotes: Graphviz reads `\n`, `\N` and the like in labels, so backslashes are doubled.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
