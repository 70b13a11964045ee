//! What a list of periods says of a release that they are for.

use frazil_engine::data::{Period, PeriodRange, Release};

use crate::cube::{Cube, Standing, UnderWay};

/// The release that what is asked for is part of, where one is due.
pub(super) fn asked(standing: &Standing, range: Option<PeriodRange>) -> Option<Release> {
    let release = standing.release.as_ref()?;
    let range = range?;
    Some(release.release(range))
}

/// Where it begins: no later than `main`, or it could never take its place.
pub(super) fn start(standing: &Standing, start: Option<Period>) -> Option<Period> {
    match (&standing.release, standing.main.as_ref().and_then(|main| main.axis().first())) {
        (Some(UnderWay { cube: None, .. }), Some(first)) => {
            Some(start.map_or(first, |start| start.min(first)))
        }
        _ => start,
    }
}

/// How far it is, a sentence each.
pub(super) fn reasons(standing: &Standing, range: Option<PeriodRange>) -> Vec<String> {
    let mut reasons: Vec<String> =
        standing.abandoned.iter().map(|branch| abandoned(branch, standing)).collect();
    let Some(release) = &standing.release else { return reasons };
    let (version, branch) = (&release.version, &release.branch);
    let main = standing.main.as_ref();
    let stored = main.and_then(|main| main.provenance().version.as_ref());
    let stored = stored.map_or_else(|| "none".to_owned(), |stored| format!("`{stored}`"));
    let axis = release.cube.as_deref().map(Cube::axis);
    if let Some(range) = range {
        let done = axis.map_or(0, |axis| axis.positions(range).len());
        reasons.push(format!(
            "release {version}: {done} of {} periods on branch {branch}; `version` is `{version}`, that of main {stored}: every period is done again, and main moves there when the last one is",
            range.len()
        ));
    }
    let Some(range) = range else { return reasons };
    let lacks = standing.lacks(range, range);
    if !lacks.is_empty() {
        let lacks: Vec<String> = lacks.iter().map(ToString::to_string).collect();
        reasons.push(format!(
            "main holds {} too, which is not asked for: it does not move before the release holds them",
            lacks.join(", ")
        ));
    }
    reasons
}

fn abandoned(branch: &str, standing: &Standing) -> String {
    let why = match (&standing.release, &standing.main) {
        (Some(release), _) => format!("`version` is `{}` now", release.version),
        (None, Some(main)) => match &main.provenance().version {
            Some(version) => format!("main is of version `{version}`"),
            None => "no other version is asked for".to_owned(),
        },
        (None, None) => "there is no main".to_owned(),
    };
    format!("the release on branch {branch} is not wanted any more, {why}: a run removes the branch")
}
