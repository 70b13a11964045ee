//! `fetch` against a local server: what arrives, and what was asked for.

#[path = "fetch/buckets.rs"]
mod buckets;
#[path = "fetch/faults.rs"]
mod faults;
#[path = "fetch/frontier.rs"]
mod frontier;
#[path = "fetch/gdal.rs"]
mod gdal;
#[path = "fetch/over.rs"]
mod over;
#[path = "fetch/stand.rs"]
pub(crate) mod stand;
#[path = "fetch/values.rs"]
mod values;
#[path = "fetch/whole.rs"]
mod whole;
#[path = "fetch/zarr.rs"]
mod zarr;
