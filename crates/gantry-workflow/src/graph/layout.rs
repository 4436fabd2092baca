//! A layered layout: columns by layer, an order in each column with few crossings, and a height for every node near
//! those that it is connected with.
//!
//! After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981):
//! long edges pass through invisible nodes, columns are ordered by barycentres in sweeps, then heights are relaxed.

/// Sweeps over the columns for the order, and for the heights.
const SWEEPS: usize = 12;
/// Most invisible nodes; with more, long edges are drawn straight.
const MAX_BENDS: usize = 20_000;

/// What is laid out: for each box its layer and height.
pub(super) struct Boxes<'a> {
    /// Layer of each box.
    pub layers: &'a [usize],
    /// Height of each box.
    pub heights: &'a [f64],
    /// Edges from an earlier to a later layer.
    pub edges: &'a [(usize, usize)],
    /// Space between two boxes of a column.
    pub gap: f64,
    /// Space that a passing edge takes.
    pub lane: f64,
}

/// Where everything is.
pub(super) struct Placed {
    /// Middle of each box, counted from the top.
    pub middles: Vec<f64>,
    /// For each edge the heights at which it passes the layers between its ends.
    pub bends: Vec<Vec<f64>>,
    /// Height of the whole.
    pub height: f64,
}

struct Net {
    heights: Vec<f64>,
    /// Whether an item is a box.
    boxes: usize,
    columns: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    ways: Vec<Vec<usize>>,
}

/// Lays out boxes; columns are as far apart as the caller likes.
pub(super) fn place(given: &Boxes<'_>) -> Placed {
    let mut net = net(given);
    for sweep in 0..SWEEPS {
        order(&mut net, sweep % 2 == 0);
    }
    let middles = relax(&net, given);
    let top = |i: usize| middles[i] - net.heights[i] / 2.0;
    let least = (0..middles.len()).map(top).fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 0.0 };
    let most = (0..middles.len()).map(|i| middles[i] + net.heights[i] / 2.0).fold(least, f64::max);
    Placed {
        middles: (0..net.boxes).map(|i| middles[i] - least).collect(),
        bends: net
            .ways
            .iter()
            .map(|way| way.iter().map(|i| middles[*i] - least).collect())
            .collect(),
        height: most - least,
    }
}

fn net(given: &Boxes<'_>) -> Net {
    let boxes = given.layers.len();
    let layers = given.layers.iter().max().map_or(0, |m| m + 1);
    let mut net = Net {
        heights: given.heights.to_vec(),
        boxes,
        columns: vec![Vec::new(); layers],
        before: vec![Vec::new(); boxes],
        after: vec![Vec::new(); boxes],
        ways: Vec::new(),
    };
    for (i, layer) in given.layers.iter().enumerate() {
        net.columns[*layer].push(i);
    }
    let length = |(from, to): &(usize, usize)| {
        given.layers[*to].saturating_sub(given.layers[*from]).saturating_sub(1)
    };
    let bends: usize = given.edges.iter().map(length).sum();
    for edge in given.edges {
        let (from, to) = *edge;
        let mut way = Vec::new();
        let mut last = from;
        if bends <= MAX_BENDS {
            for step in 1..=length(edge) {
                let item = net.heights.len();
                net.heights.push(given.lane);
                net.before.push(vec![last]);
                net.after.push(Vec::new());
                net.after[last].push(item);
                net.columns[given.layers[from] + step].push(item);
                way.push(item);
                last = item;
            }
        }
        net.after[last].push(to);
        net.before[to].push(last);
        net.ways.push(way);
    }
    net
}

/// Sorts each column by the mean place of the neighbours on one side.
fn order(net: &mut Net, forwards: bool) {
    let mut places = vec![0.0; net.heights.len()];
    for column in &net.columns {
        column.iter().enumerate().for_each(|(i, item)| places[*item] = i as f64);
    }
    let count = net.columns.len();
    for step in 1..count {
        let at = if forwards { step } else { count - 1 - step };
        let side = if forwards { &net.before } else { &net.after };
        let mean = |item: usize| {
            let near = &side[item];
            if near.is_empty() {
                return places[item];
            }
            near.iter().map(|n| places[*n]).sum::<f64>() / near.len() as f64
        };
        let mut keyed: Vec<(f64, usize)> =
            net.columns[at].iter().map(|item| (mean(*item), *item)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        net.columns[at] = keyed.into_iter().map(|(_, item)| item).collect();
        for (i, item) in net.columns[at].iter().enumerate() {
            places[*item] = i as f64;
        }
    }
}

/// Heights: each item wants to be at the mean of its neighbours; the order and the space between items of a column
/// hold always.
fn relax(net: &Net, given: &Boxes<'_>) -> Vec<f64> {
    let mut middles = vec![0.0; net.heights.len()];
    let space = |a: usize, b: usize| {
        let gap = if a < net.boxes || b < net.boxes { given.gap } else { given.lane / 2.0 };
        (net.heights[a] + net.heights[b]) / 2.0 + gap
    };
    for column in &net.columns {
        let mut at = 0.0;
        for (i, item) in column.iter().enumerate() {
            if i > 0 {
                at += space(column[i - 1], *item);
            }
            middles[*item] = at;
        }
        column.iter().for_each(|item| middles[*item] -= at / 2.0);
    }
    for _ in 0..SWEEPS {
        for column in &net.columns {
            let wanted: Vec<f64> = column
                .iter()
                .map(|item| {
                    let near = net.before[*item].iter().chain(&net.after[*item]);
                    let (sum, n) = near.fold((0.0, 0usize), |(s, n), i| (s + middles[*i], n + 1));
                    if n == 0 { middles[*item] } else { sum / n as f64 }
                })
                .collect();
            settle(column, &wanted, &space, &mut middles);
        }
    }
    middles
}

/// The places nearest to the wanted ones, in the least-squares sense, that keep order and space: neighbours that
/// would touch are joined to a block that moves as one.
fn settle(
    column: &[usize],
    wanted: &[f64],
    space: &dyn Fn(usize, usize) -> f64,
    middles: &mut [f64],
) {
    // Each block: its wanted place, how many items it has, and where its first item is in the column.
    let mut blocks: Vec<(f64, usize, usize)> = Vec::new();
    let mut offsets = vec![0.0; column.len()];
    for i in 0..column.len() {
        if i > 0 {
            offsets[i] = offsets[i - 1] + space(column[i - 1], column[i]);
        }
        let mut block = (wanted[i] - offsets[i], 1, i);
        while let Some(&(place, n, first)) = blocks.last()
            && place > block.0
        {
            let all = n + block.1;
            block = ((place * n as f64 + block.0 * block.1 as f64) / all as f64, all, first);
            blocks.pop();
        }
        blocks.push(block);
    }
    for (place, n, first) in blocks {
        for i in first..first + n {
            middles[column[i]] = place + offsets[i];
        }
    }
}
