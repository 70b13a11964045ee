//! A Zarr store made elsewhere as a dataset: read only, and without a history.
//!
//! Its state is called by a digest of its metadata and its time axis. Numbers that were changed under
//! the same labels cannot be told from those that were there: who changes them says so in the metadata.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use frazil_engine::{
    context::Scope,
    data::{Dimension, Dimensions, Label, SnapshotId, Values},
    dataset::{DatasetInfo, TimeAxis},
    step::StepError,
};
use icechunk::{Repository, new_in_memory_storage, repository::VersionInfo};
use serde_json::{Value, json};

use super::{
    Cube, Provenance,
    codec::ChunkCodec,
    document,
    document::{Nodes, not_a_cube},
    elsewhere, fault,
    foreign::{Encoded, Folder, Limits, Member, Objects, Store},
    repo,
    time::TimeIndex,
};
use crate::net::{Access, Auth, Net, Place, S3};

/// Requests on their way at a time.
const IN_FLIGHT: std::num::NonZeroUsize = match std::num::NonZeroUsize::new(4) {
    Some(four) => four,
    None => std::num::NonZeroUsize::MIN,
};

/// The longest object that is read.
const OBJECT: u64 = 1 << 30;

/// Where the numbers of such a dataset come from.
#[derive(Debug)]
pub(super) struct External {
    store: Store,
    limits: Limits,
}

impl External {
    /// Numbers of a block of a variable, as they are stored.
    pub(super) async fn read(
        &self,
        variable: &str,
        ranges: &[std::ops::Range<usize>],
    ) -> Result<Values, StepError> {
        let member = self.member(variable)?;
        let ranges: Vec<_> = ranges.iter().map(|range| range.start as u64..range.end as u64).collect();
        let bytes = self.store.read(member, &ranges, self.limits).await?;
        let values = member.dtype.and_then(|dtype| Values::from_le_bytes(dtype, &bytes));
        values.ok_or_else(|| not_a_cube(format!("`{variable}` holds no numbers")))
    }

    fn member(&self, name: &str) -> Result<&Member, StepError> {
        let name = name.trim_start_matches('/');
        self.store.array(name).ok_or_else(|| self.store.wrong(format!("it has no array `{name}`")))
    }

    async fn whole(&self, name: &str) -> Result<Values, StepError> {
        let member = self.member(name)?;
        let ranges: Vec<_> =
            member.shape().map(|length| 0..usize::try_from(length).unwrap_or(usize::MAX)).collect();
        self.read(name, &ranges).await
    }
}

/// Tries of a request whose failure may pass, and the pause before the second one; each later one is twice as
/// long. Who opens a dataset has no step whose `retry` could be asked.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// The longest that a server may have us wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Objects over HTTP or in a bucket, a request each.
#[derive(Debug)]
struct Distant {
    net: Net,
    root: Place,
    kept: Mutex<Kept>,
}

/// Chunks that were brought: windows that follow each other lie in the same ones.
#[derive(Debug, Default)]
struct Kept {
    /// By key: when it was asked for last, and its bytes; none of what is not there.
    chunks: HashMap<String, (u64, Option<Bytes>)>,
    asked: u64,
    bytes: u64,
    /// Bytes that may be kept.
    most: u64,
}

impl Kept {
    /// What a chunk counts for, besides its bytes.
    const NAME: u64 = 256;

    fn get(&mut self, key: &str) -> Option<Option<Bytes>> {
        self.asked += 1;
        let asked = self.asked;
        let (last, bytes) = self.chunks.get_mut(key)?;
        *last = asked;
        Some(bytes.clone())
    }

    fn put(&mut self, key: String, bytes: Option<Bytes>) {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64) + Self::NAME;
        if size(&bytes) > self.most {
            return;
        }
        self.asked += 1;
        self.bytes += size(&bytes);
        if let Some((_, before)) = self.chunks.insert(key, (self.asked, bytes)) {
            self.bytes -= size(&before);
        }
        while self.bytes > self.most {
            let oldest = self.chunks.iter().min_by_key(|(_, (asked, _))| *asked).map(|(key, _)| key.clone());
            let Some((_, gone)) = oldest.and_then(|key| self.chunks.remove(&key)) else { break };
            self.bytes -= size(&gone);
        }
    }
}

