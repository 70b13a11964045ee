//! Where links lead, also behind a proxy that takes a part of the path off.

use std::collections::{BTreeSet, VecDeque};

use frazil_tests::serving::{Answer, Serving};
use serde_json::{Value, json};

use super::stand::Stand;

const URL: &str = "https://maps.example.org/land";

/// What browsers send.
const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// All links of an answer: of its headers, and of a page or a document.
fn links(answer: &Answer) -> Vec<String> {
    let headers = ["location", "content-location"].into_iter().filter_map(|name| answer.header(name));
    let mut links: Vec<String> = headers.map(str::to_owned).collect();
    let media = answer.header("content-type").unwrap_or_default().to_owned();
    if media.starts_with("text/html") {
        let text = answer.text();
        let of = |rest: &str| rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2f;", "/");
        links.extend(text.split("href=\"").skip(1).map(of));
        links.extend(text.split("src=\"").skip(1).map(of));
    } else if media.contains("json") && !media.contains("openapi") {
        hrefs(&answer.json(), &mut links);
    }
    links
}

fn hrefs(value: &Value, links: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            links.extend(fields.get("href").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| hrefs(value, links));
        }
        Value::Array(values) => values.iter().for_each(|value| hrefs(value, links)),
        _ => {}
    }
}

/// The path by which the server knows what a link on a page leads to; none for other sites.
fn path(link: &str, page: &str) -> Option<String> {
    if let Some(path) = link.strip_prefix(URL).or_else(|| link.strip_prefix("/land")) {
        return Some(if path.is_empty() { "/".to_owned() } else { path.to_owned() });
    }
    assert!(
        !link.starts_with('/') && !link.starts_with("http://127"),
        "{page} leads out of the site: {link}"
    );
    if link.contains("://") || link == "data:," {
        return None;
    }
    let page = page.split('?').next().unwrap();
    if link.starts_with('?') {
        return Some(format!("{page}{link}"));
    }
    let mut folder = &page[..=page.rfind('/').unwrap()];
    let mut rest = link;
    while let Some(above) = rest.strip_prefix("../") {
        rest = above;
        folder = &folder[..=folder.trim_end_matches('/').rfind('/').unwrap()];
    }
    Some(format!("{folder}{rest}"))
}

/// Follows all links from `/`, as a browser and as a program; all that was visited.
fn visit(serving: &Serving) -> BTreeSet<String> {
    let (mut seen, mut waiting) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    while let Some(page) = waiting.pop_front() {
        if !seen.insert(page.clone()) {
            continue;
        }
        for headers in [&[][..], &[BROWSER]] {
            let answer = serving.ask("GET", &page, headers, b"");
            // What is started lies behind `POST`.
            let is_there = matches!(answer.status, 200 | 307 | 308)
                || (answer.status, page.ends_with("/execution")) == (405, true);
            assert!(is_there, "{page}: {} {}", answer.status, answer.text());
            waiting.extend(links(&answer).iter().filter_map(|link| path(link, &page)));
        }
    }
    seen
}

#[test]
fn behind_a_proxy_every_link_leads_to_something() {
    let stand = Stand::made();
    let project = stand.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&project).unwrap();
    std::fs::write(project, format!("{text}\nserve: {{ url: {URL}/, echo: true }}\n")).unwrap();
    let serving = stand.serve();
    let seen = visit(&serving);
    let head = serving.get("/zarr/snow/zarr.json").header("frazil-snapshot").unwrap().to_owned();
    for path in [
        "/api".to_owned(),
        "/graph".to_owned(),
        "/icechunk/snow".to_owned(),
        "/datasets/pop/periods".to_owned(),
        "/datasets/snow/snapshots".to_owned(),
        "/stac/collections/dem".to_owned(),
        format!("/zarr/snow@{head}/1/snow/zarr.json"),
        "/processes/snow_daily".to_owned(),
    ] {
        assert!(seen.contains(&path), "nothing leads to {path}: {seen:?}");
    }
    assert_eq!(serving.get("/zarr/snow").expect(308).header("location"), Some("/land/zarr/snow/"));
    let told = serving.get("/zarr/snow/zarr.json");
    let place = format!("/land/zarr/snow@{head}/zarr.json");
    assert_eq!(told.header("content-location"), Some(place.as_str()));
    assert_eq!(serving.get("/api").json()["servers"], json!([{ "url": format!("{URL}/") }]));
    let collection = serving.get("/stac/collections/snow").json();
    assert_eq!(collection["assets"]["zarr"]["href"], format!("{URL}/zarr/snow@{head}"));
    let job = serving.post("/processes/snow_daily/execution", &json!({})).expect(201);
    assert!(job.header("location").unwrap().starts_with(&format!("{URL}/jobs/")), "{job:?}");
    // Its pages may start something.
    let origin = [("Origin", "https://maps.example.org"), ("Content-Type", "application/json")];
    let asked = serving.ask("POST", "/processes/snow_daily/execution", &origin, b"{}");
    assert_eq!(asked.status, 201, "{}", asked.text());
}

#[test]
fn a_repository_says_how_it_is_opened() {
    let stand = Stand::made();
    let serving = stand.serve();
    let about = serving.get("/icechunk/dem").expect(200).json();
    let head = serving.get("/zarr/dem/zarr.json").header("frazil-snapshot").unwrap().to_owned();
    assert_eq!(about["snapshot"], json!(head));
    let url = format!("{}/icechunk/dem", serving.url);
    assert_eq!(about["python"], format!("icechunk.Repository.open(icechunk.http_storage(\"{url}\"))"));
    assert_eq!(serving.get("/icechunk/dem/").expect(200).json(), about);
    let page = serving.ask("GET", "/icechunk/dem", &[BROWSER], b"").expect(200).text();
    assert!(page.contains(&head) && page.contains("readonly_session"), "{page}");
    serving.get("/icechunk/nothing").expect(404);
}
