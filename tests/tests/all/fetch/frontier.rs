//! A source file that is not there: not yet, a hole, or what was kept.

use frazil_engine::{
    data::{Action, Status},
    step::StepError,
};
use frazil_tests::server::Fault;
use serde_json::json;

use super::stand::{Stand, days, raster, shown, slice, work};

#[tokio::test]
async fn nothing_later_is_not_yet() {
    let stand = Stand::new(1..=3);
    let (arrived, error) = stand.fetch(&days(1, 12)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02 03", None));
    let asked = stand.asked();
    let (_, end) = asked.split_once("GET /2024/01/04.tif").unwrap();
    assert_eq!(
        end, "\nHEAD /2024/01/05.tif\nHEAD /2024/01/09.tif\nHEAD /2024/01/12.tif",
        "three are looked for, and nothing is asked for behind them"
    );
}

#[tokio::test]
async fn one_later_file_makes_it_a_hole() {
    // The next, the middle and the last of what comes after the third.
    for there in [4, 8, 12] {
        let stand = Stand::new([1, 2, there]);
        let (arrived, error) = stand.fetch(&days(1, 12)).await;
        let error = error.unwrap();
        assert_eq!(shown(&arrived), "01 02");
        assert!(error.to_string().starts_with("2024-01-03: the source does not have"), "{error}");
        assert!(error.failure().unwrap().help.as_ref().unwrap().contains("on-missing: gap"));
    }
    // What lies between them is not looked for.
    let stand = Stand::new([1, 2, 6]);
    let (arrived, error) = stand.fetch(&days(1, 12)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02", None));
}

#[tokio::test]
async fn a_gap_is_recorded_where_that_is_the_policy() {
    let mut stand = Stand::new([2, 4, 5]);
    stand.with["on-missing"] = json!("gap");
    let (arrived, error) = stand.fetch(&days(1, 9)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01:gap 02 03:gap 04 05", None));
    let gap = slice(&arrived[2]);
    assert_eq!((gap.status, gap.fields.len()), (Status::Gap, 0));
    assert_eq!(gap.grid, slice(&arrived[1]).grid);
    assert_eq!(slice(&arrived[0]).grid, slice(&arrived[1]).grid);
}

#[tokio::test]
async fn what_is_stored_stays_and_the_stream_goes_on() {
    let stand = Stand::new([2, 4, 5]);
    let work = work(&[
        ("2024-01-01", Action::Fill),
        ("2024-01-02/2024-01-03", Action::Revise),
        ("2024-01-04/2024-01-06", Action::Add),
    ]);
    let (arrived, error) = stand.fetch(&work).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01:kept 02 03:kept 04 05", None));
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_an_error() {
    let stand = Stand::new([1]);
    for day in 3..=5 {
        stand.server.always(&Stand::path(day), Fault::Status(403, None));
    }
    let (arrived, error) = stand.fetch(&days(1, 5)).await;
    assert_eq!(shown(&arrived), "01");
    assert!(error.unwrap().to_string().contains("403"));
    let heads = stand.server.requests().iter().filter(|request| request.method == "HEAD").count();
    assert_eq!(heads, 1);
}

#[tokio::test]
async fn a_page_is_no_later_file() {
    let stand = Stand::new([1]);
    for day in 3..=9 {
        stand.server.always(&Stand::path(day), Fault::Page);
    }
    let (arrived, error) = stand.fetch(&days(1, 9)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));
}

#[tokio::test]
async fn alternatives_are_tried_in_order_and_may_be_provisional() {
    let mut stand = Stand::new([1, 2]);
    let url = |name: &str| format!("{}/{name}/{{{{ period.day }}}}.tif", stand.server.url());
    let alternatives = json!([{ "url": url("old") }, { "url": url("prelim"), "provisional": true }]);
    for (name, day) in [("old", 3), ("prelim", 3), ("prelim", 4), ("prelim", 5)] {
        super::stand::raster(day).write(&stand.folder.path().join(format!("{name}/{day}.tif"))).unwrap();
    }
    stand.with["alternatives"] = alternatives;
    let (arrived, error) = stand.fetch(&days(2, 9)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("02 03 04:provisional 05:provisional", None));
    // A provisional period is asked for again: only what is better is of use.
    let again = work(&[("2024-01-03/2024-01-04", Action::Revise)]);
    stand.server.forget();
    let (arrived, error) = stand.fetch(&again).await;
    assert_eq!((shown(&arrived).as_str(), error), ("03 04:kept", None));
    assert_eq!(stand.server.count("/prelim/4.tif"), 0);
}

#[tokio::test]
async fn context_stands_before_the_work_where_there_is_any() {
    let stand = Stand::new(2..=5);
    let (arrived, error) = stand.fetch_with_halo(&days(4, 5), 2).await;
    assert_eq!((shown(&arrived).as_str(), error), ("~02 ~03 04 05", None));
    let (arrived, error) = stand.fetch_with_halo(&days(3, 5), 2).await;
    assert_eq!((shown(&arrived).as_str(), error), ("~02 03 04 05", None));
}

#[tokio::test]
async fn a_url_without_a_period_is_one_file() {
    let mut stand = Stand::new([1]);
    stand.with["url"] = json!(format!("{}/2024/01/01.tif", stand.server.url()));
    let (arrived, error) = stand.fetch(&days(1, 1)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01", None));
    let (arrived, error) = stand.fetch(&days(1, 2)).await;
    assert_eq!(arrived.len(), 0);
    assert!(error.unwrap().to_string().contains("does not name the period"));
    stand.with["url"] = json!(format!("{}/nothing.tif", stand.server.url()));
    let (_, error) = stand.fetch(&days(1, 1)).await;
    assert!(error.unwrap().to_string().contains("the source does not have"));
}

#[tokio::test]
async fn several_files_are_on_their_way_where_that_is_allowed_and_order_is_kept() {
    let mut stand = Stand::new(1..=20);
    stand.with["in-flight"] = json!(4);
    stand.server.first(&Stand::path(2), [Fault::Status(503, Some("9".into()))]);
    let (arrived, error) = stand.fetch(&days(1, 20)).await;
    assert_eq!(error, None);
    let expected: Vec<String> = (1..=20).map(|day| format!("{day:02}")).collect();
    assert_eq!(shown(&arrived), expected.join(" "));
    assert_eq!(stand.plan(&days(1, 20)).await.requests, 20);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_waited_for_and_no_longer_than_said() {
    let mut stand = Stand::new(1..=3);
    stand.with["wait"] = json!({ "every": "10m", "for": "45m" });
    // It comes between the second and the third look.
    let path = Stand::path(4);
    raster(4).write(&stand.file(4)).unwrap();
    let no = || Fault::Status(404, None);
    stand.server.first(&path, [no(), no()]);
    let (arrived, error) = stand.fetch(&days(1, 6)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("01 02 03 04", None));
    // Twice for the fourth, and what was left of the time for the fifth.
    assert_eq!(stand.waited(), 40 * 60);
    let fourth = stand.server.requests().iter().filter(|r| r.path == path && r.method == "GET").count();
    assert!(fourth > 2, "{}", stand.asked());

    let stand = Stand::new(1..=3);
    let (_, error) = stand.fetch(&days(1, 6)).await;
    assert_eq!((stand.waited(), error), (0, None), "who says nothing does not wait");
}

#[tokio::test]
async fn what_is_waited_for_may_be_stopped() {
    let mut stand = Stand::new(1..=1);
    stand.with["wait"] = json!({ "every": "10m", "for": "45m" });
    stand.cx.cancel.cancel();
    let (arrived, error) = stand.fetch(&days(1, 6)).await;
    assert_eq!((shown(&arrived).as_str(), error), ("", Some(StepError::Cancelled)));
}

#[tokio::test]
async fn gaps_are_recorded_up_to_their_share_of_the_axis() {
    let lacks = |most: &str| {
        let mut stand = Stand::new((1..=20).filter(|day| ![5, 9, 13].contains(day)));
        stand.with["on-missing"] = json!("gap");
        stand.with["max-gaps"] = json!(most);
        stand
    };
    // Three among twenty are 15 %.
    let (arrived, error) = lacks("15%").fetch(&days(1, 20)).await;
    assert_eq!((arrived.len(), error), (20, None));
    let (arrived, error) = lacks("14.9%").fetch(&days(1, 20)).await;
    let error = error.unwrap();
    assert_eq!(shown(&arrived), "01 02 03 04 05:gap 06 07 08 09:gap 10 11 12");
    assert_eq!(
        error.to_string(),
        "2024-01-13: it would be the 3. gap among 20 periods, and `max-gaps` is 14.9%"
    );
    assert!(error.failure().unwrap().help.is_some());
    let (arrived, error) = lacks("0%").fetch(&days(1, 20)).await;
    assert_eq!((arrived.len(), error.is_some()), (4, true));
}
