//! Limits that processes on one state share: counted at the server, and by what the whole must take at least.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use frazil_tests::{
    geotiff::GeoTiff,
    sandbox::Sandbox,
    server::{Fault, Server},
};

struct Stand {
    sandbox: Sandbox,
    server: Server,
}

impl Stand {
    /// Two pipelines that each fetch so many days from one server, within one pool.
    fn new(days: u32, pool: &str, attempts: u32) -> Self {
        let sandbox = Sandbox::new(&[]);
        std::fs::create_dir_all(sandbox.path("input")).unwrap();
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        let project = format!(
            "frazil: 1\nid: pools\ncrs: EPSG:4326\npools: {{ source: {pool} }}\nvars: {{ server: \"{}\" }}\n",
            server.url()
        );
        sandbox.write("frazil.yaml", &project);
        for name in ["one", "two"] {
            for day in 1..=days {
                let file = sandbox.path(format!("input/{name}.2024.01.{day:02}.tif"));
                GeoTiff::of((0.0, 20.0), 1.0, (20, 20), |_, _| 1.0).write(&file).unwrap();
            }
            sandbox.write(&format!("pipelines/{name}.yaml"), &pipeline(name, days, attempts));
        }
        Self { sandbox, server }
    }

    fn start(&self, name: &str) -> Child {
        let mut command = self.sandbox.command(&["run", name]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs both at once; both must succeed.
    fn both(&self) -> Duration {
        let began = Instant::now();
        for run in ["one", "two"].map(|name| self.start(name)) {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        began.elapsed()
    }
}

fn pipeline(name: &str, days: u32, attempts: u32) -> String {
    format!(
        r#"frazil: 1
id: {name}
title: Rain
datasets:
  rain_{name}:
    title: Rain
    time: {{ step: P1D }}
    variables: {{ rain: {{ units: mm, cell: total, dtype: float32 }} }}
defaults:
  retry: {{ attempts: {attempts}, initial: 10ms, max: 10ms }}
steps:
  missing:
    uses: enumerate-periods
    with: {{ dataset: rain_{name}, start: "2024-01-01", end: "2024-01-{days:02}" }}
  slices:
    uses: fetch
    needs: missing
    pool: source
    with:
      source: cog
      url: "{{{{ vars.server }}}}/{name}.{{{{ period | date('%Y.%m.%d') }}}}.tif"
      variables: {{ rain: {{ band: 1 }} }}
      in-flight: 4
  rain:
    uses: append-commit
    needs: slices
    with: {{ dataset: rain_{name} }}
"#
    )
}

#[test]
fn two_processes_ask_for_no_more_at_a_time_than_their_pool_lets_through() {
    let free = Stand::new(4, "{ max: 100 }", 1);
    free.server.slow(Duration::from_millis(100));
    free.both();
    assert!(
        free.server.most_at_a_time() > 2,
        "without a limit there are more: {}",
        free.server.most_at_a_time()
    );

    let stand = Stand::new(12, "{ max: 2 }", 1);
    stand.server.slow(Duration::from_millis(30));
    stand.both();
    assert!(stand.server.most_at_a_time() <= 2, "{} at a time", stand.server.most_at_a_time());
    for name in ["one", "two"] {
        for day in 1..=12 {
            assert!(stand.server.count(&format!("/{name}.2024.01.{day:02}.tif")) > 0);
        }
    }
}

#[test]
fn two_processes_start_no_more_often_than_their_pool_lets_them() {
    let stand = Stand::new(5, "{ rate: 10/s }", 1);
    // Ten source files, each at least a tenth of a second after the one before.
    assert!(stand.both() >= Duration::from_millis(900));
    // What was claimed before a restart still counts.
    let stand = Stand::new(1, "{ rate: 1/s }", 1);
    let began = Instant::now();
    for name in ["one", "two"] {
        assert!(stand.start(name).wait().unwrap().success());
    }
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn who_is_asked_to_wait_holds_the_pool_for_all_and_dies_without_shutting_it() {
    let stand = Stand::new(1, "{ max: 1 }", 1);
    stand.server.first("/one.2024.01.01.tif", [Fault::Status(429, Some("2".to_owned()))]);
    assert!(!stand.start("one").wait().unwrap().success(), "it may not try again");
    let told = Instant::now();
    assert!(stand.start("two").wait().unwrap().success());
    // It was told a moment before it ended, and that much of a second may be rounded off.
    assert!(told.elapsed() >= Duration::from_millis(900), "{:?}", told.elapsed());
    // Killed while it holds the only place.
    stand.server.always("/one.2024.01.01.tif", Fault::Hang);
    let before = stand.server.count("/one.2024.01.01.tif");
    let mut holder = stand.start("one");
    while stand.server.count("/one.2024.01.01.tif") == before {
        assert!(holder.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    stand.server.always("/one.2024.01.01.tif", Fault::None);
    assert!(stand.start("one").wait().unwrap().success());
}
