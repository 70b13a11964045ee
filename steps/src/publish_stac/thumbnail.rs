//! A picture of one period.

use frazil_engine::dataset::Display;

use super::colour::{ColourMap, Rgb, hex};

/// The widest picture.
const WIDEST: usize = 512;
/// Small grids are blown up to at least this width.
const NARROWEST: usize = 256;

/// One period of one variable: rows from north to south or back, missing as NaN.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) values: Vec<f64>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Whether the first row is the southernmost.
    pub(super) ascending: bool,
}

impl Picture {
    /// Whether there is anything to see.
    pub(super) fn has_values(&self) -> bool {
        self.values.iter().any(|v| !v.is_nan())
    }

    /// As a PNG with north at the top; what is missing is transparent.
    ///
    /// # Errors
    /// When there are no cells.
    pub(super) fn png(&self, display: &Display) -> Result<Vec<u8>, png::EncodingError> {
        let colours = Colours::of(display, &self.values);
        let thin = self.columns.div_ceil(WIDEST).max(1);
        let fat = if thin == 1 { (NARROWEST / self.columns.max(1)).max(1) } else { 1 };
        let (width, height) = (self.columns / thin * fat, (self.rows / thin).max(1) * fat);
        let mut pixels = Vec::with_capacity(width * height * 4);
        for row in 0..height {
            for column in 0..width {
                let value = self.at(row / fat * thin + thin / 2, column / fat * thin + thin / 2);
                match colours.of_value(value) {
                    Some([red, green, blue]) => pixels.extend([red, green, blue, 255]),
                    None => pixels.extend([0; 4]),
                }
            }
        }
        let mut file = Vec::new();
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut file, side(width), side(height));
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        let row = row.min(self.rows.saturating_sub(1));
        let row = if self.ascending { self.rows - 1 - row } else { row };
        let column = column.min(self.columns.saturating_sub(1));
        self.values.get(row * self.columns + column).copied().unwrap_or(f64::NAN)
    }
}

enum Colours {
    /// A colour for each category.
    Palette(Vec<(f64, Rgb)>),
    /// A map between two values.
    Map(ColourMap, [f64; 2]),
}

impl Colours {
    fn of(display: &Display, values: &[f64]) -> Self {
        if !display.palette.is_empty() {
            let colour = |(value, colour): (&String, &String)| Some((value.parse().ok()?, hex(colour)?));
            return Self::Palette(display.palette.iter().filter_map(colour).collect());
        }
        let map = display.colormap.as_deref().and_then(ColourMap::named).unwrap_or_else(ColourMap::usual);
        let range = display.range.unwrap_or_else(|| {
            let there = || values.iter().copied().filter(|v| !v.is_nan());
            [there().fold(f64::INFINITY, f64::min), there().fold(f64::NEG_INFINITY, f64::max)]
        });
        Self::Map(map, range)
    }

    fn of_value(&self, value: f64) -> Option<Rgb> {
        match self {
            _ if value.is_nan() => None,
            Self::Palette(colours) => {
                colours.iter().find(|(v, _)| (v - value).abs() <= 0.0).map(|(_, colour)| *colour)
            }
            Self::Map(map, [low, high]) if high > low => Some(map.at((value - low) / (high - low))),
            // One value everywhere.
            Self::Map(map, _) => Some(map.at(0.5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(json: serde_json::Value) -> Display {
        serde_json::from_value(json).unwrap()
    }

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn north_is_up_and_missing_is_transparent() {
        let picture =
            |ascending| Picture { values: vec![0.0, f64::NAN, 1.0, 0.5], rows: 2, columns: 2, ascending };
        let greys = display(serde_json::json!({ "colormap": "greys", "range": [0, 1] }));
        let (width, height, pixels) = decoded(&picture(false).png(&greys).unwrap());
        assert_eq!((width, height), (256, 256));
        let at = |pixels: &[u8], x: usize, y: usize| pixels[(y * 256 + x) * 4..][..4].to_vec();
        assert_eq!(at(&pixels, 0, 0), [255, 255, 255, 255]);
        assert_eq!(at(&pixels, 255, 0), [0, 0, 0, 0]);
        assert_eq!(at(&pixels, 0, 255), [0, 0, 0, 255]);
        let (.., turned) = decoded(&picture(true).png(&greys).unwrap());
        assert_eq!(at(&turned, 0, 255), [255, 255, 255, 255]);
    }

    #[test]
    fn wide_grids_are_thinned_and_categories_keep_their_colours() {
        let columns = 1500;
        let values = (0..columns * 4).map(|i| f64::from(u8::from(i % columns >= 750)) + 1.0).collect();
        let picture = Picture { values, rows: 4, columns, ascending: false };
        let water = display(serde_json::json!({ "palette": { "1": "#0000ff" } }));
        let (width, height, pixels) = decoded(&picture.png(&water).unwrap());
        assert_eq!((width, height), (500, 1));
        assert_eq!((&pixels[..4], &pixels[499 * 4..]), (&[0, 0, 255, 255][..], &[0, 0, 0, 0][..]));
    }
}
