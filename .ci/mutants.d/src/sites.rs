//! The places of a source file where a small change makes a mutant.

use anyhow::{Context, Result};
use proc_macro2::Span;
use std::ops::Range;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, Lit, Pat, ReturnType, Signature, Stmt, Token, Type, UnOp};

/// How the changed code stands beside the original.
#[derive(Clone, Debug)]
pub enum Edit {
    /// This expression instead of the original one.
    Replace(String),
    /// Without the statement.
    Delete,
    /// At the start of a body: it returns this.
    Return(String),
}

/// A place and its change.
#[derive(Clone, Debug)]
pub struct Site {
    /// The bytes of the file that it replaces.
    pub range: Range<usize>,
    pub edit: Edit,
    pub line: usize,
    /// What the change is, in words.
    pub what: String,
    /// The `const fn` around it, if any.
    pub const_fn: Option<String>,
}

/// What a file has to offer.
#[derive(Default)]
pub struct Found {
    pub sites: Vec<Site>,
    /// The name of each `const fn` and the bytes of its `const`. A mutant can only be switched at run time.
    pub const_fns: Vec<(String, Range<usize>)>,
}

/// Finds the sites of a file.
pub fn find(source: &str) -> Result<Found> {
    let file = syn::parse_file(source).context("a source file that does not parse")?;
    let mut finder = Finder { source, found: Found::default(), const_fn: None };
    finder.visit_file(&file);
    Ok(finder.found)
}

struct Finder<'s> {
    source: &'s str,
    found: Found,
    const_fn: Option<String>,
}

impl Finder<'_> {
    fn text(&self, range: &Range<usize>) -> &str {
        &self.source[range.clone()]
    }

    fn add(&mut self, range: Range<usize>, edit: Edit, what: String) {
        let line = self.source[..range.start].matches('\n').count() + 1;
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.found.sites.push(Site { range, edit, line, what, const_fn: self.const_fn.clone() });
    }

    /// The expression with a part of it replaced.
    fn swap(&mut self, whole: Span, part: Span, new: &str) {
        let (whole, part) = (whole.byte_range(), part.byte_range());
        let (old, before, after) =
            (self.text(&part), self.text(&(whole.start..part.start)), self.text(&(part.end..whole.end)));
        let what = match (old, new) {
            (old, "") => format!("without {old} in {}", self.text(&whole)),
            (old, new) if part == whole => format!("{old} -> {new}"),
            (old, new) => format!("{old} -> {new} in {}", self.text(&whole)),
        };
        let edit = Edit::Replace(format!("{before}{new}{after}"));
        self.add(whole, edit, what);
    }

    fn negate(&mut self, condition: &Expr) {
        let simple = matches!(condition, Expr::MethodCall(_) | Expr::Call(_) | Expr::Path(_) | Expr::Field(_))
            || matches!(condition, Expr::Macro(call) if call.mac.path.is_ident("matches"));
        if simple {
            let range = condition.span().byte_range();
            let edit = Edit::Replace(format!("!({})", self.text(&range)));
            self.add(range.clone(), edit, format!("not {}", self.text(&range)));
        }
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        if let Some(token) = &signature.constness {
            let name = signature.ident.to_string();
            self.found.const_fns.push((name.clone(), token.span.byte_range()));
            self.const_fn = Some(name);
        }
        let inside = body.brace_token.span.open().byte_range().end;
        let text = body.to_text(self.source);
        for &value in defaults(&signature.output) {
            if !text.is_empty() && text != value {
                let what = format!("{} returns {}", signature.ident, if value.is_empty() { "at once" } else { value });
                self.add(inside..inside, Edit::Return(value.into()), what);
            }
        }
        self.visit_block(body);
        self.const_fn = None;
    }

    /// The arguments of a macro that takes expressions.
    fn arguments(&mut self, mac: &syn::Macro) {
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        match &*name {
            "matches" => {
                let parse = |input: syn::parse::ParseStream| {
                    let value: Expr = input.parse()?;
                    input.parse::<Token![,]>()?;
                    Pat::parse_multi_with_leading_vert(input)?;
                    let guard = if input.parse::<Option<Token![if]>>()?.is_some() {
                        Some(input.parse::<Expr>()?)
                    } else {
                        None
                    };
                    input.parse::<Option<Token![,]>>()?;
                    Ok((value, guard))
                };
                if let Ok((value, guard)) = mac.parse_body_with(parse) {
                    self.visit_expr(&value);
                    guard.iter().for_each(|guard| self.visit_expr(guard));
                }
            }
            "vec" | "assert" | "ensure" | "bail" | "anyhow" | "write" | "writeln" | "format" => {
                if let Ok(arguments) = mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
                    for argument in &arguments {
                        match argument {
                            Expr::Assign(named) => self.visit_expr(&named.right),
                            other => self.visit_expr(other),
                        }
                    }
                }
            }
            _ => (),
        }
    }
}

trait Text {
    fn to_text<'s>(&self, source: &'s str) -> &'s str;
}

impl Text for Block {
    fn to_text<'s>(&self, source: &'s str) -> &'s str {
        let braces = self.brace_token.span;
        source[braces.open().byte_range().end..braces.close().byte_range().start].trim()
    }
}

