//! `depends_on` between repositories: cycles, and an order in which upstreams come first.

use indexmap::IndexMap;

/// Every cycle's path (`a → b → a`), found once each by depth-first search in file order.
///
/// Names that do not exist are ignored; they are reported elsewhere.
pub fn cycles(edges: &IndexMap<String, Vec<String>>) -> Vec<Vec<String>> {
    let mut search = Search { edges, marks: vec![Mark::New; edges.len()], found: Vec::new() };
    for start in 0..edges.len() {
        search.visit(start);
    }
    search.found
}

/// Names with upstreams before dependents, file order kept among equals; members of cycles come last.
pub fn order(edges: &IndexMap<String, Vec<String>>) -> Vec<String> {
    let mut placed: Vec<&str> = Vec::with_capacity(edges.len());
    let mut done = vec![false; edges.len()];
    loop {
        let before = placed.len();
        for (index, (name, needs)) in edges.iter().enumerate() {
            let ready = needs.iter().all(|n| edges.get_index_of(n).is_none_or(|i| done[i]));
            if !done[index] && ready {
                done[index] = true;
                placed.push(name);
            }
        }
        if placed.len() == before {
            break;
        }
    }
    let rest = edges.keys().enumerate().filter(|(i, _)| !done[*i]).map(|(_, n)| n.as_str());
    placed.iter().copied().chain(rest).map(str::to_owned).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Search<'a> {
    edges: &'a IndexMap<String, Vec<String>>,
    marks: Vec<Mark>,
    found: Vec<Vec<String>>,
}

impl Search<'_> {
    /// Depth first with a stack of its own: the depth is the user's, not the machine's.
    fn visit(&mut self, start: usize) {
        if self.marks[start] != Mark::New {
            return;
        }
        self.marks[start] = Mark::Open;
        let mut path = vec![(start, 0usize)];
        while let Some((node, next)) = path.last_mut() {
            let target = self.edges.get_index(*node).and_then(|(_, needs)| needs.get(*next));
            let Some(target) = target else {
                self.marks[*node] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            let Some(index) = self.edges.get_index_of(target) else { continue };
            match self.marks[index] {
                Mark::New => {
                    self.marks[index] = Mark::Open;
                    path.push((index, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|(n, _)| *n == index).unwrap_or(0);
                    let names = path[from..].iter().map(|(n, _)| *n).chain([index]);
                    let names = names.filter_map(|n| self.edges.get_index(n));
                    self.found.push(names.map(|(name, _)| name.clone()).collect());
                }
                Mark::Done => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(pairs: &[(&str, &[&str])]) -> IndexMap<String, Vec<String>> {
        pairs
            .iter()
            .map(|(n, d)| ((*n).to_owned(), d.iter().map(|s| (*s).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn a_cycle_is_found_with_its_path_and_the_rest_is_ordered() {
        let graph =
            edges(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[]), ("e", &["d"])]);
        assert_eq!(cycles(&graph), [["b", "c", "b"]]);
        assert_eq!(order(&graph), ["d", "e", "a", "b", "c"]);
    }

    #[test]
    fn one_that_needs_itself_is_a_cycle() {
        assert_eq!(cycles(&edges(&[("a", &["a"])])), [["a", "a"]]);
    }

    #[test]
    fn upstreams_come_first_in_file_order() {
        let graph = edges(&[("app", &["lib", "core"]), ("lib", &["core"]), ("core", &[])]);
        assert!(cycles(&graph).is_empty());
        assert_eq!(order(&graph), ["core", "lib", "app"]);
    }
}
