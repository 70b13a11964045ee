//! Files that change under a project at work.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{GOOD, PROJECT, fake};
use crate::project::{LoadOptions, Reread, Watched};

const OTHER: &str = "frazil: 1
id: snow
datasets:
  snow_daily: { title: Snow, time: { step: P1D }, variables: { depth: { units: m, cell: point, dtype: float32 } } }
steps:
  missing: { uses: list-periods, with: { dataset: snow_daily, start: \"2020-01-01\" } }
  slices: { uses: read, needs: missing, with: { source: cog, url: \"https://example.org/{{ period }}.tif\" } }
  daily: { uses: settle, needs: slices, with: { dataset: snow_daily } }
";

struct Folder {
    root: tempfile::TempDir,
    watched: Watched,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("pipelines")).unwrap();
        fs::write(root.path().join("frazil.yaml"), PROJECT).unwrap();
        fs::write(root.path().join("pipelines/rain.yaml"), GOOD).unwrap();
        fs::write(root.path().join("pipelines/snow.yaml"), OTHER).unwrap();
        let options = LoadOptions { folder: root.path().to_owned(), ..LoadOptions::default() };
        let watched = Watched::open(options, Arc::new(fake::registry()));
        let watched = watched.unwrap_or_else(|checked| panic!("{:#?}", checked.problems));
        Self { root, watched }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join(name), text).unwrap();
    }

    fn reread(&mut self) -> Reread {
        self.watched.reread().unwrap()
    }

    fn titles(&self) -> Vec<String> {
        let project = self.watched.project();
        project.datasets.values().map(|info| info.block.title.clone()).collect()
    }

    /// As if the files had been written long ago.
    fn age(&self) {
        let before = SystemTime::now() - Duration::from_secs(60);
        for name in ["frazil.yaml", "pipelines/rain.yaml", "pipelines/snow.yaml"] {
            File::options()
                .write(true)
                .open(self.root.path().join(name))
                .unwrap()
                .set_modified(before)
                .unwrap();
        }
    }
}

#[test]
fn what_holds_what_it_held_is_not_taken_for_a_change() {
    let mut folder = Folder::new();
    assert!(folder.watched.has_moved(), "what was written a moment ago may be written again unnoticed");
    assert!(folder.watched.reread().is_none());
    folder.age();
    assert!(folder.watched.has_moved());
    assert!(folder.watched.reread().is_none());
    assert!(!folder.watched.has_moved());
    folder.write("pipelines/rain.yaml", GOOD);
    assert!(folder.watched.has_moved());
    assert!(folder.watched.reread().is_none());
}

#[test]
fn what_is_good_replaces_and_what_is_not_keeps_its_last_good_version() {
    let mut folder = Folder::new();
    let began = Arc::clone(folder.watched.project());
    folder.write("pipelines/rain.yaml", &GOOD.replace("uses: settle", "uses: setle"));
    folder.write("pipelines/snow.yaml", &OTHER.replace("Snow", "Snow depth"));
    let change = folder.reread();
    assert_eq!(change.behind, ["pipelines/rain.yaml"]);
    assert!(change.problems.iter().any(|problem| problem.message.contains("setle")), "{:?}", change.problems);
    assert_eq!(folder.titles(), ["Daily rain", "Monthly rain", "Snow depth"]);
    assert_eq!(change.project.pipelines.len(), 2);
    assert!(folder.watched.reread().is_none(), "it is said once");
    assert_eq!(began.datasets["snow_daily"].block.title, "Snow", "who began with it keeps it");
    // Mended, and the other taken away.
    folder.write("pipelines/rain.yaml", &GOOD.replace("Daily rain", "Rain by day"));
    fs::remove_file(folder.root.path().join("pipelines/snow.yaml")).unwrap();
    let change = folder.reread();
    assert!(change.behind.is_empty());
    assert_eq!(folder.titles(), ["Rain by day", "Monthly rain"]);
}

#[test]
fn a_new_file_that_is_bad_is_left_out_and_what_cannot_be_read_is_not_gone() {
    let mut folder = Folder::new();
    folder.write("pipelines/twice.yaml", OTHER);
    let change = folder.reread();
    assert_eq!(change.behind, ["pipelines/twice.yaml"], "the one that was there stays");
    assert_eq!(change.project.pipelines.len(), 2);
    let path = folder.root.path().join("pipelines/snow.yaml");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    let change = folder.reread();
    assert_eq!(change.behind, ["pipelines/snow.yaml", "pipelines/twice.yaml"]);
    assert_eq!(change.project.pipelines.len(), 2);
}

#[test]
fn files_that_need_each_other_are_taken_together() {
    let mut folder = Folder::new();
    // A dataset moves from one file to another.
    folder.write("pipelines/snow.yaml", &OTHER.replace("snow", "ice"));
    folder.write("pipelines/more.yaml", &OTHER.replace("Snow", "Snow of another file"));
    // Another that cannot be read does not hinder them.
    fs::write(folder.root.path().join("pipelines/rain.yaml"), [0xff, 0xfe]).unwrap();
    let change = folder.reread();
    assert_eq!(change.behind, ["pipelines/rain.yaml"], "{:?}", change.problems);
    folder.write("pipelines/rain.yaml", GOOD);
    assert!(folder.reread().behind.is_empty());
    assert_eq!(folder.watched.project().pipelines.len(), 3);
}

#[test]
fn a_process_at_work_does_not_follow_its_state_to_another_folder() {
    let mut folder = Folder::new();
    folder.write("frazil.yaml", &format!("{PROJECT}state: elsewhere\n"));
    folder.write("pipelines/snow.yaml", &OTHER.replace("Snow", "Snow depth"));
    let change = folder.reread();
    assert!(change.moves_state);
    assert_eq!(change.behind, ["frazil.yaml"]);
    assert_eq!(folder.titles(), ["Daily rain", "Monthly rain", "Snow depth"]);
    fs::remove_file(folder.root.path().join("frazil.yaml")).unwrap();
    assert_eq!(folder.reread().behind, ["frazil.yaml"]);
    assert_eq!(folder.watched.project().config.id, "demo");
}

#[test]
fn what_a_file_would_make_of_the_project_is_known_before_it_is_written() {
    let folder = Folder::new();
    let path = folder.root.path().join("pipelines/ice.yaml");
    let good = folder.watched.with(&path, Some(OTHER.replace("snow", "ice")));
    assert!(!good.has_errors() && good.projects[0].pipelines.len() == 3);
    assert!(folder.watched.with(&path, Some(OTHER.to_owned())).has_errors());
    let without = folder.watched.with(&folder.root.path().join("pipelines/snow.yaml"), None);
    assert_eq!(without.projects[0].pipelines.len(), 1);
    assert!(!path.exists() && Path::new(&path).parent().is_some());
}
