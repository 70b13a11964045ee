//! What is wanted of each source file, but for the period.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use frazil_engine::{
    context::Scope,
    data::{Dimensions, LEAD_TIME, Label, Period, Periods},
    step::{ErrorKind, StepError},
    template::{Locals, Template},
};
use serde_json::Value;

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
    /// Dimensions of the dataset between time and y.
    extra: Dimensions,
    bbox: Option<[f64; 4]>,
    names: [String; 2],
    crs: Option<String>,
}

/// Variables that lie in the same source file: of one combination of `over`.
#[derive(Debug)]
struct Group {
    /// Where; the step's `url` where none is said.
    url: Option<Template>,
    main: Template,
    stamp: Stamp,
    variables: Vec<Wanted>,
    /// The labels that its `url` is evaluated with.
    over: BTreeMap<String, Value>,
}

impl Recipe {
    pub(crate) fn new(fetch: &Fetch, periods: &Periods, scope: &Scope) -> Result<Self, StepError> {
        let dataset = &scope.dataset(&periods.dataset)?.block;
        let mut recipe = Self {
            root: scope.project.root.clone(),
            groups: Vec::new(),
            extra: extra(fetch, &dataset.dimensions)?,
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
        for plane in 0..recipe.extra.combinations() {
            let labels: Vec<(String, Label)> = recipe
                .extra
                .combination(plane)
                .into_iter()
                .map(|(name, l)| (name.to_owned(), l.clone()))
                .collect();
            let (over, inside): (Vec<_>, Vec<_>) =
                labels.into_iter().partition(|(name, _)| fetch.over.get(name).is_some());
            let over: BTreeMap<String, Value> = over.into_iter().map(|(name, l)| (name, l.into())).collect();
            // The groups of a combination are its last ones where dimensions inside vary fastest.
            for (name, select) in selected.clone() {
                let stamp = select.stamp.unwrap_or(fetch.stamp);
                let url = select.url.clone();
                let block = dataset.variables.get(&name).cloned();
                let lead = over.get(LEAD_TIME).and_then(Value::as_i64);
                let wanted = Wanted { name, select, stamp, block, inside: inside.clone(), lead, plane };
                let same =
                    |group: &&mut Group| group.url == url && group.stamp == stamp && group.over == over;
                match recipe.groups.iter_mut().rev().find(same) {
                    Some(group) => group.variables.push(wanted),
                    None => recipe.groups.push(Group {
                        url,
                        main: main.clone(),
                        stamp,
                        variables: vec![wanted],
                        over: over.clone(),
                    }),
                }
            }
        }
        let varies = (0..recipe.groups.len()).any(|group| recipe.varies(group));
        if periods.step.is_static() && varies {
            let message = format!("`url` names a period, and `{}` has no time axis", periods.dataset);
            return Err(StepError::permanent(ErrorKind::Data, message).help("write it without `period`"));
        }
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
        let places: Vec<Place> =
            (0..self.groups.len()).map(|at| self.place(at, period, main, scope)).collect::<Result<_, _>>()?;
        self.distinct(&places).map_err(|error| error.at(period))?;
        Ok(places)
    }

    /// Where the numbers of `period` in a group are.
    pub(crate) fn place(
        &self,
        group: usize,
        period: Period,
        main: Option<&Template>,
        scope: &Scope,
    ) -> Result<Place, StepError> {
        let group = &self.groups[group];
        let stamped = match group.stamp {
            Stamp::Start => period,
            Stamp::End => period.plus(1),
        };
        let url = group.url.as_ref().or(main).unwrap_or(&group.main);
        let locals = Locals { period: Some(stamped), over: group.over.clone() };
        let place = url.render(scope, &locals).and_then(|url| Place::parse(&url, &self.root));
        place.map_err(|error| error.at(period))
    }

    /// Refuses two combinations in one file: both would get the same numbers.
    fn distinct(&self, places: &[Place]) -> Result<(), StepError> {
        let mut known: HashMap<&Place, usize> = HashMap::new();
        for (at, place) in places.iter().enumerate().filter(|(at, _)| !self.groups[*at].over.is_empty()) {
            let first = *known.entry(place).or_insert(at);
            if self.groups[first].over != self.groups[at].over {
                let (one, two) = (self.combination(first), self.combination(at));
                let message = format!("{place} is the file of two combinations: {one} and {two}");
                return Err(StepError::permanent(ErrorKind::Data, message)
                    .help("let `url` name every label of `over`"));
            }
        }
        Ok(())
    }

    /// The labels of `over` that a group is of, in words; empty where there is no `over`.
    pub(crate) fn combination(&self, group: usize) -> String {
        let labels = self.groups.get(group).map(|group| &group.over).into_iter().flatten();
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        labels.map(|(name, label)| format!("{name} {}", word(label))).collect::<Vec<_>>().join(", ")
    }

    /// Dimensions of the dataset between time and y.
    pub(crate) const fn extra(&self) -> &Dimensions {
        &self.extra
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
                beside: if group.over.is_empty() { 0 } else { self.groups.len() - 1 },
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

/// The dimensions of the dataset, in its order, with the labels that are read.
fn extra(fetch: &Fetch, declared: &Dimensions) -> Result<Dimensions, StepError> {
    if declared.is_empty() {
        return Ok(fetch.over.clone());
    }
    for read in &fetch.over.0 {
        let labels = |of: &[Label]| -> Vec<Label> {
            let mut labels = of.to_vec();
            labels.sort();
            labels
        };
        let same = |own: &frazil_engine::data::Dimension| labels(&own.labels) == labels(&read.labels);
        if !declared.get(&read.name).is_some_and(same) {
            let message = format!("`over` reads other labels of `{}` than the dataset has", read.name);
            return Err(StepError::permanent(ErrorKind::Data, message)
                .help("give both the same labels, or leave out `dimensions` of the dataset"));
        }
    }
    Ok(declared.clone())
}
