use std::{fs, io::Read, os::unix::fs::MetadataExt, path::Path};

use frazil_raster_protocol::{
    Content, Description, Fault, FaultKind, MAX_BODY, Part, Reply, Request, VERSION,
};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};

use crate::{arrays, bands, crs, warp};

/// The most arrays, bands or messages that a file may hold.
pub(crate) const MAX_THINGS: usize = 200_000;

/// What is open. One file at a time: frazil reads a file to its end before the next.
#[derive(Default)]
pub(crate) struct Session {
    open: Option<Open>,
    opens: u64,
}

struct Open {
    identity: Identity,
    dataset: Dataset,
    /// Opened by the multidimensional interface.
    arrays: bool,
}

/// Tells whether a path still means the same bytes.
#[derive(PartialEq, Eq)]
struct Identity {
    path: String,
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

pub(crate) type Answer<T> = Result<T, Fault>;

pub(crate) fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { kind, message: message.into() }
}

/// What GDAL said, as one line.
pub(crate) fn unreadable(error: &gdal::errors::GdalError) -> Fault {
    use gdal::errors::GdalError;
    let text = match error {
        GdalError::CplError { msg, .. } | GdalError::NullPointer { msg, .. } if !msg.is_empty() => {
            msg.clone()
        }
        other => other.to_string(),
    };
    fault(FaultKind::Unreadable, text.replace('\n', " "))
}

impl Session {
    /// Does what is asked.
    pub(crate) fn answer(&mut self, request: Request, body: Vec<u8>) -> (Reply, Vec<u8>) {
        let result = match request {
            Request::Describe { path } => self.describe(path).map(|reply| (reply, Vec::new())),
            Request::Read { path, part } => self.read(path, &part),
            Request::Warp(request) => warp::warp(&request, body),
            Request::Crs { definition } => crs::look_up(&definition).map(|crs| (Reply::Crs(crs), Vec::new())),
        };
        result.unwrap_or_else(|fault| (Reply::Failed(fault), Vec::new()))
    }

    fn describe(&mut self, path: String) -> Answer<Reply> {
        let open = self.open(path)?;
        let driver = open.dataset.driver().short_name();
        let content = if open.arrays {
            Content::Arrays(arrays::describe(&open.dataset, Path::new(&open.identity.path))?)
        } else {
            Content::Raster(bands::describe(&open.dataset)?)
        };
        let opens = self.opens;
        Ok(Reply::Described(Box::new(Description { version: VERSION, driver, content, opens })))
    }

    fn read(&mut self, path: String, part: &Part) -> Answer<(Reply, Vec<u8>)> {
        let open = self.open(path)?;
        let (dtype, body) = match part {
            Part::Array { name, start, count } if open.arrays => {
                arrays::read(&open.dataset, name, start, count)?
            }
            Part::Bands { bands, window } if !open.arrays => bands::read(&open.dataset, bands, *window)?,
            _ => return Err(fault(FaultKind::Absent, "the file does not hold what is asked for")),
        };
        Ok((Reply::Values { dtype, opens: self.opens }, body))
    }

    fn open(&mut self, path: String) -> Answer<&Open> {
        let identity = identity(path)?;
        match self.open.take() {
            Some(open) if open.identity == identity => Ok(self.open.insert(open)),
            before => {
                drop(before);
                let (dataset, arrays) = open(Path::new(&identity.path))?;
                self.opens += 1;
                Ok(self.open.insert(Open { identity, dataset, arrays }))
            }
        }
    }
}

fn identity(path: String) -> Answer<Identity> {
    let wrong = |message: String| fault(FaultKind::Unreadable, message);
    // A path with a prefix of GDAL's own (`/vsicurl/`) would make it fetch by itself.
    if !path.starts_with('/') || path.starts_with("/vsi") {
        return Err(wrong("not an absolute path of a file".to_owned()));
    }
    let meta = fs::metadata(&path).map_err(|error| wrong(error.to_string()))?;
    // A Zarr store is a folder.
    if !meta.is_file() && !meta.is_dir() {
        return Err(wrong("not a file".to_owned()));
    }
    Ok(Identity { inode: meta.ino(), len: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()), path })
}

/// Opens a file by the drivers that its first bytes allow, and by no other: some of GDAL's formats
/// are texts that name further files.
fn open(path: &Path) -> Answer<(Dataset, bool)> {
    let mut magic = Vec::new();
    if !path.is_dir() {
        fs::File::open(path)
            .and_then(|file| file.take(8).read_to_end(&mut magic))
            .map_err(|error| fault(FaultKind::Unreadable, error.to_string()))?;
    }
    let (drivers, arrays): (&[&str], bool) = match magic.as_slice() {
        _ if path.is_dir() => (&["Zarr"], true),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => (&["GTiff"], false),
        [b'C', b'D', b'F', 1 | 2 | 5, ..] => (&["netCDF"], true),
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n'] => (&["netCDF", "HDF5"], true),
        // GRIB messages may stand behind a bulletin header.
        _ => (&["GRIB"], false),
    };
    let mut last = None;
    for driver in drivers {
        let options = DatasetOptions {
            open_flags: if arrays {
                GdalOpenFlags::GDAL_OF_MULTIDIM_RASTER
            } else {
                GdalOpenFlags::GDAL_OF_RASTER
            } | GdalOpenFlags::GDAL_OF_READONLY
                | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
            allowed_drivers: Some(&[driver]),
            ..DatasetOptions::default()
        };
        match Dataset::open_ex(path, options) {
            Ok(dataset) => return Ok((dataset, arrays)),
            Err(error) => last = Some(unreadable(&error)),
        }
    }
    Err(last.unwrap_or_else(|| fault(FaultKind::Unreadable, "no format that is known")))
}

/// Bytes of a read of `count` numbers of `size` bytes.
pub(crate) fn body_len(count: impl IntoIterator<Item = u64>, size: usize) -> Answer<usize> {
    count
        .into_iter()
        .try_fold(size as u64, u64::checked_mul)
        .filter(|bytes| *bytes <= MAX_BODY)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| fault(FaultKind::TooLarge, format!("a read of more than {} MiB", MAX_BODY >> 20)))
}
