//! A GeoTIFF of one number: float32, one uncompressed tile.

use frazil_engine::dataset::GridBlock;

/// Rows and columns of a tile are multiples of this (TIFF 6.0, section 15).
const TILE: u64 = 16;

/// The EPSG codes of longitudes and latitudes.
const GEOGRAPHIC: std::ops::Range<u32> = 4_000..5_000;

/// The GeoTIFF keys of a CRS, each with its place and number of values (GeoTIFF 1.1, annex A and B).
fn keys(crs: u32) -> Vec<u16> {
    let code = u16::try_from(crs).unwrap_or(0);
    if GEOGRAPHIC.contains(&crs) {
        vec![1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, code]
    } else {
        vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, code]
    }
}

/// The bytes of the file in the CRS of an EPSG code: header, directory, tag values, the tile.
pub(super) fn constant(grid: &GridBlock, crs: u32, value: f64) -> Vec<u8> {
    let [rows, columns] = grid.shape;
    let (height, width) = (rows.next_multiple_of(TILE), columns.next_multiple_of(TILE));
    #[expect(clippy::cast_possible_truncation, reason = "the number is stored as float32")]
    let tile = (value as f32).to_le_bytes().repeat((height * width) as usize);
    // Tag, type, count, value; what is longer than four bytes stands behind the directory.
    let mut tags: Vec<(u16, u16, u32, Vec<u8>)> = vec![
        (256, 4, 1, long(columns)),
        (257, 4, 1, long(rows)),
        (258, 3, 1, shorts(&[32])),
        (259, 3, 1, shorts(&[1])),
        (262, 3, 1, shorts(&[1])),
        (277, 3, 1, shorts(&[1])),
        (322, 4, 1, long(width)),
        (323, 4, 1, long(height)),
        (324, 4, 1, Vec::new()),
        (325, 4, 1, long(tile.len() as u64)),
        (339, 3, 1, shorts(&[3])),
        (33_550, 12, 3, doubles(&[grid.cell[0], -grid.cell[1], 0.0])),
        (33_922, 12, 6, doubles(&[0.0, 0.0, 0.0, grid.origin[0], grid.origin[1], 0.0])),
        (34_735, 3, 16, shorts(&keys(crs))),
    ];
    let directory = 8 + 2 + tags.len() * 12 + 4;
    let behind: usize = tags.iter().map(|tag| tag.3.len()).filter(|n| *n > 4).sum();
    if let Some(offset) = tags.iter_mut().find(|tag| tag.0 == 324) {
        offset.3 = long((directory + behind) as u64);
    }
    let mut out = b"II*\0".to_vec();
    out.extend(long(8));
    #[expect(clippy::cast_possible_truncation, reason = "a dozen tags")]
    out.extend(shorts(&[tags.len() as u16]));
    let mut values = Vec::new();
    for (tag, kind, count, value) in tags {
        out.extend(shorts(&[tag, kind]));
        out.extend(count.to_le_bytes());
        if value.len() > 4 {
            out.extend(long((directory + values.len()) as u64));
            values.extend(value);
        } else {
            out.extend(value.iter().copied().chain([0; 4]).take(4));
        }
    }
    out.extend(long(0));
    out.extend(values);
    out.extend(tile);
    out
}

fn long(n: u64) -> Vec<u8> {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes().to_vec()
}

fn shorts(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}
