//! The jobs of a plan as a graph: nodes with their legs, edges from a need to the job that waits for it.
//!
//! Every drawing starts from [`Graph`]: lines for a terminal ([`lines`]), DOT for Graphviz ([`dot`]), and SVG with
//! a layout of our own ([`svg`]). Not in here: colours of a terminal, files.

mod dot;
mod layout;
mod svg;
mod text;

use gantry_core::Diagnostic;
use indexmap::IndexMap;
use serde::Serialize;

use crate::plan::{Leg, Legs, Plan, PlannedJob, Support};
use crate::read::expressions::has_expression;

pub use dot::dot;
pub use svg::svg;
pub use text::{Line, LineKind, lines};

/// The jobs of one workflow and how they follow each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Graph {
    /// Workflow name.
    pub workflow: String,
    /// Path of the workflow file.
    pub file: String,
    /// Why the event does not start the workflow, if it does not.
    pub not_triggered: Option<String>,
    /// Jobs in file order.
    pub jobs: Vec<Node>,
    /// What waits for what, by the order of the jobs that wait.
    pub edges: Vec<Edge>,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its id in the file.
    pub id: String,
    /// Its name without a leg's values; the id when it has none.
    pub name: String,
    /// How many jobs at least come one after the other before it.
    pub layer: usize,
    /// Whether it can run here.
    pub state: NodeState,
    /// Why it cannot.
    pub unsupported: Vec<Diagnostic>,
    /// `if:` as written.
    #[serde(rename = "if")]
    pub condition: Option<String>,
    /// `uses:` of a job that calls a workflow.
    pub uses: Option<String>,
    /// `runs-on` as written.
    pub runs_on: Vec<String>,
    /// Whether its legs are known only when its needs have ended.
    pub deferred: bool,
    /// Its legs, as far as they are known.
    pub legs: Vec<NodeLeg>,
}

/// One leg of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeLeg {
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The values of the matrix, joined; empty without a matrix.
    pub values: String,
    /// Labels it runs on.
    pub runs_on: Vec<String>,
    /// Whether it can run here.
    pub runnable: bool,
}

/// Whether a job can run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It can.
    Runnable,
    /// It cannot.
    Unsupported,
    /// It was not asked for.
    NotSelected,
}

/// One job waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Index of the job that goes first.
    pub from: usize,
    /// Index of the job that waits.
    pub to: usize,
    /// Whether it follows from other edges, so that a drawing can leave it out.
    pub implied: bool,
}

