//! Expressions damaged token by token: what is left is close to the language, and often outside of it.

use crate::generator::Random;

const TOKENS: &[&str] = &[
    "(", ")", "[", "]", ",", ".", "*", ".*", "!", "==", "!=", "<", "<=", ">", ">=", "&&", "||",
    "''", "'a'", "'it''s'", "null", "true", "NaN", "Infinity", "-", "+1", "-0x1", "0x", "1e",
    "1.2.3", "1_0", "..", "github", "env", "list", "deep", "none", "toJSON", "fromJSON", "format",
    "join", "contains", "case", "[0]", "[-1]", "[1.5]", "['a']", "[*]", "[null]", "[true]", ".a",
    ".x-y", ".1", "._z", "!!", "===", "=", "&", "|", "%", "`", "${{", "}}", "#", "\"a\"", "\\",
    "\t", "\r\n", "\u{2028}", "\u{0}",
];

/// Takes out, doubles, swaps, replaces or puts in one to three tokens.
pub fn damaged(text: &str, random: &mut Random) -> String {
    let mut tokens = split(text);
    for _ in 0..=random.below(3) {
        let at = random.below(tokens.len().max(1));
        let new = TOKENS[random.below(TOKENS.len())].to_owned();
        match random.below(5) {
            0 if at < tokens.len() => drop(tokens.remove(at)),
            1 if at < tokens.len() => tokens.insert(at, tokens[at].clone()),
            2 if at < tokens.len() => {
                let to = random.below(tokens.len());
                tokens.swap(at, to);
            }
            3 if at < tokens.len() => tokens[at] = new,
            _ => tokens.insert(at, new),
        }
    }
    tokens.concat()
}

/// Quoted texts, words and numbers, and single signs; nothing is lost.
fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut quoted = false;
    let mut word = false;
    for c in text.chars() {
        let in_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if quoted || (word && in_word) => last.push(c),
            _ => tokens.push(c.to_string()),
        }
        if c == '\'' {
            quoted = !quoted;
        }
        word = in_word;
    }
    tokens
}
