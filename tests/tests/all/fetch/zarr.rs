//! `source: zarr` and `source: icechunk`: stores made by zarr-python and icechunk, served on
//! 127.0.0.1; the numbers are those that xarray reads, bit for bit.

use std::path::Path;

use frazil_engine::data::{Action, Arrival, Frequency, PeriodRange, Periods};
use frazil_tests::{moto::Moto, programs::ask_python, server::Fault};
use serde_json::{Value, json};

use super::stand::{Stand, slice, work_of};

const HOUR: Frequency = Frequency::Minutes(60);

/// A store of `t2m`, made as `spec` says, and what xarray reads of it. None, said in a line,
/// without a Python to make it.
struct Made {
    stand: Stand,
    said: Value,
    bytes: Vec<u8>,
}

fn made(spec: Value) -> Option<Made> {
    all_made(vec![spec])?.pop()
}

/// Many stores, by one interpreter.
fn all_made(specs: Vec<Value>) -> Option<Vec<Made>> {
    let mut all = Vec::new();
    for spec in specs {
        let mut stand = Stand::new([]);
        let mut whole =
            json!({ "path": stand.folder.path().join("a.zarr"), "out": stand.folder.path().join("numbers") });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let block = json!({
            "title": "t", "time": { "step": "PT1H", "late": "10d" }, "variables": { "t": { "units": "K" } },
        });
        stand.dataset(block);
        stand.with = json!({
            "source": if whole["icechunk"].is_null() { "zarr" } else { "icechunk" },
            "url": format!("{}/a.zarr", stand.server.url()), "variables": { "t": { "from": "t2m" } },
        });
        all.push((stand, whole));
    }
    let specs: Vec<&Value> = all.iter().map(|(_, spec)| spec).collect();
    let told = ask_python("make_zarr.py", &[&json!(specs).to_string()])?;
    let with = |((stand, spec), said): ((Stand, Value), &Value)| {
        let bytes = std::fs::read(spec["out"].as_str().unwrap()).unwrap();
        Made { stand, said: said.clone(), bytes }
    };
    Some(all.into_iter().zip(told.as_array().unwrap()).map(with).collect())
}

fn hours(first: i64, count: i64) -> Periods {
    let start = PeriodRange::parse("2024-01-01T00", HOUR).unwrap().first;
    let range = PeriodRange { first: start.plus(first), last: start.plus(first + count - 1) };
    work_of(HOUR, &[(&range.to_string(), Action::Add)])
}

/// The numbers of all slices, one after the other.
fn numbers(arrived: &[Arrival]) -> Vec<u8> {
    arrived.iter().flat_map(|arrival| slice(arrival).fields[0].values.bytes().to_vec()).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

impl Made {
    /// Fetches `count` hours and compares them with what xarray read.
    async fn compare(&self, count: i64) {
        let (arrived, error) = self.stand.fetch(&hours(0, count)).await;
        assert_eq!(error, None, "{}", self.stand.with);
        assert_eq!(arrived.len() as i64, count);
        let first = slice(&arrived[0]);
        let name = first.fields[0].values.dtype().name();
        assert_eq!(name, self.said["dtype"], "{}", self.stand.with);
        let axis = |found: &[f64], said: &Value| {
            let said = floats(said);
            found.len() == said.len() && found.iter().zip(&said).all(|(a, b)| (a - b).abs() < 1e-9)
        };
        assert!(axis(&first.grid.y.centres, &self.said["y"]), "{:?} {}", first.grid.y, self.said["y"]);
        assert!(axis(&first.grid.x.centres, &self.said["x"]), "{:?} {}", first.grid.x, self.said["x"]);
        let found = numbers(&arrived);
        let wrong = found.iter().zip(&self.bytes).filter(|(a, b)| a != b).count();
        assert_eq!((found.len(), wrong), (self.bytes.len(), 0), "{}", self.stand.with);
    }

    /// Requests for chunks of `t2m`, by path; each at most once.
    fn chunks(&self) -> Vec<String> {
        let asked = self.stand.server.requests().into_iter().map(|request| request.path);
        let mut asked: Vec<String> = asked
            .filter(|path| {
                path.starts_with("/a.zarr/t2m/") && !path.ends_with(".json") && !path.contains("/.z")
            })
            .collect();
        let all = asked.len();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), all, "a chunk is asked for once: {asked:?}");
        asked
    }
}

