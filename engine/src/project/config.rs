use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;

use super::{FullStore, ProjectConfig, ProjectFile, Store, StoreOptions};
use crate::{
    context::pool_interval,
    data::Size,
    dataset::Location,
    diagnostic::{Diagnostic, Span, codes},
    document::{Entry, Node, Tree},
    pipeline::{credential, no_secret, sides_fit},
    template,
};

/// What is wanted where a key of `frazil.yaml` is not there.
pub(super) struct Defaults<'a> {
    pub(super) root: &'a Path,
    pub(super) memory: u64,
}

/// Decodes a part of a file; where shape problems were found inside, nothing more is said.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node, out: &mut Vec<Diagnostic>) -> Option<T> {
    let extent = node.extent();
    let inside = |d: &Diagnostic| {
        d.primary.as_ref().is_some_and(|l| {
            l.span.source == extent.source && extent.from <= l.span.from && l.span.to <= extent.to
        })
    };
    if out.iter().any(inside) {
        return None;
    }
    decode_sound(node, out)
}

/// Decodes a part of a file in which nothing was found to be wrong.
fn decode_sound<T: DeserializeOwned>(node: &Node, out: &mut Vec<Diagnostic>) -> Option<T> {
    match serde_path_to_error::deserialize(node.json()) {
        Ok(value) => Some(value),
        // What is missing was said when the shape was judged.
        Err(error)
            if error.inner().to_string().starts_with("missing field")
                && out.iter().any(|p| p.code == codes::MISSING_KEY) =>
        {
            None
        }
        Err(error) => {
            let pointer = crate::registry::pointer(error.path());
            out.push(Diagnostic::error(codes::SETTINGS, node.place(&pointer), error.inner().to_string()));
            None
        }
    }
}

/// Judges a project file and fills in its defaults.
pub(super) fn config(node: Option<&Node>, defaults: &Defaults, out: &mut Vec<Diagnostic>) -> ProjectConfig {
    let sound = node.map(|node| sound(node, out));
    let file: Option<ProjectFile> = sound.as_ref().and_then(|node| decode_sound(node, out));
    if let (Some(node), Some(file)) = (&sound, &file) {
        judge(node, file, out);
    }
    if let Some(node) = node {
        credentials("", node, out);
        secrets(node, file.as_ref(), out);
    }
    let file = file.unwrap_or_default();
    let root = defaults.root;
    let path = |given: Option<&String>, usual: &str| root.join(given.map_or(usual, String::as_str));
    let folder = root.file_name().map_or_else(|| "project".into(), |n| n.to_string_lossy().into_owned());
    let mut stores: BTreeMap<String, Location> =
        file.stores.iter().map(|(name, store)| (name.clone(), location(store, root))).collect();
    if stores.is_empty() {
        stores.insert("cubes".into(), location(&Store::Place("./cubes".into()), root));
    }
    ProjectConfig {
        root: root.to_owned(),
        state: path(file.state.as_ref(), ".frazil"),
        catalog: path(file.catalog.as_ref(), "stac"),
        memory: file.memory.as_deref().and_then(|m| m.parse().ok()).map_or(defaults.memory, Size::bytes),
        id: file.id.unwrap_or(folder),
        title: file.title,
        extent: file.extent,
        crs: file.crs,
        stores,
        pools: file.pools,
        vars: file.vars,
        secrets: file.secrets,
        notify: file.notify,
        history: file.history.unwrap_or_default(),
        serve: file.serve,
    }
}

/// The tree without the free keys at its top.
pub(super) fn without_free_keys(node: &Node) -> Node {
    let entries = node.entries().iter().filter(|e| !e.key.starts_with("x-")).cloned().collect();
    Node { span: node.span, tree: Tree::Map(entries) }
}

/// The entries in which nothing was found to be wrong, so that one mistake hides no other.
fn sound(node: &Node, out: &[Diagnostic]) -> Node {
    let spoilt = |entry: &Entry| {
        let extent = entry.value.extent();
        let (from, to) = (entry.key_span.from.min(extent.from), entry.key_span.to.max(extent.to));
        out.iter()
            .filter_map(|p| p.primary.as_ref())
            .any(|l| l.span.source == entry.key_span.source && from <= l.span.from && l.span.to <= to)
    };
    let entries = node.entries().iter().filter(|e| !e.key.starts_with("x-") && !spoilt(e)).cloned().collect();
    Node { span: node.span, tree: Tree::Map(entries) }
}

/// Credentials that stand in the project file, wherever they do.
fn credentials(key: &str, node: &Node, out: &mut Vec<Diagnostic>) {
    match &node.tree {
        Tree::Text(text) => out.extend(credential(key, text, node)),
        Tree::List(items) => items.iter().for_each(|item| credentials(key, item, out)),
        Tree::Map(entries) => {
            for entry in entries {
                if key.is_empty() && entry.key == "secrets" {
                    entry.value.entries().iter().for_each(|secret| values(&secret.value, out));
                } else {
                    credentials(&entry.key, &entry.value, out);
                }
            }
        }
        _ => {}
    }
}

/// `secrets` holds where values come from: what else stands there is likely a value.
fn values(node: &Node, out: &mut Vec<Diagnostic>) {
    if let Tree::Text(text) = &node.tree {
        out.extend(credential("secret", text, node));
    }
    let others = node.entries().iter().filter(|e| e.key != "env" && e.key != "file");
    others.for_each(|e| values(&e.value, out));
}

