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
