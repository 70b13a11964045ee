//! `pyramid`: overviews of a dataset, and from then on of all that is written to it.

mod settings;

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Snapshot},
    dataset::{DatasetInfo, Datasets},
    diagnostic::codes,
    plan::{Planned, PlannedSnapshot, Work},
    step::{ErrorKind, Finding, Node, Outcome, Step, StepError, Write},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cube::{self, Cube, Template},
    keeper,
};
use settings::{Count, Methods, most};

/// Makes a dataset multiscale, so that a map of all of it needs a few small chunks, or makes its levels
/// anew where they are told otherwise here.
///
/// The data move from the root into the group `0` without being copied; the groups `1`, `2` … each have
/// half the rows and columns of the one before, made from the numbers at full resolution. All of it is published at
/// once; no value changes, and what is derived from the dataset sees no change. **From then on whatever writes the dataset
/// writes all levels in the same commit**, by what is stored in the dataset itself. A dataset whose levels are as they
/// should be is left alone. Where a run is stopped, the next goes on from there.
///
/// ```yaml
/// steps:
///   daily: { uses: open-dataset, with: { dataset: rain_daily } }
///   maps: { uses: pyramid, needs: daily, with: { dataset: rain_daily, levels: 4, method: mean } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Pyramid {
    /// The dataset, the one whose state it is given.
    dataset: DatasetId,
    /// How many levels besides the data: a number, or `auto`: above 2,048 × 2,048 cells as many as it takes for
    /// the longest side to have at most 512 cells, at most 8; below none.
    #[serde(default)]
    levels: Count,
    /// How four cells become one: `mean`, `sum`, `min`, `max`, `mode` or `nearest`, for all variables or in a map for each.
    /// By itself `mean`, and `mode` of categories, which have no mean.
    #[serde(default)]
    method: Methods,
}

impl Step for Pyramid {
    const USES: &'static str = "pyramid";
    const SUMMARY: &'static str = "overviews of a dataset, kept with all that is written to it";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Keep(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        datasets.get(&self.dataset).map(|info| self.findings(info)).unwrap_or_default()
    }
}

impl Node for Pyramid {
    type Input = Snapshot;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let given = keeper::given(input)?;
        keeper::own(&self.dataset, &given.snapshot.dataset)?;
        let info = scope.dataset(&self.dataset)?;
        let cube = Cube::open_to_write(info, scope).await?;
        let work = self.work(info, cube.as_ref(), &given)?;
        Ok(keeper::planned(info, cube.as_ref(), given, work))
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<Snapshot> {
        let done = async {
            keeper::own(&self.dataset, &input.dataset)?;
            let info = cx.scope.dataset(&self.dataset)?;
            if input.id.is_none() {
                return Ok(input.clone());
            }
            let step = self.clone();
            let id = cube::relevel(info, move |template| step.wanted(template), cx).await?;
            Ok(keeper::rewritten(info, &input, id, settled(info), cx))
        };
        done.await.into()
    }
}

fn settled(info: &DatasetInfo) -> String {
    format!("the levels of {} are as they should be", info.id)
}

impl Pyramid {
    /// The dataset as it should be stored; none where it is so.
    fn wanted(&self, stored: &Template) -> Result<Option<Template>, StepError> {
        let refused =
            |message: String, help: &str| Err(StepError::permanent(ErrorKind::Data, message).help(help));
        let count = self.levels.of(&stored.grid);
        let (rows, columns) = stored.grid.shape();
        if count > most(rows, columns) {
            return refused(
                format!("{count} halvings of {rows} × {columns} cells leave nothing"),
                "ask for fewer `levels`, or let them be `auto`",
            );
        }
        if let Some(name) = self.method.each.keys().find(|name| stored.variable(name).is_none()) {
            return refused(format!("{} has no variable `{name}`", self.dataset), "take it out of `method`");
        }
        for variable in &stored.variables {
            let method = self.method.of(&variable.name, variable.is_categories());
            if variable.is_categories() && method.computes() {
                return refused(
                    format!("`{}` holds categories, which have no {}", variable.name, method.name()),
                    "let its method be `mode` or `nearest`",
                );
            }
        }
        let wanted = stored.with_levels(count, |v| self.method.of(&v.name, v.is_categories()));
        Ok((!stored.is_leveled_as(&wanted)).then_some(wanted))
    }

