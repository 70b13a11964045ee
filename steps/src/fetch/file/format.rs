//! What a file is, by its first bytes.

use std::path::Path;

use tokio::io::AsyncReadExt;

/// A format that frazil-gdal reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Tiff,
    NetCdf3,
    /// Also NetCDF 4.
    Hdf5,
    Grib,
    /// Of version 2: a folder.
    Zarr,
}

/// How far a GRIB message may stand behind a bulletin header.
const HEADER: usize = 1 << 10;

impl Format {
    /// The format of a file that begins with these bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'C', b'D', b'F', 1 | 2 | 5, ..] => Some(Self::NetCdf3),
            [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Hdf5),
            _ => bytes.windows(4).any(|window| window == b"GRIB").then_some(Self::Grib),
        }
    }

    /// The format of a file; none when it is of no known one.
    pub(super) async fn read(path: &Path) -> std::io::Result<Option<Self>> {
        if tokio::fs::metadata(path).await?.is_dir() {
            return Self::of_folder(path).await;
        }
        let mut bytes = Vec::new();
        tokio::fs::File::open(path).await?.take(HEADER as u64).read_to_end(&mut bytes).await?;
        Ok(Self::of(&bytes))
    }

    /// What a folder is, by the files that every Zarr store has.
    async fn of_folder(path: &Path) -> std::io::Result<Option<Self>> {
        for name in [".zgroup", ".zmetadata"] {
            if tokio::fs::try_exists(path.join(name)).await? {
                return Ok(Some(Self::Zarr));
            }
        }
        if tokio::fs::try_exists(path.join("zarr.json")).await? {
            return Err(std::io::Error::other(
                "it is a Zarr store of version 3: it is read with `source: zarr`",
            ));
        }
        Ok(None)
    }

    /// What GDAL expects at the end of a file's name, where it looks at it.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Tiff => "tif",
            Self::NetCdf3 | Self::Hdf5 => "nc",
            Self::Grib => "grib",
            Self::Zarr => "zarr",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        assert_eq!(Format::of(b"II*\0...."), Some(Format::Tiff));
        assert_eq!(Format::of(b"MM\0+...."), Some(Format::Tiff));
        assert_eq!(Format::of(b"CDF\x02...."), Some(Format::NetCdf3));
        assert_eq!(Format::of(b"\x89HDF\r\n\x1a\n"), Some(Format::Hdf5));
        assert_eq!(Format::of(b"****0000012345****\nGRIB...\x02"), Some(Format::Grib));
        for bad in
            [&b""[..], b"<!DOCTYPE html>", b"II", b"CDF\x09", b"{\"detail\": \"not found\"}", b"PK\x03\x04"]
        {
            assert_eq!(Format::of(bad), None);
        }
    }
}
