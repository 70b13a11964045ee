//! The rainfall example with further files that hang from it.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::Value;

/// Opens the daily cube and makes dekads of it, from which years hang in the same file.
pub(crate) const DEKADS: &str = "frazil: 1
id: dekads
datasets:
  rain_dekads: { title: Rainfall of ten days, time: { step: dekad } }
  rain_years: { title: Yearly rainfall, time: { step: P1Y } }
triggers: [ { dataset: rain_daily } ]
steps:
  daily: { uses: open-dataset, with: { dataset: rain_daily } }
  dekads: { uses: derived-resample, needs: daily, with: { dataset: rain_dekads, method: sum } }
  years: { uses: derived-resample, needs: dekads, with: { dataset: rain_years, method: max, ready: any } }
";

/// Opens what two other files make: the end of a diamond.
pub(crate) const SEASONS: &str = "frazil: 1
id: a_catalog
datasets:
  rain_wettest: { title: The wettest month of a year, time: { step: P1Y } }
triggers: [ { dataset: rain_dekads }, { dataset: rain_monthly } ]
steps:
  dekads: { uses: open-dataset, with: { dataset: rain_dekads } }
  months: { uses: open-dataset, with: { dataset: rain_monthly } }
  wettest: { uses: derived-resample, needs: months, with: { dataset: rain_wettest, method: max, ready: any } }
  catalog: { uses: publish-stac, needs: [dekads, months, wettest] }
";

/// A second dataset of the same source up to a day, over a box and with chunks of its own.
pub(crate) fn snow(end: &str, bbox: &str, chunk: u32) -> String {
    format!(
        "frazil: 1
id: snow
params: {{ end: {{ type: period, default: \"{end}\" }}, only: {{ type: enum, values: [missing, all], default: missing }} }}
datasets:
  snow_daily:
    title: Daily snow, so to say
    time: {{ step: P1D, start: \"2024-01-01\" }}
    variables: {{ snow: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
    chunks: {{ time: {chunk} }}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: snow_daily, end: \"{{{{ params.end }}}}\", only: \"{{{{ params.only }}}}\" }} }}
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: \"{{{{ vars.server }}}}/{{{{ period.year }}}}/rain.{{{{ period | date('%Y.%m.%d') }}}}.tif\"
      bbox: {bbox}
      variables: {{ snow: {{ band: 1 }} }}
  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: snow_daily }} }}
"
    )
}

/// The example over so many days with these files beside it.
pub(crate) fn project(days: u32, files: &[(&str, &str)]) -> Rainfall {
    let rainfall = Rainfall::of_days(days);
    for (name, text) in files {
        rainfall.sandbox.write(&format!("pipelines/{name}.yaml"), text);
    }
    rainfall
}

/// What Python makes of the windows of a derived cube, from the cube that it hangs from; `None`
/// without a Python.
pub(crate) fn windows(
    rainfall: &Rainfall,
    source: &str,
    derived: &str,
    method: &str,
    rule: &str,
) -> Option<Value> {
    let path = |id: &str| rainfall.cube(id).to_string_lossy().into_owned();
    ask_python("check_windows.py", &[&path(source), &path(derived), method, rule])
}

/// The lines of a command with `--format json`.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
