//! Datasets as Zarr over HTTP, and repositories as they lie, as their readers ask for them.

use std::process::Command;

use frazil_tests::{programs, serving::Serving};
use serde_json::{Value, json};

use super::stand::{Stand, snow};

fn tag(serving: &Serving, path: &str) -> String {
    serving.get(path).expect(200).header("etag").unwrap().to_owned()
}

fn consolidated(document: &Value) -> Vec<&str> {
    let held = document["consolidated_metadata"]["metadata"].as_object().unwrap();
    held.keys().map(String::as_str).collect()
}

#[test]
fn readers_find_over_http_what_lies_in_the_store_bit_for_bit() {
    let stand = Stand::made();
    let serving = stand.serve();
    let cubes = stand.sandbox.path("cubes").to_string_lossy().into_owned();
    let args = [serving.url.as_str(), &cubes, "dem", "snow", "pop"];
    if let Some(found) = programs::ask_python("check_served.py", &args) {
        assert_eq!(found["wrong"], json!([]), "{found}");
        assert_eq!(found["snow"]["groups"], json!(["0", "1", "2"]));
    }
    let Some(modules) = programs::node_modules() else { return };
    let mut node = Command::new("node");
    node.arg(programs::root().join("tests/node/read_levels.mjs")).arg(&modules);
    node.args([&format!("{}/zarr/snow", serving.url), "snow"]);
    let seen = programs::succeeded("read_levels.mjs", &node.output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["time"], json!([19_723, 19_724, 19_725, 19_726]));
    for (at, found) in seen["levels"][0]["last"].as_array().unwrap().iter().enumerate() {
        let value = snow(4, at / 36, at % 36);
        assert_eq!(found.as_f64(), Some(f64::from(value)).filter(|v| *v > -9000.0), "{at}");
    }
}

#[test]
fn each_level_says_what_it_holds_and_pages_lead_to_it() {
    let stand = Stand::made();
    let serving = stand.serve();
    let root = serving.get("/zarr/snow/zarr.json").expect(200);
    assert_eq!(root.header("content-type"), Some("application/json"));
    let (root, level) = (root.json(), serving.get("/zarr/snow/1/zarr.json").expect(200).json());
    assert!(consolidated(&root).contains(&"1/snow") && consolidated(&root).contains(&"2"), "{root}");
    assert_eq!(consolidated(&level), ["period_status", "snow", "spatial_ref", "time", "x", "y"]);
    let array = serving.get("/zarr/snow/1/snow/zarr.json").expect(200).json();
    assert_eq!(array, level["consolidated_metadata"]["metadata"]["snow"]);
    assert_eq!(array["shape"], json!([4, 20, 18]));

    for (from, to, status) in [
        ("/zarr/snow", "/zarr/snow/", 308),
        ("/zarr/snow/1", "/zarr/snow/1/", 308),
        ("/zarr/snow/1/snow", "/zarr/snow/1/snow/zarr.json", 307),
        ("/zarr/snow/1/snow/", "/zarr/snow/1/snow/zarr.json", 307),
    ] {
        assert_eq!(serving.get(from).expect(status).header("location"), Some(to), "{from}");
    }
    let page = serving.get("/zarr/snow/1/").expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let links: Vec<String> =
        page.text().split("href=\"").skip(1).map(|rest| rest[..rest.find('"').unwrap()].to_owned()).collect();
    assert_eq!(links, ["../", "zarr.json", "period_status/", "snow/", "spatial_ref/", "time/", "x/", "y/"]);
}

