//! `source: zarr` and `source: icechunk`: stores of many chunks, made by anybody. A store is opened
//! once, and the bytes of a chunk are brought once, however many periods lie in it.

mod describe;
mod kept;
mod remote;
mod repository;

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use async_trait::async_trait;
use frazil_engine::{
    context::Context,
    data::{DatasetId, Period},
    step::StepError,
};
use frazil_raster_protocol::Description;
use tokio::sync::Mutex;

use super::{
    super::{
        Fetch, SourceKind,
        source::{Found, Opener, Request, SourceFile},
        stream::{label, redacted},
    },
    BLOCK,
    block::{Block, Part},
    contents::{Contents, block_of, strides},
    gather::{Blocks, UnderWay, gathered},
    layout::{Role, Whereabouts},
};
use crate::{
    cube::foreign::{Folder, Limits, Member, Objects, Snapshot, Store, Version},
    net::{Access, Net, Place},
    raster::{Helpers, misunderstood},
    scratch::Scratch,
    source_state::{self, FileState},
};
use kept::Kept;
use remote::{Pinned, Remote};

/// Bytes that a source of this kind holds at most in a run that may take `memory`: a quarter, of
/// which one half is read ahead and the other holds a chunk, as it is stored and decoded.
pub(crate) fn held(memory: u64) -> u64 {
    (memory / 4).clamp(16 << 20, 512 << 20)
}

/// Opens stores. One per run of a step.
#[derive(Debug)]
pub(crate) struct StoreOpener {
    /// The dataset that is read for.
    dataset: DatasetId,
    /// Which state of a repository is read; none of what is a Zarr store itself.
    version: Option<Version>,
    access: Access,
    in_flight: NonZeroUsize,
    /// Bytes that are read ahead; half of what a source of this kind may hold where nothing is said.
    ahead: Option<usize>,
    helpers: Helpers,
    scratch: Arc<Scratch>,
    // Bounded by the stores that the work names, a few kilobytes of metadata each.
    opened: Mutex<HashMap<String, Arc<Opened>>>,
}

/// A store that was found.
#[derive(Debug)]
struct Opened {
    store: Store,
    kept: Arc<Kept>,
    description: Description,
}

#[derive(Debug)]
struct StoreFile {
    contents: Contents,
    opened: Arc<Opened>,
    limits: Limits,
    /// Bytes that are read ahead of one variable.
    ahead: usize,
}

impl StoreOpener {
    /// For the steps of the run that `cx` belongs to.
    pub(crate) fn new(fetch: &Fetch, dataset: &DatasetId, cx: &Context) -> Self {
        Self {
            dataset: dataset.clone(),
            version: (fetch.source == SourceKind::Icechunk).then(|| fetch.version()),
            access: fetch.access(),
            in_flight: fetch.in_flight,
            ahead: None,
            helpers: Helpers::within(cx.scope.memory),
            scratch: Scratch::of(cx.scratch.join("files")),
            opened: Mutex::default(),
        }
    }

    /// For Zarr stores that a program wrote into folders of this machine.
    pub(crate) fn of_folders(dataset: &DatasetId, cx: &Context) -> Self {
        Self {
            dataset: dataset.clone(),
            version: None,
            access: Access::default(),
            in_flight: NonZeroUsize::MIN,
            ahead: Some(BLOCK),
            helpers: Helpers::within(cx.scope.memory),
            scratch: Scratch::of(cx.scratch.join("files")),
            opened: Mutex::default(),
        }
    }

    fn limits(&self, cx: &Context) -> Limits {
        Limits { in_flight: self.in_flight, chunk: held(cx.scope.memory) / 4 }
    }

