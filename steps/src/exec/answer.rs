//! What a program answers: version 1 of the answer, and what follows from it for each period.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use frazil_engine::{
    data::{Frequency, Period, Status},
    step::{ErrorKind, StepError},
};
use serde::Deserialize;

use super::{check::inside, task::VERSION};
use crate::fetch::work::Want;

/// What a program says that it made.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Answer {
    frazil: u32,
    /// Periods one by one.
    #[serde(default)]
    slices: Vec<Made>,
    /// Files whose own time axis says which periods they hold.
    #[serde(default)]
    files: Vec<String>,
}

/// A period that was made, or that there is none of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Made {
    period: String,
    file: Option<String>,
    status: Option<Said>,
}

/// What is said of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Final,
    Provisional,
    Gap,
}

/// What a program made of one call.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Product {
    /// What is said of single periods.
    pub(super) told: BTreeMap<Period, Told>,
    /// Files by the time axis that they hold, in the order in which they are looked through.
    pub(super) files: Vec<PathBuf>,
}

/// What is said of a single period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// It is in this file.
    In(PathBuf, Status),
    /// There is none, and there will be none.
    Gap,
}

impl Product {
    /// Reads what a program printed; files are those in `folder`, an absolute path without links.
    ///
    /// # Errors
    /// When it is no answer, or one to something else.
    pub(super) fn read(
        text: &[u8],
        wants: &[Want],
        step: Frequency,
        folder: &Path,
    ) -> Result<Self, StepError> {
        let answer: Answer = serde_json::from_slice(text).map_err(|error| {
            let begin: String = String::from_utf8_lossy(text).trim().chars().take(60).collect();
            let what = match begin.as_str() {
                "" => "it is empty".to_owned(),
                begin => format!("{error}; it begins with `{begin}`"),
            };
            wrong(format!("its answer on standard output is not the JSON that is wanted: {what}"))
                .help("print `{\"frazil\": 1, \"slices\": [{\"period\": …, \"file\": …}]}` alone; all else goes to standard error")
        })?;
        if answer.frazil != VERSION {
            return Err(wrong(format!(
                "its answer is of version {}, and this frazil knows {VERSION}",
                answer.frazil
            )));
        }
        let mut product = Self::default();
        for made in answer.slices {
            let period =
                Period::parse(&made.period, step).map_err(|error| wrong(format!("in its answer {error}")))?;
            if !wants.iter().any(|want| want.period == period) {
                return Err(wrong("it answers a period that it was not asked for").at(period));
            }
            let told = told(made, folder).map_err(|error| error.at(period))?;
            if product.told.insert(period, told).is_some() {
                return Err(wrong("it answers the period twice").at(period));
            }
        }
        product.files = answer.files.iter().map(|file| place(file, folder)).collect::<Result<_, _>>()?;
        Ok(product)
    }
}

fn wrong(message: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Data, message)
}

fn told(made: Made, folder: &Path) -> Result<Told, StepError> {
    match (made.status.unwrap_or(Said::Final), made.file) {
        (Said::Gap, None) => Ok(Told::Gap),
        (Said::Gap, Some(_)) => Err(wrong("it answers a gap with a file")),
        (_, None) => Err(wrong("it names no file").help(
            "leave out a period that is not there yet; `\"status\": \"gap\"` says that it never will be",
        )),
        (Said::Final, Some(file)) => Ok(Told::In(place(&file, folder)?, Status::Final)),
        (Said::Provisional, Some(file)) => Ok(Told::In(place(&file, folder)?, Status::Provisional)),
    }
}

