//! Text → tokens, with the rules of where a word, a number or a text ends.
//!
//! Not in here: which order of tokens means something (`parser`).

use super::ast::CompareOp;
use super::number::{self, is_space};
use super::{ErrorKind, ExprError, MAX_EXPRESSION_LENGTH};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Dot,
    Not,
    Compare(CompareOp),
    And,
    Or,
    Star,
    Number(f64),
    String(String),
    Name,
    True,
    False,
    Null,
    End,
}

/// A token and its place: byte offsets into the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

/// All tokens of `text`; the last is [`TokenKind::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Token>, ExprError> {
    // GitHub counts UTF-16 units.
    if text.len() > MAX_EXPRESSION_LENGTH && text.encode_utf16().count() > MAX_EXPRESSION_LENGTH {
        return Err(ExprError {
            kind: ErrorKind::Lexing,
            message: format!(
                "exceeded max expression length {MAX_EXPRESSION_LENGTH}; move parts into `env` or into a step"
            ),
            offset: 0,
        });
    }
    let mut lexer = Lexer { text, start: 0, at: 0, tokens: Vec::new() };
    while let Some(c) = lexer.peek() {
        lexer.start = lexer.at;
        lexer.at += c.len_utf8();
        lexer.token(c)?;
    }
    lexer.tokens.push(Token { kind: TokenKind::End, start: text.len(), end: text.len() });
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    start: usize,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn token(&mut self, first: char) -> Result<(), ExprError> {
        let kind = match first {
            ' ' | '\r' | '\t' | '\n' => return Ok(()),
            '(' => TokenKind::LeftParen,
            ')' => TokenKind::RightParen,
            '[' => TokenKind::LeftBracket,
            ']' => TokenKind::RightBracket,
            ',' => TokenKind::Comma,
            '*' => TokenKind::Star,
            '.' if self.follows_a_value() => TokenKind::Dot,
            '.' | '-' | '+' | '0'..='9' => self.number()?,
            '!' if self.accept('=') => TokenKind::Compare(CompareOp::Ne),
            '!' => TokenKind::Not,
            '=' if self.accept('=') => TokenKind::Compare(CompareOp::Eq),
            '<' if self.accept('=') => TokenKind::Compare(CompareOp::Le),
            '<' => TokenKind::Compare(CompareOp::Lt),
            '>' if self.accept('=') => TokenKind::Compare(CompareOp::Ge),
            '>' => TokenKind::Compare(CompareOp::Gt),
            '&' if self.accept('&') => TokenKind::And,
            '|' if self.accept('|') => TokenKind::Or,
            '\'' => self.string()?,
            _ => self.word()?,
        };
        self.tokens.push(Token { kind, start: self.start, end: self.at });
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn accept(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    /// A point after these takes a part; anywhere else it begins a number.
    fn follows_a_value(&self) -> bool {
        matches!(
            self.tokens.last().map(|t| &t.kind),
            Some(
                TokenKind::Name | TokenKind::RightBracket | TokenKind::RightParen | TokenKind::Star
            )
        )
    }

    fn number(&mut self) -> Result<TokenKind, ExprError> {
        self.skip_while(|c| c == '.' || !is_boundary(c));
        let value = number::from_text(self.lexeme());
        if value.is_nan() { Err(self.unexpected()) } else { Ok(TokenKind::Number(value)) }
    }

    fn string(&mut self) -> Result<TokenKind, ExprError> {
        loop {
            match self.text[self.at..].find('\'') {
                None => {
                    self.at = self.text.len();
                    return Err(self.unexpected());
                }
                Some(quote) => self.at += quote + 1,
            }
            if !self.accept('\'') {
                break;
            }
        }
        Ok(TokenKind::String(self.text[self.start + 1..self.at - 1].replace("''", "'")))
    }

    fn word(&mut self) -> Result<TokenKind, ExprError> {
        self.skip_while(|c| !is_boundary(c));
        let word = self.lexeme();
        let is_part = matches!(self.tokens.last().map(|t| &t.kind), Some(TokenKind::Dot));
        Ok(match word {
            _ if !is_name(word) => return Err(self.unexpected()),
            "true" if !is_part => TokenKind::True,
            "false" if !is_part => TokenKind::False,
            "null" if !is_part => TokenKind::Null,
            "NaN" if !is_part => TokenKind::Number(f64::NAN),
            "Infinity" if !is_part => TokenKind::Number(f64::INFINITY),
            _ => TokenKind::Name,
        })
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            self.at += c.len_utf8();
        }
    }

    fn lexeme(&self) -> &str {
        &self.text[self.start..self.at]
    }

    fn unexpected(&self) -> ExprError {
        let message = format!("unexpected symbol `{}`", super::excerpt(self.lexeme()));
        ExprError { kind: ErrorKind::Lexing, message, offset: self.start }
    }
}

fn is_boundary(c: char) -> bool {
    matches!(c, '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|')
        || is_space(c)
}

fn is_name(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