    /// What is to be done to the dataset as it will be by then.
    fn work(
        &self,
        info: &DatasetInfo,
        cube: Option<&Cube>,
        given: &PlannedSnapshot,
    ) -> Result<(Work, Vec<String>), StepError> {
        let declared: Option<Template> =
            given.layout.clone().and_then(|layout| serde_json::from_value(layout).ok());
        let Some(template) = cube.map(Cube::template).or(declared.as_ref()) else {
            return Ok((Work::default(), vec![format!("{} holds nothing yet", info.id)]));
        };
        let Some(wanted) = self.wanted(template)? else {
            return Ok((Work::default(), vec![settled(info)]));
        };
        let length = keeper::length(cube, given);
        let work = Work {
            commits: 1,
            chunks: Some(wanted.level_chunks(length)),
            memory: Some(wanted.level_peak()),
            ..Work::default()
        };
        Ok((work, vec![reason(&wanted)]))
    }

    fn findings(&self, info: &DatasetInfo) -> Vec<Finding> {
        let finding = |code, pointer: String, message: String, help: &str| Finding {
            code,
            pointer,
            message,
            help: Some(help.to_owned()),
            beside: None,
        };
        let mut found = Vec::new();
        let variables = &info.block.variables;
        for name in
            self.method.each.keys().filter(|name| !variables.is_empty() && !variables.contains_key(*name))
        {
            let message = format!("`{}` declares no variable `{name}`", self.dataset);
            let pointer = format!("/method/{name}");
            let here = finding(codes::STEP_SETTINGS, pointer, message, "name one of its variables");
            found.push(here.beside(&self.dataset, "/variables", "its variables"));
        }
        for (name, _) in variables.iter().filter(|(_, variable)| !variable.categories.is_empty()) {
            let Some(method) = self.method.said(name).filter(|method| method.computes()) else { continue };
            let pointer = if self.method.each.contains_key(name) {
                format!("/method/{name}")
            } else {
                "/method".to_owned()
            };
            let message = format!("`{name}` holds categories, which have no {}", method.name());
            let help = format!("give it a method of its own: `method: {{ {name}: mode }}`");
            let here = finding(codes::AVERAGED_CATEGORIES, pointer, message, &help);
            let beside = format!("/variables/{name}/categories");
            found.push(here.beside(&self.dataset, beside, "categories"));
        }
        if let (Count::Number(count), Some(grid)) = (self.levels, &info.block.grid) {
            let [rows, columns] = grid.shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            if count > most(rows, columns) {
                let message = format!("{count} halvings of {rows} × {columns} cells leave nothing");
                let help = format!("at most {} of them leave a cell", most(rows, columns));
                let here = finding(codes::STEP_SETTINGS, "/levels".to_owned(), message, &help);
                found.push(here.beside(&self.dataset, "/grid", "the cells"));
            }
        }
        found
    }
}

/// As `levels of 750 × 900, 375 × 450 cells, by mean; …`.
fn reason(wanted: &Template) -> String {
    if wanted.levels.is_empty() {
        return "the levels are taken away: the data move back to the root".to_owned();
    }
    let shapes: Vec<String> = wanted
        .levels
        .iter()
        .map(|level| {
            let (rows, columns) = level.grid.shape();
            format!("{rows} × {columns}")
        })
        .collect();
    let methods: Vec<String> = wanted
        .variables
        .iter()
        .filter_map(|v| Some(format!("{} by {}", v.name, wanted.method(&v.name)?.name())))
        .collect();
    format!(
        "levels of {} cells are made, {}; nothing changes for what is derived from it",
        shapes.join(", "),
        methods.join(", ")
    )
}