fn six() -> Vec<i64> {
    (0..6).collect()
}

#[tokio::test]
async fn stores_of_both_versions_and_all_codecs_are_read_as_xarray_reads_them() {
    let cases = [
        (2, "blosc", json!({ "consolidated": false, "east": true })),
        (2, "zlib", json!({ "rising": true })),
        (2, "lz4", json!({})),
        (2, "zstd", json!({ "order": "F" })),
        (2, "gzip", json!({ "endian": "big", "consolidated": false })),
        (2, "none", json!({ "packed": true })),
        (2, "delta", json!({ "dtype": "i4" })),
        (2, "shuffle", json!({ "dtype": "f8" })),
        (3, "blosc", json!({ "consolidated": false })),
        (3, "zstd", json!({ "shards": [4, 8, 12], "chunks": [2, 4, 6], "east": true })),
        (
            3,
            "zlib",
            json!({ "shards": [6, 8, 12], "chunks": [1, 2, 3], "rising": true, "consolidated": false }),
        ),
        (3, "lz4", json!({ "units": "minutes since 1950-01-01", "dtype": "f8" })),
        (3, "gzip", json!({ "packed": true, "units": "seconds since 1970-01-01" })),
        (3, "crc32c", json!({ "order": "F" })),
        (3, "none", json!({ "dtype": "i2", "units": "days since 1850-01-01", "fraction": true })),
    ];
    let spec = |(format, codec, more): (i32, &str, Value)| {
        let mut spec = json!({ "format": format, "codec": codec, "times": six() });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let Some(all) = all_made(cases.into_iter().map(spec).collect()) else { return };
    for made in all {
        made.compare(6).await;
        made.chunks();
    }
}

#[tokio::test]
async fn a_bbox_over_greenwich_is_cut_from_a_store_from_0_to_360() {
    let boxes = [[-40.0, -20.0, 50.0, 40.0], [-20.0, 10.0, -10.0, 12.0]];
    let spec = |bbox: &[f64; 4]| json!({ "times": six(), "east": true, "bbox": bbox });
    let Some(all) = all_made(boxes.iter().map(spec).collect()) else { return };
    for (mut made, bbox) in all.into_iter().zip(boxes) {
        made.stand.with["bbox"] = json!(bbox);
        made.compare(6).await;
    }
}

#[tokio::test]
async fn one_of_several_levels_is_chosen_by_its_value() {
    let Some(mut made) = made(json!({ "times": six(), "levels": [1000, 850, 500], "level": 850 })) else {
        return;
    };
    made.stand.with["variables"]["t"]["level"] = json!(850);
    made.compare(6).await;
    made.stand.with["variables"]["t"]["level"] = json!(700);
    let (_, error) = made.stand.fetch(&hours(0, 1)).await;
    assert!(error.unwrap().to_string().contains("`level` has no 700, only 1000, 850, 500"));
    made.stand.with["variables"] = json!({ "t": { "from": "tp" } });
    let (_, error) = made.stand.fetch(&hours(0, 1)).await;
    let text = error.unwrap().to_string();
    assert!(text.contains("it has no variable `tp`, only") && text.contains("t2m"), "{text}");
}

#[tokio::test]
async fn a_chunk_of_2880_hours_is_asked_for_once() {
    let times: Vec<i64> = (0..2_950).collect();
    let spec =
        json!({ "times": times, "chunks": [2_880, 4, 6], "codec": "blosc", "format": 2, "east": true });
    let Some(mut made) = made(spec) else { return };
    // Two variables of the dataset that are one of the store: its chunks are read twice.
    made.stand.with["variables"]["u"] = json!({ "from": "t2m" });
    made.compare(2_950).await;
    // Two chunks along time, two of rows and two of columns.
    assert_eq!(made.chunks().len(), 8);
    assert_eq!(made.stand.server.count("/a.zarr/.zmetadata"), 1, "one open");
}

#[tokio::test]
async fn behind_the_last_label_is_the_frontier_and_a_label_missing_before_it_a_hole() {
    let Some(mut made) = made(json!({ "times": [0, 1, 3, 4] })) else { return };
    let (arrived, error) = made.stand.fetch(&hours(3, 9)).await;
    assert_eq!((arrived.len(), error), (2, None));
    let (arrived, error) = made.stand.fetch(&hours(0, 5)).await;
    assert_eq!(arrived.len(), 2);
    assert!(error.unwrap().to_string().contains("its time axis goes on behind the period, but lacks it"));
    made.stand.with["on-missing"] = json!("gap");
    let (arrived, error) = made.stand.fetch(&hours(0, 5)).await;
    assert_eq!((arrived.len(), error), (5, None));
}

#[tokio::test]
async fn another_calendar_is_refused_by_name() {
    let Some(made) = made(json!({ "times": six(), "calendar": "noleap" })) else { return };
    let (arrived, error) = made.stand.fetch(&hours(0, 2)).await;
    assert!(arrived.is_empty() && error.unwrap().to_string().contains("`noleap`"));
}

#[tokio::test]
async fn who_asks_is_told_with_each_request_and_each_is_tried_again_by_its_class() {
    let Some(mut made) = made(json!({ "times": six(), "chunks": [6, 8, 12] })) else { return };
    let (root, chunk) = ("/a.zarr/zarr.json", "/a.zarr/t2m/c/0/0/0");
    for path in [root, chunk] {
        made.stand.server.always(path, Fault::Needs("authorization", "Basic ZWRoOmh1c2gtaHVzaA==".into()));
    }
    let (_, error) = made.stand.fetch(&hours(0, 6)).await;
    assert!(error.unwrap().to_string().contains("401"));
    made.stand.with["auth"] = json!({ "basic": { "user": "edh", "password": "{{ secrets.key }}" } });
    made.stand.server.first(chunk, [Fault::Status(503, None), Fault::Truncate(20), Fault::None]);
    let (arrived, error) = made.stand.fetch(&hours(0, 6)).await;
    assert_eq!((arrived.len(), error, made.stand.server.count(chunk)), (6, None, 3));
    for (fault, said, asked) in
        [(Fault::Status(403, None), "403", 1), (Fault::Status(429, None), "429", 3), (Fault::Reset, "", 3)]
    {
        std::fs::remove_dir_all(&made.stand.cx.scratch).unwrap();
        made.stand.server.forget();
        made.stand.server.always(chunk, fault);
        let (arrived, error) = made.stand.fetch(&hours(0, 6)).await;
        assert!(arrived.is_empty() && error.unwrap().to_string().contains(said), "{said}");
        assert_eq!(made.stand.server.count(chunk), asked, "{said}");
    }
}

#[tokio::test]
async fn a_chunk_that_is_not_there_is_fill_while_its_store_is_there() {
    let Some(made) = made(json!({ "times": six(), "chunks": [1, 8, 12], "blank": [2] })) else { return };
    let missing = "/a.zarr/t2m/c/2/0/0";
    made.compare(6).await;
    assert_eq!((made.stand.server.count(missing), made.chunks().len()), (1, 6));
    // Found, read, and seen to be there still.
    assert_eq!(made.stand.server.count("/a.zarr/zarr.json"), 2);
    std::fs::remove_dir_all(&made.stand.cx.scratch).unwrap();
    made.stand.server.first("/a.zarr/zarr.json", [Fault::None, Fault::Status(404, None)]);
    let (arrived, error) = made.stand.fetch(&hours(0, 6)).await;
    assert!(arrived.is_empty() && error.unwrap().to_string().contains("went away"));
}

#[tokio::test]
async fn an_icechunk_repository_is_read_at_the_state_that_is_named() {
    let Some(mut made) =
        made(json!({ "times": six(), "icechunk": true, "east": true, "chunks": [1, 8, 12] }))
    else {
        return;
    };
    let path = made.stand.folder.path().join("a.zarr");
    for url in [format!("{}/a.zarr", made.stand.server.url()), path.display().to_string()] {
        made.stand.with["url"] = json!(url);
        made.compare(6).await;
        for (state, value, count) in [
            ("tag", json!("begin"), 5),
            ("snapshot", made.said["first"].clone(), 5),
            ("branch", json!("main"), 6),
        ] {
            let mut with = made.stand.with.clone();
            with[state] = value;
            std::mem::swap(&mut made.stand.with, &mut with);
            let (arrived, error) = made.stand.fetch(&hours(0, 9)).await;
            assert_eq!((arrived.len(), error), (count, None), "{state}");
            made.stand.with = with;
        }
    }
    let chunks = |requests: Vec<frazil_tests::server::Request>| {
        requests.into_iter().filter(|request| request.path.starts_with("/a.zarr/chunks/")).count()
    };
    let first = chunks(made.stand.server.requests());
    made.stand.with["url"] = json!(format!("{}/a.zarr", made.stand.server.url()));
    made.compare(6).await;
    assert_eq!(chunks(made.stand.server.requests()), first, "what was brought in a run is not brought again");
    made.stand.with["tag"] = json!("no-such");
    let (_, error) = made.stand.fetch(&hours(0, 1)).await;
    assert!(error.unwrap().to_string().contains("no-such"));
    made.stand.with = json!({ "source": "icechunk", "url": format!("{}/none", made.stand.server.url()), "variables": { "t": {} } });
    let (_, error) = made.stand.fetch(&hours(0, 1)).await;
    assert!(error.unwrap().to_string().contains("does not have"));
}

/// Changes a document of a store that is not consolidated.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(path, document.to_string()).unwrap();
}

