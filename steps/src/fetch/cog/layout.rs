//! What the header of a GeoTIFF says.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use async_tiff::{
    ImageFileDirectory,
    error::{AsyncTiffError, AsyncTiffResult},
    metadata::{MetadataFetch, TiffMetadataReader},
    reader::Endianness,
    tags::{Compression, PlanarConfiguration, Predictor, SampleFormat},
};
use bytes::Bytes;
use frazil_engine::{
    data::DType,
    step::{ErrorKind, StepError},
};

use super::{
    blocks::{Blocks, Remote},
    unpack::known,
};
use crate::{compute::compute, fetch::numbers::Packing};

/// Bytes brought at a time when a header is longer than what came with the first request.
const MORE: u64 = 64 << 10;

/// The most that a header may take.
const HEADER_AT_MOST: u64 = 64 << 20;

/// The most that one tile may take, decoded.
const TILE_AT_MOST: u64 = 256 << 20;

/// Where the numbers of a GeoTIFF are, and what they mean.
#[derive(Debug)]
pub(crate) struct Layout {
    /// How tiles are compressed.
    pub(crate) compression: Compression,
    /// Whether numbers are stored with their high bytes first.
    pub(crate) big_endian: bool,
    /// Columns.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) height: usize,
    /// Columns of a tile; all of them for strips.
    pub(crate) tile_width: usize,
    /// Rows of a tile or strip.
    pub(crate) tile_height: usize,
    /// Whether tiles are strips, of which the last may be shorter.
    pub(crate) strips: bool,
    /// Where tiles begin.
    pub(crate) offsets: Vec<u64>,
    /// How many bytes tiles have; none for tiles that are not stored.
    pub(crate) counts: Vec<u64>,
    /// Bands.
    pub(crate) samples: usize,
    /// Whether each band has tiles of its own.
    pub(crate) planar: bool,
    /// The number type.
    pub(crate) dtype: DType,
    /// What was done before compression.
    pub(crate) predictor: Predictor,
    /// What marks missing numbers.
    pub(crate) nodata: Option<f64>,
    /// How each band is packed.
    pub(crate) packing: Vec<Option<Packing>>,
    /// Outer edge of the first column and width of one; the same for rows.
    pub(crate) x: (f64, f64),
    /// Outer edge of the first row and signed height of one.
    pub(crate) y: (f64, f64),
    /// EPSG code of the reference system.
    pub(crate) epsg: Option<u32>,
}

/// Why a header could not be read.
enum Stop {
    /// These bytes are needed first.
    Need(Range<u64>),
    /// They are not what a header should be.
    Broken(String),
    /// It is a TIFF that windows are not read from.
    Unsupported(String),
}

impl Layout {
    /// Reads the header, bringing as much of the file as it takes.
    pub(crate) async fn read(remote: &mut Remote) -> Result<Self, StepError> {
        let mut more = MORE;
        loop {
            let (blocks, size) = (remote.blocks(), remote.size());
            // The parser is not made for hostile bytes: where it panics, the file is broken.
            let parsed = compute("reading a header", move || parse(blocks, size)).await;
            let stop = match parsed {
                Ok(Ok(layout)) => return Ok(layout),
                Ok(Err(stop)) => stop,
                Err(_) => Stop::Broken("its header cannot be read".to_owned()),
            };
            match stop {
                Stop::Need(range)
                    if range.end - range.start.min(range.end) > HEADER_AT_MOST || more > HEADER_AT_MOST =>
                {
                    return Err(remote.damaged("its header is too long"));
                }
                Stop::Need(range) => {
                    let end = range.end.max(range.start.saturating_add(more)).min(remote.size());
                    remote.bring(std::slice::from_ref(&(range.start..end))).await?;
                    more *= 2;
                }
                Stop::Broken(what) => return Err(remote.damaged(&what)),
                Stop::Unsupported(what) => {
                    return Err(StepError::permanent(ErrorKind::Data, format!("{}: {what}", remote.place()))
                        .help("use `source: file`, which reads it through GDAL"));
                }
            }
        }
    }

    /// Tiles in a row of tiles, and rows of tiles.
    pub(crate) const fn tiles(&self) -> (usize, usize) {
        (self.width.div_ceil(self.tile_width), self.height.div_ceil(self.tile_height))
    }

    /// The tile in column `tx` and row `ty` that holds `band`.
    pub(crate) const fn index(&self, tx: usize, ty: usize, band: usize) -> usize {
        let (across, down) = self.tiles();
        let before = if self.planar { band * across * down } else { 0 };
        before + ty * across + tx
    }
}

