//! What is wanted of each source file, but for the period.

use std::path::PathBuf;

use frazil_engine::{
    context::Scope,
    data::{Period, Periods},
    step::{ErrorKind, StepError},
    template::{Locals, Template},
};

use super::{
    Fetch, Selection, Stamp,
    source::{Request, Wanted},
};
use crate::net::Place;

/// The settings of a fetch and the block of its dataset, brought together.
#[derive(Debug)]
pub(crate) struct Recipe {
    root: PathBuf,
    groups: Vec<Group>,
    bbox: Option<[f64; 4]>,
    names: [String; 2],
    crs: Option<String>,
}

/// Variables that lie in the same source file.
#[derive(Debug)]
struct Group {
    /// Where; the step's `url` where none is said.
    url: Option<Template>,
    main: Template,
    stamp: Stamp,
    variables: Vec<Wanted>,
}

impl Recipe {
    pub(crate) fn new(fetch: &Fetch, periods: &Periods, scope: &Scope) -> Result<Self, StepError> {
        let dataset = &scope.dataset(&periods.dataset)?.block;
        let mut recipe = Self {
            root: scope.project.root.clone(),
            groups: Vec::new(),
            bbox: fetch.bbox,
            names: dataset
                .grid
                .as_ref()
                .and_then(|grid| grid.names.clone())
                .unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]),
            crs: dataset.crs.clone().or_else(|| scope.project.crs.clone()),
        };
        let selected: Vec<(String, Selection)> = if fetch.variables.is_empty() {
            dataset.variables.keys().map(|name| (name.clone(), Selection::default())).collect()
        } else {
            fetch.variables.iter().map(|(name, select)| (name.clone(), select.clone())).collect()
        };
        if selected.is_empty() {
            return Err(StepError::permanent(
                ErrorKind::Data,
                format!("no variable is named, neither here nor in the dataset `{}`", periods.dataset),
            ));
        }
        let main = fetch
            .url
            .clone()
            .ok_or_else(|| StepError::permanent(ErrorKind::Internal, "a source of files has no `url`"))?;
        for (name, select) in selected {
            let stamp = select.stamp.unwrap_or(fetch.stamp);
            let url = select.url.clone();
            let block = dataset.variables.get(&name).cloned();
            let wanted = Wanted { name, select, stamp, block };
            match recipe.groups.iter_mut().find(|group| group.url == url && group.stamp == stamp) {
                Some(group) => group.variables.push(wanted),
                None => recipe.groups.push(Group { url, main: main.clone(), stamp, variables: vec![wanted] }),
            }
        }
        let varies = (0..recipe.groups.len()).any(|group| recipe.varies(group));
        if !fetch.many_in_one() && !varies && periods.count() > 1 {
            return Err(StepError::permanent(
                ErrorKind::Data,
                "`url` does not name the period: every period would get the same numbers",
            )
            .help("write it with `{{ period | date('%Y%m%d') }}` or its like"));
        }
        Ok(recipe)
    }

    /// How many source files a period takes at most.
    pub(crate) fn files(&self) -> usize {
        self.groups.len()
    }

    /// Where the numbers of `period` are, a place per group; `main` stands for the step's `url`.
    pub(crate) fn places(
        &self,
        period: Period,
        main: Option<&Template>,
        scope: &Scope,
    ) -> Result<Vec<Place>, StepError> {
        self.groups
            .iter()
            .map(|group| {
                let stamped = match group.stamp {
                    Stamp::Start => period,
                    Stamp::End => period.plus(1),
                };
                let url = group.url.as_ref().or(main).unwrap_or(&group.main);
                let locals = Locals { period: Some(stamped), ..Locals::default() };
                Place::parse(&url.render(scope, &locals)?, &self.root)
            })
            .collect::<Result<_, StepError>>()
            .map_err(|error| error.at(period))
    }

    /// What is wanted of the source files at `places`, which are those of each of `periods`.
    /// Groups that meet in one file are one request; `None` stands at all but the first of them.
    pub(crate) fn requests(&self, places: &[Place], periods: &[Period]) -> Vec<Option<Request>> {
        let mut requests: Vec<Option<Request>> = Vec::with_capacity(places.len());
        for (group, place) in self.groups.iter().zip(places) {
            if let Some(request) = requests.iter_mut().flatten().find(|request| request.place == *place) {
                request.variables.extend(group.variables.iter().cloned());
                requests.push(None);
                continue;
            }
            requests.push(Some(Request {
                place: place.clone(),
                periods: periods.to_vec(),
                variables: group.variables.clone(),
                bbox: self.bbox,
                names: self.names.clone(),
                crs: self.crs.clone(),
            }));
        }
        requests
    }

    /// Folders of this machine that hold all of a group's files, as far as the text of the URL says
    /// without a period: where one is not there, no file in it is "not yet" there.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.groups.iter().filter_map(|group| {
            let url = &group.url.as_ref().unwrap_or(&group.main).0;
            let fixed = url.split("{{").next().unwrap_or_default();
            let (folder, _) = fixed.rsplit_once('/')?;
            match Place::parse(&format!("{folder}/"), &self.root) {
                Ok(Place::File(path)) => Some(path),
                _ => None,
            }
        })
    }

    /// Whether any place depends on the period; where none does, a missing file is no frontier.
    pub(crate) fn varies(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| {
            let url = &group.url.as_ref().unwrap_or(&group.main).0;
            url.contains("{{") && url.contains("period")
        })
    }
}
