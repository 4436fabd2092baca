//! A graph as an SVG picture: one box per job, columns from left to right.
//!
//! Not in here: where the boxes are (see `layout`). Sizes are in pixels; widths of texts are estimated.

use super::layout::{Boxes, Placed, place};
use super::{Graph, Node, NodeState, one_line};

/// Longest line in a box, in characters; the whole text stands in the box's title.
const MAX_CHARS: usize = 44;
/// Most legs that a box lists.
const MAX_LEGS: usize = 8;
/// Widths of one character of a name and of a smaller line.
const NAME_CHAR: f64 = 7.6;
const SMALL_CHAR: f64 = 6.3;
/// Heights of a name and of a smaller line.
const NAME_LINE: f64 = 18.0;
const SMALL_LINE: f64 = 15.0;
/// Space inside a box, around the picture, between boxes of a column, between columns, for a passing edge.
const PAD: f64 = 10.0;
const MARGIN: f64 = 20.0;
const GAP: f64 = 18.0;
const COLUMN_GAP: f64 = 64.0;
const LANE: f64 = 12.0;
/// Height of the line above the boxes.
const HEAD: f64 = 30.0;
/// Smallest width of a box.
const MIN_WIDTH: f64 = 90.0;

const STYLE: &str = "
  .back { fill: #ffffff }
  text { font-family: -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .head { font-size: 14px; font-weight: 600 }
  .name { font-size: 13px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .bad { font-size: 11px; fill: #cf222e }
  .job { fill: #f6f8fa; stroke: #8c959f }
  .unsupported { fill: #ffebe9; stroke: #cf222e; stroke-dasharray: 5 3 }
  .not_selected { fill: none; stroke: #d0d7de; stroke-dasharray: 2 3 }
  .edge { fill: none; stroke: #8c959f; stroke-width: 1.4 }
  .tip { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 }
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .bad { fill: #ff7b72 }
    .job { fill: #161b22; stroke: #6e7681 }
    .unsupported { fill: #2d1214; stroke: #f85149 }
    .not_selected { fill: none; stroke: #30363d }
    .edge { stroke: #6e7681 }
    .tip { fill: #6e7681 }
  }
";

/// One job's box: its lines with their class.
struct Card {
    lines: Vec<(&'static str, String)>,
    title: String,
    width: f64,
    height: f64,
}

/// The graph as an SVG document.
pub fn svg(graph: &Graph) -> String {
    let cards: Vec<Card> = graph.jobs.iter().map(card).collect();
    let layers: Vec<usize> = graph.jobs.iter().map(|n| n.layer).collect();
    let heights: Vec<f64> = cards.iter().map(|c| c.height).collect();
    let edges = graph.drawn();
    let boxes = Boxes { layers: &layers, heights: &heights, edges: &edges, gap: GAP, lane: LANE };
    let placed = place(&boxes);
    let columns = columns(&layers, &cards);
    let head = head(graph);
    let right = columns.last().map_or(MARGIN, |(x, w)| x + w);
    let width = (right + MARGIN).max(text_width(&head, NAME_CHAR) + 2.0 * MARGIN);
    let height = placed.height + HEAD + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n",
        escaped(&head)
    );
    out += &format!(
        "<text class=\"head\" x=\"{MARGIN}\" y=\"{:.0}\">{}</text>\n",
        MARGIN + 12.0,
        escaped(&head)
    );
    for (edge, bends) in edges.iter().zip(&placed.bends) {
        out += &draw_edge(*edge, bends, &layers, &columns, &cards, &placed);
    }
    for (i, node) in graph.jobs.iter().enumerate() {
        let x = columns[node.layer].0;
        let card = &cards[i];
        let y = MARGIN + HEAD + placed.middles[i] - card.height / 2.0;
        out += &draw_card(node, card, x, y);
    }
    out += "</svg>\n";
    out
}

fn head(graph: &Graph) -> String {
    let name = one_line(&graph.workflow, 60);
    match &graph.not_triggered {
        None => name,
        Some(why) => format!("{name} · not started: {}", one_line(why, 80)),
    }
}

fn card(node: &Node) -> Card {
    let mut lines = vec![("name", one_line(&node.name, MAX_CHARS))];
    let mut title = vec![node.name.clone()];
    let mut add = |class, text: String| {
        if !text.trim().is_empty() {
            lines.push((class, one_line(&text, MAX_CHARS)));
            title.push(text);
        }
    };
    if node.name != node.id {
        add("small", node.id.clone());
    }
    add("small", node.place());
    if let Some(condition) = &node.condition {
        add("small", format!("if {condition}"));
    }
    if node.deferred {
        add("small", "legs known later".to_owned());
    }
    for cause in node.unsupported.iter().take(2) {
        add("bad", format!("✗ {}", cause.message));
    }
    if node.is_matrix() {
        for leg in node.legs.iter().take(MAX_LEGS) {
            let (class, mark) = if leg.runnable { ("small", "·") } else { ("bad", "✗") };
            add(class, format!("{mark} {}", leg.values));
        }
        if node.legs.len() > MAX_LEGS {
            add("small", format!("… and {} more legs", node.legs.len() - MAX_LEGS));
        }
    }
    let widths = lines.iter().map(|(class, text)| {
        text_width(text, if *class == "name" { NAME_CHAR } else { SMALL_CHAR })
    });
    let width = widths.fold(MIN_WIDTH, f64::max) + 2.0 * PAD;
    let height = NAME_LINE + SMALL_LINE * (lines.len() - 1) as f64 + 2.0 * PAD - 4.0;
    Card { lines, title: title.join("\n"), width, height }
}

/// Wide scripts take about two places.
fn text_width(text: &str, per_char: f64) -> f64 {
    let places: usize = text
        .chars()
        .map(|c| if c as u32 >= 0x1100 && !('\u{2000}'..='\u{2bff}').contains(&c) { 2 } else { 1 })
        .sum();
    places as f64 * per_char
}

/// Left side and width of each column.
fn columns(layers: &[usize], cards: &[Card]) -> Vec<(f64, f64)> {
    let count = layers.iter().max().map_or(0, |m| m + 1);
    let mut widths = vec![0.0f64; count];
    for (layer, card) in layers.iter().zip(cards) {
        widths[*layer] = widths[*layer].max(card.width);
    }
    let mut x = MARGIN;
    widths
        .into_iter()
        .map(|width| {
            let left = x;
            x += width + COLUMN_GAP;
            (left, width)
        })
        .collect()
}

fn draw_edge(
    (from, to): (usize, usize),
    bends: &[f64],
    layers: &[usize],
    columns: &[(f64, f64)],
    cards: &[Card],
    placed: &Placed,
) -> String {
    let y = |middle: f64| MARGIN + HEAD + middle;
    let mut x = columns[layers[from]].0 + cards[from].width;
    let mut at = y(placed.middles[from]);
    let mut path = format!("M{x:.1} {at:.1}");
    let mut curve = |to_x: f64, to_y: f64, x: &mut f64, at: &mut f64| {
        let half = (to_x - *x) / 2.0;
        path += &format!(
            " C{:.1} {:.1} {:.1} {to_y:.1} {to_x:.1} {to_y:.1}",
            *x + half,
            *at,
            to_x - half
        );
        (*x, *at) = (to_x, to_y);
    };
    // A narrow box of a wide column is left straight up to the column's end.
    let end = columns[layers[from]].0 + columns[layers[from]].1;
    if end - x > 1.0 {
        let y = at;
        curve(end, y, &mut x, &mut at);
    }
    for (step, bend) in bends.iter().enumerate() {
        let (left, width) = columns[layers[from] + 1 + step];
        curve(left, y(*bend), &mut x, &mut at);
        curve(left + width, y(*bend), &mut x, &mut at);
    }
    let end = columns[layers[to]].0;
    curve(end - 6.0, y(placed.middles[to]), &mut x, &mut at);
    format!(
        "<path class=\"edge\" d=\"{path}\"/><path class=\"tip\" d=\"M{end:.1} {at:.1} l-7 -4 v8 z\"/>\n"
    )
}

fn draw_card(node: &Node, card: &Card, x: f64, y: f64) -> String {
    let class = match node.state {
        NodeState::Runnable => "job",
        NodeState::Unsupported => "unsupported",
        NodeState::NotSelected => "not_selected",
    };
    let mut out = format!(
        "<g><title>{}</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"/>",
        escaped(&card.title),
        card.width,
        card.height
    );
    let mut line_y = y + PAD + 11.0;
    for (class, text) in &card.lines {
        out += &format!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{line_y:.1}\">{}</text>",
            x + PAD,
            escaped(text)
        );
        line_y += if *class == "name" { NAME_LINE } else { SMALL_LINE };
    }
    out + "</g>\n"
}

/// Text of an XML document: markup escaped, characters that XML does not know replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