/// Bytes that came, for the parser; what it lacked is remembered.
#[derive(Debug)]
struct Shelf {
    blocks: Arc<Blocks>,
    size: u64,
    lacked: Mutex<Option<Range<u64>>>,
}

#[async_trait::async_trait]
impl MetadataFetch for Shelf {
    async fn fetch(&self, range: Range<u64>) -> AsyncTiffResult<Bytes> {
        if range.end > self.size || range.start > range.end {
            return Err(AsyncTiffError::General(format!("truncated: it has {} bytes", self.size)));
        }
        self.blocks.get(&range).ok_or_else(|| {
            *self.lacked.lock().unwrap_or_else(PoisonError::into_inner) = Some(range);
            AsyncTiffError::General("not there yet".to_owned())
        })
    }
}

fn parse(blocks: Arc<Blocks>, size: u64) -> Result<Layout, Stop> {
    let shelf = Shelf { blocks, size, lacked: Mutex::default() };
    let read = async {
        let mut reader = TiffMetadataReader::try_open(&shelf).await?;
        loop {
            let ifd = reader.read_next_ifd(&shelf).await?;
            match ifd {
                // Bit 0: a smaller version; bit 2: a mask (TIFF 6.0, NewSubfileType).
                Some(ifd) if ifd.new_subfile_type().unwrap_or(0) & 0b101 != 0 => {}
                Some(ifd) => return Ok((ifd, reader.endianness())),
                None => return Err(AsyncTiffError::General("it holds no image".to_owned())),
            }
        }
    };
    // Nothing here waits: bytes are there, or it is an error.
    match futures::executor::block_on(read) {
        Ok((ifd, endianness)) => layout(ifd, endianness == Endianness::BigEndian),
        Err(error) => {
            let lacked = shelf.lacked.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(lacked.map_or_else(|| Stop::Broken(error.to_string()), Stop::Need))
        }
    }
}

fn layout(ifd: ImageFileDirectory, big_endian: bool) -> Result<Layout, Stop> {
    let broken = |what: &str| Stop::Broken(what.to_owned());
    let (width, height) = (ifd.image_width() as usize, ifd.image_height() as usize);
    let samples = usize::from(ifd.samples_per_pixel());
    let strips = ifd.tile_width().is_none();
    let (tile_width, tile_height) = if strips {
        (width, (ifd.rows_per_strip().unwrap_or(u32::MAX) as usize).min(height))
    } else {
        (ifd.tile_width().unwrap_or(0) as usize, ifd.tile_height().unwrap_or(0) as usize)
    };
    if width == 0 || height == 0 || samples == 0 || tile_width == 0 || tile_height == 0 {
        return Err(broken("its header names an image without cells"));
    }
    let dtype = dtype(&ifd)?;
    let decoded = (tile_width as u64)
        .saturating_mul(tile_height as u64)
        .saturating_mul(samples as u64)
        .saturating_mul(dtype.size() as u64);
    if decoded > TILE_AT_MOST {
        return Err(Stop::Unsupported(format!("its tiles or strips are of {} MiB", decoded >> 20)));
    }
    let compression = ifd.compression();
    if !known(compression) {
        return Err(Stop::Unsupported(format!("its tiles are compressed in another way ({compression:?})")));
    }
    let (offsets, counts) = if strips {
        (ifd.strip_offsets(), ifd.strip_byte_counts())
    } else {
        (ifd.tile_offsets(), ifd.tile_byte_counts())
    };
    let (offsets, counts) = (offsets.unwrap_or_default().to_vec(), counts.unwrap_or_default().to_vec());
    let planar = samples > 1 && ifd.planar_configuration() == PlanarConfiguration::Planar;
    let ((x, y), epsg) = (transform(&ifd)?, epsg(&ifd));
    let metadata = ifd.gdal_metadata().unwrap_or_default();
    let packing = (0..samples)
        .map(|band| Packing::new(item(metadata, band, "scale"), item(metadata, band, "offset")))
        .collect();
    let layout = Layout {
        predictor: ifd.predictor().unwrap_or(Predictor::None),
        nodata: ifd.gdal_nodata().and_then(number).filter(|n| !n.is_nan()),
        compression,
        big_endian,
        width,
        height,
        tile_width,
        tile_height,
        strips,
        offsets,
        counts,
        samples,
        planar,
        dtype,
        packing,
        x,
        y,
        epsg,
    };
    let (across, down) = layout.tiles();
    let tiles = across * down * if planar { samples } else { 1 };
    if layout.offsets.len() < tiles || layout.counts.len() < tiles {
        return Err(broken("its header does not say where all tiles are"));
    }
    Ok(layout)
}

