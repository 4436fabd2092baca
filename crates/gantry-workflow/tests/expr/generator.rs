//! Random expressions and contexts from a seed.

use serde_json::{Value, json};

/// A small generator of numbers (SplitMix64, by Sebastiano Vigna): the same seed, the same cases.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    /// A number of any size, mostly with few digits.
    fn number(&mut self) -> f64 {
        match self.below(5) {
            0 => self.below(5) as f64,
            1 => (self.below(2_000_000) as f64 - 1e6) / 1_000.0,
            2 => self.next() as f64 / u64::MAX as f64,
            3 => (self.next() >> self.below(60)) as f64 / 65_536.0,
            _ => Some(f64::from_bits(self.next())).filter(|n| n.is_finite()).unwrap_or(1e300),
        }
    }
}

const NAMES: &[&str] = &["github", "env", "list", "Deep", "none", "GITHUB", "deep", "nope"];
const KEYS: &[&str] = &["a", "B", "name", "x-y", "_z", "true", "É", "K"];
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "b",
    "abc",
    "ABC",
    "0",
    "1",
    "0x1f",
    " 2 ",
    "1e3",
    "-1.5",
    "Infinity",
    "NaN",
    "true",
    "null",
    "é",
    "É",
    "ß",
    "SS",
    "ı",
    "İ",
    "Σ",
    "ς",
    "\u{1f600}",
    "\u{ffff}",
    "{0}",
    "{1}{0}",
    "{{}}",
    "{",
    "[1,2]",
    "{\"a\":[{\"B\":1}]}",
    "[{\"a\":1},{\"A\":2}]",
    "\u{a0}3",
    "x y",
    ",",
    "\u{212a}",
    "k",
    "\u{1d2}\u{1c5}",
    "ŉ",
    "ΐ",
    "１",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    ".5",
    "1.",
    "0x1F",
    "0o17",
    "0b11",
    "1e3",
    "1E-7",
    "1e21",
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "1e400",
    "0.1",
    "123456789.123456789",
    "0xffffffffffffffffff",
    "0.000030517578125",
    "+1",
];
const FUNCTIONS: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "format",
    "join",
    "toJSON",
    "fromJSON",
    "case",
    "FORMAT",
    "Contains",
    "nope",
    "success",
];
const JUNK: &[&str] = &[
    "", " ", "(", ")", "[", "]", ",", ".", "!", "=", "&", "|", "*", "'", "-", "+", "@", "1", "a",
    "github", "é", "\n", "\u{a0}", "==", "&&", "||", "''", "true", "\u{feff}", "\u{85}",
];

/// A random value for a context, at most `depth` levels deep.
pub fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => json!(random.number()),
        3 => json!(random.pick(TEXTS)),
        4 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let entries = (0..random.below(5))
                .map(|_| (random.pick(KEYS).to_owned(), value(random, depth - 1)));
            Value::Object(entries.collect())
        }
    }
}

/// The contexts of one case.
pub fn contexts(random: &mut Random) -> Value {
    json!({
        "github": value(random, 3), "env": value(random, 1), "list": (0..random.below(5)).map(|_| value(random, 2)).collect::<Vec<_>>(),
        "deep": value(random, 4), "none": null,
    })
}

/// A random expression: mostly one that parses, sometimes damaged.
pub fn expression(random: &mut Random) -> String {
    let depth = 1 + random.below(5);
    let mut text = part(random, depth);
    for _ in 0..(random.below(8) / 6) * random.below(3) {
        let at = text
            .char_indices()
            .map(|(at, _)| at)
            .nth(random.below(text.chars().count().max(1)))
            .unwrap_or(0);
        let removed =
            text[at..].chars().next().filter(|_| random.below(2) == 0).map_or(0, char::len_utf8);
        text.replace_range(at..at + removed, random.pick(JUNK));
    }
    text
}

fn part(random: &mut Random, depth: usize) -> String {
    let choice = if depth == 0 { random.below(6) } else { random.below(16) };
    match choice {
        0 => random.pick(&["null", "true", "false", "True"]).to_owned(),
        1 => random.pick(NUMBERS).to_owned(),
        2 if random.below(3) == 0 => format!("{:e}", random.number()),
        2 | 3 => quoted(random.pick(TEXTS)),
        4 => random.pick(NAMES).to_owned(),
        5 => format!(
            "{}{}",
            random.pick(NAMES),
            random.pick(&[".a", ".*", "[0]", "['B']", ".NAME", ".*.a", "[*][1]"])
        ),
        6 | 7 => call(random, depth - 1),
        8 => format!("!{}", part(random, depth - 1)),
        9 => format!("({})", part(random, depth - 1)),
        10 | 11 => indexed(random, depth - 1),
        _ => {
            let operator = random.pick(&["==", "!=", "<", "<=", ">", ">=", "&&", "||", "&&", "||"]);
            let space = random.pick(&[" ", "", "\n", "  "]);
            let (left, right) = (part(random, depth - 1), part(random, depth - 1));
            format!("{left}{space}{operator}{space}{right}")
        }
    }
}

fn call(random: &mut Random, depth: usize) -> String {
    let name = random.pick(FUNCTIONS);
    let usual = match name {
        "toJSON" | "fromJSON" => 1,
        "case" => 3 + 2 * random.below(2),
        "success" => 0,
        _ => 2,
    };
    let count = if random.below(8) == 0 { random.below(5) } else { usual };
    let args: Vec<String> = (0..count)
        .map(|at| {
            if name == "case" && at % 2 == 0 && at + 1 < count {
                predicate(random, depth)
            } else {
                part(random, depth)
            }
        })
        .collect();
    format!("{name}({})", args.join(", "))
}

fn predicate(random: &mut Random, depth: usize) -> String {
    if random.below(5) == 0 { part(random, depth) } else { format!("!({})", part(random, depth)) }
}

fn indexed(random: &mut Random, depth: usize) -> String {
    let base = match random.below(4) {
        0 => call(random, depth),
        1 => format!("({})", part(random, depth)),
        _ => random.pick(NAMES).to_owned(),
    };
    let steps: Vec<String> = (0..=random.below(3))
        .map(|_| match random.below(5) {
            0 => format!(".{}", random.pick(&["a", "b", "name", "x-y", "_z", "true", "K"])),
            1 => ".*".to_owned(),
            2 => format!("[{}]", random.below(3)),
            3 => format!("[{}]", quoted(random.pick(KEYS))),
            _ => format!("[{}]", part(random, depth)),
        })
        .collect();
    format!("{base}{}", steps.concat())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
