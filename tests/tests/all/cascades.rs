//! Datasets that hang from datasets of other pipelines: the project is one graph.

#[path = "cascades/stand.rs"]
mod stand;

#[path = "cascades/order.rs"]
mod order;

#[path = "cascades/stale.rs"]
mod stale;

#[path = "cascades/across.rs"]
mod across;

#[path = "cascades/explain.rs"]
mod explain;

#[path = "cascades/drawn.rs"]
mod drawn;

#[path = "cascades/copies.rs"]
mod copies;

#[path = "cascades/fan_in.rs"]
mod fan_in;

#[path = "cascades/joined.rs"]
mod joined;
