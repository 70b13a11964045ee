//! Each way in which a server misbehaves, met as a person would: waited for, tried again, or
//! given up with a reason; never misread.

use frazil_engine::step::{ErrorKind, StepError};
use frazil_tests::server::Fault;

use super::stand::{Stand, days, shown};

/// One day whose file misbehaves as told at the first requests, then well.
async fn after(faults: Vec<Fault>) -> (Stand, String, Option<StepError>) {
    let stand = Stand::new([1]);
    stand.server.first(&Stand::path(1), faults);
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    let arrived = shown(&arrived);
    (stand, arrived, error)
}

fn message(error: Option<StepError>) -> String {
    let error = error.unwrap();
    assert!(!error.is_transient(), "what used up its tries is not transient: {error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_busy_server_is_given_the_time_it_asks_for() {
    let (stand, arrived, error) = after(vec![Fault::Status(429, Some("7".into()))]).await;
    assert_eq!((arrived.as_str(), error), ("01", None));
    assert_eq!((stand.waited(), stand.server.count(&Stand::path(1))), (7, 2));

    let date = "Sat, 01 Jun 2024 00:01:00 GMT".to_owned();
    let (stand, arrived, error) = after(vec![Fault::Status(503, Some(date))]).await;
    assert_eq!((arrived.as_str(), error), ("01", None));
    assert_eq!((stand.waited(), stand.server.count(&Stand::path(1))), (60, 2));

    // Asked for less than the policy's own wait, the policy's is kept.
    let (stand, ..) = after(vec![Fault::Status(429, Some("0".into()))]).await;
    assert_eq!(stand.waited(), 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for fault in [
        Fault::Status(500, None),
        Fault::Status(502, None),
        Fault::Reset,
        Fault::Truncate(0),
        Fault::Truncate(700),
        Fault::Page,
        Fault::PageAsTiff,
        Fault::Empty,
    ] {
        let (stand, arrived, error) = after(vec![fault.clone()]).await;
        assert_eq!((arrived.as_str(), error), ("01", None), "{fault:?}");
        assert_eq!((stand.waited(), stand.server.count(&Stand::path(1))), (2, 2), "{fault:?}");
    }
}

#[tokio::test]
async fn tries_come_to_an_end_and_say_why() {
    for (fault, said) in [
        (Fault::Status(500, None), "the server answered 500 Internal Server Error"),
        (Fault::Reset, "error sending request"),
        (Fault::Truncate(700), "broke off"),
        (Fault::Page, "HTML page"),
        (Fault::PageAsTiff, "a page in place of the file"),
        (Fault::Empty, "is empty"),
    ] {
        let stand = Stand::new([1, 2]);
        stand.server.always(&Stand::path(2), fault.clone());
        let (arrived, error) = stand.fetch(&days(1, 3)).await;
        let error = message(error);
        assert_eq!(shown(&arrived), "01", "what came before stands: {fault:?}");
        assert!(error.starts_with("2024-01-02: ") && error.contains(said), "{fault:?}: {error}");
        assert_eq!(stand.server.count(&Stand::path(2)), 3, "{fault:?}");
        assert_eq!(stand.server.count(&Stand::path(3)), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_ban_is_not_asked_for_again() {
    for status in [401, 403, 400] {
        let (stand, arrived, error) = after(vec![Fault::Status(status, None); 3]).await;
        let error = error.unwrap();
        let kind = error.failure().unwrap().kind;
        assert_eq!(kind, if status == 401 { ErrorKind::Credentials } else { ErrorKind::Network });
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!((arrived.as_str(), stand.server.count(&Stand::path(1)), stand.waited()), ("", 1, 0));
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_timeout() {
    let mut stand = Stand::new([1]);
    stand.cx.timeout = Some("150ms".parse().unwrap());
    stand.server.first(&Stand::path(1), [Fault::Hang]);
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));
    assert_eq!(stand.server.count(&Stand::path(1)), 2);

    stand.server.always(&Stand::path(1), Fault::Hang);
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(message(error).contains("no answer within 150ms"));
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_does_not_wait_for_a_server() {
    let stand = Stand::new([1]);
    stand.server.always(&Stand::path(1), Fault::Hang);
    let (arrived, error) = stand.fetch_and_stop().await;
    assert_eq!((shown(&arrived).as_str(), error), ("", Some(StepError::Cancelled)));
}

#[tokio::test]
async fn dropping_the_stream_stops_the_work() {
    use futures::StreamExt;
    let stand = Stand::new(1..=20);
    let mut slices = stand.source().slices(days(1, 20), 0, &stand.cx).0;
    slices.next().await.unwrap().unwrap();
    drop(slices);
    let asked = stand.server.requests().len();
    // One read, one in each of two queues, one being handed on, one on its way.
    assert!(asked <= 6, "{asked} requests for one slice");
}

#[tokio::test]
async fn ranges_that_are_ignored_are_noticed_not_misread() {
    let stand = Stand::new([1]);
    let (expected, _) = stand.fetch(&days(1, 1)).await;
    stand.server.always(&Stand::path(1), Fault::NoRanges);
    stand.server.forget();
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!(error, None);
    assert_eq!(format!("{arrived:?}"), format!("{expected:?}"));
    assert_eq!(stand.asked(), "GET /2024/01/01.tif", "all of it came with the first request");
}

#[tokio::test]
async fn a_large_file_without_ranges_is_refused_with_what_to_do() {
    let stand = Stand::new([1]);
    let path = stand.folder.path().join(&Stand::path(1)[1..]);
    // Sparse: it takes no room.
    std::fs::File::options().write(true).open(path).unwrap().set_len((64 << 20) + 1).unwrap();
    stand.server.always(&Stand::path(1), Fault::NoRanges);
    let (_, error) = stand.fetch(&days(1, 1)).await;
    let error = error.unwrap();
    assert!(error.to_string().contains("does not honour ranges"), "{error}");
    assert!(error.failure().unwrap().help.as_ref().unwrap().contains("source: file"));
    assert_eq!(stand.server.count(&Stand::path(1)), 1);
}

#[tokio::test]
async fn a_truncated_file_is_transient_and_named() {
    let stand = Stand::new([1]);
    let path = stand.folder.path().join(&Stand::path(1)[1..]);
    let whole = std::fs::read(&path).unwrap();
    for length in [3, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        stand.server.forget();
        let (_, error) = stand.fetch(&days(1, 1)).await;
        // The bbox does not touch the last tile: a file that lacks its last byte has all of it.
        let Some(error) = error else {
            assert_eq!(length, whole.len() - 1);
            continue;
        };
        assert!(error.to_string().contains("truncated"), "{length}: {error}");
        assert_eq!(stand.server.count(&Stand::path(1)), 3, "{length}");
    }
}

#[tokio::test]
async fn what_is_no_tiff_is_said_at_once() {
    let stand = Stand::new([]);
    std::fs::create_dir_all(stand.folder.path().join("2024/01")).unwrap();
    std::fs::write(stand.folder.path().join("2024/01/01.tif"), b"GRIB....7777").unwrap();
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(message(error).contains("is no TIFF: it begins with GRIB"));
    assert_eq!(stand.server.count(&Stand::path(1)), 1);
}

#[tokio::test]
async fn secrets_reach_the_server_and_nothing_else() {
    let mut stand = Stand::new([1]);
    stand.with["auth"] = serde_json::json!({ "basic": { "user": "edh", "password": "{{ secrets.key }}" } });
    stand.with["headers"] = serde_json::json!({ "x-key": "{{ secrets.key }}" });
    // edh:hush-hush
    stand.server.always(&Stand::path(1), Fault::Needs("authorization", "Basic ZWRoOmh1c2gtaHVzaA==".into()));
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));
    assert!(stand.server.requests().iter().all(|request| request.header("x-key") == Some("hush-hush")));

    stand.with["auth"] = serde_json::json!({ "bearer": "{{ secrets.key }}" });
    let (_, error) = stand.fetch(&days(1, 1)).await;
    let error = error.unwrap();
    assert_eq!(error.failure().unwrap().kind, ErrorKind::Credentials);
    stand.with["url"] = serde_json::json!(format!(
        "{}/{{{{ secrets.key }}}}.tif?k={{{{ secrets.key }}}}",
        stand.server.url()
    ));
    let (_, other) = stand.fetch(&days(1, 1)).await;
    for said in [format!("{error:?}"), format!("{:?}", other.unwrap())] {
        assert!(!said.contains("hush"), "{said}");
    }
    stand.with["auth"] = serde_json::json!({ "bearer": "{{ secrets.other }}" });
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(error.is_some());
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever_nor_with_headers_elsewhere() {
    let mut stand = Stand::new([1, 2]);
    stand.server.always(&Stand::path(1), Fault::Redirect(format!("{}/2024/01/02.tif", stand.server.url())));
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));

    stand.server.always(&Stand::path(2), Fault::Redirect(format!("{}/2024/01/01.tif", stand.server.url())));
    stand.server.forget();
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(message(error).contains("redirect"));
    assert!(stand.server.requests().len() <= 7);

    let elsewhere = stand.server.url().replace("127.0.0.1", "localhost");
    stand.server.always(&Stand::path(1), Fault::Redirect(format!("{elsewhere}/2024/01/02.tif")));
    stand.with["headers"] = serde_json::json!({ "x-key": "{{ secrets.key }}" });
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(message(error).contains("another host"));
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_not_a_frontier() {
    let mut stand = Stand::new([]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stand.with["url"] = serde_json::json!(format!("http://{free}/{{{{ period.id }}}}.tif"));
    let (arrived, error) = stand.fetch(&days(1, 2)).await;
    let error = error.unwrap();
    assert_eq!((arrived.len(), error.failure().unwrap().kind), (0, ErrorKind::Network));
    assert!(!error.is_transient());
    assert_eq!(stand.waited(), 2 + 4, "it was tried three times");
}
