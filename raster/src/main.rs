//! GDAL behind pipes: reads rasters for frazil, which does not link GDAL.
//!
//! Started by frazil, one process per slot of blocking work, with the most memory that it may take
//! (bytes) as its argument; answers requests (see
//! `frazil-raster-protocol`) from standard input on standard output until its input ends.
//! What GDAL prints goes to standard error, which frazil keeps for its log.

mod arrays;
mod bands;
mod crs;
mod number;
mod session;
mod warp;
mod zarr;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use frazil_raster_protocol::{Request, read_frame, write_frame};

use crate::session::Session;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(io::stderr(), "frazil-gdal: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(memory) = std::env::args().nth(1) {
        bound(memory.parse()?)?;
    }
    let mut out = BufWriter::new(answers()?);
    configure()?;
    let mut session = Session::default();
    let mut input = io::stdin().lock();
    while let Some((request, body)) = read_frame::<Request>(&mut input)? {
        let (reply, body) = session.answer(request, body);
        write_frame(&mut out, &reply, &body)?;
    }
    Ok(())
}

/// What libraries take before any file is open: tables of PROJ, the cache of blocks.
const BASE: u64 = 512 << 20;

/// Lets no file take more than `memory` bytes. A chunk that says it holds a few bytes may hold
/// gigabytes, and the libraries below grow their buffers until it is empty: beyond the bound they
/// get no more, and say that the file cannot be read.
fn bound(memory: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let most = Some(memory.saturating_add(BASE));
    Ok(setrlimit(Resource::Data, Rlimit { current: most, maximum: most })?)
}

/// Standard output for our answers alone: the GRIB decoder prints to it, which must not end up
/// between them, so descriptor 1 is turned to standard error.
fn answers() -> io::Result<File> {
    use std::os::fd::AsFd;
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(out))
}

fn configure() -> gdal::errors::Result<()> {
    for (option, value) in [
        // Kelvin stays Kelvin: units are converted once, by a transform.
        ("GRIB_NORMALIZE_UNITS", "NO"),
        // The file alone, not what lies beside it.
        ("GDAL_PAM_ENABLED", "NO"),
        ("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR"),
        ("USE_RRD", "NO"),
        // WKT 2 wherever a coordinate reference system is written.
        ("OSR_WKT_FORMAT", "WKT2_2019"),
        // frazil has as many of us as it wants to keep busy.
        ("GDAL_NUM_THREADS", "1"),
        ("GDAL_CACHEMAX", "64"),
    ] {
        gdal::config::set_config_option(option, value)?;
    }
    Ok(())
}
