//! Small GeoTIFFs, written byte by byte: tiled, uncompressed float32 in degrees.

use std::path::Path;

/// Rows and columns of a tile.
const TILE: usize = 16;

/// A raster in EPSG:4326.
#[derive(Debug, Clone)]
pub struct GeoTiff {
    /// West edge, north edge.
    pub origin: (f64, f64),
    /// Width and height of a cell.
    pub cell: f64,
    /// Rows, columns.
    pub shape: (usize, usize),
    /// Rows from north to south.
    pub values: Vec<f32>,
    /// The `GDAL_NODATA` tag.
    pub nodata: Option<String>,
}

impl GeoTiff {
    /// A raster whose cell in row `r` and column `c` is `value(r, c)`.
    #[must_use]
    pub fn of(
        origin: (f64, f64),
        cell: f64,
        shape: (usize, usize),
        value: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let values = (0..shape.0).flat_map(|r| (0..shape.1).map(move |c| (r, c))).map(|(r, c)| value(r, c));
        Self { origin, cell, shape, values: values.collect(), nodata: None }
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, self.bytes())
    }

    /// The bytes of the file: header, directory, tag values, tiles.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let tiles = self.tiles();
        let tile_bytes = TILE * TILE * 4;
        let nodata = self.nodata.as_ref().map(|text| [text.as_bytes(), b"\0"].concat());
        // Tag, type, count, value; what is longer than four bytes is put behind the directory.
        let mut tags: Vec<(u16, u16, u32, Vec<u8>)> = vec![
            (256, 4, 1, long(self.shape.1)),
            (257, 4, 1, long(self.shape.0)),
            (258, 3, 1, short(&[32])),
            (259, 3, 1, short(&[1])),
            (262, 3, 1, short(&[1])),
            (277, 3, 1, short(&[1])),
            (322, 4, 1, long(TILE)),
            (323, 4, 1, long(TILE)),
            (324, 4, tiles.len() as u32, Vec::new()),
            (325, 4, tiles.len() as u32, (0..tiles.len()).flat_map(|_| long(tile_bytes)).collect()),
            (339, 3, 1, short(&[3])),
            (33_550, 12, 3, doubles(&[self.cell, self.cell, 0.0])),
            (33_922, 12, 6, doubles(&[0.0, 0.0, 0.0, self.origin.0, self.origin.1, 0.0])),
            (34_735, 3, 16, short(&[1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326])),
        ];
        if let Some(text) = nodata {
            tags.push((42_113, 2, text.len() as u32, text));
        }
        let directory = 8 + 2 + tags.len() * 12 + 4;
        let behind: usize = tags
            .iter()
            .map(|tag| if tag.0 == 324 { tiles.len() * 4 } else { tag.3.len() })
            .filter(|n| *n > 4)
            .sum();
        let first = directory + behind;
        tags[8].3 = (0..tiles.len()).flat_map(|i| long(first + i * tile_bytes)).collect();

        let mut out = b"II*\0".to_vec();
        out.extend(long(8));
        out.extend(short(&[tags.len() as u16]));
        let mut values = Vec::new();
        for (tag, kind, count, value) in tags {
            out.extend(short(&[tag, kind]));
            out.extend(count.to_le_bytes());
            if value.len() > 4 {
                out.extend(long(directory + values.len()));
                values.extend(value);
            } else {
                let mut padded = value;
                padded.resize(4, 0);
                out.extend(padded);
            }
        }
        out.extend(long(0));
        out.extend(values);
        out.extend(tiles.concat());
        out
    }

    fn tiles(&self) -> Vec<Vec<u8>> {
        let (rows, columns) = self.shape;
        let at =
            |r: usize, c: usize| if r < rows && c < columns { self.values[r * columns + c] } else { 0.0 };
        (0..rows.div_ceil(TILE))
            .flat_map(|ty| (0..columns.div_ceil(TILE)).map(move |tx| (ty * TILE, tx * TILE)))
            .map(|(top, left)| {
                (0..TILE)
                    .flat_map(|r| (0..TILE).map(move |c| at(top + r, left + c)))
                    .flat_map(f32::to_le_bytes)
                    .collect()
            })
            .collect()
    }
}

fn long(n: usize) -> Vec<u8> {
    (n as u32).to_le_bytes().to_vec()
}

fn short(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}