    /// The store of a request, opened unless it was already.
    async fn store(
        &self,
        request: &Request,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Arc<Opened>>, StepError> {
        let mut wanted: Vec<String> = request
            .variables
            .iter()
            .map(|wanted| wanted.select.from.as_ref().unwrap_or(&wanted.name).clone())
            .collect();
        wanted.sort();
        wanted.dedup();
        let name = format!("{} {}", net.name(&request.place), wanted.join(" "));
        let mut stores = self.opened.lock().await;
        if let Some(opened) = stores.get(&name) {
            return Ok(Some(Arc::clone(opened)));
        }
        let kept = Kept::new(&self.scratch);
        let Some(objects) = self.objects(&request.place, &kept, net, cx).await? else { return Ok(None) };
        let Some(store) = Store::open(objects, &request.place.to_string(), &wanted).await? else {
            return Ok(None);
        };
        let description = describe::description(&store, &wanted, &self.helpers, self.limits(cx)).await?;
        let opened = Arc::new(Opened { store, kept, description });
        stores.insert(name, Arc::clone(&opened));
        Ok(Some(opened))
    }

    /// The objects of the store at `place`; none where there is provably none.
    async fn objects(
        &self,
        place: &Place,
        kept: &Arc<Kept>,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Arc<dyn Objects>>, StepError> {
        if let Some(version) = &self.version {
            let asked = net.asked(place)?;
            let root = repository::root(&asked, &self.access, &cx.scope)?;
            let opened = Snapshot::open(root, &label(place, cx), version).await;
            let Some(snapshot) = opened.map_err(|error| redacted(error, cx))? else { return Ok(None) };
            tracing::info!(snapshot = snapshot.id(), "the repository is read at this state");
            if let Some(name) = source_state::name(place, &cx.scope) {
                let state = FileState { snapshot: Some(snapshot.id().to_string()), ..FileState::default() };
                source_state::note(&self.dataset, [(name, state)].into(), cx).await?;
            }
            if matches!(place, Place::File(_)) {
                return Ok(Some(Arc::new(snapshot)));
            }
            let (place, kept, cx, name) = (place.clone(), Arc::clone(kept), cx.clone(), net.name(place));
            return Ok(Some(Arc::new(Pinned { snapshot, place, kept, cx, name })));
        }
        Ok(Some(match place {
            Place::File(path) => Arc::new(Folder(path.clone())),
            root => {
                let (net, root, kept, cx) = (net.clone(), root.clone(), Arc::clone(kept), cx.clone());
                Arc::new(Remote { net, root, kept, cx, state: Default::default() })
            }
        }))
    }
}

#[async_trait]
impl Opener for StoreOpener {
    async fn open(
        &self,
        request: &Arc<Request>,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Box<dyn SourceFile>>, StepError> {
        let Some(opened) = self.store(request, net, cx).await? else { return Ok(None) };
        let contents = Contents::of(&opened.description, request, &self.helpers, cx.scope.memory).await?;
        let Some(contents) = contents else { return Ok(Some(Box::new(UnderWay(request.place.clone())))) };
        let contents = contents.with_other_dimensions();
        let variables = request.variables.len().max(1);
        let most = || usize::try_from(held(cx.scope.memory) / 2).unwrap_or(usize::MAX);
        let ahead = self.ahead.unwrap_or_else(most) / variables;
        Ok(Some(Box::new(StoreFile { contents, opened, limits: self.limits(cx), ahead })))
    }

    async fn exists(&self, net: &Net, place: &Place) -> Result<bool, StepError> {
        let documents: &[&str] = match self.version {
            Some(_) => &["repo", "refs/branch.main/ref.json"],
            None => &["zarr.json", ".zmetadata", ".zgroup"],
        };
        for document in documents {
            if net.exists(&place.below(document)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn by_itself(&self) -> bool {
        true
    }
}

#[async_trait]
impl SourceFile for StoreFile {
    async fn read(&mut self, period: Period, cx: &Context) -> Result<Found, StepError> {
        gathered(self, period, cx).await
    }
}

#[async_trait]
impl Blocks for StoreFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    async fn block(&mut self, at: usize, step: usize) -> Result<Arc<Block>, StepError> {
        if let Some(block) = self.contents.kept(at, step) {
            return Ok(block);
        }
        let contents = &self.contents;
        let other = || misunderstood(&contents.request.place.to_string());
        let Whereabouts::Array { name, dims } = &contents.series[at].place else { return Err(other()) };
        let array = self.opened.store.array(name).ok_or_else(other)?;
        let dtype = contents.series[at].stored;
        let steps = step..step + along(array, dims, step, contents.ahead(at, step, self.ahead));
        self.opened.kept.begin(contents.series.len());
        let mut parts = Vec::new();
        for rows in &contents.window.rows.runs {
            for columns in &contents.window.columns.runs {
                let block = block_of(dims, &steps, rows, columns);
                let bytes = self.opened.store.read(array, &block, self.limits).await?;
                parts.push(Part { bytes, strides: strides(dims, &block) });
            }
        }
        self.opened.kept.let_go().await;
        Ok(self.contents.keep(at, Block { steps, dtype, parts }))
    }
}

/// How many of `count` steps from `step` on are read together: up to the end of a chunk where they
/// reach behind it, so that a chunk is decoded as few times as may be.
fn along(array: &Member, dims: &[Role], step: usize, count: usize) -> usize {
    let time = dims.iter().position(|role| *role == Role::Time);
    let length = time.and_then(|at| array.chunk()?.get(at).copied()).unwrap_or(1).max(1);
    let end = (step + count) / length * length;
    if end > step { end - step } else { count }
}
