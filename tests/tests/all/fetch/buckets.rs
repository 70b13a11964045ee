//! Sources in buckets: out of a server that we did not write, and out of one that counts.

use frazil_engine::step::{ErrorKind, StepError};
use frazil_tests::{moto::Moto, server::Fault};
use serde_json::{Value, json};

use super::stand::{Stand, days, shown};

/// Settings of a service at `endpoint`, with a key and a secret by the names of secrets.
fn signed(endpoint: &str) -> Value {
    json!({ "s3": {
        "endpoint": endpoint, "region": "eu-west-1",
        "access-key": "{{ secrets.key }}", "secret-key": "{{ secrets.key }}",
    } })
}

fn anonymous(endpoint: &str) -> Value {
    json!({ "s3": { "endpoint": endpoint, "region": "eu-west-1", "anonymous": true } })
}

/// Days in the bucket `2024` of the stand's own server, which counts: `s3://2024/01/05.tif`.
fn counted(days: impl IntoIterator<Item = u32>, source: &str) -> Stand {
    let mut stand = Stand::new(days);
    stand.with["source"] = json!(source);
    stand.with["url"] = json!("s3://{{ period.year }}/{{ period | date('%m/%d') }}.tif");
    stand.with["auth"] = signed(&stand.server.url());
    stand
}

fn permanent(error: Option<StepError>) -> (ErrorKind, String) {
    let error = error.expect("an error");
    assert!(!error.is_transient(), "{error:?}");
    (error.failure().expect("a failure").kind, error.to_string())
}

#[tokio::test]
async fn windows_and_files_come_from_a_bucket_as_from_a_web_server() {
    let Some(moto) = Moto::start() else { return };
    let mut stand = Stand::new([1, 2, 3, 5]);
    for day in [1, 2, 3, 5] {
        moto.put(&format!("/sources/rain{}", Stand::path(day)), &stand.file(day));
    }
    let (expected, error) = stand.fetch(&days(1, 3)).await;
    assert_eq!((shown(&expected).as_str(), error), ("01 02 03", None));
    stand.with["url"] = json!("s3://sources/rain/{{ period | date('%Y/%m/%d') }}.tif");
    for source in ["cog", "file"] {
        for auth in [anonymous(&moto.url()), signed(&moto.url())] {
            stand.with["source"] = json!(source);
            stand.with["auth"] = auth;
            let (arrived, error) = stand.fetch(&days(1, 3)).await;
            assert_eq!(error, None, "{source}");
            assert_eq!(format!("{arrived:?}"), format!("{expected:?}"), "{source}");
        }
        // A hole is seen, and so is the frontier.
        let (arrived, error) = stand.fetch(&days(1, 9)).await;
        assert_eq!(shown(&arrived), "01 02 03", "{source}");
        assert!(permanent(error).1.contains("s3://sources/rain/2024/01/04.tif, although later"), "{source}");
        stand.with["on-missing"] = json!("gap");
        let (arrived, error) = stand.fetch(&days(1, 9)).await;
        assert_eq!((shown(&arrived).as_str(), error), ("01 02 03 04:gap 05", None), "{source}");
        stand.with["on-missing"] = json!("stop");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_not_a_frontier() {
    let Some(moto) = Moto::start() else { return };
    let mut stand = Stand::new([1]);
    moto.put("/sources/a.tif", &stand.file(1));
    stand.with["auth"] = signed(&moto.url());
    for source in ["cog", "file"] {
        stand.with["source"] = json!(source);
        stand.with["url"] = json!("s3://nowhere/{{ period.id }}.tif");
        let (arrived, error) = stand.fetch(&days(1, 3)).await;
        let (kind, said) = permanent(error);
        assert_eq!((arrived.len(), kind), (0, ErrorKind::Network), "{said}");
        assert!(said.contains("there is no bucket `nowhere`"), "{said}");
    }
}

#[tokio::test]
async fn a_bucket_is_asked_no_more_than_a_web_server() {
    for source in ["cog", "file"] {
        let mut web = Stand::new(1..=4);
        web.with["source"] = json!(source);
        let (expected, error) = web.fetch(&days(1, 6)).await;
        assert_eq!((shown(&expected).as_str(), error), ("01 02 03 04", None), "{source}");
        let bucket = counted(1..=4, source);
        let (arrived, error) = bucket.fetch(&days(1, 6)).await;
        assert_eq!(error, None, "{source}");
        assert_eq!(format!("{arrived:?}"), format!("{expected:?}"), "{source}");
        assert_eq!(bucket.asked(), web.asked(), "{source}");
        let ranges = |stand: &Stand| -> Vec<_> {
            stand.server.requests().into_iter().map(|request| request.range).collect()
        };
        assert_eq!(ranges(&bucket), ranges(&web), "{source}");
    }
}

#[tokio::test]
async fn requests_are_signed_by_the_named_secret_or_not_at_all() {
    for source in ["cog", "file"] {
        let mut stand = counted([1], source);
        let (_, error) = stand.fetch(&days(1, 1)).await;
        assert_eq!(error, None);
        for request in stand.server.requests() {
            let signature = request.header("authorization").unwrap_or_default();
            assert!(
                signature.contains("Credential=hush-hush/") && signature.contains("/eu-west-1/s3/"),
                "{source}"
            );
        }
        stand.with["auth"] = anonymous(&stand.server.url());
        stand.server.forget();
        let (_, error) = stand.fetch(&days(1, 1)).await;
        assert_eq!(error, None);
        assert!(!stand.server.requests().is_empty());
        assert!(stand.server.requests().iter().all(|request| request.header("authorization").is_none()));
        stand.server.always(&Stand::path(1), Fault::Status(403, None));
        stand.with["auth"] = signed(&stand.server.url());
        // Another run: what came before is not asked for again in the same one.
        stand.cx.scratch = stand.folder.path().join("another");
        stand.server.forget();
        let (_, error) = stand.fetch(&days(1, 1)).await;
        let error = error.expect("an error");
        assert_eq!(error.failure().map(|failure| failure.kind), Some(ErrorKind::Credentials), "{error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        assert_eq!(stand.server.count(&Stand::path(1)), 1, "a ban is not asked for again");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for source in ["cog", "file"] {
        for fault in [
            Fault::Status(500, None),
            Fault::Status(503, None),
            Fault::Reset,
            Fault::Truncate(0),
            Fault::Truncate(700),
            Fault::Page,
            Fault::PageAsTiff,
        ] {
            let stand = counted([1], source);
            stand.server.first(&Stand::path(1), [fault.clone()]);
            let (arrived, error) = stand.fetch(&days(1, 1)).await;
            assert_eq!((shown(&arrived).as_str(), error), ("01", None), "{source} {fault:?}");
            assert_eq!((stand.waited(), stand.server.count(&Stand::path(1))), (2, 2), "{source} {fault:?}");
        }
    }
}
