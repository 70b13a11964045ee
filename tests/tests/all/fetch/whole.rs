//! Whole files over HTTP: brought once, used only when they are whole.

use std::path::{Path, PathBuf};

use frazil_engine::{
    data::{Action, Periods},
    step::StepError,
};
use frazil_tests::{programs::ask_python, server::Fault};
use serde_json::json;

use super::stand::{Stand, days, shown, work};

/// A day a file, read whole.
fn daily(days: impl IntoIterator<Item = u32>) -> Stand {
    let mut stand = Stand::new(days);
    stand.with["source"] = json!("file");
    stand
}

/// February 2025 in one file, `/month.nc`; `None`, said in a line, without a Python to make it.
fn monthly(case: &str) -> Option<Stand> {
    let mut stand = Stand::new([]);
    let path = stand.folder.path().join("month.nc");
    ask_python("make_netcdf.py", &[case, &path.display().to_string()])?;
    stand.with = json!({
        "source": "file", "url": format!("{}/month.nc", stand.server.url()),
        "variables": { "rain": { "from": "v" } },
    });
    Some(stand)
}

fn february(first: u32, last: u32) -> Periods {
    work(&[(&format!("2025-02-{first:02}/2025-02-{last:02}"), Action::Add)])
}

/// All files below a folder, by their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn unfinished(stand: &Stand) -> usize {
    files(&stand.cx.scratch).iter().filter(|path| path.extension().is_some_and(|e| e == "part")).count()
}

fn broken() -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::Status(500, None), "the server answered 500 Internal Server Error"),
        (Fault::Status(429, None), "the server answered 429 Too Many Requests"),
        (Fault::Reset, "error sending request"),
        (Fault::Truncate(0), "broke off"),
        (Fault::Truncate(700), "broke off"),
        (Fault::Page, "HTML page"),
        (Fault::PageAsTiff, "is no GeoTIFF, NetCDF, HDF5 or GRIB file"),
        (Fault::Empty, "is empty"),
        // Nothing but what is in the file tells that these are not whole.
        (Fault::Unannounced(0), "is empty"),
        (Fault::Unannounced(100), "01.tif: "),
        (Fault::Unannounced(700), "01.tif: "),
    ]
}

#[tokio::test]
async fn what_did_not_come_whole_is_discarded_and_brought_anew() {
    let (expected, _) = daily([1]).fetch(&days(1, 1)).await;
    for (fault, _) in broken() {
        let stand = daily([1]);
        stand.server.first(&Stand::path(1), [fault.clone()]);
        let (arrived, error) = stand.fetch(&days(1, 1)).await;
        assert_eq!(error, None, "{fault:?}");
        assert_eq!(format!("{arrived:?}"), format!("{expected:?}"), "{fault:?}");
        assert_eq!((stand.waited(), stand.server.count(&Stand::path(1))), (2, 2), "{fault:?}");
        assert_eq!(unfinished(&stand), 0, "{fault:?}");
    }
    let stand = daily([1]);
    stand.server.first(&Stand::path(1), [Fault::Status(429, Some("9".into()))]);
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((error, stand.waited()), (None, 9));
}

