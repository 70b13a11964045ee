//! What a program is told, what it answers, and what becomes of that.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use frazil_engine::{
    context::{Progress, Tick},
    data::{Action, Periods},
};
use serde_json::{Value, json};

use crate::fetch::stand::{Stand, days, shown, slice, work};

/// What every script begins with: its task, its folder, and how it answers.
const BEGIN: &str = r#"
task=$(cat)
folder=$(printf %s "$task" | sed 's/.*"folder":"\([^"]*\)".*/\1/')
day() { cp "2024/01/$1.tif" "$folder/$1.tif"; printf '{"period": "2024-01-%s", "file": "%s.tif"}' "$1" "$1"; }
"#;

/// A step that runs a shell script; rasters of these days lie beside it.
pub(crate) fn stand(days: impl IntoIterator<Item = u32>, script: &str) -> Stand {
    let mut stand = Stand::new(days);
    stand.uses = "exec";
    stand.with = json!({
        "command": ["sh", "program.sh"], "files": ["program.sh"],
        "bbox": [2.0, 12.0, 4.0, 14.5], "variables": { "rain": { "band": 1 } },
    });
    write(&stand, script);
    stand
}

fn write(stand: &Stand, script: &str) {
    std::fs::write(stand.folder.path().join("program.sh"), format!("{BEGIN}{script}\n")).unwrap();
}

/// A script that answers with these entries of `slices`.
fn answer(slices: &str) -> String {
    format!("printf '{{\"frazil\": 1, \"slices\": ['\n{slices}\nprintf ']}}'")
}