/// The path of a file in the folder of the call. Looks at the disk.
fn place(file: &str, folder: &Path) -> Result<PathBuf, StepError> {
    let out = || {
        wrong(format!("it names `{file}`, which is not in the folder that it was given"))
            .help("write into `folder` of the task, and name files by their paths in it")
    };
    // Absolute paths into the folder are fine too.
    let relative = Path::new(file).strip_prefix(folder).ok().and_then(Path::to_str).unwrap_or(file);
    if !inside(relative) {
        return Err(out());
    }
    let path = folder.join(relative).canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong(format!("it names `{file}`, which it did not write")),
        _ => wrong(format!("`{file}` cannot be read: {error}")),
    })?;
    if path.starts_with(folder) && path != folder { Ok(path) } else { Err(out()) }
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Action;

    use super::*;

    fn day(text: &str) -> Period {
        Period::parse(text, Frequency::Day).unwrap()
    }

    fn read(text: &str, folder: &Path) -> Result<Product, String> {
        let want = |period| Want { period: day(period), context: false, action: Action::Add };
        let wants: Vec<Want> = ["2024-01-01", "2024-01-02"].into_iter().map(want).collect();
        Product::read(text.as_bytes(), &wants, Frequency::Day, folder).map_err(|error| error.to_string())
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().canonicalize().unwrap().join("call");
        std::fs::create_dir(&path).unwrap();
        for file in ["call/a.tif", "call/b.nc", "secret.tif"] {
            std::fs::write(outside.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("secret.tif"), path.join("link.tif")).unwrap();
        (outside, path)
    }

    #[test]
    fn an_answer_says_where_each_period_is() {
        let (_outside, folder) = folder();
        let absolute = folder.join("b.nc");
        let text = format!(
            r#"{{"frazil": 1, "slices": [{{"period": "2024-01-01", "file": "./a.tif", "status": "provisional"}},
               {{"period": "2024-01-02", "status": "gap"}}], "files": ["{}"]}}"#,
            absolute.display()
        );
        let product = read(&text, &folder).unwrap();
        assert_eq!(product.told[&day("2024-01-01")], Told::In(folder.join("a.tif"), Status::Provisional));
        assert_eq!(product.told[&day("2024-01-02")], Told::Gap);
        assert_eq!(product.files, [absolute]);
        assert_eq!(read(r#"{"frazil": 1}"#, &folder).unwrap(), Product::default());
    }

    #[test]
    fn what_is_no_answer_is_refused_with_what_is_wrong() {
        let (_outside, folder) = folder();
        let one = |entry: &str| format!(r#"{{"frazil": 1, "slices": [{entry}]}}"#);
        for (text, said) in [
            (String::new(), "it is empty"),
            ("Done.".to_owned(), "it begins with `Done.`"),
            (r#"{"frazil": 2}"#.to_owned(), "of version 2"),
            (r#"{"frazil": 1, "slice": []}"#.to_owned(), "unknown field `slice`"),
            (
                one(r#"{"period": "2024-01-03", "file": "a.tif"}"#),
                "2024-01-03: it answers a period that it was not asked for",
            ),
            (one(r#"{"period": "January", "file": "a.tif"}"#), "January"),
            (one(r#"{"period": "2024-01-01"}"#), "names no file"),
            (one(r#"{"period": "2024-01-01", "file": "a.tif", "status": "gap"}"#), "a gap with a file"),
            (one(r#"{"period": "2024-01-01", "status": "withdrawn"}"#), "unknown variant"),
            (
                one(
                    r#"{"period": "2024-01-01", "status": "gap"}, {"period": "2024-01-01", "status": "gap"}"#,
                ),
                "twice",
            ),
            (one(r#"{"period": "2024-01-01", "file": "c.tif"}"#), "which it did not write"),
        ] {
            let error = read(&text, &folder).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn no_path_leaves_the_folder() {
        let (outside, folder) = folder();
        let beside = outside.path().canonicalize().unwrap().join("secret.tif").display().to_string();
        for file in
            ["../secret.tif", "/etc/hostname", beside.as_str(), "link.tif", ".", "", "x/../../secret.tif"]
        {
            let error = read(&format!(r#"{{"frazil": 1, "files": ["{file}"]}}"#), &folder).unwrap_err();
            assert!(error.contains("not in the folder"), "{file}: {error}");
        }
    }
}
