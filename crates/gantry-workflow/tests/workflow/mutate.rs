//! Real files, damaged line by line as people damage them: the same seed, the same damage.

/// SplitMix64 (Sebastiano Vigna).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

const KEYS: &[&str] = &[
    "name",
    "run-name",
    "on",
    "env",
    "defaults",
    "run",
    "concurrency",
    "group",
    "cancel-in-progress",
    "queue",
    "permissions",
    "jobs",
    "needs",
    "if",
    "runs-on",
    "labels",
    "strategy",
    "matrix",
    "include",
    "exclude",
    "fail-fast",
    "max-parallel",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "outputs",
    "container",
    "services",
    "image",
    "ports",
    "volumes",
    "options",
    "credentials",
    "username",
    "password",
    "environment",
    "url",
    "snapshot",
    "steps",
    "uses",
    "with",
    "secrets",
    "id",
    "shell",
    "working-directory",
    "background",
    "wait",
    "wait-all",
    "cancel",
    "parallel",
    "push",
    "pull_request",
    "schedule",
    "cron",
    "timezone",
    "workflow_dispatch",
    "workflow_call",
    "inputs",
    "type",
    "types",
    "required",
    "default",
    "description",
    "options",
    "value",
    "branches",
    "branches-ignore",
    "tags",
    "paths",
    "paths-ignore",
    "workflows",
    "using",
    "main",
    "pre",
    "post",
    "pre-if",
    "post-if",
    "args",
    "entrypoint",
    "command",
    "<<",
    "nmae",
    "Run",
    "step",
    "job",
    "contents",
    "id-token",
    "read-all",
    "1",
    "true",
    "''",
    "a b",
    "é",
];

const VALUES: &[&str] = &[
    "",
    "~",
    "null",
    "true",
    "false",
    "True",
    "yes",
    "on",
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "0o7",
    ".inf",
    ".nan",
    "''",
    "' '",
    "text",
    "'text'",
    "\"text\"",
    "[]",
    "{}",
    "[a, b]",
    "[1, [2]]",
    "{a: b}",
    "{name: x}",
    "[{a: b}]",
    "['']",
    "[~]",
    "push",
    "pull_request",
    "[push, nope]",
    "ubuntu-latest",
    "read",
    "write",
    "none",
    "read-all",
    "inherit",
    "bash",
    "'0 0 * * *'",
    "'61 * * * *'",
    "'* * * *'",
    "a/b@c",
    "a/b",
    "./a",
    "docker://x",
    "./.github/workflows/x.yml",
    "o/r/.github/workflows/x.yml@v1",
    "choice",
    "boolean",
    "number",
    "string",
    "'!x'",
    "v*",
    "&anchor x",
    "*anchor",
    "!!str 5",
    "!!int x",
    "2001-12-14",
    "1_000",
    "|\n",
    "\"\\u00e9\"",
    "'it''s'",
    "- x",
    "a: b",
    "single",
    "max",
    "opened",
    "__x",
    "a.b",
    "UTC",
    "Europe/Berlin",
];

const EXPRESSIONS: &[&str] = &[
    "${{ github.ref }}",
    "${{ github.event.inputs.x }}",
    "${{ secrets.X }}",
    "${{ env.A }}",
    "${{ matrix.os }}",
    "${{ needs.a.outputs.b }}",
    "${{ steps.a.outputs.b }}",
    "${{ inputs.x }}",
    "${{ vars.X }}",
    "${{ runner.os }}",
    "${{ job.status }}",
    "${{ strategy.job-index }}",
    "${{ jobs.a.outputs.b }}",
    "${{ fromJSON('{}') }}",
    "${{ fromJSON('[1]') }}",
    "${{ true }}",
    "${{ 5 }}",
    "${{ null }}",
    "${{ 'x' }}",
    "x ${{ github.ref }} y",
    "${{ nope }}",
    "${{ nope() }}",
    "${{ github.ref",
    "${{ }}",
    "${{",
    "${{ github..ref }}",
    "${{ github.ref == }}",
    "${{ hashFiles('x') }}",
    "${{ hashFiles() }}",
    "${{ success() }}",
    "${{ failure('a') }}",
    "${{ always() }}",
    "${{ format('{0}', 1) }}",
    "${{ format('{0}') }}",
    "${{ contains('a') }}",
    "${{ join(1, 2, 3) }}",
    "${{ case(true, 1, 2) }}",
    "${{ 'a' }}${{ 'b' }}",
    "${{ ${{ 1 }} }}",
    "${{ '}}' }}",
    "${{ \"x\" }}",
    "${{ github.*.x }}",
    "${{ !github.ref && (1 || 2) }}",
    "success()",
    "always() && github.ref",
    "failure('a')",
    "github.ref = 'x'",
    "env.A == 'b'",
    "secrets.X",
    "a || ${{ true }}",
    "cancelled(",
];