/// What arrives, and the error that ended it.
async fn outcome(stand: &Stand, periods: &Periods) -> (String, String) {
    let (arrived, error) = stand.fetch(periods).await;
    (shown(&arrived), error.map(|error| error.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn files_that_a_program_writes_are_slices() {
    let stand = stand(1..=3, &answer("day 01; echo ,; day 02; echo ,; day 03"));
    let (arrived, error) = stand.fetch(&days(1, 3)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02 03", None));
    let (grid, day) = (&slice(&arrived[1]).grid, slice(&arrived[1]));
    assert_eq!(grid.shape(), (5, 4), "cut to the bbox");
    assert_eq!(
        day.fields[0].values,
        vec![21104.0f32, 21105.0, 21106.0, 21107.0]
            .into_iter()
            .chain((12..16).flat_map(|r| (4..8).map(move |c| 20_000.0 + (r * 100 + c) as f32)))
            .collect::<Vec<f32>>()
            .into()
    );
    let left: Vec<_> =
        std::fs::read_dir(&stand.cx.scratch).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("exec-")), "{left:?}");
}

#[tokio::test]
async fn a_program_is_told_what_is_wanted() {
    let mut stand = stand([1], &format!("printf %s \"$task\" > told.json; echo x; {}", answer("day 01")));
    stand.with["input"] = json!({ "weights": [1, 2], "é": null });
    let periods = work(&[("2024-01-01", Action::Add), ("2024-01-05", Action::Fill)]);
    assert!(
        outcome(&stand, &periods).await.1.contains("it begins with `x"),
        "all of its output is the answer"
    );
    let told = std::fs::read_to_string(stand.folder.path().join("told.json")).unwrap();
    let mut told: Value = serde_json::from_str(&told).unwrap();
    let folder = told["folder"].take();
    assert!(folder.as_str().unwrap().contains("/state/scratch/exec-slices-1-0"), "{folder}");
    let expected = json!({
        "frazil": 1, "run": "r", "step": "slices", "instant": "2024-06-01T00:00:00Z", "folder": null,
        "dataset": "rain", "time-step": "P1D", "variables": ["rain"],
        "periods": [
            { "period": "2024-01-01", "start": "2024-01-01T00:00:00Z", "end": "2024-01-02T00:00:00Z", "action": "add", "context": false },
            { "period": "2024-01-05", "start": "2024-01-05T00:00:00Z", "end": "2024-01-06T00:00:00Z", "action": "fill", "context": false },
        ],
        "bbox": [2.0, 12.0, 4.0, 14.5], "datasets": [], "input": { "weights": [1, 2], "é": null },
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_a_program_leaves_out_is_the_frontier_or_a_mistake() {
    let three = days(1, 3);
    for (said, slices, arrived, error) in [
        ("nothing", "", "", ""),
        ("the first", "day 01", "01", ""),
        (
            "a hole",
            "day 01; echo ,; day 03",
            "01",
            "2024-01-02: the program left it out, although it gave 2024-01-03",
        ),
        (
            "a gap",
            r#"day 01; echo ',{"period": "2024-01-02", "status": "gap"},'; day 03"#,
            "01 02:gap 03",
            "",
        ),
        ("a gap first", r#"echo '{"period": "2024-01-01", "status": "gap"},'; day 02"#, "01:gap 02", ""),
        (
            "gaps alone",
            r#"echo '{"period": "2024-01-01", "status": "gap"}'"#,
            "",
            "2024-01-01: it is a gap, and nothing says yet where the cells lie",
        ),
        (
            "preliminary",
            r#"day 01; cp 2024/01/02.tif "$folder/"; echo ',{"period": "2024-01-02", "file": "02.tif", "status": "provisional"}'"#,
            "01 02:provisional",
            "",
        ),
        ("in any order", "day 02; echo ,; day 01", "01 02", ""),
    ] {
        let stand = stand(1..=3, &answer(slices));
        let found = outcome(&stand, &three).await;
        assert_eq!((found.0.as_str(), found.1.as_str()), (arrived, error), "{said}");
    }
    // What is stored stays where the program has nothing newer.
    let again = work(&[("2024-01-01/2024-01-02", Action::Revise), ("2024-01-03", Action::Add)]);
    let stand = stand(1..=3, &answer("day 02; echo ,; day 03"));
    assert_eq!(outcome(&stand, &again).await, ("01:kept 02 03".to_owned(), String::new()));
}

#[tokio::test]
async fn a_batch_is_a_call_and_context_comes_before_a_stretch() {
    let count = "echo call >> calls; ";
    let each = r#"
first=1; printf '{"frazil": 1, "slices": ['
for d in $(printf %s "$task" | grep -o '"period":"2024-01-[0-9]*"' | grep -o '[0-9]*"' | tr -d '"'); do
  [ -f "2024/01/$d.tif" ] || continue
  [ $first = 1 ] || printf ,
  first=0; day "$d"
done
printf ']}'"#;
    let stand = stand(1..=9, &format!("{count}{each}"));
    let mut periods = days(3, 8);
    let range = periods.items[0].range;
    let (a, b) = (range.first, range.last);
    periods.batches = vec![
        vec![frazil_engine::data::PeriodRange { first: a, last: a.plus(2) }],
        vec![frazil_engine::data::PeriodRange { first: a.plus(3), last: b }],
    ];
    let (arrived, error) = stand.fetch_with_halo(&periods, 1).await;
    assert_eq!((shown(&arrived).as_str(), error), ("~02 03 04 05 06 07 08", None));
    assert_eq!(std::fs::read_to_string(stand.folder.path().join("calls")).unwrap(), "call\ncall\n");
    let plan = stand.plan(&periods).await;
    assert_eq!((plan.requests, plan.reasons), (0, vec!["runs `sh program.sh` 2 times".to_owned()]));
    // Nothing to do is nothing to run.
    periods.items.clear();
    periods.batches.clear();
    assert_eq!(outcome(&stand, &periods).await, (String::new(), String::new()));
    assert_eq!(std::fs::read_to_string(stand.folder.path().join("calls")).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn exit_code_75_is_tried_again_in_an_empty_folder() {
    let script = r#"echo try >> tries; ls "$folder" >> found; touch "$folder/left"
[ $(wc -l < tries) -gt 2 ] || { echo 'not now' >&2; exit 75; }"#;
    let one = stand([1], &format!("{script}\n{}", answer("day 01")));
    assert_eq!(outcome(&one, &days(1, 1)).await, ("01".to_owned(), String::new()));
    let read = |name: &str| std::fs::read_to_string(one.folder.path().join(name)).unwrap();
    assert_eq!((read("tries").as_str(), read("found").as_str()), ("try\ntry\ntry\n", ""));
    assert_eq!(one.waited(), 2 + 4);
    let never = stand([1], "echo 'not now' >&2; exit 75");
    let (_, error) = never.fetch(&days(1, 1)).await;
    let error = error.unwrap();
    assert!(!error.is_transient(), "its tries are used up");
    assert!(
        error
            .to_string()
            .contains("2024-01-01: `sh program.sh` asked to be tried again (exit code 75): not now"),
        "{error}"
    );
}

#[tokio::test]
async fn a_program_that_fails_says_why_and_keeps_secrets() {
    let mut stand = stand(
        [1],
        "echo one >&2; echo two >&2; echo \"the key is $KEY\" >&2; echo three >&2; echo four >&2; exit 3",
    );
    stand.with["env"] = json!({ "KEY": "{{ secrets.key }}" });
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&notes);
    stand.cx.progress = Progress::new(move |tick| {
        if let Tick::Said(note) = tick {
            kept.lock().unwrap().push(note);
        }
    });
    let (_, error) = stand.fetch(&days(1, 1)).await;
    let error = error.unwrap();
    assert!(!error.is_transient());
    assert_eq!(
        error.to_string(),
        "2024-01-01: `sh program.sh` ended with exit code 3: two / the key is *** / three / four"
    );
    assert_eq!(*notes.lock().unwrap(), ["one", "two", "the key is ***", "three", "four"]);
    write(&stand, "kill -SEGV $$");
    assert!(outcome(&stand, &days(1, 1)).await.1.contains("was ended by signal 11, saying nothing"));
}

#[tokio::test]
async fn a_program_has_little_of_our_environment() {
    let mut stand = stand(
        [1],
        &format!(
            "env | sed 's/=.*//' > names; echo \"$MODE $(basename $TMPDIR)\" > mode; {}",
            answer("day 01")
        ),
    );
    stand.with["env"] = json!({ "MODE": "fast" });
    assert_eq!(outcome(&stand, &days(1, 1)).await.0, "01");
    let read = |name: &str| std::fs::read_to_string(stand.folder.path().join(name)).unwrap();
    assert_eq!(read("mode"), "fast exec-slices-1-0\n");
    let names: BTreeSet<String> = read("names").lines().map(str::to_owned).collect();
    let known = [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TZ",
        "LD_LIBRARY_PATH",
        "TMPDIR",
        "MODE",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    let more: Vec<&String> =
        names.iter().filter(|n| !known.contains(&n.as_str()) && !n.starts_with("LC_")).collect();
    assert!(more.is_empty(), "{more:?}");
    // The test runner has more than that.
    assert!(std::env::vars().any(|(name, _)| !names.contains(&name)));
}

#[tokio::test]
async fn a_program_or_a_part_of_it_that_is_not_there_is_told_before_anything_runs() {
    for (key, value, said) in [
        ("command", json!(["no-such-program"]), "the program `no-such-program` is not there"),
        ("command", json!(["scripts/none.sh"]), "the program `scripts/none.sh` is not there"),
        ("files", json!(["program.sh", "lib.py"]), "`lib.py`, of which the program is made, is not there"),
    ] {
        let mut stand = stand([1], &answer("day 01"));
        stand.with[key] = value;
        let planned = stand.source().plan(&days(1, 1), 0, &stand.cx.scope).await.unwrap_err();
        assert!(planned.to_string().contains(said), "{planned}");
        let (arrived, error) = outcome(&stand, &days(1, 1)).await;
        assert!(arrived.is_empty() && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_none_or_lies_elsewhere_is_refused() {
    for (script, said) in [
        (
            answer(r#"echo '<html>' > "$folder/a.tif"; echo '{"period": "2024-01-01", "file": "a.tif"}'"#),
            "is no GeoTIFF, NetCDF",
        ),
        (
            answer(r#"echo '{"period": "2024-01-01", "file": "../../../2024/01/01.tif"}'"#),
            "not in the folder",
        ),
        (
            answer(
                r#"mkdir "$folder/z"; echo {} > "$folder/z/zarr.json"; echo '{"period": "2024-01-01", "file": "z"}'"#,
            ),
            "not of a group of version 3",
        ),
        (
            answer(r#"mkdir "$folder/z"; echo '{"period": "2024-01-01", "file": "z"}'"#),
            "is no GeoTIFF, NetCDF",
        ),
        ("echo Done.".to_owned(), "it begins with `Done.`"),
    ] {
        let stand = stand([1], &script);
        let (arrived, error) = outcome(&stand, &days(1, 1)).await;
        assert!(arrived.is_empty() && error.contains(said), "{script}: {error}");
    }
}
