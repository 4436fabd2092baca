//! Which names an expression may use, and how many arguments each function takes.
//!
//! Not in here: what the functions do (`functions`).

/// How many arguments a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arity {
    pub min: usize,
    pub max: usize,
    /// Only an odd number is meant (`case`).
    pub odd: bool,
}

const fn arity(min: usize, max: usize) -> Arity {
    Arity { min, max, odd: false }
}

/// Who knows the names while an expression is parsed.
pub(super) trait Names {
    /// Whether the context `name` (lower case) exists.
    fn has_context(&mut self, name: &str) -> bool;
    /// The arity of a function (lower case) beyond those which exist everywhere.
    fn function(&self, name: &str) -> Option<Arity>;
}

/// The functions that exist in every expression.
pub(super) fn well_known(name: &str) -> Option<Arity> {
    Some(match name {
        "case" => Arity { min: 3, max: usize::MAX, odd: true },
        "contains" | "endswith" | "startswith" => arity(2, 2),
        "format" => arity(1, 255),
        "fromjson" | "tojson" => arity(1, 1),
        "join" => arity(1, 2),
        _ => return None,
    })
}

/// The functions that exist only in some places.
pub(super) fn extension(name: &str) -> Option<Arity> {
    Some(match name {
        "always" | "cancelled" => arity(0, 0),
        "failure" | "success" => arity(0, usize::MAX),
        "hashfiles" => arity(1, 255),
        _ => return None,
    })
}

/// Names given as lists.
pub(super) struct Listed<'n> {
    pub contexts: &'n [&'n str],
    pub functions: &'n [&'n str],
}

impl Names for Listed<'_> {
    fn has_context(&mut self, name: &str) -> bool {
        self.contexts.iter().any(|c| c.eq_ignore_ascii_case(name))
    }

    fn function(&self, name: &str) -> Option<Arity> {
        self.functions.iter().find_map(|declared| declaration(declared, name))
    }
}

/// `name`, or `name(min,max)` as GitHub's workflow schema writes it.
fn declaration(declared: &str, name: &str) -> Option<Arity> {
    let Some((own, range)) = declared.split_once('(') else {
        return declared
            .eq_ignore_ascii_case(name)
            .then(|| extension(name).unwrap_or(arity(0, usize::MAX)));
    };
    let (min, max) = range.trim_end_matches(')').split_once(',')?;
    own.eq_ignore_ascii_case(name)
        .then(|| arity(min.trim().parse().unwrap_or(0), max.trim().parse().unwrap_or(usize::MAX)))
}
