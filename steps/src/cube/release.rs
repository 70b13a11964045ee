//! Another version of a dataset, or another layout of a derived one: settled on a branch of its own,
//! while everyone reads `main`.
//!
//! The branch begins at the head of `main`, and its first commit takes out all that stands there, so
//! that a release may have another grid and other variables. `main` moves to it at once, when it holds
//! all that was asked for and all that `main` holds.

mod branch;
mod differs;
mod foreseen;
mod marks;
mod publish;
mod transplant;

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    data::{PeriodRange, Release, SnapshotId},
    dataset::DatasetInfo,
    step::StepError,
};

use super::{Cube, kept, time::TimeIndex};

#[cfg(test)]
pub(crate) use branch::names;
pub(super) use branch::{begin, open, place};
pub(crate) use differs::{difference, digest};
pub(crate) use foreseen::foretold;
pub(super) use publish::publish;
pub use publish::{settle, settle_layout};

/// A dataset as the step that writes it finds it.
#[derive(Debug)]
pub struct Standing {
    /// What everyone reads; none for a dataset that does not exist yet.
    pub main: Option<Arc<Cube>>,
    /// What takes its place, where that is another version or another layout than `main` has.
    pub release: Option<UnderWay>,
    /// Branches of releases that are not wanted any more.
    pub abandoned: Vec<String>,
}

/// A release that is due or under way.
#[derive(Debug)]
pub struct UnderWay {
    /// The version; empty where the dataset has none.
    pub version: String,
    /// Of a derived dataset: the digest of the layout that it will have.
    pub layout: Option<String>,
    /// Its branch.
    pub branch: String,
    /// What stands there; none before its first commit.
    pub cube: Option<Arc<Cube>>,
}

/// What `main` is to become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// What is fetched: the version that its block says.
    Version,
    /// What is derived: the layout that follows from its sources, where `main` has another one.
    Layout(Option<&'a str>),
}

impl<'a> Wanted<'a> {
    /// What a batch of this release is part of.
    pub(super) fn of(release: &'a Release) -> Self {
        match &release.layout {
            Some(layout) => Self::Layout(Some(layout)),
            None => Self::Version,
        }
    }
}

impl UnderWay {
    /// Periods that stand on its branch.
    #[must_use]
    pub fn done(&self) -> usize {
        self.cube.as_ref().map_or(0, |cube| cube.axis.len())
    }

    /// Periods that it was asked to hold; none before its first commit.
    #[must_use]
    pub fn asked(&self) -> Option<usize> {
        self.cube.as_ref()?.provenance.release.as_ref().map(|state| state.range.len())
    }

    /// Its document, for work from the first to the last period of `range`.
    #[must_use]
    pub fn release(&self, range: PeriodRange) -> Release {
        let (version, layout, branch) = (self.version.clone(), self.layout.clone(), self.branch.clone());
        Release { version, layout, branch, range }
    }
}

/// As `release 3.0: 412 of 900 periods on branch release-3.0`.
impl std::fmt::Display for UnderWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, layout, branch, .. } = self;
        match layout {
            Some(_) => write!(f, "release of another layout: ")?,
            None => write!(f, "release {version}: ")?,
        }
        match self.asked() {
            Some(asked) => write!(f, "{} of {asked} periods on branch {branch}", self.done()),
            None => write!(f, "not begun"),
        }
    }
}