/// A file with one to three damages.
pub fn damaged(text: &str, other: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(3) {
        if lines.is_empty() {
            break;
        }
        damage(&mut lines, other, random);
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

fn damage(lines: &mut Vec<String>, other: &str, random: &mut Random) {
    let at = line_with_content(lines, random);
    let end = block_end(lines, at);
    match random.below(14) {
        0 => {
            lines.drain(at..end);
        }
        1 => {
            let copy = lines[at..end].to_vec();
            lines.splice(end..end, copy);
        }
        2 | 3 => rename(&mut lines[at], random),
        4 | 5 => {
            let value = random.pick(VALUES);
            set_value(lines, at, end, value, random);
        }
        6 | 7 => {
            let value = random.pick(EXPRESSIONS);
            set_value(lines, at, end, value, random);
        }
        8 => swap(lines, at, random),
        9 => indent(lines, at, end, random),
        10 => {
            let value =
                if random.below(2) == 0 { random.pick(VALUES) } else { random.pick(EXPRESSIONS) };
            let line = format!("{}{}: {value}", " ".repeat(depth(&lines[at])), random.pick(KEYS));
            lines.insert(at + random.below(2), line);
        }
        11 => {
            let moved: Vec<String> = lines.drain(at..end).collect();
            let to = random.below(lines.len() + 1);
            lines.splice(to..to, moved);
        }
        12 => {
            let strange: Vec<&str> = other.lines().collect();
            if !strange.is_empty() {
                lines.insert(at, strange[random.below(strange.len())].to_owned());
            }
        }
        _ => dash(&mut lines[at], random),
    }
}

fn line_with_content(lines: &[String], random: &mut Random) -> usize {
    let start = random.below(lines.len());
    let content = |i: &usize| {
        let line = lines[*i].trim();
        !line.is_empty() && !line.starts_with('#')
    };
    (start..lines.len()).chain(0..start).find(content).unwrap_or(start)
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Behind the last line that stands deeper than the one at `at`.
fn block_end(lines: &[String], at: usize) -> usize {
    let own = depth(&lines[at]);
    let deeper = |l: &String| l.trim().is_empty() || depth(l) > own;
    at + 1 + lines[at + 1..].iter().take_while(|l| deeper(l)).count()
}

/// Where the key of a line begins and where its colon is.
fn key_of(line: &str) -> Option<(usize, usize)> {
    let mut start = depth(line);
    while line[start..].starts_with("- ") {
        start += 2;
        start += depth(&line[start..]);
    }
    let colon = start + line[start..].find(':')?;
    let after = &line[colon + 1..];
    (after.is_empty() || after.starts_with(' ')).then_some((start, colon))
}

fn rename(line: &mut String, random: &mut Random) {
    if let Some((start, colon)) = key_of(line) {
        line.replace_range(start..colon, random.pick(KEYS));
    }
}

/// Puts a value in place of what stands behind the colon or dash, or into the middle of it.
fn set_value(lines: &mut Vec<String>, at: usize, end: usize, value: &str, random: &mut Random) {
    let line = &mut lines[at];
    let from = match key_of(line) {
        Some((_, colon)) => colon + 1,
        None if line.trim_start().starts_with("- ") => depth(line) + 1,
        None => depth(line),
    };
    if random.below(4) == 0 && value.starts_with("${{") {
        let middle = from + line[from..].char_indices().nth(2).map_or(0, |(i, _)| i);
        line.insert_str(middle, value);
        return;
    }
    line.truncate(from);
    if !value.is_empty() {
        line.push(' ');
        line.push_str(value);
    }
    // What stood below belongs to the old value, mostly.
    if random.below(4) > 0 {
        lines.drain(at + 1..end);
    }
}

fn swap(lines: &mut [String], at: usize, random: &mut Random) {
    let to = line_with_content(lines, random);
    let (Some(a), Some(b)) = (key_of(&lines[at]), key_of(&lines[to])) else {
        lines.swap(at, to);
        return;
    };
    let (left, right) = (lines[at][a.1..].to_owned(), lines[to][b.1..].to_owned());
    lines[at].replace_range(a.1.., &right);
    if at != to {
        lines[to].replace_range(b.1.., &left);
    }
}

fn indent(lines: &mut [String], at: usize, end: usize, random: &mut Random) {
    let end = if random.below(2) == 0 { at + 1 } else { end };
    let by = 1 + random.below(3);
    let deeper = random.below(2) == 0;
    for line in &mut lines[at..end] {
        if deeper {
            line.insert_str(0, &" ".repeat(by));
        } else {
            let kept = by.min(depth(line));
            line.replace_range(..kept, "");
        }
    }
}

fn dash(line: &mut String, random: &mut Random) {
    let start = depth(line);
    if line[start..].starts_with("- ") {
        let put = if random.below(2) == 0 { "  " } else { "" };
        line.replace_range(start..start + 2, put);
    } else {
        line.insert_str(start, "- ");
    }
}