/// Values that a function of this type could return at once.
fn defaults(output: &ReturnType) -> &'static [&'static str] {
    let ReturnType::Type(_, output) = output else { return &[""] };
    let Type::Path(path) = &**output else { return &[] };
    let Some(last) = path.path.segments.last() else { return &[] };
    let unit = matches!(&last.arguments, syn::PathArguments::AngleBracketed(arguments)
        if matches!(arguments.args.first(), Some(syn::GenericArgument::Type(Type::Tuple(tuple))) if tuple.elems.is_empty()));
    match &*last.ident.to_string() {
        "bool" => &["true", "false"],
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => &["0"],
        "f32" | "f64" => &["0.0"],
        "Option" => &["None"],
        "Vec" => &["Vec::new()"],
        "String" => &["String::new()"],
        "Result" if unit => &["Ok(())"],
        _ => &[],
    }
}

/// Whether the expression is a chain of `&&` with a `let` in it, which cannot stand in parentheses.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn changed(op: &BinOp) -> Option<&'static str> {
    Some(match op {
        BinOp::Add(_) => "-",
        BinOp::Sub(_) => "+",
        BinOp::Mul(_) => "/",
        BinOp::Div(_) | BinOp::Rem(_) => "*",
        BinOp::Shl(_) => ">>",
        BinOp::Shr(_) => "<<",
        BinOp::BitAnd(_) | BinOp::BitXor(_) => "|",
        BinOp::BitOr(_) => "&",
        BinOp::Lt(_) => "<=",
        BinOp::Le(_) => "<",
        BinOp::Gt(_) => ">=",
        BinOp::Ge(_) => ">",
        BinOp::Eq(_) => "!=",
        BinOp::Ne(_) => "==",
        BinOp::And(_) => "||",
        BinOp::Or(_) => "&&",
        BinOp::AddAssign(_) => "-=",
        BinOp::SubAssign(_) => "+=",
        BinOp::MulAssign(_) => "/=",
        BinOp::DivAssign(_) | BinOp::RemAssign(_) => "*=",
        BinOp::ShlAssign(_) => ">>=",
        BinOp::ShrAssign(_) => "<<=",
        BinOp::BitAndAssign(_) | BinOp::BitXorAssign(_) => "|=",
        BinOp::BitOrAssign(_) => "&=",
        _ => return None,
    })
}

fn is_assignment(expr: &Expr) -> bool {
    match expr {
        Expr::Assign(_) => true,
        Expr::Binary(binary) => changed(&binary.op).is_some_and(|new| {
            new.ends_with('=') && new.len() > 1 && {
                !matches!(binary.op, BinOp::Lt(_) | BinOp::Gt(_) | BinOp::Eq(_) | BinOp::Ne(_))
            }
        }),
        _ => false,
    }
}

/// Left out: code for some targets or for tests, and what the compiler computes.
fn is_conditional(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("test"))
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}
    fn visit_pat(&mut self, _: &'a Pat) {}
    fn visit_type(&mut self, _: &'a Type) {}
    fn visit_path(&mut self, _: &'a syn::Path) {}
    fn visit_angle_bracketed_generic_arguments(&mut self, _: &'a syn::AngleBracketedGenericArguments) {}
    fn visit_generics(&mut self, _: &'a syn::Generics) {}
    fn visit_variant(&mut self, _: &'a syn::Variant) {}
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'a syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}
    fn visit_item_macro(&mut self, _: &'a syn::ItemMacro) {}

    fn visit_macro(&mut self, mac: &'a syn::Macro) {
        self.arguments(mac);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_conditional(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if !is_conditional(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_conditional(&item.attrs) {
            let outer = self.const_fn.take();
            self.function(&item.sig, &item.block);
            self.const_fn = outer;
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_conditional(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default
            && !is_conditional(&item.attrs)
        {
            self.function(&item.sig, body);
        }
    }

    fn visit_expr_repeat(&mut self, repeat: &'a syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let deleted = match statement {
            Stmt::Expr(expr @ (Expr::Call(_) | Expr::MethodCall(_) | Expr::Try(_)), Some(_)) => Some(expr),
            Stmt::Expr(expr, _) if is_assignment(expr) => Some(expr),
            _ => None,
        };
        if let Some(expr) = deleted {
            let range = statement.span().byte_range();
            self.add(range, Edit::Delete, format!("without {}", self.text(&expr.span().byte_range())));
        }
        if let Stmt::Macro(statement) = statement
            && statement.mac.path.segments.last().is_some_and(|last| last.ident == "ensure")
        {
            let range = statement.span().byte_range();
            self.add(range.clone(), Edit::Delete, format!("without {}", self.text(&range)));
        }
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Expr(Expr::Block(block), _) => &block.attrs,
            Stmt::Macro(mac) => &mac.attrs,
            _ => &[],
        };
        if !is_conditional(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let whole = expr.span();
        match expr {
            Expr::Binary(binary) if !has_let(expr) => {
                if let Some(new) = changed(&binary.op) {
                    self.swap(whole, binary.op.span(), new);
                }
            }
            Expr::Unary(unary) if !matches!(unary.op, UnOp::Deref(_)) => self.swap(whole, unary.op.span(), ""),
            Expr::Lit(syn::ExprLit { lit: Lit::Int(int), .. }) => {
                if let Ok(value) = int.base10_parse::<u128>() {
                    let numbers = [Some(value + 1), value.checked_sub(1)];
                    for number in numbers.into_iter().flatten() {
                        self.swap(whole, whole, &format!("{number}{}", int.suffix()));
                    }
                }
            }
            Expr::MethodCall(call) if call.args.len() == 1 && call.method == "min" => {
                self.swap(whole, call.method.span(), "max");
            }
            Expr::MethodCall(call) if call.args.len() == 1 && call.method == "max" => {
                self.swap(whole, call.method.span(), "min");
            }
            Expr::If(branch) => self.negate(&branch.cond),
            _ => (),
        }
        visit::visit_expr(self, expr);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.negate(guard);
        }
        visit::visit_arm(self, arm);
    }
}