impl Graph {
    /// The graph of a plan.
    pub fn of(plan: &Plan) -> Self {
        let index: IndexMap<&str, usize> =
            plan.jobs.keys().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
        let needs: Vec<Vec<usize>> = plan
            .jobs
            .values()
            .map(|job| {
                let mut needs: Vec<usize> =
                    job.needs.iter().filter_map(|n| index.get(n.as_str()).copied()).collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let layers = layers(&needs);
        let implied = implied(&needs, &layers);
        let edges = needs.iter().enumerate().flat_map(|(to, needs)| {
            needs.iter().map(move |&from| Edge { from, to, implied: false })
        });
        let jobs = plan.jobs.iter().zip(&layers).map(|((id, job), layer)| node(id, job, *layer));
        Self {
            workflow: plan.workflow.clone(),
            file: plan.file.clone(),
            not_triggered: plan.not_triggered.clone(),
            jobs: jobs.collect(),
            edges: edges
                .map(|e| Edge { implied: implied.contains(&(e.from, e.to)), ..e })
                .collect(),
        }
    }

    /// The edges that a drawing needs, as pairs `(from, to)`.
    fn drawn(&self) -> Vec<(usize, usize)> {
        self.edges.iter().filter(|e| !e.implied).map(|e| (e.from, e.to)).collect()
    }

    /// The graph as JSON: edges name jobs by id.
    pub fn json(&self) -> serde_json::Value {
        let id = |i: usize| self.jobs.get(i).map_or("", |n| n.id.as_str());
        let edges: Vec<serde_json::Value> = self
            .edges
            .iter()
            .map(
                |e| serde_json::json!({ "from": id(e.from), "to": id(e.to), "implied": e.implied }),
            )
            .collect();
        serde_json::json!({
            "workflow": self.workflow,
            "file": self.file,
            "triggered": self.not_triggered.is_none(),
            "not_triggered": self.not_triggered,
            "jobs": self.jobs,
            "edges": edges,
        })
    }
}

impl Node {
    /// What stands below its name in a drawing: where it runs, or what it calls.
    fn place(&self) -> String {
        if let Some(uses) = &self.uses {
            return format!("uses {uses}");
        }
        match self.legs.as_slice() {
            [first, rest @ ..] if rest.iter().all(|l| l.runs_on == first.runs_on) => {
                first.runs_on.join(", ")
            }
            [] => self.runs_on.join(", "),
            legs => {
                let mut all: Vec<&str> =
                    legs.iter().flat_map(|l| &l.runs_on).map(String::as_str).collect();
                all.sort_unstable();
                all.dedup();
                all.join(" · ")
            }
        }
    }

    /// Whether it has legs to show beside itself.
    fn is_matrix(&self) -> bool {
        self.legs.iter().any(|l| !l.values.is_empty())
    }
}

fn node(id: &str, planned: &PlannedJob, layer: usize) -> Node {
    let (state, unsupported) = match &planned.support {
        Support::Runnable => (NodeState::Runnable, Vec::new()),
        Support::NotSelected => (NodeState::NotSelected, Vec::new()),
        Support::Unsupported(causes) => (NodeState::Unsupported, causes.clone()),
    };
    let legs: &[Leg] = match &planned.legs {
        Legs::Known(legs) => legs,
        Legs::Deferred => &[],
    };
    let written = planned.job.name.as_ref().filter(|t| !t.text.trim().is_empty());
    let name = match (written, legs) {
        (Some(t), _) if !has_expression(&t.text) => t.text.clone(),
        (Some(_), [only]) => only.name.clone(),
        _ => id.to_owned(),
    };
    Node {
        id: id.to_owned(),
        name,
        layer,
        state,
        unsupported,
        condition: planned.job.condition.as_ref().map(|t| t.text.clone()),
        uses: planned.job.uses.as_ref().map(|t| t.text.clone()),
        runs_on: planned.job.runs_on.labels.iter().map(|t| t.text.clone()).collect(),
        deferred: planned.legs == Legs::Deferred,
        legs: legs.iter().map(|leg| node_leg(id, leg)).collect(),
    }
}

fn node_leg(id: &str, leg: &Leg) -> NodeLeg {
    let rest = leg.key.strip_prefix(id).unwrap_or(&leg.key).trim();
    let values = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')).unwrap_or(rest);
    NodeLeg {
        key: leg.key.clone(),
        name: leg.name.clone(),
        values: values.to_owned(),
        runs_on: leg.runs_on.clone(),
        runnable: leg.unsupported.is_empty(),
    }
}

/// Longest way from a job without needs; jobs of a cycle, which no valid file has, stay where they were reached.
fn layers(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut layers = vec![0; needs.len()];
    // One round more than jobs are in a row changes nothing; a cycle ends with the last round.
    for _ in 0..needs.len() {
        let mut changed = false;
        for (job, before) in needs.iter().enumerate() {
            let wanted = before.iter().map(|n| layers[*n] + 1).max().unwrap_or(0);
            if wanted > layers[job] && wanted <= needs.len() {
                layers[job] = wanted;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layers
}

/// Edges whose job is waited for by another need too.
fn implied(needs: &[Vec<usize>], layers: &[usize]) -> std::collections::HashSet<(usize, usize)> {
    let words = needs.len().div_ceil(64);
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|job| layers[*job]);
    let mut before = vec![vec![0u64; words]; needs.len()];
    let mut out = std::collections::HashSet::new();
    for job in order {
        let mut through = vec![0u64; words];
        for need in &needs[job] {
            through.iter_mut().zip(&before[*need]).for_each(|(t, b)| *t |= b);
        }
        let holds = |set: &[u64], bit: usize| set[bit / 64] >> (bit % 64) & 1 == 1;
        out.extend(needs[job].iter().filter(|n| holds(&through, **n)).map(|n| (*n, job)));
        needs[job].iter().for_each(|n| through[n / 64] |= 1 << (n % 64));
        before[job] = through;
    }
    out
}

/// A text on one line of at most `most` characters, without control characters.
fn one_line(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if clean.chars().count() <= most {
        return clean;
    }
    let kept: String = clean.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