#[tokio::test]
async fn what_never_comes_whole_is_never_used() {
    for (fault, said) in broken() {
        let stand = daily([1]);
        stand.server.always(&Stand::path(1), fault.clone());
        let (arrived, error) = stand.fetch(&days(1, 2)).await;
        let error = error.unwrap();
        assert!(!error.is_transient() && error.to_string().contains(said), "{fault:?}: {error}");
        assert_eq!((shown(&arrived).as_str(), stand.server.count(&Stand::path(1))), ("", 3), "{fault:?}");
        assert_eq!(files(&stand.cx.scratch), Vec::<PathBuf>::new(), "{fault:?}");
        // The next one to ask does not meet what is left of it.
        stand.server.always(&Stand::path(1), Fault::None);
        let (arrived, error) = stand.fetch(&days(1, 1)).await;
        assert_eq!((shown(&arrived).as_str(), error), ("01", None), "{fault:?}");
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_is_an_error_never_numbers() {
    for case in ["month", "month_3"] {
        let Some(mut stand) = monthly(case) else { return };
        let length = std::fs::metadata(stand.folder.path().join("month.nc")).unwrap().len();
        let (expected, error) = stand.fetch(&february(1, 20)).await;
        assert_eq!(error, None);
        for cut in (1..length).step_by(usize::try_from(length / 12).unwrap()) {
            stand.cx.scratch = stand.folder.path().join(format!("cut-{cut}"));
            stand.cx.retry.attempts = 1;
            stand.server.always("/month.nc", Fault::Unannounced(usize::try_from(cut).unwrap()));
            let (arrived, error) = stand.fetch(&february(1, 20)).await;
            if error.is_none() {
                let same = format!("{arrived:?}") == format!("{expected:?}");
                assert!(same, "{case} cut at {cut} of {length}: other numbers");
            }
        }
    }
}

#[tokio::test]
async fn many_periods_of_one_file_are_one_download() {
    let Some(mut stand) = monthly("month") else { return };
    let (arrived, error) = stand.fetch(&february(1, 9)).await;
    assert_eq!((arrived.len(), error), (9, None));
    assert_eq!(stand.asked(), "GET /month.nc");
    // Another batch, or the step tried again for a later period: the run has it already.
    let (arrived, error) = stand.fetch(&february(10, 28)).await;
    assert_eq!((arrived.len(), error), (19, None));
    // Another step of the run that wants something else of it.
    stand.with["bbox"] = json!([10.5, 0.5, 12.5, 2.5]);
    stand.with["in-flight"] = json!(3);
    let (arrived, error) = stand.fetch(&february(1, 3)).await;
    assert_eq!((arrived.len(), error), (3, None));
    assert_eq!(stand.asked(), "GET /month.nc");
    // Asked as somebody else it may be another file.
    stand.with["headers"] = json!({ "x-key": "{{ secrets.key }}" });
    let (_, error) = stand.fetch(&february(1, 3)).await;
    assert_eq!((error, stand.asked().as_str()), (None, "GET /month.nc ×2"));
    // Another run brings its own.
    stand.cx.scratch = stand.folder.path().join("another");
    let (_, error) = stand.fetch(&february(1, 3)).await;
    assert_eq!((error, stand.asked().as_str()), (None, "GET /month.nc ×3"));
    assert_eq!(unfinished(&stand), 0);
}

#[tokio::test]
async fn steps_side_by_side_share_a_download_also_one_that_is_tried_again() {
    for faults in [vec![], vec![Fault::Truncate(900)], vec![Fault::PageAsTiff, Fault::Reset]] {
        let Some(stand) = monthly("month") else { return };
        stand.server.first("/month.nc", faults.clone());
        let work: Vec<Periods> = (0..4).map(|n| february(n * 7 + 1, n * 7 + 7)).collect();
        let came: Vec<(Vec<_>, Option<StepError>)> =
            futures::future::join_all(work.iter().map(|periods| stand.fetch(periods))).await;
        for (arrived, error) in came {
            assert_eq!((arrived.len(), error), (7, None));
        }
        assert_eq!(stand.server.count("/month.nc"), faults.len() + 1, "{faults:?}");
        assert_eq!(unfinished(&stand), 0);
    }
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_leaves_nothing_half_done() {
    let stand = daily([1]);
    stand.server.always(&Stand::path(1), Fault::Hang);
    let (_, error) = stand.fetch_and_stop().await;
    assert_eq!(error, Some(StepError::Cancelled));
    assert_eq!(files(&stand.cx.scratch), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_chunk_that_holds_far_more_than_it_says_is_refused() {
    let Some(mut stand) = monthly("bomb") else { return };
    let path = stand.folder.path().join("month.nc");
    assert!(std::fs::metadata(path).unwrap().len() < 16 << 20);
    stand.cx.scope.memory = 64 << 20;
    stand.with["url"] = json!("month.nc");
    let (arrived, error) = stand.fetch(&february(1, 1)).await;
    let error = error.expect("an error");
    assert_eq!(shown(&arrived), "", "{error}");
    assert!(error.to_string().contains("month.nc"), "{error}");
    // With room enough the same bytes are read: it is the bound that refuses them.
    stand.cx.scope.memory = 8 << 30;
    let (arrived, error) = stand.fetch(&february(1, 1)).await;
    assert_eq!((arrived.len(), error), (1, None));
}
