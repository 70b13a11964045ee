//! Other levels: their arrays are made out of the data, which stay as they are, and are named by the root.

use std::{collections::BTreeMap, sync::Arc};

use frazil_engine::{
    data::{SnapshotId, Values},
    dataset::DatasetInfo,
    step::StepError,
};
use futures::{StreamExt, TryStreamExt, stream};
use icechunk::{format::ChunkIndices, session::Session};
use serde_json::{Map, Value, json};

use super::{Part, Reference, Rewrite, Stretch, Target, batch, branch};
use crate::cube::{
    Cube, attributes, change, creation, fault,
    forecast::VALID_TIME,
    layout::ArrayDocument,
    level::{self, inside, units_at_a_time},
    path, reference,
    spares::Spares,
    template::Template,
    unit::{Plan, Way},
};

/// Makes the levels of a dataset those of what `wanted` gives for what is stored; nothing where it gives
/// none. Gives the head of `main`.
///
/// # Errors
/// When `wanted` refuses, when the store cannot be read or written, or the run is told to stop; `main`
/// is as it was.
pub(crate) async fn relevel(
    info: &DatasetInfo,
    wanted: impl Fn(&Template) -> Result<Option<Template>, StepError> + Send + Sync,
    cx: &frazil_engine::context::Context,
) -> Result<Option<SnapshotId>, StepError> {
    super::run(&mut Relevel { wanted, spares: Spares::default() }, info, cx).await
}

/// The rewrite to other levels.
struct Relevel<W> {
    wanted: W,
    spares: Spares,
}

/// What is made.
pub(super) struct Levels {
    wanted: Template,
    writing: Arc<Plan>,
}

impl<W: Fn(&Template) -> Result<Option<Template>, StepError> + Send + Sync> Rewrite for Relevel<W> {
    const KIND: &'static str = "pyramid";
    type Plan = Levels;

    fn target(&self, main: &Cube) -> Result<Option<Target<Levels>>, StepError> {
        let Some(wanted) = (self.wanted)(&main.template)? else { return Ok(None) };
        let writing = Arc::new(Plan::of_template(wanted.clone())?);
        let mut arrays = BTreeMap::new();
        for stored in wanted.arrays().filter(|stored| stored.level > 0) {
            let mut document = ArrayDocument::variable(stored.array, stored.grid);
            document["shape"][0] = json!(main.axis.len());
            arrays.insert(wanted.path(&stored.key), document);
        }
        let part = |variable: &super::super::TemplateVariable| {
            let cells = (wanted.grid.cells() * variable.dtype.size()) as u64;
            let unit_bytes = cells.saturating_mul(wanted.write_unit()).max(1);
            let stride = usize::try_from((batch() / unit_bytes).max(1)).unwrap_or(usize::MAX);
            Part { stride, unit_bytes }
        };
        let parts =
            if wanted.levels.is_empty() { Vec::new() } else { wanted.variables.iter().map(part).collect() };
        Ok(Some(Target {
            salt: reference::digest(&wanted),
            axis: main.axis.clone(),
            unit: writing.length,
            arrays,
            parts,
            plan: Levels { wanted, writing },
        }))
    }

    async fn fill(
        &mut self,
        main: &Arc<Cube>,
        target: &Target<Levels>,
        stretch: &Stretch,
        what: &Arc<str>,
    ) -> Result<Vec<Reference>, StepError> {
        let Levels { wanted, writing } = &target.plan;
        let variable = &wanted.variables[stretch.part].name;
        let way = Way { plan: writing, session: &main.session, what, time: 0 };
        let (way, spares) = (&way, &self.spares);
        let one = |unit: usize| async move {
            let end = ((unit + 1) * target.unit).min(main.axis.len());
            let values = main.read_into(variable, unit * target.unit..end, None, spares).await?;
            let values = Arc::new(values);
            let made = way.levels(stretch.part, &values, Values::bytes).await?;
            if let Some(values) = Arc::into_inner(values) {
                spares.give(values);
            }
            Ok::<_, StepError>((unit, made))
        };
        let at_a_time = units_at_a_time(target.parts[stretch.part].unit_bytes);
        let mut done = stream::iter(stretch.units.clone()).map(one).buffered(at_a_time);
        let mut references = Vec::new();
        while let Some((unit, made)) = done.try_next().await? {
            for (part, objects) in made {
                let part = &writing.parts[part];
                let array: Arc<str> = Arc::from(part.path.as_str());
                for (place, payload) in part.places.iter().zip(objects) {
                    let mut at = ChunkIndices(place.clone());
                    let first = (unit as u64).saturating_mul(part.steps);
                    at.0[0] = at.0[0].saturating_add(u32::try_from(first).unwrap_or(u32::MAX));
                    references.push(Reference { array: Arc::clone(&array), at, payload });
                }
            }
        }
        Ok(references)
    }

    async fn around(
        &self,
        main: &Cube,
        target: &Target<Levels>,
        session: &mut Session,
        what: &str,
    ) -> Result<(), StepError> {
        Around { main, wanted: &target.plan.wanted, session, what }.all().await
    }