#[tokio::test]
async fn metadata_that_lie_are_refused_before_memory_is_taken() {
    type Change = fn(&mut Value);
    let huge: Change = |d| d["chunk_grid"]["configuration"]["chunk_shape"] = json!([3_000, 3_000, 3_000]);
    let none: Change =
        |d| d["chunk_grid"]["configuration"]["chunk_shape"] = json!([1u64 << 40, 1u64 << 40, 1]);
    let endless: Change = |d| d["shape"] = json!([6, 8_000_000_000_000u64, 12]);
    let codec: Change = |d| d["codecs"] = json!([{ "name": "bytes" }, { "name": "mystery" }]);
    let smaller: Change = |d| d["chunk_grid"]["configuration"]["chunk_shape"] = json!([1, 2, 2]);
    let cases = [
        (huge, "memory of a run allows"),
        (none, "which are none"),
        (endless, "`latitude`"),
        (codec, "`mystery`"),
        (smaller, "bytes"),
    ];
    let spec = || json!({ "times": six(), "chunks": [6, 8, 12], "consolidated": false });
    let Some(all) = all_made(cases.iter().map(|_| spec()).collect()) else { return };
    for (made, (change, said)) in all.into_iter().zip(cases) {
        edit(&made.stand.folder.path().join("a.zarr/t2m/zarr.json"), change);
        let (arrived, error) = made.stand.fetch(&hours(0, 6)).await;
        let text = error.expect(said).to_string();
        assert!(arrived.is_empty() && text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn of_a_shard_the_chunks_that_are_needed_are_brought() {
    let times: Vec<i64> = (0..12).collect();
    // Cells of 5.625 × 7.5 degrees; 64 chunks lie beside each other in the shard, and two behind each other.
    let spec = json!({ "times": times, "rows": 32, "columns": 48, "shards": [12, 32, 48], "chunks": [6, 4, 6],
        "bbox": [-10.0, 30.0, -1.0, 40.0] });
    let Some(mut made) = made(spec) else { return };
    made.stand.with["bbox"] = json!([-10.0, 30.0, -1.0, 40.0]);
    let shard = "/a.zarr/t2m/c/0/0/0";
    made.compare(12).await;
    let whole = std::fs::metadata(made.stand.folder.path().join(&shard[1..])).unwrap().len();
    let asked = made.stand.server.requests().into_iter().filter(|request| request.path == shard);
    let mut ranges: Vec<String> = asked.map(|request| request.range.unwrap()).collect();
    let all = ranges.len();
    assert!((2..=5).contains(&all), "its index, and the chunks: {ranges:?}");
    assert_eq!(ranges[0], format!("bytes=-{}", 2 * 64 * 16 + 4));
    let bytes = |range: &String| -> u64 {
        let (first, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        if first.is_empty() {
            last.parse().unwrap()
        } else {
            1 + last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap()
        }
    };
    let came: u64 = ranges.iter().map(bytes).sum();
    assert!(came * 4 < whole, "{came} of {whole} bytes: {ranges:?}");
    ranges.sort();
    ranges.dedup();
    assert_eq!(ranges.len(), all, "no bytes are asked for twice: {ranges:?}");
    // The same run again finds them on its disk; what was broken off is asked for again.
    made.stand.server.forget();
    made.compare(12).await;
    assert_eq!(
        made.stand
            .server
            .requests()
            .iter()
            .filter(|request| request.method == "GET" && request.path == shard)
            .count(),
        0
    );
    std::fs::remove_dir_all(&made.stand.cx.scratch).unwrap();
    made.stand.server.first(shard, [Fault::Truncate(9), Fault::None, Fault::Status(503, None)]);
    made.compare(12).await;
    // A server that knows no parts is asked for all of it, and no more than once besides.
    std::fs::remove_dir_all(&made.stand.cx.scratch).unwrap();
    made.stand.server.forget();
    made.stand.server.always(shard, Fault::NoRanges);
    made.compare(12).await;
    assert_eq!(made.stand.server.count(shard), 2);
}

/// Puts all files of a folder into a bucket.
fn put_all(moto: &Moto, folder: &Path, key: &str) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let key = format!("{key}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            put_all(moto, &entry.path(), &key);
        } else {
            moto.put(&key, &entry.path());
        }
    }
}

#[tokio::test]
async fn stores_in_a_bucket_are_read_as_those_on_a_web_server() {
    let Some(moto) = Moto::start() else { return };
    let specs = [
        json!({ "times": six(), "format": 2, "codec": "blosc", "consolidated": false }),
        json!({ "times": six(), "shards": [4, 8, 12], "chunks": [2, 4, 6], "blank": [3] }),
        json!({ "times": six(), "icechunk": true }),
    ];
    let Some(all) = all_made(specs.to_vec()) else { return };
    for (at, mut made) in all.into_iter().enumerate() {
        let key = format!("stores/{at}.zarr");
        put_all(&moto, &made.stand.folder.path().join("a.zarr"), &format!("/{key}"));
        made.stand.with["url"] = json!(format!("s3://{key}"));
        for auth in [
            json!({ "anonymous": true }),
            json!({ "access-key": "{{ secrets.key }}", "secret-key": "{{ secrets.key }}" }),
        ] {
            let mut s3 = json!({ "endpoint": moto.url(), "region": "us-east-1" });
            s3.as_object_mut().unwrap().extend(auth.as_object().unwrap().clone());
            made.stand.with["auth"] = json!({ "s3": s3 });
            made.compare(6).await;
        }
        // Behind its last label is the frontier, and a store that is not there is an error.
        let (arrived, error) = made.stand.fetch(&hours(0, 9)).await;
        assert_eq!((arrived.len(), error), (6, None), "{at}");
        made.stand.with["url"] = json!("s3://stores/nowhere.zarr");
        let (arrived, error) = made.stand.fetch(&hours(0, 9)).await;
        assert!(arrived.is_empty() && error.is_some(), "{at}");
    }
}
