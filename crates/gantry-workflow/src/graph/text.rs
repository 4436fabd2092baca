//! A graph as lines for a terminal: one line per job in an order in which they could run, rails on the left for
//! what waits for what.
//!
//! A rail begins below a job and ends at the last job that waits for it; a rail that a connection passes without
//! touching it is drawn over it.

use super::{Graph, Node, NodeState, one_line};

/// Longest condition or cause that is shown, in characters.
const MAX_CHARS: usize = 100;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The rails, as wide on every line.
    pub rails: String,
    /// What it is.
    pub kind: LineKind,
    /// What it says first.
    pub text: String,
    /// What it says beside it.
    pub detail: String,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A job.
    Job(NodeState),
    /// One of its legs; whether it can run here.
    Leg(bool),
    /// Its condition and the like.
    Note,
    /// Why it cannot run.
    Cause,
}

/// The lines of a graph; of each job at most `most_legs` legs.
pub fn lines(graph: &Graph, most_legs: usize) -> Vec<Line> {
    let drawn = graph.drawn();
    let mut waiting = vec![0usize; graph.jobs.len()];
    let mut needs = vec![Vec::new(); graph.jobs.len()];
    for (from, to) in drawn {
        waiting[from] += 1;
        needs[to].push(from);
    }
    let mut rails = Rails { lanes: Vec::new(), waiting };
    let mut out = Vec::new();
    for job in order(graph) {
        let node = &graph.jobs[job];
        let text = one_line(&node.name, MAX_CHARS);
        let rail = rails.job(job, &needs[job], mark(node.state));
        out.push(Line {
            rails: rail,
            kind: LineKind::Job(node.state),
            text,
            detail: detail(graph, job),
        });
        for (kind, text, detail) in below(node, most_legs) {
            out.push(Line { rails: rails.through(), kind, text, detail });
        }
    }
    let width = out.iter().map(|l| l.rails.chars().count()).max().unwrap_or(0);
    for line in &mut out {
        let missing = width - line.rails.chars().count();
        line.rails.push_str(&" ".repeat(missing));
    }
    out
}

fn mark(state: NodeState) -> char {
    match state {
        NodeState::Runnable => '●',
        NodeState::Unsupported => '✗',
        NodeState::NotSelected => '○',
    }
}

fn detail(graph: &Graph, job: usize) -> String {
    let node = &graph.jobs[job];
    let mut parts = Vec::new();
    if node.name != node.id {
        parts.push(format!("({})", one_line(&node.id, MAX_CHARS)));
    }
    if node.is_matrix() {
        let legs = node.legs.len();
        parts.push(format!("{legs} {}", if legs == 1 { "leg" } else { "legs" }));
    }
    let place = one_line(&node.place(), MAX_CHARS);
    if !place.is_empty() {
        parts.push(if node.uses.is_some() { place } else { format!("on {place}") });
    }
    let needs = graph.edges.iter().filter(|e| e.to == job).map(|e| &graph.jobs[e.from].id);
    let needs: Vec<String> = needs.map(|id| one_line(id, MAX_CHARS)).collect();
    if !needs.is_empty() {
        parts.push(format!("needs {}", needs.join(", ")));
    }
    parts.join("  ")
}

fn below(node: &Node, most_legs: usize) -> Vec<(LineKind, String, String)> {
    let mut out = Vec::new();
    let mut add = |kind, text: String, detail| out.push((kind, text, detail));
    if let Some(condition) = &node.condition {
        add(LineKind::Note, format!("if {}", one_line(condition, MAX_CHARS)), String::new());
    }
    if node.deferred {
        let text = "legs are known when the jobs it needs have ended";
        add(LineKind::Note, text.to_owned(), String::new());
    }
    for cause in &node.unsupported {
        add(LineKind::Cause, one_line(&cause.message, MAX_CHARS), String::new());
    }
    if node.is_matrix() {
        let shown = if node.legs.len() <= most_legs + 1 { node.legs.len() } else { most_legs };
        let one_place = node.legs.iter().all(|l| l.runs_on == node.legs[0].runs_on);
        for leg in node.legs.iter().take(shown) {
            let place =
                if one_place { String::new() } else { format!("on {}", leg.runs_on.join(", ")) };
            let state = if leg.runnable { "" } else { "  cannot run here" };
            let detail = format!("{}{state}", one_line(&place, MAX_CHARS));
            add(LineKind::Leg(leg.runnable), one_line(&leg.values, MAX_CHARS), detail);
        }
        if shown < node.legs.len() {
            let text = format!("… and {} more legs", node.legs.len() - shown);
            add(LineKind::Note, text, String::new());
        }
    }
    out
}

