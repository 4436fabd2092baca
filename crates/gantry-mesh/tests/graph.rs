//! The dependency graph: order, circles, skips and impact.

use gantry_mesh::{Graph, Next, Standing};
use proptest::prelude::*;

fn graph(repos: &[(&str, &[&str])]) -> Graph {
    let owned: Vec<(&str, Vec<String>)> = repos
        .iter()
        .map(|(name, ups)| (*name, ups.iter().map(|u| (*u).to_owned()).collect()))
        .collect();
    Graph::new(owned.iter().map(|(name, ups)| (*name, ups.as_slice())))
}

#[test]
fn upstreams_come_first_and_the_rest_keeps_its_order() {
    let g =
        graph(&[("a/app", &["lib", "a/ui"]), ("a/other", &[]), ("a/ui", &["lib"]), ("a/lib", &[])]);
    assert_eq!(g.order(), ["a/other", "a/lib", "a/ui", "a/app"]);
    assert_eq!(g.all_upstreams("a/app"), ["a/lib", "a/ui"]);
    assert_eq!(g.impact("a/lib"), ["a/app", "a/ui"]);
    assert!(g.broken().is_empty());
}

#[test]
fn a_circle_prints_its_path_and_leaves_the_others_alone() {
    let g = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &[]), ("e", &["a"])]);
    assert_eq!(
        g.broken()["b"].to_string(),
        "`depends_on` goes in a circle: b → c → a → b; remove one of these dependencies"
    );
    assert_eq!(g.broken().keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(g.next("d", |_| Standing::Open), Next::Begin);
    let own = graph(&[("a", &["a"])]);
    assert!(own.broken()["a"].to_string().contains("a → a"));
}

#[test]
fn an_unknown_name_gets_a_suggestion_and_an_ambiguous_one_is_unknown() {
    let g = graph(&[("x/library", &[]), ("x/app", &["x/libary"])]);
    assert_eq!(
        g.broken()["x/app"].to_string(),
        "`x/app` depends on `x/libary`, which is not a repository of this hub; did you mean `x/library`?"
    );
    let g = graph(&[("x/lib", &[]), ("y/lib", &[]), ("app", &["lib"])]);
    assert!(g.broken().contains_key("app"));
}

#[test]
fn a_failed_upstream_skips_and_an_open_one_is_waited_for() {
    let g = graph(&[("lib", &[]), ("ui", &[]), ("app", &["lib", "ui"])]);
    let with = |lib, ui| g.next("app", move |r| if r == "lib" { lib } else { ui });
    assert_eq!(with(Standing::Open, Standing::Passed), Next::Wait(vec!["lib".to_owned()]));
    assert_eq!(with(Standing::Passed, Standing::Passed), Next::Begin);
    assert_eq!(
        with(Standing::Open, Standing::Failed),
        Next::Skip("upstream `ui` failed".to_owned())
    );
    assert_eq!(
        with(Standing::Skipped, Standing::Open),
        Next::Skip("upstream `lib` was skipped".to_owned())
    );
}

proptest! {
    /// In any graph, every repository that is neither in a circle nor behind one comes after its upstreams.
    #[test]
    fn order_respects_every_edge_outside_circles(edges in proptest::collection::vec((0u8..8, 0u8..8), 0..20)) {
        let names: Vec<String> = (0..8).map(|i| format!("r{i}")).collect();
        let ups: Vec<Vec<String>> = (0..8u8)
            .map(|i| edges.iter().filter(|(a, _)| *a == i).map(|(_, b)| format!("r{b}")).collect())
            .collect();
        let g = Graph::new(names.iter().map(String::as_str).zip(ups.iter().map(Vec::as_slice)));
        let order = g.order();
        prop_assert_eq!(order.len(), 8);
        let place = |n: &String| order.iter().position(|o| o == n);
        for name in &names {
            let behind = g.all_upstreams(name);
            if g.broken().contains_key(name) || behind.iter().any(|b| g.broken().contains_key(b)) {
                continue;
            }
            for up in behind {
                prop_assert!(place(&up) < place(name));
                prop_assert!(g.impact(&up).contains(name));
            }
        }
    }
}
