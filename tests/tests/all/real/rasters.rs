//! GeoTIFF: a file a year, and one cell grid that hangs over the edge of the world.

use serde_json::json;

use super::bench::{Bench, genuine, other};

#[tokio::test]
async fn population_is_read_as_rasterio_reads_it_a_file_a_year() {
    let Some(file) = genuine("worldpop/sle_pop_2025_CN_1km_R2025A_UA_v1.tif") else { return };
    let url = file.to_str().unwrap().replace("2025_CN", "{{ period.year }}_CN");
    let bench = Bench {
        dimensions: json!({}),
        step: "P1Y",
        with: json!({ "source": "file", "url": url, "variables": { "pop": { "band": 1 } } }),
        variables: json!({ "pop": { "dtype": "float32", "nodata": -99999 } }),
    };
    // 2027 is not there, nor any later one: the frontier.
    let came = bench.fetch(&["2025/2028"]).await.whole();
    assert_eq!(came.periods(), ["2025", "2026"]);
    assert_eq!(came.grid().crs.code.as_deref(), Some("EPSG:4326"));
    for (at, year) in [(0, "2025"), (1, "2026")] {
        let path = file.to_str().unwrap().replace("2025_CN", &format!("{year}_CN"));
        let Some(other) = other(path.as_ref(), json!({ "engine": "rasterio" })) else { return };
        let one = bench.fetch(&[year]).await.whole();
        one.same_as("pop", &other);
        one.lies_like(&other, 0.0);
        assert_eq!(format!("{:?}", one.slices[0].fields), format!("{:?}", came.slices[at].fields));
    }
}

#[tokio::test]
async fn a_window_of_a_global_raster_is_that_of_the_whole() {
    let Some(file) = genuine("era5-land/era5-land-t2m-2025-02-global-cog.tif") else { return };
    let variables = json!({ "t2m": { "dtype": "float32" } });
    let bbox = json!([-13.5, 6.8, -10.1, 10.1]);
    let bench = Bench::file("P1M", &file, json!({ "bbox": bbox }), variables.clone());
    let window = bench.fetch(&["2025-02"]).await.whole();
    // Cells of 0.1° around multiples of 0.1°: those that overlap, half a cell beyond on each side.
    assert_eq!(window.grid().shape(), (34, 35));
    let Some(other) = other(&file, json!({ "engine": "rasterio" })) else { return };
    let whole = Bench::file("P1M", &file, json!({}), variables).fetch(&["2025-02"]).await.whole();
    whole.same_as("t2m", &other);
    whole.lies_like(&other, 1e-9);
    let (grid, part) = (whole.grid(), window.grid());
    let row = grid.y.centres.iter().position(|y| *y == part.y.centres[0]).unwrap();
    let column = grid.x.centres.iter().position(|x| *x == part.x.centres[0]).unwrap();
    for at in 0..part.cells() {
        let (r, c) = (at / part.x.centres.len(), at % part.x.centres.len());
        let from = (row + r) * grid.x.centres.len() + column + c;
        let (one, all) =
            (window.slices[0].fields[0].values.get(at), whole.slices[0].fields[0].values.get(from));
        assert!(one == all || one.is_nan() && all.is_nan(), "cell {at}");
    }
    // The reader of windows, which knows no GDAL, gives the same.
    let mut cog =
        Bench::file("P1M", &file, json!({ "bbox": bbox }), json!({ "t2m": { "dtype": "float32" } }));
    cog.with["source"] = json!("cog");
    let cog = cog.fetch(&["2025-02"]).await.whole();
    assert_eq!(cog.grid(), window.grid());
    assert_eq!(format!("{:?}", cog.slices[0].fields), format!("{:?}", window.slices[0].fields));
}
