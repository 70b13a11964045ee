//! The newest period that a source has, where its files or a listing of them tell.

mod date;
mod glob;

use std::{collections::BTreeMap, num::NonZeroUsize};

use frazil_engine::{
    context::{Context, Scope},
    data::{Frequency, Period},
    step::{ErrorKind, StepError},
    template::Template,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::net::{Access, Auth, Net, Place};
pub(super) use date::DatePattern;

/// Files of this machine that tell what there is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Files {
    /// A path relative to the project in which `*` and `?` stand for any characters but `/`.
    pub(super) glob: String,
    /// How a date stands in the path: text around `%Y`, `%m`, `%d`, `%j`, `%H`.
    pub(super) date: DatePattern,
    /// How many files make a period, such as one for each lead of a forecast: what has fewer is waited for.
    #[serde(default = "one")]
    pub(super) each: NonZeroUsize,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

/// A listing that tells what there is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Probe {
    /// Where the listing is: a page or text over HTTP, or a text file.
    pub(super) url: String,
    /// How a date stands in it: text around `%Y`, `%m`, `%d`, `%j`, `%H`.
    pub(super) date: DatePattern,
    /// How the source knows who asks.
    pub(super) auth: Option<Auth>,
    /// Further headers of the request.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Template>,
}

/// What is known of the newest period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Newest {
    /// Nothing asks: the calendar tells.
    Calendar,
    /// A run will ask; until then the calendar tells, for this reason.
    Unasked(String),
    /// It is this one, for this reason.
    Known(Period, String),
    /// There is none yet, for this reason.
    None(String),
}

impl Newest {
    fn of(found: Option<Period>, place: &str) -> Self {
        match found {
            Some(period) => Self::Known(period, format!("{period} is the newest in {place}")),
            None => Self::None(format!("no date is found in {place}: nothing is there yet")),
        }
    }

    /// The same, with what else is to be said.
    fn but(self, more: &str) -> Self {
        match self {
            Self::Known(period, why) => Self::Known(period, format!("{why}; {more}")),
            Self::None(why) => Self::None(format!("{why}; {more}")),
            other => other,
        }
    }
}

/// The newest period among files.
pub(super) async fn of_files(files: &Files, step: Frequency, scope: &Scope) -> Result<Newest, StepError> {
    let (root, pattern) = (scope.project.root.clone(), files.glob.clone());
    let paths = tokio::task::spawn_blocking(move || glob::glob(&root, &pattern)).await;
    let paths = paths.map_err(|error| StepError::permanent(ErrorKind::Internal, error.to_string()))?;
    let paths = paths.map_err(|error| {
        StepError::permanent(ErrorKind::Network, format!("cannot look for {}: {error}", files.glob))
    })?;
    let dates = paths.iter().filter_map(|path| files.date.find(path).last());
    let mut counts: BTreeMap<Period, usize> = BTreeMap::new();
    for date in dates {
        *counts.entry(Period::containing(date, step)).or_default() += 1;
    }
    let each = files.each.get();
    let newest = counts.iter().rev().find(|(_, count)| **count >= each).map(|(period, _)| *period);
    let behind = counts.iter().find(|(period, _)| newest.is_none_or(|newest| **period > newest));
    let found = match (newest, behind) {
        (None, Some(_)) => Newest::None(format!("no period has all of its files in {}", files.glob)),
        _ => Newest::of(newest, &files.glob),
    };
    Ok(match behind {
        Some((period, count)) => {
            found.but(&format!("{period} has {count} of {each} files: it is waited for"))
        }
        None => found,
    })
}

/// The newest period in a listing; planning does not ask.
pub(super) async fn of_listing(
    probe: &Probe,
    step: Frequency,
    cx: Option<&Context>,
) -> Result<Newest, StepError> {
    let Some(cx) = cx else {
        return Ok(Newest::Unasked(format!("a run asks {} for the newest one", shown(&probe.url))));
    };
    let place = Place::parse(&probe.url, &cx.scope.project.root)?;
    let net = Net::new(Access { auth: probe.auth.clone(), headers: probe.headers.clone() }, cx)?;
    let label = place.to_string();
    let text = cx
        .retrying(&label, |_| async {
            let _permit = cx.permit().await?;
            net.listing(&place).await
        })
        .await?;
    let text = text.ok_or_else(|| {
        StepError::permanent(ErrorKind::Network, format!("there is no listing at {label}"))
            .help("look at `url` of `probe`")
    })?;
    Ok(Newest::of(probe.date.find(&text).max().map(|date| Period::containing(date, step)), &label))
}

/// A URL without what may be a signature.
fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
