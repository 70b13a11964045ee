//! Earlier periods that are no multiple of what is written together along `time`: all chunks hold others
//! afterwards, so all are written anew.

use std::sync::Arc;

use frazil_engine::{
    data::{Period, Status},
    dataset::DatasetInfo,
    step::StepError,
};
use icechunk::session::Session;

use super::{
    Reference, Rewrite, Stretch, Target, batch,
    cast::{Caster, Piece},
    recast::{self, Casts, Other},
};
use crate::cube::{
    CommitNotes, Cube, Provenance, change, fault,
    history::CommitRecord,
    line, path,
    reference::{Object, digest},
    settle::{self, Taken},
};

/// The rewrite that puts the periods of one batch before the axis.
#[derive(Debug)]
pub(super) struct Insert<'a> {
    info: &'a DatasetInfo,
    taken: &'a Taken,
    notes: &'a CommitNotes,
    caster: Caster,
}

impl<'a> Insert<'a> {
    pub(super) fn new(info: &'a DatasetInfo, taken: &'a Taken, notes: &'a CommitNotes) -> Self {
        Self { info, taken, notes, caster: Caster::default() }
    }

    fn periods(&self) -> Vec<Period> {
        self.taken.written.labels.iter().map(|label| label.period.first).collect()
    }

    /// `main` with the chunks of the batch in the place of its first ones: where they are read from.
    /// Nothing of it is ever committed.
    async fn written(&self, main: &Cube, what: &str) -> Result<Cube, StepError> {
        line::begin(&main.repository, &main.id, self.info).await?;
        let session = main.repository.writable_session(line::of(self.info)).await;
        let mut session = session.map_err(fault::icechunk(what))?;
        for record in self.taken.body.units.iter().take(1) {
            for (key, chunks) in &record.chunks {
                let (name, steps) = (path(&main.template.path(key))?, main.template.steps_in(key));
                for chunk in chunks {
                    let payload = chunk.object.as_ref().and_then(Object::payload);
                    let set = session.set_chunk_ref(name.clone(), chunk.indices(0, steps), payload).await;
                    set.map_err(fault::icechunk(what))?;
                }
            }
        }
        Ok(Cube {
            session,
            repository: Arc::clone(&main.repository),
            id: main.id.clone(),
            nodes: main.nodes.clone(),
            codecs: main.codecs.clone(),
            snapshot: main.snapshot.clone(),
            template: main.template.clone(),
            axis: main.axis.clone(),
            provenance: main.provenance.clone(),
            folder: main.folder.clone(),
            external: main.external.clone(),
            time: main.time.clone(),
        })
    }
}

impl Rewrite for Insert<'_> {
    const KIND: &'static str = "insert";
    type Plan = Casts;

    fn target(&self, main: &Cube) -> Result<Option<Target<Casts>>, StepError> {
        let periods = self.periods();
        if periods.iter().all(|period| main.axis.position(*period).is_some()) {
            return Ok(None);
        }
        if self.taken.body.layout != digest(&main.template) {
            return Err(settle::moved("the stored layout is not the one that the batch was written for"));
        }
        let mut axis = main.axis.clone();
        let earlier: Vec<(Period, Status)> = settle::earlier(&axis, self.taken)?;
        axis.insert_before(earlier);
        let others: Vec<Other<'_>> =
            main.template.arrays().map(|stored| Other { array: stored.array.clone(), stored }).collect();
        let salt =
            serde_json::to_string(&(&self.taken.written.labels, &self.taken.body.units)).unwrap_or_default();
        recast::target(main, axis, &others, salt, (recast::window(), batch())).map(Some)
    }

    async fn fill(
        &mut self,
        main: &Arc<Cube>,
        target: &Target<Casts>,
        stretch: &Stretch,
        what: &Arc<str>,
    ) -> Result<Vec<Reference>, StepError> {
        let count = self.taken.written.labels.len();
        let phase = self.taken.body.units.first().map_or(0, |unit| unit.phase);
        let offset = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let written = Piece {
            cube: Arc::new(self.written(main, what).await?),
            range: 0..count,
            offset: -offset(phase),
        };
        let stored = Piece { cube: Arc::clone(main), range: count..target.axis.len(), offset: offset(count) };
        recast::fill(&mut self.caster, &[written, stored], main, target, stretch, what).await
    }

    async fn around(
        &self,
        main: &Cube,
        target: &Target<Casts>,
        session: &mut Session,
        what: &str,
    ) -> Result<(), StepError> {
        change::labels(session, (&main.nodes, &main.template), &target.axis, (0, true), what).await?;
        change::coverage(session, &main.nodes, &target.axis, what).await
    }

    fn record(&self) -> CommitRecord {
        CommitRecord { added: settle::ranges(&self.periods()), ..CommitRecord::default() }
    }

    fn provenance(&self, main: &Cube) -> Provenance {
        let mut provenance = main.provenance.clone();
        let definition = Some(self.info.definition.clone()).filter(|digest| !digest.is_empty());
        provenance.definition = definition.or(provenance.definition);
        provenance.version = self.info.block.version.clone().or(provenance.version);
        provenance.sources.extend(self.notes.sources.clone());
        provenance.was_read_from(self.notes);
        provenance.pending.clone_from(&self.notes.pending);
        provenance
    }

    fn message(&self, _: &Cube, _: &Target<Casts>) -> String {
        let ranges: Vec<String> = self.record().added.iter().map(ToString::to_string).collect();
        format!("add {}", ranges.join(", "))
    }
}
