use frazil_engine::data::{Frequency, PeriodRange};

use super::*;
use crate::{
    fetch::{Selection, Stamp, source::Wanted},
    net::Access,
    testing,
};

fn request(path: &Path, from: &str, range: &str) -> Arc<Request> {
    Arc::new(Request {
        place: Source::File(path.to_path_buf()),
        periods: PeriodRange::parse(range, Frequency::Minutes(60)).unwrap().iter().collect(),
        variables: vec![Wanted {
            name: "t2m".into(),
            select: Selection { from: Some(from.into()), ..Selection::default() },
            stamp: Stamp::Start,
            block: None,
            inside: Vec::new(),
            lead: None,
            plane: 0,
        }],
        bbox: None,
        names: ["y".into(), "x".into()],
        beside: 0,
        crs: None,
    })
}

fn opener() -> (FileOpener, Net) {
    let cx = testing::context(Path::new("/nowhere"), Default::default());
    (FileOpener::new(&cx), Net::new(Access::default(), &cx).unwrap())
}

/// Genuine data, where there are some.
fn genuine(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("FRAZIL_DATA").map(|folder| PathBuf::from(folder).join(path));
    let ci = std::env::var_os("CI").is_some_and(|value| value != "false" && value != "0");
    assert!(found.is_some() || !ci, "FRAZIL_DATA is not set");
    if found.is_none() {
        println!("skipped: FRAZIL_DATA is not set");
    }
    found
}

#[tokio::test]
async fn a_file_of_744_messages_is_opened_once_and_its_helper_kept_for_the_next() {
    let Some(path) = genuine("era5-grib/era5-2mt-2019-03-uk.grib") else { return };
    let path = std::fs::canonicalize(path).unwrap();
    let (opener, net) = opener();
    let request = request(&path, "2t", "2019-03-01T00/2019-03-31T23");
    let mut file = opener.load(&request, Brought::here(path.clone()), &net, 1 << 30).await.unwrap().unwrap();
    let mut blocks = 0;
    for period in request.periods.clone() {
        let before = file.contents.blocks[0].as_ref().map(|block| block.steps.clone());
        let step = usize::try_from(period.ordinal() - request.periods[0].ordinal()).unwrap();
        let block = file.block(0, step).await.unwrap();
        blocks += usize::from(before != Some(block.steps.clone()));
        let field = file.contents.field(0, step, block).await.unwrap();
        assert_eq!(field.values.len(), 33 * 49);
    }
    // 744 × 33 × 49 numbers of eight bytes fit into one block: one read.
    assert_eq!((file.opens, blocks), (1, 1));
    drop(file);
    let again = opener.load(&request, Brought::here(path.clone()), &net, 1 << 30).await.unwrap().unwrap();
    assert_eq!(again.opens, 1, "the same process, in which the file is still open");
}

#[tokio::test]
async fn more_cells_than_memory_holds_are_refused_before_they_are_read() {
    let Some(path) = genuine("era5-grib/era5-2mt-2019-03-uk.grib") else { return };
    let path = std::fs::canonicalize(path).unwrap();
    let request = request(&path, "2t", "2019-03-01T00");
    let (opener, net) = opener();
    let error = opener.load(&request, Brought::here(path), &net, 10_000).await.unwrap_err();
    assert!(error.to_string().contains("33 × 49 cells do not fit"), "{error}");
}
