use frazil_engine::dataset::{CellMethod, Location};
use serde_json::json;

use super::*;

fn variable(dtype: DType, packing: Option<(f64, f64)>) -> TemplateVariable {
    let attributes = json!({
        "units": "mm", "long_name": "rain", "standard_name": "precipitation_amount",
        "cell_methods": "time: sum", "valid_range": [0, 2000], "grid_mapping": "spatial_ref",
        "_FillValue": 1, "comment": "kept",
    });
    TemplateVariable {
        name: "v".to_owned(),
        dtype,
        fill: (!dtype.is_float()).then_some(-999.0),
        scale_factor: packing.map(|p| p.0),
        add_offset: packing.map(|p| p.1),
        units: Some("mm".to_owned()),
        cell: Some(CellMethod::Total),
        chunks: vec![30, 256, 128],
        shards: None,
        codecs: Vec::new(),
        attributes: attributes.as_object().unwrap().clone(),
    }
}

fn derive(variable: TemplateVariable, block: Value, method: Method) -> DatasetInfo {
    let axis = |name: &str, n| frazil_engine::data::Axis::regular(name, 0.0, 1.0, n);
    let template = Template {
        group: String::new(),
        step: frazil_engine::data::Frequency::Day,
        grid: frazil_engine::data::Grid {
            crs: frazil_engine::data::Crs { code: None, wkt: String::new() },
            y: axis("lat", 300),
            x: axis("lon", 300),
            extra: Default::default(),
        },
        variables: vec![variable],
        levels: Vec::new(),
        foreign_levels: None,
    };
    let info = |id: &str, block: Value| DatasetInfo {
        id: id.parse().unwrap(),
        block: serde_json::from_value(block).unwrap(),
        location: Location::default(),
        sources: Vec::new(),
        definition: String::new(),
    };
    let source = json!({ "title": "s", "time": { "step": "P1D" }, "display": { "colormap": "blues" } });
    let recipes = [Recipe { name: "w".to_owned(), source: 0, from: "v".to_owned(), method }];
    inherited(&info("own", block), &[(&info("source", source), &template)], &recipes, None)
}

#[test]
fn a_sum_keeps_units_and_space_chunks_but_not_the_limits() {
    let own = json!({ "title": "m", "time": { "step": "P1M" } });
    let info = derive(variable(DType::Float32, None), own, Method::Sum);
    let w = &info.block.variables["w"];
    assert_eq!(
        (w.units.as_deref(), w.cell, w.dtype),
        (Some("mm"), Some(CellMethod::Total), Some(DType::Float32))
    );
    assert_eq!((w.long_name.as_deref(), w.valid), (Some("rain"), None));
    assert_eq!(w.attributes.keys().collect::<Vec<_>>(), ["comment"]);
    assert_eq!((info.block.chunks["lat"], info.block.chunks["lon"]), (256, 128));
    assert!(!info.block.chunks.contains_key("time"));
    assert_eq!(info.block.display.unwrap().colormap.as_deref(), Some("blues"));
}

#[test]
fn the_block_comes_first() {
    let own = json!({
        "title": "m", "time": { "step": "P1M" }, "chunks": { "y": 64 },
        "variables": { "w": { "units": "cm", "dtype": "float64", "long-name": "more rain" } },
    });
    let info = derive(variable(DType::Int16, Some((0.1, 0.0))), own, Method::Max);
    let w = &info.block.variables["w"];
    assert_eq!(
        (w.units.as_deref(), w.dtype, w.scale_factor, w.fill),
        (Some("cm"), Some(DType::Float64), None, None)
    );
    assert_eq!(w.long_name.as_deref(), Some("more rain"));
    assert!(!info.block.chunks.contains_key("lat"), "{:?}", info.block.chunks);
}

#[test]
fn number_types_follow_the_method() {
    let own = json!({ "title": "m", "time": { "step": "P1M" } });
    let of = |dtype, packing, method| {
        let w = derive(variable(dtype, packing), own.clone(), method).block.variables["w"].clone();
        (w.dtype.unwrap(), w.fill, w.scale_factor, w.cell)
    };
    let (total, mean) = (Some(CellMethod::Total), Some(CellMethod::Mean));
    assert_eq!(of(DType::Int16, None, Method::Count), (DType::Int32, Some(-1.0), None, None));
    assert_eq!(of(DType::Int16, None, Method::Sum), (DType::Int16, Some(-999.0), None, total));
    assert_eq!(of(DType::Int16, None, Method::Mean), (DType::Float32, None, None, mean));
    assert_eq!(of(DType::Int16, Some((0.1, 0.0)), Method::Sum), (DType::Float32, None, None, total));
    let max = (DType::Int16, Some(-999.0), Some(0.1), Some(CellMethod::Maximum));
    assert_eq!(of(DType::Int16, Some((0.1, 0.0)), Method::Max), max);
}
