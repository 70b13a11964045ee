//! Zarr stores and Icechunk repositories that were made elsewhere, by whatever program: read only.
//!
//! [`Store::open`] reads the metadata, [`Store::read`] a block of an array. What the numbers mean
//! is for others to say: attributes come as they stand.

mod chain;
mod document;
mod member;
mod objects;
mod read;
mod shard;
mod snapshot;
mod unpack;

use std::{collections::BTreeSet, sync::Arc};

use frazil_engine::step::{ErrorKind, StepError};
use serde_json::{Map, Value, json};

pub(crate) use member::Member;
pub(super) use member::packed_fill;
pub(crate) use objects::{Encoded, Folder, Objects, Parted};
pub(crate) use read::Limits;
pub(crate) use snapshot::{Root, Service, Snapshot, Version};

/// Arrays of a store at most.
const ARRAYS: usize = 10_000;

/// A group of arrays, open for reading.
#[derive(Debug)]
pub(crate) struct Store {
    objects: Arc<dyn Objects>,
    /// What it is called in errors.
    place: String,
    attributes: Map<String, Value>,
    arrays: Vec<Member>,
}

impl Store {
    /// Opens the group at the root of `objects`, which errors call `place`. None where there is
    /// none. Where the store cannot be listed and has no consolidated metadata, `wanted` names the arrays
    /// that are looked for; their dimensions' coordinates and what they name themselves come with them.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub(crate) async fn open(
        objects: Arc<dyn Objects>,
        place: &str,
        wanted: &[String],
    ) -> Result<Option<Self>, StepError> {
        let store = Self { objects, place: place.to_owned(), attributes: Map::new(), arrays: Vec::new() };
        let root = match store.json("zarr.json").await {
            Ok(Some(root)) => return store.version_3(&root, wanted).await.map(Some),
            Ok(None) => None,
            Err(error) if error.is_transient() => return Err(error),
            // A bucket that may not be listed says "forbidden" of what is not there.
            Err(error) => Some(error),
        };
        let opened = store.version_2(wanted).await;
        match (opened, root) {
            (Ok(None) | Err(_), Some(error)) => Err(error),
            (opened, _) => opened,
        }
    }

    /// Attributes of the group.
    pub(crate) const fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Its arrays, by name.
    pub(crate) fn arrays(&self) -> &[Member] {
        &self.arrays
    }

    /// An array by its name.
    pub(crate) fn array(&self, name: &str) -> Option<&Member> {
        self.arrays.iter().find(|array| array.name == name)
    }

    async fn version_3(mut self, root: &Value, wanted: &[String]) -> Result<Self, StepError> {
        if root["zarr_format"] != 3 || root["node_type"] != "group" {
            let is = root["node_type"].as_str().unwrap_or("something else");
            return Err(self.wrong(format!("its `zarr.json` is of {is}, not of a group of version 3")));
        }
        self.attributes = root["attributes"].as_object().cloned().unwrap_or_default();
        if let Some(all) = root["consolidated_metadata"]["metadata"].as_object() {
            let arrays = all.iter().filter(|(_, document)| document["node_type"] == "array");
            for (name, document) in arrays.filter(|(name, _)| is_name(name)) {
                self.add(Member::version_3(name, document), name)?;
            }
            return Ok(self);
        }
        let mut looked = Looked::new(self.objects.members().await?, wanted);
        while let Some(name) = looked.next() {
            let Some(document) = self.json(&format!("{name}/zarr.json")).await? else { continue };
            if document["node_type"] == "array" {
                let member = self.add(Member::version_3(&name, &document), &name)?;
                looked.mentioned(member);
            }
        }
        Ok(self)
    }

    async fn version_2(mut self, wanted: &[String]) -> Result<Option<Self>, StepError> {
        if let Some(all) = self.json(".zmetadata").await? {
            let all = &all["metadata"];
            self.attributes = all[".zattrs"].as_object().cloned().unwrap_or_default();
            let names =
                all.as_object().into_iter().flatten().filter_map(|(key, _)| key.strip_suffix("/.zarray"));
            for name in names.filter(|name| is_name(name)) {
                let (array, attributes) = (&all[format!("{name}/.zarray")], &all[format!("{name}/.zattrs")]);
                self.add(Member::version_2(name, array, attributes), name)?;
            }
            return Ok(Some(self));
        }
        if self.json(".zgroup").await?.is_none() {
            return Ok(None);
        }
        let attributes = self.json(".zattrs").await?.unwrap_or_default();
        self.attributes = attributes.as_object().cloned().unwrap_or_default();
        let mut looked = Looked::new(self.objects.members().await?, wanted);
        while let Some(name) = looked.next() {
            let Some(document) = self.json(&format!("{name}/.zarray")).await? else { continue };
            let attributes = self.json(&format!("{name}/.zattrs")).await?.unwrap_or_else(|| json!({}));
            let member = self.add(Member::version_2(&name, &document, &attributes), &name)?;
            looked.mentioned(member);
        }
        Ok(Some(self))
    }

    fn add(&mut self, member: Result<Member, String>, name: &str) -> Result<&Member, StepError> {
        let member = member.map_err(|what| self.wrong(format!("its array `{name}` {what}")))?;
        if self.arrays.len() >= ARRAYS {
            return Err(self.wrong(format!("it has more than {ARRAYS} arrays")));
        }
        self.arrays.push(member);
        Ok(&self.arrays[self.arrays.len() - 1])
    }

    async fn json(&self, key: &str) -> Result<Option<Value>, StepError> {
        let Some(bytes) = self.objects.document(key).await? else { return Ok(None) };
        document::parse(&bytes)
            .map(Some)
            .map_err(|error| self.wrong(format!("its `{key}` cannot be read: {error}")))
    }

    /// What is wrong with it.
    pub(crate) fn wrong(&self, what: impl std::fmt::Display) -> StepError {
        StepError::permanent(ErrorKind::Data, format!("{}: {what}", self.place))
    }
}

/// Whether a name is that of a member of the root.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']) && !name.starts_with("__")
}

/// The arrays of a store without consolidated metadata, one after the other.
struct Looked {
    /// All members are listed: nothing else is looked for.
    listed: bool,
    open: Vec<String>,
    known: BTreeSet<String>,
}

impl Looked {
    fn new(members: Option<Vec<String>>, wanted: &[String]) -> Self {
        let listed = members.is_some();
        let mut looked = Self { listed, open: Vec::new(), known: BTreeSet::new() };
        for name in members.unwrap_or_else(|| wanted.to_vec()).iter().rev() {
            looked.add(name);
        }
        looked
    }

    fn add(&mut self, name: &str) {
        if is_name(name) && self.known.len() < ARRAYS && self.known.insert(name.to_owned()) {
            self.open.push(name.to_owned());
        }
    }

    fn next(&mut self) -> Option<String> {
        self.open.pop()
    }

    /// Looks for what an array names: its dimensions, and by CF its coordinates and its grid mapping.
    fn mentioned(&mut self, member: &Member) {
        if self.listed {
            return;
        }
        for (name, _) in &member.dims {
            self.add(name);
        }
        for key in ["coordinates", "grid_mapping"] {
            let text = member.attributes.get(key).and_then(Value::as_str).unwrap_or_default();
            text.split([' ', ':', ',']).for_each(|name| self.add(name));
        }
        self.add("spatial_ref");
    }
}
