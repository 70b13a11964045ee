//! `frazil serve`: what it answers over HTTP. Each file starts servers of its own with
//! `frazil_tests::serving::Serving`.

#[path = "serve/access.rs"]
mod access;
#[path = "serve/addresses.rs"]
mod addresses;
#[path = "serve/callbacks.rs"]
mod callbacks;
#[path = "serve/cascade.rs"]
mod cascade;
#[path = "serve/datasets.rs"]
mod datasets;
#[path = "serve/deploy.rs"]
mod deploy;
#[path = "serve/jobs.rs"]
mod jobs;
#[path = "serve/kinds.rs"]
mod kinds;
#[path = "serve/landing.rs"]
mod landing;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/packaging.rs"]
mod packaging;
#[path = "serve/pages.rs"]
mod pages;
#[path = "serve/processes.rs"]
mod processes;
#[path = "serve/restarts.rs"]
mod restarts;
#[path = "serve/schema.rs"]
mod schema;
#[path = "serve/stac.rs"]
mod stac;
#[path = "serve/stand.rs"]
mod stand;
#[path = "serve/told.rs"]
mod told;
#[path = "serve/triggers.rs"]
mod triggers;
#[path = "serve/watching.rs"]
mod watching;
#[path = "serve/zarr.rs"]
mod zarr;
