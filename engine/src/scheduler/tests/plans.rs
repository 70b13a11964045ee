use std::sync::Arc;

use super::{fake::*, stage::*};
use crate::{
    plan::{Foreseen, NodePlan, PipelinePlan, units_for, walk},
    scheduler::start,
    step::ErrorKind,
    store::MemoryStore,
};

async fn plan(name: &str, days: i64) -> PipelinePlan {
    let pipeline = chirps(name, days, 4, 1);
    let units: Vec<_> = (0..pipeline.units.len()).collect();
    let nodes = walk(&pipeline, &units, &registry(), &scope(), &Foreseen::default()).await;
    PipelinePlan::of(&pipeline, &units, serde_json::Map::new(), nodes)
}

fn node<'a>(plan: &'a PipelinePlan, name: &str) -> &'a NodePlan {
    plan.nodes.iter().find(|node| node.node.as_str() == name).unwrap()
}

/// What is planned is what a run does; afterwards nothing is left.
#[tokio::test]
async fn a_run_does_what_the_plan_lists() {
    let before = plan("plan-all", 10).await;
    let daily = node(&before, "daily").planned.as_ref().unwrap();
    assert_eq!((daily.work.periods, daily.work.requests, daily.work.commits), (10, 10, 3));
    assert!(before.nodes.iter().all(|node| node.error.is_none() && node.lacks.is_empty()));
    assert_eq!(lock(&world("plan-all")).opened, 0, "a plan makes no request");
    let run = run(&chirps("plan-all", 10, 4, 1), "r1");
    start(&run, &services(Arc::new(MemoryStore::new()))).await.unwrap();
    assert_eq!(lock(&world("plan-all")).commits.len(), 3);
    let after = plan("plan-all", 10).await;
    assert!(before.nodes.iter().any(NodePlan::has_work) && !after.nodes.iter().any(NodePlan::has_work));

    // The old plan stands on other ground now, and says which.
    let error = before.still_holds(&after).unwrap_err();
    assert_eq!(error.failure().unwrap().kind, ErrorKind::Refused);
    assert_eq!(error.to_string(), "the plan is stale: `cube` stands at c3 where nothing was planned");
    let edited = PipelinePlan { digest: "e".to_owned(), ..after.clone() };
    assert!(after.still_holds(&edited).unwrap_err().to_string().contains("digest e where d was planned"));
    // A source that has less is no difference.
    assert!(after.still_holds(&plan("plan-all", 12).await).is_ok());
}

#[tokio::test]
async fn a_plan_that_does_not_fit_says_so() {
    lock(&world("plan-memory")).memory = 2 << 30;
    let plan = plan("plan-memory", 10).await;
    let error = node(&plan, "daily").error.as_ref().unwrap();
    assert_eq!(error.failure().unwrap().kind, ErrorKind::Refused);
}

#[test]
fn a_dataset_selects_the_steps_that_it_needs() {
    let pipeline = chirps("plan-select", 4, 4, 0);
    assert_eq!(units_for(&pipeline, &"cube".parse().unwrap()), Some(vec![0, 1]));
    assert_eq!(units_for(&pipeline, &"other".parse().unwrap()), None);
}
