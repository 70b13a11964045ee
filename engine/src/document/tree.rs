use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use crate::diagnostic::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) tree: Tree,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The entries of a map; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.tree {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a map under this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a map under this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; a single value stands for a list of itself.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.tree {
            Tree::List(items) => items,
            Tree::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The value without places.
    pub(crate) fn json(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(b) => Value::Bool(*b),
            Tree::Number(n) => Value::Number(n.clone()),
            Tree::Text(t) => Value::String(t.clone()),
            Tree::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of what a JSON pointer names, or of the deepest part of it that is there. A map
    /// or a list is shown by its key, since its own place covers many lines.
    pub(crate) fn place(&self, pointer: &str) -> Span {
        let mut span = self.span;
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            match &node.tree {
                Tree::Map(_) => {
                    let Some(entry) = node.entry(&part) else { break };
                    node = &entry.value;
                    span = if node.is_block() { entry.key_span } else { node.span };
                }
                Tree::List(items) => {
                    let Some(item) = part.parse().ok().and_then(|at: usize| items.get(at)) else { break };
                    node = item;
                    span = node.spot();
                }
                _ => break,
            }
        }
        span
    }

    /// Whether it holds others.
    pub(crate) const fn is_block(&self) -> bool {
        matches!(self.tree, Tree::Map(_) | Tree::List(_))
    }

    /// A place short enough to be underlined.
    pub(crate) fn spot(&self) -> Span {
        match &self.tree {
            Tree::Map(entries) => entries.first().map_or(self.span, |e| e.key_span),
            Tree::List(items) => items.first().map_or(self.span, Self::spot),
            _ => self.span,
        }
    }

    /// From its first byte to the last byte of what it holds.
    pub(crate) fn extent(&self) -> Span {
        let mut extent = self.span;
        let mut grow = |span: Span| {
            if span.source == extent.source {
                extent.from = extent.from.min(span.from);
                extent.to = extent.to.max(span.to);
            }
        };
        match &self.tree {
            Tree::Map(entries) => entries.iter().for_each(|e| {
                grow(e.key_span);
                grow(e.value.extent());
            }),
            Tree::List(items) => items.iter().for_each(|item| grow(item.extent())),
            _ => {}
        }
        extent
    }

    /// What kind of value it is, in words.
    pub(crate) const fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Null => "nothing",
            Tree::Bool(_) => "true or false",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// `later` over this: maps merge, anything else is replaced.
    pub(crate) fn overlaid(self, later: Self) -> Self {
        let Tree::Map(mut entries) = self.tree else { return later };
        let Tree::Map(over) = later.tree else { return later };
        let places: HashMap<String, usize> =
            entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
        for entry in over {
            match places.get(&entry.key).and_then(|at| entries.get_mut(*at)) {
                Some(old) => {
                    old.key_span = entry.key_span;
                    let before =
                        std::mem::replace(&mut old.value, Self { span: entry.key_span, tree: Tree::Null });
                    old.value = before.overlaid(entry.value);
                }
                None => entries.push(entry),
            }
        }
        Self { span: self.span, tree: Tree::Map(entries) }
    }
}
