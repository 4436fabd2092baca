//! Matchers that an action brings along on GitHub, in our own words for the formats that the tools document.

use super::{Matcher, parse};

/// The matchers by name: `owner` of their first.
const FILE: &[u8] = include_bytes!("builtin.json");

/// The matchers of these owners; a test holds the table of actions to what there is.
pub fn named(owners: &[String]) -> Vec<Matcher> {
    let mut all = parse(FILE).unwrap_or_default();
    all.retain(|m| owners.contains(&m.owner));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::find;
    use rstest::rstest;

    #[test]
    fn every_matcher_that_the_table_of_actions_names_is_there() {
        let all = parse(FILE).expect("the file");
        for known in gantry_workflow::actions::all() {
            for owner in &known.matchers {
                assert!(all.iter().any(|m| m.owner == *owner), "{:?}: {owner}", known.uses);
            }
        }
    }

    #[rstest]
    #[case(
        "python",
        "  File \"pkg/a.py\", line 7, in main\n    raise ValueError('bad')",
        "Error pkg/a.py:7 bad"
    )]
    #[case(
        "tsc",
        "src/a.ts(3,5): error TS2322: Type 'x' is not y.",
        "Error src/a.ts:3:5 TS2322: Type 'x' is not y."
    )]
    #[case("tsc", "src/a.ts:3:5 - error TS2322: Not y.", "Error src/a.ts:3:5 TS2322: Not y.")]
    #[case(
        "eslint-stylish",
        "/w/a.js\n  1:2  error  Missing semicolon  semi\n  3:4  warning  Odd  no-odd\n",
        "Error /w/a.js:1:2 semi: Missing semicolon|Warning /w/a.js:3:4 no-odd: Odd"
    )]
    #[case(
        "eslint-compact",
        "/w/a.js: line 1, col 2, Warning - Odd. (no-odd)",
        "Warning /w/a.js:1:2 no-odd: Odd."
    )]
    #[case("go", "./a.go:3:5: undefined: x", "Error ./a.go:3:5 undefined: x")]
    #[case("go", "    a_test.go:12: got 1", "Error a_test.go:12 got 1")]
    #[case("javac", "src/A.java:3: error: ';' expected", "Error src/A.java:3 ';' expected")]
    #[case(
        "javac",
        "src/A.java:9: warning: [deprecation] f() is",
        "Warning src/A.java:9 [deprecation] f() is"
    )]
    #[case(
        "csc",
        "lib/A.cs(3,5): error CS1002: ; expected [/w/lib/p.csproj]",
        "Error /w/lib/lib/A.cs:3:5 CS1002: ; expected"
    )]
    #[case(
        "rustc",
        "error[E0308]: mismatched types\n  --> src/a.rs:3:5\n",
        "Error src/a.rs:3:5 E0308: mismatched types"
    )]
    #[case(
        "rustc",
        "warning: unused variable: `x`\n --> src/a.rs:1:2",
        "Warning src/a.rs:1:2 unused variable: `x`"
    )]
    #[case(
        "gcc",
        "a.c:3:5: warning: unused [-Wunused]\na.c:1:1: note: here",
        "Warning a.c:3:5 unused [-Wunused]"
    )]
    #[case("gcc", "a.c:3:5: fatal error: x.h: No such file", "Error a.c:3:5 x.h: No such file")]
    fn tools_say_their_problems(#[case] owner: &str, #[case] text: &str, #[case] expected: &str) {
        let mut matchers = parse(FILE).expect("the file");
        matchers.retain(|m| {
            m.owner == owner || m.owner.starts_with(&format!("{owner}-")) && owner == "tsc"
        });
        let seen: Vec<String> = text
            .lines()
            .filter_map(|line| find(&mut matchers, line))
            .map(|p| {
                let column = p.place.column.map_or_else(String::new, |c| format!(":{c}"));
                let (file, line) = (p.place.file.unwrap_or_default(), p.place.line.unwrap_or(0));
                format!("{:?} {file}:{line}{column} {}", p.kind, p.message)
            })
            .collect();
        assert_eq!(seen.join("|"), expected);
    }
}
