//! Length of functions, counted from the signature to the closing brace by a real parser.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{File, Finding};

const MAX_LINES: usize = 70;

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".rs")) {
        match syn::parse_file(&file.text) {
            Ok(tree) => {
                let mut lengths = Lengths { path: &file.path, findings: &mut findings };
                lengths.visit_file(&tree);
            }
            Err(e) => findings.push(format!("{}: does not parse: {e}", file.path)),
        }
    }
    findings
}

struct Lengths<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Lengths<'_> {
    fn measure(&mut self, name: &syn::Ident, start: usize, end: usize) {
        let lines = end + 1 - start;
        if lines > MAX_LINES {
            self.findings.push(format!(
                "{}:{start}: `{name}` has {lines} lines, at most {MAX_LINES}: one idea each",
                self.path
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let (start, end) = (item.sig.span().start().line, item.block.span().end().line);
        self.measure(&item.sig.ident, start, end);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let (start, end) = (item.sig.span().start().line, item.block.span().end().line);
        self.measure(&item.sig.ident, start, end);
        visit::visit_impl_item_fn(self, item);
    }
}