impl Standing {
    /// Looks at `main` and, where the block says another version, at the branch of its release.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub async fn of(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let main = kept::open(info, scope).await?;
        Self::beside(main, Wanted::Version, info, scope).await
    }

    /// A derived dataset: looks at the branch of its release where another layout follows from its
    /// sources than `main` has.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub async fn derived(
        main: Option<Arc<Cube>>,
        layout: Option<&str>,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        Self::beside(main, Wanted::Layout(layout), info, scope).await
    }

    /// As [`Standing::of`], with a release of another layout that is under way, for those who do not
    /// know what follows from the sources.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub async fn any(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let mut standing = Self::of(info, scope).await?;
        let begun = standing.release.as_ref().is_some_and(|release| release.cube.is_some());
        if let (Some(main), false, false) = (&standing.main, begun, info.location.read_only)
            && let Some(found) = branch::laid_out(&main.repository, info, scope).await?
        {
            standing.release = Some(found);
        }
        Ok(standing)
    }

    async fn beside(
        main: Option<Arc<Cube>>,
        wanted: Wanted<'_>,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let mut standing = Self { main, release: None, abandoned: Vec::new() };
        let Some(main) = standing.main.as_ref().filter(|_| !info.location.read_only) else {
            return Ok(standing);
        };
        let declared = info.block.version.as_ref();
        let key = match wanted {
            Wanted::Version => {
                let stored = main.provenance.version.as_ref();
                if declared.is_none() && stored.is_none() {
                    return Ok(standing);
                }
                declared.filter(|declared| Some(*declared) != stored).map(|version| (version.clone(), None))
            }
            Wanted::Layout(layout) => {
                layout.map(|layout| (declared.cloned().unwrap_or_default(), Some(layout.to_owned())))
            }
        };
        let repository = &main.repository;
        standing.abandoned = branch::all(repository, info, scope).await?;
        if let Some((version, layout)) = key {
            let branch = branch::name(&version, layout.as_deref());
            let mut cube = None;
            if let Some(at) = standing.abandoned.iter().position(|known| *known == branch) {
                standing.abandoned.remove(at);
                let key = (version.as_str(), layout.as_deref());
                cube = branch::contents(repository, &branch, key, info, scope).await?;
            }
            standing.release = Some(UnderWay { version, layout, branch, cube });
        }
        Ok(standing)
    }

    /// As [`Standing::any`], as everyone else sees it: `main`, also of a dataset that is audited.
    ///
    /// # Errors
    /// As [`Standing::any`].
    pub async fn seen(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let mut standing = Self::any(info, scope).await?;
        if info.block.audit {
            standing.main = Cube::open(info, scope).await?.map(Arc::new);
        }
        Ok(standing)
    }

    /// What the writer goes on from: the branch of the release where there is one, else `main`.
    #[must_use]
    pub fn cube(&self) -> Option<&Cube> {
        match &self.release {
            Some(release) => release.cube.as_deref(),
            None => self.main.as_deref(),
        }
    }

    /// The head of the branch of the release, where one is under way.
    #[must_use]
    pub fn aside(&self) -> Option<SnapshotId> {
        self.release.as_ref()?.cube.as_deref().map(Cube::id)
    }

    /// Whether `main` would move to the release, once it holds these periods too.
    #[must_use]
    pub fn is_whole_with(&self, added: &[PeriodRange], range: PeriodRange) -> bool {
        let axis = self.cube().map(Cube::axis);
        let ends = axis.and_then(|axis| Some(PeriodRange { first: axis.first()?, last: axis.last()? }));
        let all = || ends.into_iter().chain(added.iter().copied());
        let held = all().map(|r| r.first).min().zip(all().map(|r| r.last).max());
        let held = held.map(|(first, last)| PeriodRange { first, last });
        let held = held.map(|held| self.main.as_ref().map_or(held, |main| marks::reach(held, &main.axis)));
        held.is_some_and(|held| self.lacks(held, range).is_empty())
    }

    /// What a release that holds `held` lacks of `range` and of what `main` holds.
    #[must_use]
    pub fn lacks(&self, held: PeriodRange, range: PeriodRange) -> Vec<PeriodRange> {
        let main = self.main.as_deref().map(Cube::axis);
        lacks(held, range, main)
    }
}

fn lacks(held: PeriodRange, range: PeriodRange, main: Option<&TimeIndex>) -> Vec<PeriodRange> {
    let main = main.and_then(|axis| Some((axis.first()?, axis.last()?)));
    let first = main.map_or(range.first, |(first, _)| first.min(range.first));
    let last = main.map_or(range.last, |(_, last)| last.max(range.last));
    let before = PeriodRange { first, last: held.first.plus(-1) };
    let after = PeriodRange { first: held.last.plus(1), last };
    [before, after].into_iter().filter(|range| !range.is_empty()).collect()
}
