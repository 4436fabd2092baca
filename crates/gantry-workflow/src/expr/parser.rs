//! Tokens → tree, with GitHub's precedence, name checks and depth limit.
//!
//! Not in here: values. A name or function that does not exist is refused here, before anything runs.

use super::ast::{CompareOp, Expr, ExprKind, Index};
use super::lexer::{Token, TokenKind, lex};
use super::names::{self, Names};
use super::{ErrorKind, ExprError, MAX_EXPRESSION_DEPTH, Value};

/// The tree of `text`. A text without any token is null, as it is to GitHub.
pub(super) fn parse(text: &str, names: &mut dyn Names) -> Result<Expr, ExprError> {
    let tokens = lex(text)?;
    let mut parser = Parser { text, tokens, at: 0, depth: 0, names };
    if parser.at_end() {
        return Ok(Expr { kind: ExprKind::Literal(Value::Null), start: 0, end: text.len() });
    }
    let tree = parser.expression()?;
    if parser.at_end() { Ok(tree) } else { Err(parser.unexpected()) }
}

struct Parser<'p> {
    text: &'p str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    names: &'p mut dyn Names,
}

type Parsed = Result<Expr, ExprError>;

impl Parser<'_> {
    fn expression(&mut self) -> Parsed {
        self.deeper()?;
        let tree = self.or()?;
        self.depth -= 1;
        Ok(tree)
    }

    fn or(&mut self) -> Parsed {
        let first = self.and()?;
        self.chain(first, &TokenKind::Or, Self::and, ExprKind::Or)
    }

    fn and(&mut self) -> Parsed {
        let first = self.equality()?;
        self.chain(first, &TokenKind::And, Self::equality, ExprKind::And)
    }

    fn chain(
        &mut self,
        first: Expr,
        operator: &TokenKind,
        operand: fn(&mut Self) -> Parsed,
        make: fn(Vec<Expr>) -> ExprKind,
    ) -> Parsed {
        if self.peek() != operator {
            return Ok(first);
        }
        self.deeper()?;
        let start = first.start;
        let mut args = vec![first];
        while self.accept(operator) {
            args.push(operand(self)?);
        }
        self.depth -= 1;
        Ok(self.made(make(args), start))
    }

    fn equality(&mut self) -> Parsed {
        self.compare(Self::comparison, |op| matches!(op, CompareOp::Eq | CompareOp::Ne))
    }

    fn comparison(&mut self) -> Parsed {
        self.compare(Self::unary, |op| !matches!(op, CompareOp::Eq | CompareOp::Ne))
    }

    fn compare(
        &mut self,
        operand: fn(&mut Self) -> Parsed,
        wanted: fn(CompareOp) -> bool,
    ) -> Parsed {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let TokenKind::Compare(op) = *self.peek() {
            if !wanted(op) {
                break;
            }
            self.at += 1;
            rest.push((op, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let start = first.start;
        Ok(self.made(ExprKind::Compare { first: Box::new(first), rest }, start))
    }

    fn unary(&mut self) -> Parsed {
        let start = self.token().start;
        if !self.accept(&TokenKind::Not) {
            return self.index();
        }
        self.deeper()?;
        let inner = self.unary()?;
        self.depth -= 1;
        Ok(self.made(ExprKind::Not(Box::new(inner)), start))
    }

    fn index(&mut self) -> Parsed {
        let mut base = self.call()?;
        if matches!(base.kind, ExprKind::Literal(_)) {
            return Ok(base);
        }
        let depth_before = self.depth;
        loop {
            let index = if self.accept(&TokenKind::LeftBracket) {
                let index = if self.accept(&TokenKind::Star) {
                    Index::Star
                } else {
                    Index::Value(Box::new(self.expression()?))
                };
                self.expect(&TokenKind::RightBracket)?;
                self.deeper()?;
                index
            } else if self.accept(&TokenKind::Dot) {
                self.deeper()?;
                if self.accept(&TokenKind::Name) {
                    Index::Name(self.previous_text().to_owned())
                } else if self.accept(&TokenKind::Star) {
                    Index::Star
                } else {
                    return Err(self.unexpected());
                }
            } else {
                break;
            };
            let start = base.start;
            base = self.made(ExprKind::Index { base: Box::new(base), index }, start);
        }
        self.depth = depth_before;
        Ok(base)
    }

    fn call(&mut self) -> Parsed {
        let start = self.token().start;
        if !self.accept(&TokenKind::Name) {
            return self.primary();
        }
        let name = self.previous_text().to_owned();
        if !self.accept(&TokenKind::LeftParen) {
            if !self.names.has_context(&name.to_ascii_lowercase()) {
                return Err(error(format!("unrecognized named-value `{name}`"), start));
            }
            return Ok(self.made(ExprKind::Context(name), start));
        }
        let mut args = Vec::new();
        while !self.accept(&TokenKind::RightParen) {
            args.push(self.expression()?);
            if *self.peek() != TokenKind::RightParen {
                self.expect(&TokenKind::Comma)?;
            }
        }
        self.check_call(&name, args.len(), start)?;
        Ok(self.made(ExprKind::Call { name, args }, start))
    }

    fn check_call(&self, name: &str, count: usize, start: usize) -> Result<(), ExprError> {
        let folded = name.to_ascii_lowercase();
        let Some(arity) = names::well_known(&folded).or_else(|| self.names.function(&folded))
        else {
            return Err(error(format!("unrecognized function `{name}`"), start));
        };
        let message = if count < arity.min {
            format!(
                "too few parameters supplied to `{name}`: {count}, where it needs at least {}",
                arity.min
            )
        } else if count > arity.max {
            format!(
                "too many parameters supplied to `{name}`: {count}, where it takes at most {}",
                arity.max
            )
        } else if arity.odd && count.is_multiple_of(2) {
            format!(
                "even number of parameters supplied to `{name}`: {count}, where it needs an odd number"
            )
        } else {
            return Ok(());
        };
        Err(error(message, start))
    }

    fn primary(&mut self) -> Parsed {
        let token = self.token().clone();
        let value = match token.kind {
            TokenKind::False => Value::Bool(false),
            TokenKind::True => Value::Bool(true),
            TokenKind::Null => Value::Null,
            TokenKind::Number(n) => Value::Number(n),
            TokenKind::String(s) => Value::String(s),
            TokenKind::LeftParen => return self.group(token.start),
            TokenKind::End => return Err(self.unexpected_end()),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(self.made(ExprKind::Literal(value), token.start))
    }

    fn group(&mut self, start: usize) -> Parsed {
        self.at += 1;
        let inner = self.expression()?;
        if self.at_end() {
            return Err(self.unexpected_end());
        }
        self.expect(&TokenKind::RightParen)?;
        Ok(self.made(ExprKind::Group(Box::new(inner)), start))
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &TokenKind {
        &self.token().kind
    }

    fn at_end(&self) -> bool {
        *self.peek() == TokenKind::End
    }

    fn accept(&mut self, kind: &TokenKind) -> bool {
        let found = self.peek() == kind;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, kind: &TokenKind) -> Result<(), ExprError> {
        if self.accept(kind) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn previous_text(&self) -> &str {
        let token = &self.tokens[self.at - 1];
        &self.text[token.start..token.end]
    }

    /// A node from `start` to the end of the last token taken.
    fn made(&self, kind: ExprKind, start: usize) -> Expr {
        Expr { kind, start, end: self.tokens[self.at - 1].end }
    }

    fn deeper(&mut self) -> Result<(), ExprError> {
        self.depth += 1;
        if self.depth > MAX_EXPRESSION_DEPTH {
            let message = format!(
                "exceeded max expression depth {MAX_EXPRESSION_DEPTH}; split the expression"
            );
            return Err(error(message, self.token().start));
        }
        Ok(())
    }

    fn unexpected(&self) -> ExprError {
        let token = self.token();
        if token.kind == TokenKind::End {
            return self.unexpected_end();
        }
        let symbol = super::excerpt(&self.text[token.start..token.end]);
        error(format!("unexpected symbol `{symbol}`"), token.start)
    }

    fn unexpected_end(&self) -> ExprError {
        error(
            format!(
                "unexpected end of expression after `{}`",
                super::excerpt(self.previous_text())
            ),
            self.text.len(),
        )
    }
}

fn error(message: String, offset: usize) -> ExprError {
    ExprError { kind: ErrorKind::Parsing, message, offset }
}
