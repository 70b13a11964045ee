//! The project as one graph: units of all pipelines, joined by edges inside a file and by the
//! datasets that one writes and another opens; what of it a selection means, and in which order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Project;
use crate::{
    data::{DatasetId, NodeId, PipelineId},
    graph::Graph,
    pipeline::{Pipeline, PipelineNode, Unit},
    step::Write,
};

/// A pipeline or a dataset, with what hangs from it and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The pipeline or the dataset; a pipeline means all its steps, a dataset those that it needs.
    pub name: String,
    /// Written `+name`: also what it needs of other pipelines.
    pub above: bool,
    /// Written `name+`: also all that hangs from it, in other pipelines too.
    pub below: bool,
}

impl Selection {
    /// Reads `name`, `name+`, `+name` or `+name+`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let above = text.strip_prefix('+');
        let name = above.unwrap_or(text);
        let below = name.strip_suffix('+');
        Self { name: below.unwrap_or(name).to_owned(), above: above.is_some(), below: below.is_some() }
    }
}

/// A part of a pipeline that is walked as one run.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Places in [`Pipeline::units`], ascending, with all that they need in their file.
    pub units: Vec<usize>,
}

/// A name that is neither a pipeline nor a dataset that a step writes or opens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no pipeline or dataset `{0}` here")]
pub struct Unknown(pub String);

/// The units of a project as one graph.
#[derive(Debug)]
pub struct Cascade<'a> {
    pipelines: Vec<&'a Arc<Pipeline>>,
    /// Each unit: its pipeline, and its place in it.
    units: Vec<(usize, usize)>,
    /// From what gives to what takes.
    carries: Vec<(usize, usize)>,
    /// For each unit, those that come before it: what gives to it, and what it waits for.
    before: Vec<Vec<usize>>,
}

impl<'a> Cascade<'a> {
    /// The graph of a project.
    #[must_use]
    pub fn of(project: &'a Project) -> Self {
        let pipelines: Vec<_> = project.pipelines.values().collect();
        let of_pipeline = |(at, pipeline): (usize, &&'a Arc<Pipeline>)| {
            (0..pipeline.units.len()).map(move |unit| (at, unit)).collect::<Vec<_>>()
        };
        let units: Vec<(usize, usize)> = pipelines.iter().enumerate().flat_map(of_pipeline).collect();
        let count = units.len();
        let bare = Self { pipelines, units, carries: Vec::new(), before: Vec::new() };
        let across = bare.across();
        let mut carries = bare.inside(|node| node.needs.clone());
        carries.extend(across);
        let mut before = vec![Vec::new(); count];
        for (from, to) in carries.iter().copied().chain(bare.inside(|node| node.after.clone())) {
            before[to].push(from);
        }
        Self { carries, before, ..bare }
    }

    fn unit(&self, at: usize) -> (&'a Pipeline, &'a Unit) {
        let (pipeline, unit) = self.units[at];
        let pipeline = self.pipelines[pipeline];
        (pipeline, &pipeline.units[unit])
    }