    fn message(&self, _: &Cube, target: &Target<Levels>) -> String {
        match target.plan.wanted.levels.len() {
            0 => "pyramid: no levels".to_owned(),
            1 => "pyramid: 1 level".to_owned(),
            count => format!("pyramid: {count} levels"),
        }
    }
}

/// What changes beside the arrays of the levels: groups, coordinates, the place of the data.
struct Around<'a> {
    main: &'a Cube,
    wanted: &'a Template,
    session: &'a mut Session,
    what: &'a str,
}

impl Around<'_> {
    async fn all(&mut self) -> Result<(), StepError> {
        let (stored, wanted) = (&self.main.template, self.wanted);
        for group in level::groups(&self.main.nodes) {
            let name = format!("/{group}");
            if self.main.nodes.contains_key(&name) && group != stored.group {
                self.session.delete_group(path(&name)?).await.map_err(fault::icechunk(self.what))?;
            }
        }
        if stored.group != wanted.group {
            self.move_data().await?;
        }
        for level in &wanted.levels {
            let mut nodes = BTreeMap::new();
            creation::scale(&level.grid, wanted, &level.group, &mut nodes);
            // What has no place in space is that of the data.
            nodes.retain(|name, _| !self.timeless().any(|kept| *name == inside(&level.group, kept)));
            creation::add(&nodes, self.session, self.what).await?;
            for axis in [&level.grid.y, &level.grid.x] {
                let values = Values::Float64(axis.centres.clone());
                let name = inside(&level.group, &axis.name);
                change::vector(self.session, &nodes, &name, &values, 0, self.what).await?;
            }
        }
        let names: Vec<String> = self.timeless().map(str::to_owned).collect();
        for group in wanted.groups().into_iter().filter(|group| *group != wanted.group) {
            for name in &names {
                let from = stored.path(name);
                let to = inside(group, name);
                if from != to && (!group.is_empty() || !self.main.nodes.contains_key(&to)) {
                    self.copy(&from, &to).await?;
                }
            }
        }
        let mut root = self.main.nodes.get("/").cloned().unwrap_or_else(|| creation::group(Map::new()));
        let mut map = root["attributes"].as_object().cloned().unwrap_or_default();
        level::mark(wanted, &mut map);
        root["attributes"] = Value::Object(map);
        self.session.update_group(&path("/")?, change::bytes(&root)).await.map_err(fault::icechunk(self.what))
    }

    /// Coordinates that every group has as the data have them.
    fn timeless(&self) -> impl Iterator<Item = &str> {
        let extra = self.main.template.grid.extra.0.iter().map(|dimension| dimension.name.as_str());
        ["time", "period_status", VALID_TIME].into_iter().chain(extra)
    }

    /// Moves all arrays of the group of the data into that where they are wanted, by their references.
    async fn move_data(&mut self) -> Result<(), StepError> {
        let (from, to) = (&self.main.template.group, &self.wanted.group);
        if !to.is_empty() {
            let mut attributes = Map::new();
            attributes::conventions(&self.wanted.grid, &mut attributes);
            let nodes = [(format!("/{to}"), creation::group(attributes))].into();
            creation::add(&nodes, self.session, self.what).await?;
        }
        let prefix = inside(from, "");
        let names: Vec<String> = self
            .main
            .nodes
            .iter()
            .filter(|(_, document)| document["node_type"] == "array")
            .filter_map(|(name, _)| name.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect();
        for name in &names {
            let (old, new) = (inside(from, name), inside(to, name));
            if self.main.nodes.contains_key(&new) {
                let gone = self.session.delete_array(path(&new)?).await;
                gone.map_err(fault::icechunk(self.what))?;
            }
            self.copy(&old, &new).await?;
            // Map clients look for what has no place in space at the root.
            let stays = to.is_empty() || name == "spatial_ref" || self.timeless().any(|kept| kept == name);
            if from.is_empty() && !stays {
                let gone = self.session.delete_array(path(&old)?).await;
                gone.map_err(fault::icechunk(self.what))?;
            }
        }
        if !from.is_empty() {
            let gone = self.session.delete_group(path(&format!("/{from}"))?).await;
            gone.map_err(fault::icechunk(self.what))?;
        }
        Ok(())
    }

    /// Puts an array of `main` at another place too: its document and its references.
    async fn copy(&mut self, from: &str, to: &str) -> Result<(), StepError> {
        let Some(document) = self.main.nodes.get(from) else { return Ok(()) };
        branch::replace(self.session, to, document, self.what).await?;
        let (from, to) = (path(from)?, path(to)?);
        let mut chunks = std::pin::pin!(self.main.session.array_chunk_iterator(&from).await);
        while let Some(chunk) = chunks.try_next().await.map_err(fault::icechunk(self.what))? {
            let set = self.session.set_chunk_ref(to.clone(), chunk.coord, Some(chunk.payload)).await;
            set.map_err(fault::icechunk(self.what))?;
        }
        Ok(())
    }
}
