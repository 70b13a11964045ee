//! What a plan says of a release, and what a run does to `main` and to the branch.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use frazil_engine::{
    data::{DatasetId, Item, Status},
    plan::{NodePlan, Planned, PlannedSnapshot},
    project::Project,
};
use frazil_steps::cube::{Commit, Cube, Standing};

use super::{Bench, Seen};

/// A dataset before a run.
pub(super) struct Before {
    pub(super) commits: Vec<Commit>,
    /// Those on the branch of its release.
    pub(super) beside: Vec<Commit>,
    /// Chunk objects.
    pub(super) objects: u64,
}

/// What was planned for a release and what came of it.
pub(super) struct Told<'a> {
    pub(super) planned: &'a Planned,
    pub(super) snapshot: &'a PlannedSnapshot,
    /// Commits of `main` that are new.
    pub(super) made: &'a [Commit],
    /// Commits on the branch, where it is there still.
    pub(super) beside: &'a [Commit],
}

impl Bench {
    /// Commits on the branch of the release of a dataset.
    pub(super) async fn beside(&self, project: &Project, id: &DatasetId) -> Vec<Commit> {
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let standing = Standing::any(&project.datasets[id], &scope).await.unwrap();
        match standing.release.and_then(|release| release.cube) {
            Some(cube) => cube.commits(|commit| commit.provenance.release.is_some()).await.unwrap(),
            None => Vec::new(),
        }
    }

    /// A release says what it does to `main` at once, or nothing; commits are made on its branch.
    pub(super) async fn judge_release(
        &self,
        what: &str,
        project: &Project,
        id: &DatasetId,
        before: &Before,
        Told { planned, snapshot, made, beside }: &Told<'_>,
        seen: &mut Seen,
    ) {
        let daily = id.as_str() == "daily";
        // A grid that no block says is not known before the first slice of the release.
        let known = daily || planned.reasons.iter().any(|reason| reason.contains("is made anew on branch"));
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let cube = Cube::open(&project.datasets[id], &scope).await.unwrap().unwrap();
        if !made.iter().any(|commit| commit.provenance.release.is_some()) {
            assert!(
                made.is_empty() && snapshot.changes.is_empty(),
                "{what}: main stays: {:?}",
                snapshot.changes
            );
            seen.under_way += 1;
        } else if known {
            let planned: BTreeSet<_> = snapshot.changes.iter().flat_map(|item| item.range.iter()).collect();
            let found: BTreeSet<_> = cube.axis().periods().iter().copied().collect();
            assert_eq!(planned, found, "{what}: all that main holds");
            for foretold in &snapshot.statuses {
                let as_told = |period| cube.axis().status(period) == Some(foretold.status);
                assert!(foretold.range.iter().all(as_told), "{what}: {foretold:?}");
            }
        }
        if !beside.is_empty() || !known {
            return;
        }
        *(if daily { &mut seen.moved } else { &mut seen.anew }) += 1;
        // Put onto the head of main, where somebody was meanwhile, it is one commit.
        let put = made.iter().any(|commit| commit.run.is_none() && commit.mark.is_none());
        let own = made.iter().filter(|commit| {
            commit.run.is_some() && !before.beside.iter().any(|other| other.id == commit.id)
        });
        let commits = if planned.work.periods == 0 { 0 } else { planned.work.commits };
        assert!(put || own.count() == commits, "{what}: {commits} commits");
        let withdrawn = cube.axis().iter().any(|(_, status)| status == Status::Withdrawn);
        let objects = self.objects(id) - before.objects;
        if let Some(chunks) = planned.work.chunks.filter(|_| !withdrawn) {
            let lacks = self.lacks(project, id, &snapshot.changes).await;
            assert!(
                objects == chunks || lacks && objects < chunks,
                "{what}: {objects} chunk objects, {chunks} planned"
            );
        }
    }

    /// The datasets that these nodes write, as they stand.
    pub(super) async fn stand(&self, project: &Project, nodes: &[NodePlan]) -> BTreeMap<DatasetId, Before> {
        let mut found = BTreeMap::new();
        for id in nodes.iter().filter_map(|node| node.writes.as_ref()) {
            let (commits, beside) = (self.commits(project, id).await, self.beside(project, id).await);
            found.insert(id.clone(), Before { commits, beside, objects: self.objects(id) });
        }
        found
    }

    /// Chunk objects in the repository of a dataset; those of coordinates are too small to be any.
    pub(super) fn objects(&self, id: &DatasetId) -> u64 {
        fn count(folder: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            let one = |entry: std::fs::DirEntry| {
                if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }
            };
            entries.map(|entry| one(entry.unwrap())).sum()
        }
        count(&self.sandbox.path("cubes").join(id.as_str()).join("chunks"))
    }

    /// Whether some of these periods hold nothing now.
    pub(super) async fn lacks(&self, project: &Project, id: &DatasetId, items: &[Item]) -> bool {
        let scope = self.scope_of(project, &"first".parse().unwrap(), serde_json::Map::new());
        let Some(cube) = Cube::open(&project.datasets[id], &scope).await.unwrap() else { return false };
        let has = |period| cube.axis().status(period).is_some_and(Status::has_values);
        !items.iter().flat_map(|item| item.range.iter()).all(has)
    }
}
