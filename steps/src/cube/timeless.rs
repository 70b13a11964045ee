//! Static datasets: their arrays have no dimension `time`, and nothing stands beside it.
//!
//! In memory they have one of length 1, which holds their one period, so that whatever reads and writes
//! cubes knows one kind of them. It is put on where documents are read, and taken off where documents
//! and places of chunks go to the store.

use std::borrow::Cow;

use icechunk::format::ChunkIndices;
use serde_json::{Value, json};

use super::{
    Cube,
    document::{self, Nodes},
    template::Template,
};

/// The dimension that static arrays have in memory alone.
pub(super) const TIME: &str = "time";

/// Documents as they are stored, with the dimension.
pub(super) fn dressed(nodes: &Nodes) -> Nodes {
    let mut nodes = nodes.clone();
    let Ok((y, x)) = document::axes(&nodes) else { return nodes };
    for document in nodes.values_mut() {
        let names = document["dimension_names"].as_array();
        let is_map = names.is_some_and(|names| {
            matches!(names.as_slice(), [.., own_y, own_x] if *own_y == json!(y) && *own_x == json!(x))
        });
        if !is_map {
            continue;
        }
        lead(&mut document["dimension_names"], json!(TIME));
        lead(&mut document["shape"], json!(1));
        each_chunk(document, |lengths| lead(lengths, json!(1)));
    }
    nodes
}

/// Documents as they are to be stored, without the dimension and what stands beside it.
pub(super) fn bare(mut nodes: Nodes) -> Nodes {
    nodes.retain(|path, _| !path.ends_with("/time") && !path.ends_with("/period_status"));
    for document in nodes.values_mut() {
        if document["dimension_names"][0] != TIME {
            continue;
        }
        trail(&mut document["dimension_names"]);
        trail(&mut document["shape"]);
        each_chunk(document, trail);
        let attributes = &mut document["attributes"];
        if !attributes["coordinates"].is_null() {
            attributes["coordinates"] = json!("spatial_ref");
        }
        if let Some(attributes) = attributes.as_object_mut() {
            // What a number says of its period, where there are no periods.
            attributes.remove("cell_methods");
        }
    }
    nodes
}

/// Lengths of chunks, and of those inside shards.
fn each_chunk(document: &mut Value, change: impl Fn(&mut Value)) {
    change(&mut document["chunk_grid"]["configuration"]["chunk_shape"]);
    for codec in document["codecs"].as_array_mut().into_iter().flatten() {
        if codec["name"] == "sharding_indexed" {
            change(&mut codec["configuration"]["chunk_shape"]);
        }
    }
}

fn lead(list: &mut Value, first: Value) {
    if let Some(list) = list.as_array_mut() {
        list.insert(0, first);
    }
}

fn trail(list: &mut Value) {
    if let Some(list) = list.as_array_mut().filter(|list| !list.is_empty()) {
        list.remove(0);
    }
}

impl Cube {
    /// Its documents as they are known in memory.
    pub(super) fn documents(&self) -> Cow<'_, Nodes> {
        if self.template.step.is_static() {
            Cow::Owned(dressed(&self.nodes))
        } else {
            Cow::Borrowed(&self.nodes)
        }
    }
}

impl Template {
    /// Documents as the store knows them.
    pub(super) fn stored_documents(&self, nodes: Nodes) -> Nodes {
        if self.step.is_static() { bare(nodes) } else { nodes }
    }

    /// The place of a chunk of a variable as the store knows it.
    pub(super) fn stored_place(&self, mut at: ChunkIndices) -> ChunkIndices {
        if self.step.is_static() && !at.0.is_empty() {
            at.0.remove(0);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_off_is_put_on_again() {
        let array = json!({
            "shape": [1, 3, 4], "dimension_names": ["time", "y", "x"], "attributes": { "units": "m" },
            "chunk_grid": { "configuration": { "chunk_shape": [1, 4, 4] } },
            "codecs": [{ "name": "sharding_indexed", "configuration": { "chunk_shape": [1, 2, 2] } }],
        });
        let root = json!({ "attributes": { "spatial:dimensions": ["y", "x"] } });
        let row = json!({ "shape": [3], "dimension_names": ["y"], "attributes": {} });
        let time = json!({ "shape": [1], "dimension_names": ["time"], "attributes": {} });
        let all =
            [("/", root), ("/dsm", array), ("/y", row), ("/time", time.clone()), ("/period_status", time)];
        let nodes: Nodes = all.into_iter().map(|(path, document)| (path.to_owned(), document)).collect();
        let stored = bare(nodes.clone());
        assert_eq!(stored.keys().collect::<Vec<_>>(), ["/", "/dsm", "/y"]);
        let dsm = &stored["/dsm"];
        assert_eq!((&dsm["shape"], &dsm["dimension_names"]), (&json!([3, 4]), &json!(["y", "x"])));
        assert_eq!(dsm["codecs"][0]["configuration"]["chunk_shape"], json!([2, 2]));
        let back = dressed(&stored);
        assert_eq!((&back["/dsm"], &back["/y"]), (&nodes["/dsm"], &nodes["/y"]));
    }
}