#[test]
fn parts_lengths_and_tags_are_as_http_has_them() {
    let stand = Stand::made();
    let serving = stand.serve();
    let path = "/zarr/dem/dsm/c/0/0";
    let whole = serving.get(path).expect(200);
    let length = whole.body.len();
    assert_eq!(whole.header("content-length"), Some(length.to_string().as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let part = |range: &str, more: &[(&str, &str)]| {
        let headers = [&[("Range", range)], more].concat();
        serving.ask("GET", path, &headers, b"")
    };
    for (range, from, to) in [
        ("bytes=0-8".to_owned(), 0, 9),
        ("bytes=-12".to_owned(), length - 12, length),
        (format!("bytes={}-", length - 3), length - 3, length),
        (format!("bytes=5-{}", length * 2), 5, length),
        (format!("bytes=-{}", length * 2), 0, length),
    ] {
        let found = part(&range, &[]).expect(206);
        assert_eq!(found.body, whole.body[from..to], "{range}");
        let told = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(found.header("content-range"), Some(told.as_str()));
    }
    let outside = part(&format!("bytes={length}-"), &[]).expect(416);
    assert_eq!(outside.header("content-range"), Some(format!("bytes */{length}").as_str()));
    assert_eq!(part("bytes=0-1,4-5", &[]).expect(200).body, whole.body);

    let head = serving.ask("HEAD", path, &[("Range", "bytes=0-8")], b"").expect(200);
    assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
    let etag = whole.header("etag").unwrap();
    let same = serving.ask("GET", path, &[("If-None-Match", etag)], b"").expect(304);
    assert!(same.body.is_empty() && same.header("etag") == Some(etag));
    serving.ask("GET", path, &[("If-None-Match", "\"other\"")], b"").expect(200);
    part("bytes=0-8", &[("If-Range", etag)]).expect(206);
    part("bytes=0-8", &[("If-Range", "\"other\"")]).expect(200);
    assert_ne!(etag, tag(&serving, "/zarr/dem/dsm/c/0/1"));

    // Coordinates are kept in the manifest itself.
    let y = serving.ask("GET", "/zarr/dem/y/c/0", &[("Range", "bytes=-4")], b"").expect(206);
    assert_eq!(y.body.len(), 4);
}

#[test]
fn browsers_may_read_from_anywhere_also_what_is_not_there() {
    let stand = Stand::made();
    // Where nobody is asked for a token, pages of other sites see what anybody may see.
    let project = stand.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&project).unwrap();
    std::fs::write(project, text + "\nserve: { public: true }\n").unwrap();
    let serving = stand.serve();
    let origin = ("Origin", "https://maps.example.org");
    for (path, status) in [
        ("/zarr/dem/zarr.json", 200),
        ("/zarr/dem/.zmetadata", 404),
        ("/zarr/nothing/zarr.json", 404),
        ("/icechunk/dem/nothing", 404),
        ("/nowhere", 404),
    ] {
        let found = serving.ask("GET", path, &[origin], b"").expect(status);
        assert_eq!(found.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let part = serving.ask("GET", "/zarr/dem/dsm/c/0/0", &[origin, ("Range", "bytes=0-3")], b"").expect(206);
    let exposed = part.header("access-control-expose-headers").unwrap();
    for name in ["content-range", "content-length", "accept-ranges", "etag", "frazil-snapshot"] {
        assert!(exposed.split(',').any(|one| one.trim().eq_ignore_ascii_case(name)), "{name}: {exposed}");
        assert!(part.header(name).is_some(), "{name}");
    }
    let outside = serving.ask("GET", "/zarr/dem/dsm/c/0/0", &[origin, ("Range", "bytes=999999-")], b"");
    assert_eq!(outside.expect(416).header("access-control-allow-origin"), Some("*"));
    let headers =
        [origin, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "range")];
    let asked = serving.ask("OPTIONS", "/zarr/dem/dsm/c/0/0", &headers, b"").expect(200);
    assert!(asked.header("access-control-allow-headers").unwrap().contains("range"));
}

#[test]
fn a_state_stays_and_what_everyone_reads_moves_on() {
    let stand = Stand::made();
    let serving = stand.serve();
    let now = serving.get("/zarr/snow/zarr.json").expect(200);
    let first = now.header("frazil-snapshot").unwrap().to_owned();
    assert_eq!(now.header("cache-control"), Some("no-cache"));
    let fixed = format!("/zarr/snow@{first}");
    assert_eq!(now.header("content-location"), Some(format!("{fixed}/zarr.json").as_str()));
    let pinned = serving.get(&format!("{fixed}/zarr.json")).expect(200);
    assert_eq!(pinned.body, now.body);
    assert!(pinned.header("cache-control").unwrap().contains("immutable"));
    let last = serving.get(&format!("{fixed}/0/snow/c/1/0/0")).expect(200).body;

    // A commit lands while somebody has it open.
    stand.run("2024-01-05");
    let after = serving.get("/zarr/snow/0/snow/zarr.json").expect(200);
    assert_eq!(after.json()["shape"], json!([5, 41, 36]));
    assert_ne!(after.header("frazil-snapshot"), Some(first.as_str()));
    assert_ne!(serving.get("/zarr/snow/0/snow/c/1/0/0").expect(200).body, last);
    let old = serving.get(&format!("{fixed}/0/snow/zarr.json")).expect(200).json();
    assert_eq!(old["shape"], json!([4, 41, 36]));
    assert_eq!(serving.get(&format!("{fixed}/0/snow/c/1/0/0")).expect(200).body, last);
    // Another server knows it as well.
    drop(serving);
    let other = stand.serve();
    assert_eq!(other.get(&format!("{fixed}/0/snow/c/1/0/0")).expect(200).body, last);
}

#[test]
fn chunks_that_moved_are_an_error_and_not_missing_data() {
    let stand = Stand::new();
    stand.run("2024-01-04");
    let serving = stand.serve();
    let open = serving.get("/zarr/snow/snow/zarr.json").expect(200);
    let first = open.header("frazil-snapshot").unwrap().to_owned();
    serving.get("/zarr/snow/snow/c/0/0/0").expect(200);
    // With levels all variables lie in groups.
    stand.sandbox.succeed(&["run", "maps"]);
    serving.get("/zarr/snow/snow/c/0/0/0").expect(410);
    serving.get("/zarr/snow/snow/c/9/0/0").expect(404);
    serving.get("/zarr/snow/0/snow/c/0/0/0").expect(200);
    serving.get(&format!("/zarr/snow@{first}/snow/c/0/0/0")).expect(200);
    // A snapshot that is not there, by a name that could be one, and by one that could not.
    let other = if first.starts_with('A') { 'B' } else { 'A' };
    let unknown = format!("{other}{}", &first[1..]);
    serving.get(&format!("/zarr/snow@{unknown}/0/snow/c/0/0/0")).expect(410);
    serving.get("/zarr/snow@latest/zarr.json").expect(404);
}

#[test]
fn what_was_never_written_is_missing_and_no_path_leaves_a_store() {
    let stand = Stand::made();
    let serving = stand.serve();
    stand.sandbox.write("cubes/secret.txt", "not for you");
    stand.sandbox.write("cubes/dem/secret.txt", "not for you");
    for key in [
        "dsm/c/2/0",
        "dsm/c/0",
        "dsm/c/0/0/0",
        "dsm/c/00/0",
        "dsm/c/+0/0",
        "dsm/c/-1/0",
        "dsm/c//0",
        "dsm/c",
        "c/0/0",
        "dsm/c/99999999999999999999/0",
        "nothing/zarr.json",
        "dsm/zarr.json/",
        "/zarr.json",
        ".zgroup",
        "dsm//c/0/0",
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%252fsecret.txt",
        "%00",
        "dsm%00/zarr.json",
        "dsm/..%2fzarr.json",
        "secret.txt",
        "..\\secret.txt",
        "%c0%ae%c0%ae/secret.txt",
        "chunks/",
        "repo",
    ] {
        for place in ["/zarr/dem/", "/icechunk/dem/", "/icechunk/dem/chunks/", "/icechunk/dem/refs/"] {
            let found = serving.get(&format!("{place}{key}"));
            let is_entry = place == "/icechunk/dem/" && key == "repo";
            assert!(
                found.status == if is_entry { 200 } else { 404 } || found.status == 400,
                "{place}{key}: {}",
                found.status
            );
            assert!(!found.text().contains("not for you"), "{place}{key}");
        }
    }
    for named in ["..", "%2e%2e", "dem%2f..", "dem%00", "dem@..", "dem@%2e%2e", "@", "dem@", "secret.txt"] {
        for place in [format!("/zarr/{named}/secret.txt"), format!("/icechunk/{named}/repo")] {
            let found = serving.get(&place);
            assert!((400..500).contains(&found.status), "{place}: {}", found.status);
        }
    }
    let logged = std::fs::read_to_string(stand.sandbox.path("serve.log")).unwrap();
    assert!(!logged.contains("ERROR"), "{logged}");
}

#[test]
fn objects_of_repositories_say_whether_they_change() {
    let stand = Stand::made();
    let serving = stand.serve();
    let entry = serving.get("/icechunk/dem/repo").expect(200);
    assert_eq!(entry.header("cache-control"), Some("no-cache"));
    assert_eq!(entry.body, std::fs::read(stand.sandbox.path("cubes/dem/repo")).unwrap());
    let etag = entry.header("etag").unwrap();
    serving.ask("GET", "/icechunk/dem/repo", &[("If-None-Match", etag)], b"").expect(304);
    let chunk = std::fs::read_dir(stand.sandbox.path("cubes/dem/chunks")).unwrap().next().unwrap().unwrap();
    let path = format!("/icechunk/dem/chunks/{}", chunk.file_name().to_string_lossy());
    let found = serving.ask("GET", &path, &[("Range", "bytes=-5")], b"").expect(206);
    assert!(found.header("cache-control").unwrap().contains("immutable"));
    let whole = std::fs::read(chunk.path()).unwrap();
    assert_eq!(found.body, whole[whole.len() - 5..]);
}

#[test]
fn a_store_that_cannot_be_read_is_not_an_empty_one() {
    let stand = Stand::made();
    let serving = stand.serve();
    serving.get("/zarr/dem/zarr.json").expect(200);
    let chunks = stand.sandbox.path("cubes/dem/chunks");
    std::fs::rename(&chunks, stand.sandbox.path("cubes/dem/elsewhere")).unwrap();
    let found = serving.get("/zarr/dem/dsm/c/0/0").expect(502);
    assert!(!found.text().contains("cubes"), "no place of this machine: {}", found.text());
    std::fs::rename(stand.sandbox.path("cubes/dem/elsewhere"), chunks).unwrap();
    let read = serving.get("/zarr/dem/dsm/c/0/0").expect(200);
    // Read again, and in parts: from memory now.
    assert_eq!(serving.get("/zarr/dem/dsm/c/0/0").expect(200).body, read.body);
    let part = serving.ask("GET", "/zarr/dem/dsm/c/0/0", &[("Range", "bytes=7-9")], b"").expect(206);
    assert_eq!((part.body.as_slice(), part.header("etag")), (&read.body[7..10], read.header("etag")));
}

#[test]
fn what_is_audited_is_not_shown_before_it_is_accepted() {
    let stand = Stand::new();
    let pipeline = std::fs::read_to_string(stand.sandbox.path("pipelines/dem.yaml")).unwrap();
    let audited = pipeline.replace("time: none", "time: none\n    audit: true")
        + "  checked: { uses: validate, needs: dem, with: { dataset: dem, checks: [ { range: { variable: dsm, min: 0, max: 9 } } ] } }\n  public: { uses: promote, needs: checked, with: { dataset: dem } }\n";
    stand.sandbox.write("pipelines/dem.yaml", &audited);
    assert!(!stand.sandbox.run(&["run", "elevation"]).status.success(), "it holds more than 9");
    let serving = stand.serve();
    serving.get("/zarr/dem/zarr.json").expect(404);
    serving.get("/stac/collections/dem").expect(404);
    assert_eq!(serving.get("/datasets/dem").expect(200).json()["state"], "nothing yet");
    // That something waits for a verdict is told, in the words of the command line.
    let waits = serving.get("/datasets/dem/audit").expect(200).json();
    let said: Value =
        serde_json::from_str(&stand.sandbox.succeed(&["audit", "dem", "--format", "json"])).unwrap();
    assert_eq!((&waits["ahead"], &waits["audit"]), (&said["ahead"], &json!(true)));
    assert_eq!(waits["ahead"]["added"], json!(["static"]));
    let page = serving.get("/datasets/dem/audit?f=html").expect(200).text();
    assert!(page.contains("is ahead of main"), "{page}");
    stand.sandbox.succeed(&["audit", "dem", "--accept"]);
    assert_eq!(serving.get("/datasets/dem/audit").expect(200).json()["ahead"], Value::Null);
    serving.get("/zarr/dem/zarr.json").expect(200);
    serving.get("/stac/collections/dem").expect(200);
}

#[test]
fn a_browser_draws_what_is_served() {
    let (Some(modules), Some(browser)) = (programs::node_modules(), programs::browser()) else { return };
    let stand = Stand::new();
    for n in 1..=3u8 {
        let value = move |_: usize, c: usize| f32::from(n) + if c < 18 { 5.0 } else { 20.0 };
        stand.raster(&format!("202401{n:02}"), (41, 36), value);
    }
    stand.run("2024-01-03");
    stand.sandbox.succeed(&["run", "maps"]);
    let serving = stand.serve();
    let mut node = Command::new("node");
    node.env("FRAZIL_CHROMIUM", browser)
        .arg(programs::root().join("tests/node/draw_levels.mjs"))
        .arg(modules);
    node.args([&format!("{}/zarr/snow", serving.url), "snow", "19725", "[[2.5, -6.5], [12.5, -8.5]]"]);
    let seen = programs::succeeded("draw_levels.mjs", &node.output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["state"]["error"], Value::Null, "{seen}");
    for (at, value) in [(0, 8.0), (1, 23.0)] {
        let found = seen["colours"][at][0].as_f64().unwrap();
        assert!((found - f64::round(value / 30.0 * 255.0)).abs() <= 1.0, "{seen}");
    }
}
