//! Where the data of a dataset is read.

use frazil_engine::dataset::DatasetInfo;
use frazil_steps::cube::is_store;

use crate::{
    asked::Base,
    link::{ICECHUNK, Link, ZARR},
};

/// Where the data of a dataset is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// From this server.
    Here,
    /// From somebody else, at this URL.
    There(&'a str),
    /// A Zarr store on this machine that others make: it has no states, and where it lies is nobody's business.
    Nowhere,
}

impl<'a> Source<'a> {
    pub(crate) fn of(info: &'a DatasetInfo) -> Self {
        let url = info.location.url.as_str();
        if info.location.read_only && url.contains("://") {
            Self::There(url)
        } else if is_store(info) {
            Self::Nowhere
        } else {
            Self::Here
        }
    }

    /// Links to the data of the dataset `id`.
    pub(crate) fn links(self, id: &str, base: &Base) -> Vec<Link> {
        match self {
            Self::Here => vec![
                Link::to("data", ZARR, base.at(&format!("/zarr/{id}/"))).titled("Zarr"),
                Link::to("data", ICECHUNK, base.at(&format!("/icechunk/{id}"))).titled("Icechunk"),
            ],
            Self::There(url) => {
                vec![Link { media: None, ..Link::json("data", url) }.titled("Where it is made")]
            }
            Self::Nowhere => Vec::new(),
        }
    }
}
