//! What a source lacks, has in part, or mends later, over several runs of the program: each run
//! asks for what is still wanted and for nothing else.

use frazil_tests::{geotiff::GeoTiff, programs::ask_python, sandbox::Sandbox, server::Server};
use serde_json::{Value, json};

/// As `period_status` has them.
const FINAL: u8 = 0;
const PROVISIONAL: u8 = 1;
const GAP: u8 = 2;

struct Source {
    sandbox: Sandbox,
    server: Server,
}

impl Source {
    /// A project that fetches the first six days of 2024 into one cube with these settings.
    fn new(fetch: &str) -> Self {
        let sandbox = Sandbox::new(&[]);
        std::fs::create_dir_all(sandbox.path("input")).unwrap();
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        let project = format!(
            "frazil: 1\nid: arrivals\ncrs: EPSG:4326\nstores: {{ cubes: ./cubes }}\nvars: {{ server: \"{}\" }}\n",
            server.url()
        );
        sandbox.write("frazil.yaml", &project);
        let pipeline = format!(
            r#"frazil: 1
id: daily-rain
title: Rain
datasets:
  rain:
    title: Rain
    description: Rain of a test.
    time: {{ step: P1D }}
    variables: {{ rain: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
    chunks: {{ time: 4 }}
defaults:
  retry: {{ attempts: 2, initial: 10ms, max: 10ms }}
steps:
  missing:
    uses: enumerate-periods
    with: {{ dataset: rain, start: "2024-01-01", end: "2024-01-06", refill: 36500d, batch: 1 }}
  slices:
    uses: fetch
    needs: missing
    with:
      bbox: [2, 12, 4, 14]
{fetch}
  cube:
    uses: append-commit
    needs: slices
    with: {{ dataset: rain }}
"#
        );
        sandbox.write("pipelines/rain.yaml", &pipeline);
        Self { sandbox, server }
    }

    /// Puts files of some days into a folder; `offset` is added to their numbers.
    fn put(&self, folder: &str, days: impl IntoIterator<Item = u32>, offset: f32) {
        for day in days {
            let file = GeoTiff::of((0.0, 20.0), 1.0, (20, 20), |_, _| day as f32 + offset);
            file.write(&self.sandbox.path(format!("input/{folder}/{day:02}.tif"))).unwrap();
        }
    }

    fn run(&self) {
        self.server.forget();
        self.sandbox.succeed(&["run", "daily-rain"]);
        let scratch = self.sandbox.path(".frazil/scratch");
        let left = std::fs::read_dir(scratch).map_or(0, Iterator::count);
        assert_eq!(left, 0, "scratch is left behind");
    }

    /// How often each file was asked for, in the order of their names: `final/03.tif ×2`.
    fn asked(&self) -> String {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for request in self.server.requests() {
            *counts.entry(request.path[1..].to_owned()).or_default() += 1;
        }
        counts.into_iter().map(|(path, n)| format!("{path} ×{n}")).collect::<Vec<_>>().join(", ")
    }

    /// What Python reads: statuses, the number of each day, properties of the last commit.
    fn seen(&self) -> Option<(Value, Vec<Option<f64>>, Value)> {
        let cube = self.sandbox.path("cubes/rain");
        let seen = ask_python("read_cube.py", &[&cube.display().to_string()])?;
        let numbers = seen["variables"]["rain"]["values"].as_array().unwrap();
        let number = |slice: &Value| {
            let cells: Vec<_> =
                slice.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).collect();
            assert!(cells.iter().all(|cell| *cell == cells[0]), "{cells:?}");
            cells[0].as_f64()
        };
        let properties = seen["commits"][0]["properties"].clone();
        Some((seen["status"].clone(), numbers.iter().map(number).collect(), properties))
    }
}

const GAPS: &str = r#"      source: cog
      url: "{{ vars.server }}/days/{{ period | date('%d') }}.tif"
      on-missing: gap"#;

#[test]
fn a_gap_is_recorded_and_filled_when_its_file_appears() {
    let source = Source::new(GAPS);
    source.put("days", [1, 2, 4, 6], 0.0);
    source.run();
    if let Some((status, numbers, properties)) = source.seen() {
        assert_eq!(status, json!([FINAL, FINAL, GAP, FINAL, GAP, FINAL]));
        assert_eq!(numbers, [Some(1.0), Some(2.0), None, Some(4.0), None, Some(6.0)]);
        assert!(properties["periods"]["added"].is_array(), "{properties}");
    }

    // Nothing new: it is asked again, and nothing is written.
    source.run();
    assert_eq!(source.asked(), "days/03.tif ×1, days/05.tif ×1");
    let before = source.seen();

    source.put("days", [3], 0.5);
    source.run();
    assert_eq!(source.asked().split(", ").next().unwrap().split(' ').next(), Some("days/03.tif"));
    assert!(!source.asked().contains("days/01") && !source.asked().contains("days/06"), "{}", source.asked());
    if let (Some((status, numbers, properties)), Some(before)) = (source.seen(), before) {
        assert_eq!(status, json!([FINAL, FINAL, FINAL, FINAL, GAP, FINAL]));
        assert_eq!(numbers, [Some(1.0), Some(2.0), Some(3.5), Some(4.0), None, Some(6.0)]);
        assert_eq!(properties["periods"]["filled"], json!(["P1D:2024-01-03"]), "{properties}");
        assert_ne!(properties, before.2);
    }
}

const ALTERNATIVES: &str = r#"      source: SOURCE
      url: "{{ vars.server }}/final/{{ period | date('%d') }}.tif"
      alternatives:
        - { url: "{{ vars.server }}/early/{{ period | date('%d') }}.tif", provisional: true }"#;

#[test]
fn what_is_preliminary_is_provisional_until_the_final_file_is_there() {
    for kind in ["cog", "file"] {
        let source = Source::new(&ALTERNATIVES.replace("SOURCE", kind));
        source.put("early", 1..=6, 0.5);
        source.put("final", 1..=2, 0.0);
        source.run();
        if let Some((status, numbers, _)) = source.seen() {
            assert_eq!(status, json!([FINAL, FINAL, PROVISIONAL, PROVISIONAL, PROVISIONAL, PROVISIONAL]));
            assert_eq!(numbers, [1.0, 2.0, 3.5, 4.5, 5.5, 6.5].map(Some));
        }

        source.put("final", 3..=4, 0.0);
        source.run();
        assert!(!source.asked().contains("early"), "only what is better is asked for: {}", source.asked());
        assert!(!source.asked().contains("final/01"), "{}", source.asked());
        if let Some((status, numbers, properties)) = source.seen() {
            assert_eq!(status, json!([FINAL, FINAL, FINAL, FINAL, PROVISIONAL, PROVISIONAL]));
            assert_eq!(numbers, [1.0, 2.0, 3.0, 4.0, 5.5, 6.5].map(Some));
            assert_eq!(
                properties["periods"]["revised"],
                json!(["P1D:2024-01-03/2024-01-04"]),
                "{properties}"
            );
        }

        source.put("final", 5..=6, 0.0);
        source.run();
        if let Some((status, numbers, _)) = source.seen() {
            assert_eq!(status, json!(vec![FINAL; 6]));
            assert_eq!(numbers, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some));
        }
        source.run();
        assert_eq!(source.asked(), "", "nothing is left to be asked for");
    }
}