/// Secrets that stores and notices name without their being named under `secrets`.
fn secrets(node: &Node, file: Option<&ProjectFile>, out: &mut Vec<Diagnostic>) {
    let Some(file) = file else { return };
    let known: Vec<&str> = file.secrets.keys().map(String::as_str).collect();
    let mut texts = Vec::new();
    for key in ["stores", "notify"] {
        if let Some(block) = node.get(key) {
            gather(block, &mut texts);
        }
    }
    for (text, span) in texts {
        for name in template::known::names_in(text).unwrap_or_default() {
            let Some(name) = name.strip_prefix("secrets.") else { continue };
            if !known.contains(&name) {
                let message = format!("there is no secret `{name}`");
                out.push(Diagnostic::error(codes::ATTRIBUTE, span, message).meant(name, &known));
            }
        }
    }
}

fn gather<'a>(node: &'a Node, texts: &mut Vec<(&'a str, Span)>) {
    match &node.tree {
        Tree::Text(text) if text.contains("{{") => texts.push((text, node.span)),
        Tree::List(items) => items.iter().for_each(|item| gather(item, texts)),
        Tree::Map(entries) => entries.iter().for_each(|e| gather(&e.value, texts)),
        _ => {}
    }
}

fn judge(node: &Node, file: &ProjectFile, out: &mut Vec<Diagnostic>) {
    let mut bad = |code, pointer: &str, message: String| {
        out.push(Diagnostic::told(code, node.place(pointer), &message));
    };
    if let Some(extent) = &file.extent {
        if let Err(message) = sides_fit(extent.bbox) {
            bad(codes::BBOX, "/extent/bbox", message);
        }
        let code = |c: &str| c.len() == 3 && c.chars().all(|c| c.is_ascii_uppercase());
        if extent.country.as_deref().is_some_and(|c| !code(c)) {
            bad(
                codes::PATTERN,
                "/extent/country",
                "this is not a country: write its ISO 3166-1 alpha-3 code, such as `SLE`".into(),
            );
        }
    }
    if let Some(Err(message)) = file.memory.as_deref().map(str::parse::<Size>) {
        bad(codes::PATTERN, "/memory", message);
    }
    if let Some(crs) = file.crs.as_deref().filter(|c| !is_crs(c)) {
        bad(codes::TEXT, "/crs", format!("`{crs}` is not a CRS: write a code such as `EPSG:4326`"));
    }
    for (name, pool) in &file.pools {
        if let Some(rate) = pool.rate.as_deref().filter(|r| pool_interval(r).is_none()) {
            let message = format!("`{rate}` is not a rate: write starts in a time, `2/s`, `30/m` or `500/h`");
            bad(codes::PATTERN, &format!("/pools/{name}/rate"), message);
        }
        if pool.max == Some(0) {
            bad(
                codes::RANGE,
                &format!("/pools/{name}/max"),
                "a pool of 0 lets nothing through: write at least 1".into(),
            );
        }
    }
    if file.history.is_some_and(|history| history.runs == 0) {
        let message = "a history of 0 runs tells nothing: write at least 1".into();
        bad(codes::RANGE, "/history/runs", message);
    }
    super::serve::judge(&file.serve, &mut bad);
    for (name, secret) in &file.secrets {
        if secret.env.is_some() == secret.file.is_some() {
            let message = "a secret says where it is, once: write `env: NAME` or `file: PATH`".into();
            bad(codes::MISSING_KEY, &format!("/secrets/{name}"), message);
        }
    }
    let known: Vec<&str> = file.secrets.keys().map(String::as_str).collect();
    for (at, notify) in file.notify.iter().enumerate() {
        if let Some(name) = notify.signed_by.as_deref().filter(|name| !known.contains(name)) {
            out.push(no_secret(name, node.place(&format!("/notify/{at}/signed-by")), &known));
        }
    }
    for block in ["pools", "vars", "secrets", "stores"] {
        for entry in node.get(block).map_or(&[][..], Node::entries) {
            if !is_name(&entry.key, block == "stores") {
                out.push(bad_name(&entry.key, entry.key_span));
            }
        }
    }
}

pub(crate) fn bad_name(name: &str, span: Span) -> Diagnostic {
    let message =
        format!("`{name}` cannot be used in an expression: use letters, digits and `_`, begin with a letter");
    Diagnostic::error(codes::NAME, span, message)
        .maybe_help(name.contains('-').then(|| format!("write `{}`", name.replace('-', "_"))))
}

/// Whether an expression can name it: `-` would subtract.
pub(crate) fn is_name(name: &str, dash: bool) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (dash && c == '-'))
}

pub(crate) fn is_crs(text: &str) -> bool {
    text.split_once(':').is_some_and(|(authority, code)| {
        authority.chars().all(|c| c.is_ascii_uppercase())
            && !authority.is_empty()
            && !code.is_empty()
            && code.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// The place of a store, absolute.
fn location(store: &Store, root: &Path) -> Location {
    match store {
        Store::Place(place) => Location { url: absolute(place, root), ..Location::default() },
        Store::Full(full) => {
            Location { url: absolute(&full.url, root), options: options(full), read_only: false }
        }
    }
}

/// A URL as it is, a path under `root`.
pub(crate) fn absolute(place: &str, root: &Path) -> String {
    if place.contains("://") {
        return place.trim_end_matches('/').to_owned();
    }
    let mut path = std::path::PathBuf::new();
    for part in root.join(place).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if path.pop() => {}
            other => path.push(other),
        }
    }
    path.to_string_lossy().into_owned()
}

fn options(full: &FullStore) -> StoreOptions {
    let secret = |text: &Option<String>| {
        let inner = template::sole_expression(text.as_deref()?)?;
        inner.strip_prefix("secrets.").map(|name| name.trim().to_owned())
    };
    StoreOptions {
        endpoint: full.endpoint.clone(),
        region: full.region.clone(),
        path_style: full.path_style,
        anonymous: full.anonymous,
        access_key: secret(&full.access_key),
        secret_key: secret(&full.secret_key),
        session_token: secret(&full.session_token),
    }
}