impl Distant {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Objects for Distant {
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        let place = self.root.below(key);
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.net.document(&place, OBJECT).await {
                Err(StepError::Transient { failure, retry_after }) => {
                    tracing::warn!(message = failure.message, "asked for again");
                    let told = retry_after.map_or(pause, |told| Duration::from_millis(told).max(pause));
                    tokio::time::sleep(told.min(LONGEST)).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.net.document(&place, OBJECT).await
    }

    async fn members(&self) -> Result<Option<Vec<String>>, StepError> {
        Ok(None)
    }

    async fn chunk(&self, name: &str, key: &str, _: &[usize]) -> Result<Option<Encoded>, StepError> {
        let key = format!("{name}/{key}");
        let known = self.kept().get(&key);
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = self.document(&key).await?;
                self.kept().put(key, bytes.clone());
                bytes
            }
        };
        Ok(bytes.map(Encoded::Here))
    }
}

/// Opens the store of a dataset that is made elsewhere. None where there is provably none.
pub(super) async fn open(info: &DatasetInfo, scope: &Scope) -> Result<Option<Cube>, StepError> {
    let TimeAxis::Regular(time) = &info.block.time else { return Ok(None) };
    let place = Place::parse(&info.location.url, &scope.project.root)?;
    let objects: Arc<dyn Objects> = match &place {
        Place::File(path) => Arc::new(Folder(path.clone())),
        root => Arc::new(Distant {
            net: Net::looking(access(info), scope)?,
            root: root.clone(),
            kept: Mutex::new(Kept { most: scope.memory / 8, ..Kept::default() }),
        }),
    };
    let wanted: Vec<String> = info.block.variables.keys().cloned().collect();
    let Some(store) = Store::open(objects, &info.location.url, &wanted).await? else { return Ok(None) };
    let what = repo::unreadable(info);
    let external = External { store, limits: Limits { in_flight: IN_FLIGHT, chunk: scope.memory / 8 } };
    let mut nodes = nodes(&external.store);
    let path = elsewhere::told(&mut nodes)?;
    let (y, x) = document::axes(&nodes)?;
    let labels = external.whole(&path).await?;
    let attributes = nodes.get(&path).map_or(&Value::Null, |document| &document["attributes"]);
    let labels = elsewhere::labels(time.frequency(), &labels, attributes, &what)?;
    let axis = TimeIndex::decode(time.frequency(), &labels, None)
        .map_err(|error| not_a_cube(format!("{what}: {error}")))?;
    let mut extra = Dimensions::default();
    for (name, length) in document::between(&nodes)? {
        let labels = match external.member(&name) {
            Ok(_) => whole_numbers(&external.whole(&name).await?),
            Err(_) => (0..).take(length).map(Label::Number).collect(),
        };
        extra.0.push(Dimension { name, labels });
    }
    let (rows, columns) = (floats(&external.whole(&y).await?), floats(&external.whole(&x).await?));
    let mut template = document::template(&nodes, time.frequency(), rows, columns, extra)?;
    if template.grid.crs.code.is_none() && template.grid.crs.wkt.is_empty() {
        let found = elsewhere::degrees(&nodes, "", (&y, &x));
        template.grid.crs = found.unwrap_or_else(|| template.grid.crs.clone());
    }
    let mut codecs = BTreeMap::new();
    for variable in &template.variables {
        let codec = nodes.get(&template.path(&variable.name)).map(ChunkCodec::new);
        let codec =
            codec.and_then(Result::ok).ok_or_else(|| not_a_cube(format!("{what}: `{}`", variable.name)))?;
        codecs.insert(variable.name.clone(), Arc::new(codec));
    }
    let id = state(&nodes, &labels);
    // It has no history: that of an empty repository in memory.
    let failed = fault::icechunk::<icechunk::repository::RepositoryErrorKind>(&what);
    let storage = new_in_memory_storage().await.map_err(fault::icechunk(&what))?;
    let repository = Repository::create(storage).execute().await.map_err(&failed)?;
    let session = repository
        .readonly_session(&VersionInfo::BranchTipRef(repo::MAIN.to_owned()))
        .await
        .map_err(failed)?;
    Ok(Some(Cube {
        snapshot: repo::snapshot(info, Some(SnapshotId(id.to_string()))),
        repository: Arc::new(repository),
        session,
        id,
        nodes,
        codecs,
        template,
        time: path,
        axis,
        provenance: Provenance::default(),
        folder: None,
        external: Some(Arc::new(external)),
    }))
}

