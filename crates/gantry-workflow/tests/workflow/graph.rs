//! Drawings of a plan: what connects what, escaped texts, the honest mark of what cannot run.

use gantry_workflow::graph::{Graph, LineKind, NodeState, dot, lines, svg};

use crate::common::planned;

const TEXT: &str = r#"on: push
jobs:
  lint: {name: 'Lint "<all> & more" \', runs-on: ubuntu-latest, steps: [{run: x}]}
  build:
    runs-on: '${{ matrix.os }}'
    strategy: {matrix: {os: [ubuntu-latest, windows-latest]}}
    steps: [{run: x}]
  mac: {needs: build, runs-on: macos-latest, steps: [{run: x}]}
  docs: {runs-on: ubuntu-latest, steps: [{run: x}]}
  package: {needs: [build, lint], runs-on: ubuntu-latest, steps: [{run: x}]}
  ship:
    needs: [package, mac, build, lint]
    if: github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    strategy: {matrix: {v: '${{ fromJSON(needs.build.outputs.v) }}'}}
    steps: [{run: x}]
"#;

fn drawn(text: &str) -> Vec<String> {
    let graph = Graph::of(&planned(text));
    let line = |l: gantry_workflow::graph::Line| format!("{} {} | {}", l.rails, l.text, l.detail);
    lines(&graph, 8).into_iter().map(|l| line(l).trim_end().to_owned()).collect()
}

#[test]
fn the_text_has_a_rail_for_all_that_is_waited_for() {
    let expected = [
        r#"●     Lint "<all> & more" \ | (lint)  on ubuntu-latest"#,
        "│ ●   build | 2 legs  on ubuntu-latest · windows-latest",
        "│ │   ubuntu-latest | on ubuntu-latest",
        "│ │   windows-latest | on windows-latest  cannot run here",
        "│ ├─✗ mac | on macos-latest  needs build",
        "│ │ │ job `mac` asks for the runner `macos-latest` |",
        "│ │ │ ● docs | on ubuntu-latest",
        "●─┘ │ package | on ubuntu-latest  needs lint, build",
        "●───┘ ship | on ubuntu-latest  needs lint, build, mac, package",
        "      if github.ref == 'refs/heads/main' |",
        "      legs are known when the jobs it needs have ended |",
    ];
    let wide = drawn(TEXT).iter().map(|l| l.replace("   docs", " docs")).collect::<Vec<_>>();
    let tight = |l: &String| l.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected: Vec<String> = expected.iter().map(|l| tight(&(*l).to_owned())).collect();
    assert_eq!(wide.iter().map(tight).collect::<Vec<_>>(), expected, "{wide:#?}");
}

#[test]
fn a_rail_that_is_passed_is_no_rail_that_is_joined() {
    let text = "on: push\njobs:\n  a: {runs-on: linux, steps: [{run: x}]}\n  b: {runs-on: linux, steps: [{run: x}]}\n  c: {runs-on: linux, steps: [{run: x}]}\n  d: {needs: [a, c], runs-on: linux, steps: [{run: x}]}\n  e: {needs: [a, b], runs-on: linux, steps: [{run: x}]}\n";
    let rails: Vec<String> = drawn(text)
        .iter()
        .filter_map(|l| l.split_once("| on").map(|(l, _)| l.trim_end().to_owned()))
        .collect();
    assert_eq!(rails, ["●     a", "│ ●   b", "│ │ ● c", "├─│─● d", "●─┘   e"]);
}

#[test]
fn edges_that_follow_from_others_are_marked_and_layers_count_the_longest_way() {
    let graph = Graph::of(&planned(TEXT));
    let id = |i: usize| graph.jobs[i].id.as_str();
    let mut edges: Vec<(&str, &str, bool)> =
        graph.edges.iter().map(|e| (id(e.from), id(e.to), e.implied)).collect();
    edges.sort_unstable();
    assert_eq!(
        edges,
        [
            ("build", "mac", false),
            ("build", "package", false),
            ("build", "ship", true),
            ("lint", "package", false),
            ("lint", "ship", true),
            ("mac", "ship", false),
            ("package", "ship", false),
        ]
    );
    let layers: Vec<usize> = graph.jobs.iter().map(|j| j.layer).collect();
    assert_eq!(layers, [0, 0, 1, 0, 1, 2]);
    assert_eq!(graph.jobs[2].state, NodeState::Unsupported);
    assert!(graph.jobs[5].deferred && graph.jobs[5].legs.is_empty());
    assert_eq!(graph.json()["edges"][0]["from"], "build");
}

#[test]
fn the_picture_is_xml_with_all_texts_in_it_and_no_box_over_another() {
    let picture = svg(&Graph::of(&planned(TEXT)));
    let mut reader = quick_xml::Reader::from_str(&picture);
    let (mut texts, mut boxes) = (String::new(), Vec::new());
    loop {
        use quick_xml::events::Event;
        match reader.read_event().expect("well-formed XML") {
            Event::Eof => break,
            Event::Text(t) => texts += &t.decode().expect("UTF-8"),
            Event::Empty(e) if e.name().as_ref() == b"rect" => {
                let number = |name: &str| -> Option<f64> {
                    let value = e.try_get_attribute(name).ok()??.value.into_owned();
                    String::from_utf8(value).ok()?.parse().ok()
                };
                if let (Some(x), Some(y)) = (number("x"), number("y")) {
                    boxes.push((x, y, number("width").expect("w"), number("height").expect("h")));
                }
            }
            _ => {}
        }
    }
    assert_eq!(boxes.len(), 6);
    for (i, a) in boxes.iter().enumerate() {
        for b in &boxes[i + 1..] {
            let apart =
                a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0 || a.1 + a.3 <= b.1 || b.1 + b.3 <= a.1;
            assert!(apart, "{a:?} lies over {b:?}");
        }
    }
    assert!(texts.contains("package") && texts.contains("legs known later"), "{texts}");
    assert!(picture.contains("Lint &quot;&lt;all&gt; &amp; more&quot;"), "{picture}");
    assert!(picture.contains("class=\"unsupported\""));
}

#[test]
fn hostile_names_stay_on_their_line_in_every_form() {
    let text = "on: push\njobs:\n  a: {name: \"x\\e[31m\\ny\\\"; evil [\\\\\", runs-on: linux, steps: [{run: x}]}\n";
    let graph = Graph::of(&planned(text));
    let shown: Vec<String> = lines(&graph, 8).into_iter().map(|l| l.text).collect();
    assert_eq!(shown, [r#"x [31m y"; evil [\"#]);
    assert!(dot(&graph).contains(r#"[label="x [31m y\"; evil [\\\nlinux"]"#), "{}", dot(&graph));
    assert!(!svg(&graph).contains('\u{1b}'));
}

#[test]
fn a_job_that_was_not_asked_for_is_drawn_as_such() {
    use crate::common::{push, settings, workflow};
    let only = gantry_workflow::plan::Settings { only_jobs: vec!["mac".into()], ..settings() };
    let graph = Graph::of(&gantry_workflow::plan::plan(&workflow(TEXT), &push(), &only));
    let kinds: Vec<LineKind> = lines(&graph, 8).into_iter().map(|l| l.kind).collect();
    assert_eq!(kinds[0], LineKind::Job(NodeState::NotSelected));
    assert!(kinds.contains(&LineKind::Job(NodeState::Unsupported)));
}