fn dtype(ifd: &ImageFileDirectory) -> Result<DType, Stop> {
    let bits = ifd.bits_per_sample().first().copied().unwrap_or(1);
    let format = ifd.sample_format().first().copied().unwrap_or(SampleFormat::Uint);
    let same =
        ifd.bits_per_sample().iter().all(|b| *b == bits) && ifd.sample_format().iter().all(|f| *f == format);
    let dtype = match (format, bits) {
        (SampleFormat::Uint | SampleFormat::Void, 8) => Some(DType::UInt8),
        (SampleFormat::Uint | SampleFormat::Void, 16) => Some(DType::UInt16),
        (SampleFormat::Uint | SampleFormat::Void, 32) => Some(DType::UInt32),
        (SampleFormat::Uint, 64) => Some(DType::UInt64),
        (SampleFormat::Int, 8) => Some(DType::Int8),
        (SampleFormat::Int, 16) => Some(DType::Int16),
        (SampleFormat::Int, 32) => Some(DType::Int32),
        (SampleFormat::Int, 64) => Some(DType::Int64),
        (SampleFormat::Float, 32) => Some(DType::Float32),
        (SampleFormat::Float, 64) => Some(DType::Float64),
        _ => None,
    };
    dtype
        .filter(|_| same)
        .ok_or_else(|| Stop::Unsupported(format!("its numbers are of {bits} bits ({format:?})")))
}

/// An axis: the outer edge of the first cell and the signed size of one.
type Line = (f64, f64);

/// Columns and rows in the units of the reference system.
fn transform(ifd: &ImageFileDirectory) -> Result<(Line, Line), Stop> {
    let lines = match (ifd.model_pixel_scale(), ifd.model_tiepoint(), ifd.model_transformation()) {
        (Some([across, down, ..]), Some([column, row, _, x, y, ..]), _) if *across != 0.0 && *down != 0.0 => {
            let (across, down) = (*across, -down.abs());
            Some(((x - column * across, across), (y - row * down, down)))
        }
        (_, _, Some([a, b, _, x, d, e, _, y, ..])) => {
            if *b != 0.0 || *d != 0.0 {
                return Err(Stop::Unsupported("its rows and columns are turned against its axes".to_owned()));
            }
            Some(((*x, *a), (*y, *e)))
        }
        _ => None,
    };
    let Some(((x, across), (y, down))) = lines else {
        return Err(Stop::Unsupported("it does not say where it lies".to_owned()));
    };
    // Raster type 2: positions are those of the centres of cells (GeoTIFF 1.1, GTRasterTypeGeoKey).
    let point = ifd.geo_key_directory().and_then(|keys| keys.raster_type) == Some(2);
    Ok(if point { ((x - across * 0.5, across), (y - down * 0.5, down)) } else { ((x, across), (y, down)) })
}

fn epsg(ifd: &ImageFileDirectory) -> Option<u32> {
    let code = ifd.geo_key_directory()?.epsg_code()?;
    // 32767: made by the user.
    (code != 0 && code != 32_767).then_some(u32::from(code))
}

fn number(text: &str) -> Option<f64> {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').parse().ok()
}

/// The number of `<Item … sample="0" role="scale">0.1</Item>` in GDAL's metadata of a TIFF.
fn item(metadata: &str, band: usize, role: &str) -> Option<f64> {
    let (role, sample) = (format!("role=\"{role}\""), format!("sample=\"{band}\""));
    metadata.split("<Item ").skip(1).find_map(|item| {
        let (head, rest) = item.split_once('>')?;
        let (text, _) = rest.split_once('<')?;
        (head.contains(&role) && head.contains(&sample)).then(|| number(text))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_of_a_band_is_found_in_the_metadata() {
        let metadata = "<GDALMetadata>\n  <Item name=\"STATISTICS_MEAN\" sample=\"0\">7</Item>\n  \
            <Item name=\"OFFSET\" sample=\"1\" role=\"offset\">-273.15</Item>\n  \
            <Item name=\"SCALE\" sample=\"1\" role=\"scale\">0.01</Item>\n</GDALMetadata>";
        assert_eq!(item(metadata, 1, "scale"), Some(0.01));
        assert_eq!(item(metadata, 1, "offset"), Some(-273.15));
        assert_eq!(item(metadata, 0, "scale"), None);
        assert_eq!(item("", 0, "scale"), None);
        assert_eq!(number("-9999\0"), Some(-9999.0));
    }
}
