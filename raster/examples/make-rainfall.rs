//! Writes days of rainfall-like Cloud Optimized GeoTIFFs, as the demo and the benches read them.
//!
//! `make-rainfall FOLDER DAYS [WIDTH HEIGHT]`: float32, 0.05 degrees, missing data -9999 without
//! a NoData tag, tiled, deflate with predictor 3. The numbers are a function of day and place
//! alone, so that two runs make the same files.

use std::{error::Error, path::Path};

use gdal::{
    DriverManager,
    raster::{Buffer, RasterCreationOptions},
    spatial_ref::SpatialRef,
};

const CELL: f64 = 0.05;
const WEST: f64 = -13.5;
const NORTH: f64 = 10.1;
const NODATA: f32 = -9999.0;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, days, size @ ..] = args.as_slice() else {
        return Err("usage: make-rainfall FOLDER DAYS [WIDTH HEIGHT]".into());
    };
    let days: u32 = days.parse()?;
    let (width, height) = match size {
        [width, height] => (width.parse()?, height.parse()?),
        _ => (480, 360),
    };
    for day in 0..days {
        let (year, month, day_of_month) = date(day);
        let folder = Path::new(folder).join(year.to_string());
        std::fs::create_dir_all(&folder)?;
        write(&folder.join(format!("rain.{year}.{month:02}.{day_of_month:02}.tif")), day, width, height)?;
    }
    Ok(())
}

/// The date `day` days after 1 January 2024.
fn date(day: u32) -> (u32, u32, u32) {
    let (mut year, mut month, mut rest) = (2024, 1, day);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if rest < length {
            return (year, month, rest + 1);
        }
        rest -= length;
        month += 1;
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

/// Rain fronts that drift over a coast: sea in the south-west is missing, most cells are dry.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "made-up numbers")]
fn rain(day: u32, x: usize, y: usize, width: usize, height: usize) -> f32 {
    let (u, v) = (x as f64 / width as f64, y as f64 / height as f64);
    if v > 0.55 + 0.5 * u + 0.03 * (u * 40.0).sin() {
        return NODATA;
    }
    let t = f64::from(day);
    let front =
        (6.0 * u - 0.37 * t).sin() + (5.0 * v + 0.23 * t).cos() + 0.6 * (17.0 * (u + v) - 1.1 * t).sin();
    let season = 1.0 + 0.8 * (t / 365.25 * std::f64::consts::TAU).sin();
    ((front - 0.9).max(0.0) * 14.0 * season * 100.0).round() as f32 / 100.0
}

fn write(path: &Path, day: u32, width: usize, height: usize) -> Result<(), Box<dyn Error>> {
    let memory = DriverManager::get_driver_by_name("MEM")?;
    let mut image = memory.create_with_band_type::<f32, _>("", width, height, 1)?;
    image.set_geo_transform(&[WEST, CELL, 0.0, NORTH, 0.0, -CELL])?;
    image.set_spatial_ref(&SpatialRef::from_epsg(4326)?)?;
    let values = (0..height).flat_map(|y| (0..width).map(move |x| rain(day, x, y, width, height))).collect();
    image.rasterband(1)?.write((0, 0), (width, height), &mut Buffer::new((width, height), values))?;
    let options = RasterCreationOptions::from_iter([
        "COMPRESS=DEFLATE",
        "PREDICTOR=3",
        "BLOCKSIZE=256",
        "OVERVIEWS=NONE",
    ]);
    image.create_copy(&DriverManager::get_driver_by_name("COG")?, path, &options)?;
    Ok(())
}
