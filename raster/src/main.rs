//! GDAL behind pipes.
fn main() {}
