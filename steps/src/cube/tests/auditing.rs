//! What stands aside, and `main` that somebody else moves between the look and the publishing.

use frazil_engine::step::ErrorKind;
use serde_json::json;

use super::support::{bench, finals};
use crate::cube::{ahead, promote};

#[tokio::test]
async fn main_is_not_moved_away_from_what_somebody_else_made_of_it() {
    let mut bench = bench(json!({}));
    bench.add(1, 3).await;
    bench.info.block.audit = true;
    bench.add(4, 4).await;
    let aside = ahead(&bench.info, &bench.cx.scope).await.unwrap().unwrap();
    assert_eq!(bench.contents().await, finals(1..=3));
    bench.info.block.audit = false;
    bench.add(4, 5).await;
    let main = bench.head().await;
    bench.info.block.audit = true;
    let error = promote(&bench.info, &aside.audit.unwrap(), &bench.cx).await.unwrap_err();
    assert_eq!(error.failure().unwrap().kind, ErrorKind::Refused, "{error}");
    assert_eq!(bench.head().await, main);
    assert_eq!(bench.contents().await, finals(1..=5));
}