    /// Edges between units of one file.
    fn inside(&self, before: fn(&PipelineNode) -> Vec<usize>) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        let mut of_node: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (at, (pipeline, unit)) in self.units.iter().enumerate() {
            let nodes = self.pipelines[*pipeline].units[*unit].nodes();
            of_node.extend(nodes.into_iter().map(|node| ((*pipeline, node), at)));
        }
        for (&(pipeline, node), &to) in &of_node {
            let from = before(&self.pipelines[pipeline].nodes[node]);
            let from = from.into_iter().filter_map(|node| of_node.get(&(pipeline, node)).copied());
            edges.extend(from.filter(|from| *from != to).map(|from| (from, to)));
        }
        edges
    }

    /// Edges from the unit that writes a dataset to those of other files that read it.
    fn across(&self) -> Vec<(usize, usize)> {
        let mut writers: BTreeMap<DatasetId, Vec<usize>> = BTreeMap::new();
        for at in 0..self.units.len() {
            let (pipeline, unit) = self.unit(at);
            for write in unit.nodes().into_iter().filter_map(|node| pipeline.nodes[node].step.writes()) {
                writers.entry(write.dataset().clone()).or_default().push(at);
            }
        }
        let mut edges = Vec::new();
        for to in 0..self.units.len() {
            for dataset in self.reads(to) {
                let writers = writers.get(&dataset).into_iter().flatten().copied();
                let gives = |from: &usize| {
                    self.units[*from].0 != self.units[to].0 && !self.keeps_for(*from, to, &dataset)
                };
                edges.extend(writers.into_iter().filter(gives).map(|from| (from, to)));
            }
        }
        edges
    }

    /// Whether `from` only changes how the dataset is stored that the file of `to` makes: who makes it looks
    /// at what it holds too, and comes first.
    fn keeps_for(&self, from: usize, to: usize, dataset: &DatasetId) -> bool {
        let makes = |pipeline: &Pipeline, unit: &Unit| {
            let nodes = unit.nodes().into_iter();
            let writes = nodes.filter_map(|node| pipeline.nodes[node].step.writes());
            writes.into_iter().any(|write| matches!(write, Write::Values(made) if made == *dataset))
        };
        let (pipeline, unit) = self.unit(from);
        let file = self.pipelines[self.units[to].0];
        !makes(pipeline, unit) && file.units.iter().any(|unit| makes(file, unit))
    }

    fn reads(&self, at: usize) -> BTreeSet<DatasetId> {
        let (pipeline, unit) = self.unit(at);
        unit.nodes().into_iter().flat_map(|node| pipeline.nodes[node].step.reads()).collect()
    }

    fn writes(&self, at: usize, dataset: &DatasetId) -> bool {
        let (pipeline, unit) = self.unit(at);
        unit.nodes()
            .into_iter()
            .any(|node| pipeline.nodes[node].step.writes().is_some_and(|write| write.dataset() == dataset))
    }

    /// The units that write a dataset.
    fn writers(&self, dataset: &DatasetId) -> Vec<usize> {
        (0..self.units.len()).filter(|at| self.writes(*at, dataset)).collect()
    }

    /// The units of a name; for a dataset that nothing here writes, those that open it, where all
    /// that hangs from it is asked for.
    fn named(&self, selection: &Selection) -> Result<Vec<usize>, Unknown> {
        let of_pipeline = (0..self.units.len()).filter(|at| self.unit(*at).0.id.as_str() == selection.name);
        let mut found: Vec<usize> = of_pipeline.collect();
        if let (true, Ok(dataset)) = (found.is_empty(), selection.name.parse::<DatasetId>()) {
            found = self.writers(&dataset);
            if found.is_empty() && selection.below {
                found = (0..self.units.len()).filter(|at| self.reads(*at).contains(&dataset)).collect();
            }
        }
        if found.is_empty() { Err(Unknown(selection.name.clone())) } else { Ok(found) }
    }

    /// What is selected, in the order of the graph: a stage comes after those that write what it
    /// opens. A pipeline is one stage, unless what it opens is made from what it makes. All units
    /// where nothing is said.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn select(&self, selections: &[Selection]) -> Result<Vec<Stage>, Unknown> {
        let graph = Graph::new(self.units.len(), self.carries.iter().copied());
        let back = Graph::new(self.units.len(), self.carries.iter().map(|(from, to)| (*to, *from)));
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for selection in selections {
            let named = self.named(selection)?;
            let mut found: BTreeSet<usize> = named.iter().copied().collect();
            if selection.below {
                found.extend(named.iter().flat_map(|at| graph.below(*at)));
            }
            if selection.above {
                found.extend(named.iter().flat_map(|at| back.below(*at)));
            }
            chosen.extend(found);
        }
        if selections.is_empty() {
            chosen.extend(0..self.units.len());
        }
        // What a unit needs of its own file is walked with it.
        let within = |at: &usize| {
            let pipeline = self.units[*at].0;
            back.below_where(*at, |unit| self.units[unit].0 == pipeline)
        };
        let needed: Vec<usize> = chosen.iter().flat_map(within).collect();
        chosen.extend(needed);
        Ok(self.stages(&chosen))
    }

    /// Cuts chosen units into stages.
    fn stages(&self, chosen: &BTreeSet<usize>) -> Vec<Stage> {
        let mut open = chosen.clone();
        let mut stages = Vec::new();
        while !open.is_empty() {
            let pipelines: BTreeSet<usize> = open.iter().map(|at| self.units[*at].0).collect();
            let ready = |pipeline: &usize| (self.ready(*pipeline, &open), *pipeline);
            let mut candidates: Vec<(BTreeSet<usize>, usize)> = pipelines.iter().map(ready).collect();
            candidates.retain(|(units, _)| !units.is_empty());
            // One that is done with it goes first: it is then one run.
            let whole = candidates.iter().position(|(units, pipeline)| {
                open.iter().filter(|at| self.units[**at].0 == *pipeline).count() == units.len()
            });
            let next = match (whole, candidates.is_empty()) {
                (Some(at), _) => candidates.swap_remove(at),
                (None, false) => candidates.swap_remove(0),
                // Steps of several files that only wait for each other: the order of names decides.
                (None, true) => {
                    let Some(pipeline) = pipelines.first().copied() else { break };
                    (open.iter().copied().filter(|at| self.units[*at].0 == pipeline).collect(), pipeline)
                }
            };
            open.retain(|at| !next.0.contains(at));
            stages.push(self.stage(next.1, &next.0));
        }
        stages
    }

    /// The units of a pipeline all of whose open predecessors are among them.
    fn ready(&self, pipeline: usize, open: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut ready: BTreeSet<usize> =
            open.iter().copied().filter(|at| self.units[*at].0 == pipeline).collect();
        loop {
            let waits =
                |at: &usize| self.before[*at].iter().any(|from| open.contains(from) && !ready.contains(from));
            let waiting: Vec<usize> = ready.iter().copied().filter(waits).collect();
            if waiting.is_empty() {
                return ready;
            }
            ready.retain(|at| !waiting.contains(at));
        }
    }

    /// A stage of these units, with all that they need in their file.
    fn stage(&self, pipeline: usize, units: &BTreeSet<usize>) -> Stage {
        let mut places: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<usize> = units.iter().copied().collect();
        while let Some(at) = open.pop() {
            if places.insert(self.units[at].1) {
                let needed = self.carries.iter().filter(|(_, to)| *to == at).map(|(from, _)| *from);
                open.extend(needed.filter(|from| self.units[*from].0 == pipeline));
            }
        }
        Stage { pipeline: Arc::clone(self.pipelines[pipeline]), units: places.into_iter().collect() }
    }

    /// Units of a pipeline, by their names, with all that they need in its file and what of `among`
    /// hangs from them there.
    ///
    /// # Errors
    /// The first name that is not there.
    pub fn units(&self, id: &PipelineId, names: &[NodeId], among: &[NodeId]) -> Result<Stage, Unknown> {
        let at = self.pipelines.iter().position(|pipeline| pipeline.id == *id);
        let at = at.ok_or_else(|| Unknown(id.to_string()))?;
        let name = |unit: usize| {
            let (pipeline, found) = self.unit(unit);
            &pipeline.nodes[found.node()].id
        };
        let of_pipeline = || (0..self.units.len()).filter(|unit| self.units[*unit].0 == at);
        let find = |wanted: &NodeId| {
            of_pipeline().find(|unit| name(*unit) == wanted).ok_or_else(|| Unknown(wanted.to_string()))
        };
        let mut chosen: BTreeSet<usize> = names.iter().map(find).collect::<Result<_, _>>()?;
        let graph = Graph::new(self.units.len(), self.carries.iter().copied());
        let below: Vec<usize> = chosen.iter().flat_map(|unit| graph.below(*unit)).collect();
        chosen.extend(
            below.into_iter().filter(|unit| self.units[*unit].0 == at && among.contains(name(*unit))),
        );
        Ok(self.stage(at, &chosen))
    }

    /// The datasets that are made from `dataset`, at once or through others, nearest first.
    #[must_use]
    pub fn made_from(&self, dataset: &DatasetId) -> Vec<DatasetId> {
        let graph = Graph::new(self.units.len(), self.carries.iter().copied());
        let roots: Vec<usize> = match self.writers(dataset) {
            found if !found.is_empty() => found,
            _ => (0..self.units.len()).filter(|at| self.reads(*at).contains(dataset)).collect(),
        };
        let mut made: Vec<DatasetId> = Vec::new();
        let below = roots.iter().flat_map(|at| graph.below(*at));
        for at in roots.iter().copied().chain(below) {
            let (pipeline, unit) = self.unit(at);
            for node in unit.nodes() {
                let written = pipeline.nodes[node].step.writes().map(|write| write.dataset().clone());
                made.extend(written.filter(|id| id != dataset && !made.contains(id)));
            }
        }
        made
    }
}
