//! Many writers of one dataset, each a process with a state of its own: no commit is lost.

use std::process::Command;

use frazil_engine::{
    data::{Action, Status, Values},
    step::ErrorKind,
};
use serde_json::json;

use super::support::{bench, bench_at, day, slice};

/// Names the repository and the number of a writer.
const CHILD: &str = "FRAZIL_TEST_WRITER";
const WRITERS: usize = 8;
const COMMITS: usize = 25;

/// Not a test by itself: the other one starts it, many times over, to be a writer.
#[tokio::test]
async fn writer() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let (number, url) = text.split_once(' ').unwrap();
    let salt: f32 = number.parse::<f32>().unwrap() / 16.0;
    let bench = bench_at(tempfile::tempdir().unwrap(), url.to_owned(), json!({}));
    let mut landed = 0;
    while landed < COMMITS {
        let next = bench.cube().await.and_then(|cube| cube.axis().last()).map_or(day(1), |last| last.plus(1));
        let written = match bench.write(0, Action::Add, vec![slice(next, Status::Final, salt)]).await {
            Ok(written) => written,
            Err(error) if error.failure().unwrap().kind == ErrorKind::Moved => continue,
            Err(error) => panic!("{error:?}"),
        };
        match bench.commit(vec![written]).await {
            Ok(_) => {}
            Err(error) if error.failure().unwrap().kind == ErrorKind::Moved => continue,
            Err(error) => panic!("{error:?}"),
        }
        // Somebody else may have settled the same period before: then ours was skipped.
        let cube = bench.cube().await.unwrap();
        let position = cube.axis().position(next).unwrap();
        let Values::Float32(values) = cube.read("rain", position..position + 1, None).await.unwrap() else {
            panic!("not float32")
        };
        landed += usize::from(values[0] % 1.0 == salt);
    }
}

#[tokio::test]
async fn eight_processes_of_twenty_five_commits_lose_none() {
    let bench = bench(json!({}));
    let children: Vec<_> = (0..WRITERS)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "cube::tests::processes::writer"])
                .env(CHILD, format!("{number} {}", bench.info.location.url))
                .output_later()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let cube = bench.cube().await.unwrap();
    assert_eq!(cube.axis().len(), WRITERS * COMMITS);
    let Values::Float32(values) = cube.read("rain", 0..cube.axis().len(), None).await.unwrap() else {
        panic!("not float32")
    };
    for number in 0..WRITERS {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let salt = number as f32 / 16.0;
        let own = values.chunks(48).filter(|period| period[0] % 1.0 == salt).count();
        assert_eq!(own, COMMITS, "periods of writer {number}");
    }
}

trait Later {
    fn output_later(&mut self) -> std::process::Child;
}

impl Later for Command {
    fn output_later(&mut self) -> std::process::Child {
        use std::process::Stdio;
        self.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