/// File order, moved only where a job would stand before one that it needs.
fn order(graph: &Graph) -> Vec<usize> {
    let mut open = vec![0usize; graph.jobs.len()];
    let mut after = vec![Vec::new(); graph.jobs.len()];
    for edge in &graph.edges {
        open[edge.to] += 1;
        after[edge.from].push(edge.to);
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..open.len()).filter(|j| open[*j] == 0).collect();
    let mut out = Vec::new();
    while let Some(job) = ready.pop_first() {
        out.push(job);
        for next in &after[job] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.insert(*next);
            }
        }
    }
    // Jobs of a cycle, which no valid file has, still get their line.
    let rest: Vec<usize> = (0..open.len()).filter(|j| open[*j] > 0).collect();
    out.extend(rest);
    out
}

/// The rails between jobs: each belongs to a job that others still wait for.
struct Rails {
    lanes: Vec<Option<usize>>,
    waiting: Vec<usize>,
}

impl Rails {
    /// The line of a job, connected with the rails of its needs.
    fn job(&mut self, job: usize, needs: &[usize], mark: char) -> String {
        let joined: Vec<usize> = (0..self.lanes.len())
            .filter(|lane| self.lanes[*lane].is_some_and(|owner| needs.contains(&owner)))
            .collect();
        for need in needs {
            self.waiting[*need] = self.waiting[*need].saturating_sub(1);
        }
        let ends: Vec<usize> = joined
            .iter()
            .copied()
            .filter(|lane| self.lanes[*lane].is_some_and(|owner| self.waiting[owner] == 0))
            .collect();
        let place = ends.first().copied().or_else(|| self.lanes.iter().position(Option::is_none));
        let place = place.unwrap_or_else(|| {
            self.lanes.push(None);
            self.lanes.len() - 1
        });
        let first = joined.iter().copied().chain([place]).min().unwrap_or(place);
        let last = joined.iter().copied().chain([place]).max().unwrap_or(place);
        let mut line = String::new();
        for lane in 0..self.lanes.len() {
            line.push(if lane == place {
                mark
            } else if joined.contains(&lane) {
                joint(!ends.contains(&lane), lane > first, lane < last)
            } else if self.lanes[lane].is_some() {
                '│'
            } else if lane > first && lane < last {
                '─'
            } else {
                ' '
            });
            line.push(if lane >= first && lane < last { '─' } else { ' ' });
        }
        for lane in ends {
            self.lanes[lane] = None;
        }
        self.lanes[place] = (self.waiting[job] > 0).then_some(job);
        while self.lanes.last().is_some_and(Option::is_none) {
            self.lanes.pop();
        }
        line.trim_end().to_owned()
    }

    /// A line between jobs.
    fn through(&self) -> String {
        let lanes = self.lanes.iter().map(|l| if l.is_some() { "│ " } else { "  " });
        lanes.collect::<String>().trim_end().to_owned()
    }
}

fn joint(goes_on: bool, left: bool, right: bool) -> char {
    match (goes_on, left, right) {
        (true, false, _) => '├',
        (true, true, false) => '┤',
        (true, true, true) => '┼',
        (false, false, _) => '└',
        (false, true, false) => '┘',
        (false, true, true) => '┴',
    }
}