/// What the options of the store say of who asks.
fn access(info: &DatasetInfo) -> Access {
    let from = &info.location.options;
    let secret = |name: &Option<String>| {
        let named = |name: &String| frazil_engine::template::Template(format!("{{{{ secrets.{name} }}}}"));
        name.as_ref().map(named)
    };
    let s3 = S3 {
        endpoint: from.endpoint.clone(),
        region: from.region.clone(),
        anonymous: from.anonymous,
        access_key: secret(&from.access_key),
        secret_key: secret(&from.secret_key),
        session_token: secret(&from.session_token),
    };
    Access { auth: Some(Auth::S3(s3)), headers: BTreeMap::new() }
}

/// The arrays as documents of version 3, whatever they are; how they are stored is not said by them.
fn nodes(store: &Store) -> Nodes {
    let one = |member: &Member| {
        let shape: Vec<u64> = member.shape().collect();
        let chunk = member.chunk().map_or_else(|| json!(shape), |chunk| json!(chunk));
        let names: Vec<&str> = member.dims.iter().map(|(name, _)| name.as_str()).collect();
        let document = json!({
            "zarr_format": 3, "node_type": "array", "shape": shape, "dimension_names": names,
            "data_type": member.dtype.map(frazil_engine::data::DType::name), "attributes": member.attributes,
            "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": chunk } },
            "chunk_key_encoding": { "name": "default" }, "fill_value": 0,
            "codecs": [{ "name": "bytes", "configuration": { "endian": "little" } }],
        });
        (format!("/{}", member.name), document)
    };
    let root = json!({ "zarr_format": 3, "node_type": "group", "attributes": store.attributes() });
    store.arrays().iter().map(one).chain([("/".to_owned(), root)]).collect()
}

/// The state by its name: a digest of what is known of it.
fn state(nodes: &Nodes, labels: &[i64]) -> icechunk::format::SnapshotId {
    let text = json!([nodes, labels]).to_string();
    let mut id = [0; 12];
    id.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..12]);
    icechunk::format::SnapshotId::new(id)
}

fn floats(values: &Values) -> Vec<f64> {
    (0..values.len()).map(|at| values.get(at)).collect()
}

fn whole_numbers(values: &Values) -> Vec<Label> {
    #[expect(clippy::cast_possible_truncation, reason = "labels are whole numbers")]
    floats(values).into_iter().map(|value| Label::Number(value as i64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let mut kept = Kept { most: 3 * (10 + Kept::NAME), ..Kept::default() };
        let ten = || Some(Bytes::from_static(b"0123456789"));
        for key in ["a", "b", "c"] {
            assert_eq!(kept.get(key), None);
            kept.put(key.to_owned(), ten());
        }
        assert_eq!(kept.get("a"), Some(ten()));
        kept.put("d".to_owned(), ten());
        assert_eq!((kept.get("b"), kept.get("a"), kept.get("d")), (None, Some(ten()), Some(ten())));
        kept.put("gone".to_owned(), None);
        assert_eq!(kept.get("gone"), Some(None));
        assert!(kept.bytes <= kept.most);
        kept.put("huge".to_owned(), Some(vec![0; 10_000].into()));
        assert_eq!(
            (kept.get("huge"), kept.get("gone")),
            (None, Some(None)),
            "what is larger than all is not kept"
        );
    }
}
