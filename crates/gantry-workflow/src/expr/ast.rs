//! The tree of an expression, with byte offsets, and its text form.
//!
//! Not in here: how it is read (`parser`) and what it is worth (`eval`).

use std::fmt;

use super::{Value, number};

/// A part of an expression and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Byte offset of its first character.
    pub start: usize,
    /// Byte offset after its last character.
    pub end: usize,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A null, boolean, number or text.
    Literal(Value),
    /// The name of a context, as written.
    Context(String),
    /// A part of a value.
    Index {
        /// Of what.
        base: Box<Expr>,
        /// Which part.
        index: Index,
    },
    /// A call of a function.
    Call {
        /// Its name, as written.
        name: String,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// `!`.
    Not(Box<Expr>),
    /// Comparisons of equal rank, computed from left to right: flat, because there may be thousands.
    Compare {
        /// The leftmost operand.
        first: Box<Expr>,
        /// The operators with their right operands.
        rest: Vec<(CompareOp, Expr)>,
    },
    /// `&&` between at least two operands.
    And(Vec<Expr>),
    /// `||` between at least two operands.
    Or(Vec<Expr>),
    /// Parentheses.
    Group(Box<Expr>),
}

/// Which part of a value is taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Index {
    /// `.*` or `[*]`: every entry.
    Star,
    /// `.name`.
    Name(String),
    /// `[expression]`.
    Value(Box<Expr>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Expr {
    /// The parts directly inside this one, from left to right.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Context(_) => Vec::new(),
            ExprKind::Index { base, index: Index::Value(index) } => vec![base, index],
            ExprKind::Index { base: inner, .. } | ExprKind::Not(inner) | ExprKind::Group(inner) => {
                vec![inner]
            }
            ExprKind::Call { args, .. } | ExprKind::And(args) | ExprKind::Or(args) => {
                args.iter().collect()
            }
            ExprKind::Compare { first, rest } => {
                std::iter::once(first.as_ref()).chain(rest.iter().map(|(_, e)| e)).collect()
            }
        }
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

/// Text that reads back as the same tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(value) => write_literal(f, value),
            ExprKind::Context(name) => f.write_str(name),
            ExprKind::Index { base, index } => match index {
                Index::Star => write!(f, "{base}.*"),
                Index::Name(name) => write!(f, "{base}.{name}"),
                Index::Value(index) => write!(f, "{base}[{index}]"),
            },
            ExprKind::Call { name, args } => {
                write!(f, "{name}(")?;
                write_joined(f, args, ", ")?;
                f.write_str(")")
            }
            ExprKind::Not(inner) => write!(f, "!{inner}"),
            ExprKind::Compare { first, rest } => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|(op, right)| write!(f, " {op} {right}"))
            }
            ExprKind::And(args) => write_joined(f, args, " && "),
            ExprKind::Or(args) => write_joined(f, args, " || "),
            ExprKind::Group(inner) => write!(f, "({inner})"),
        }
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Number(n) if *n == 0.0 && n.is_sign_negative() => f.write_str("-0"),
        Value::Number(n) => f.write_str(&number::to_shortest(*n)),
        Value::String(s) => write!(f, "'{}'", s.replace('\'', "''")),
        other => f.write_str(&other.to_text()),
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    parts.iter().enumerate().try_for_each(|(at, part)| {
        if at > 0 {
            f.write_str(between)?;
        }
        write!(f, "{part}")
    })
}
