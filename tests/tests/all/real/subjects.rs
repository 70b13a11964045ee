//! Genuine files, read by frazil and by libraries that it does not use.
//!
//! The files come from `FRAZIL_DATA`, the other readers from `FRAZIL_PYTHON`; `frazil-gdal` is
//! found where `cargo build --workspace --bins` puts it, one folder above the tests.

mod arrays;
mod bench;
mod grib;
mod made;
mod rasters;
mod stores;