/// Two fetches of one pipeline that name the same URL.
#[test]
fn a_file_that_two_steps_want_is_downloaded_once_and_deleted_with_the_run() {
    let source = Source::new(&ALTERNATIVES.replace("SOURCE", "file"));
    source.put("final", 1..=6, 0.0);
    let pipeline = std::fs::read_to_string(source.sandbox.path("pipelines/rain.yaml")).unwrap();
    let (head, steps) = pipeline.split_once("steps:\n").unwrap();
    let (head, defaults) = head.split_once("defaults:\n").unwrap();
    let (_, block) = head.split_once("  rain:\n").unwrap();
    let again = steps
        .replace("  missing:", "  missing2:")
        .replace("  slices:", "  slices2:")
        .replace("  cube:", "  cube2:")
        .replace("needs: missing", "needs: missing2")
        .replace("needs: slices", "needs: slices2")
        .replace("dataset: rain", "dataset: rain2");
    let both = format!("{head}  rain2:\n{block}defaults:\n{defaults}steps:\n{steps}{again}");
    source.sandbox.write("pipelines/rain.yaml", &both);
    source.run();
    let once: Vec<String> = (1..=6).map(|day| format!("final/{day:02}.tif ×1")).collect();
    assert_eq!(source.asked(), once.join(", "));
    if let Some((status, numbers, _)) = source.seen() {
        assert_eq!(
            (status, numbers),
            (json!(vec![FINAL; 6]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some).to_vec())
        );
    }
}

/// A project whose newest day is told by files or by a listing.
fn told(by: &str) -> Source {
    let fetch = "      source: cog\n      url: \"{{ vars.server }}/days/{{ period | date('%d') }}.tif\"";
    let source = Source::new(fetch);
    let pipeline = std::fs::read_to_string(source.sandbox.path("pipelines/rain.yaml")).unwrap();
    let pipeline = pipeline
        .replace("refill: 36500d, batch: 1 }", &format!("{by} }}"))
        .replace("end: \"2024-01-06\"", "end: latest");
    source.sandbox.write("pipelines/rain.yaml", &pipeline);
    source
}

#[test]
fn files_say_what_the_newest_period_is() {
    let source = told("files: { glob: \"input/days/*.stamp\", date: \"%Y-%m-%d.stamp\" }");
    source.put("days", 1..=6, 0.0);
    source.run();
    assert_eq!(source.asked(), "", "nothing is there yet");
    for (newest, asked) in [("2024-01-02", 2), ("2024-01-05", 3)] {
        source.sandbox.write(&format!("input/days/{newest}.stamp"), "");
        let planned = source.sandbox.succeed(&["plan"]);
        assert!(planned.contains(&format!("{newest} is the newest in input/days/*.stamp")), "{planned}");
        source.run();
        assert_eq!(source.asked().split(", ").count(), asked, "{}", source.asked());
    }
}

#[test]
fn a_listing_says_what_the_newest_period_is_and_a_plan_does_not_ask() {
    let source = told("probe: { url: \"{{ vars.server }}/list.html\", date: \"rain.%Y.%m.%d.tif\" }");
    source.put("days", 1..=6, 0.0);
    let (_, errors) = source.sandbox.fail(5, &["run", "daily-rain"]);
    assert!(errors.contains("there is no listing at"), "{errors}");
    source
        .sandbox
        .write("input/list.html", "<a href=rain.2024.01.02.tif>x</a><a href=rain.2024.01.03.tif>y</a>");
    source.server.forget();
    let planned = source.sandbox.succeed(&["plan"]);
    assert!(planned.contains("a run asks") && planned.contains("list.html"), "{planned}");
    assert_eq!(source.asked(), "");
    source.run();
    assert!(source.asked().ends_with("list.html ×1"), "{}", source.asked());
    assert_eq!(source.asked().split(", ").count(), 4, "{}", source.asked());
    source.run();
    assert_eq!(source.asked(), "list.html ×1", "nothing newer");
}
