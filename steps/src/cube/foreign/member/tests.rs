use super::*;

fn version_3(change: impl FnOnce(&mut Value)) -> Member {
    let mut document = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "float32", "fill_value": "NaN",
        "dimension_names": ["y", null], "attributes": { "units": "mm", "_FillValue": "AAAAAAAA+H8=" },
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": [2, 3] } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "codecs": [{ "name": "bytes", "configuration": { "endian": "little" } }, { "name": "zstd" }],
    });
    change(&mut document);
    Member::version_3("a", &document).unwrap()
}

#[test]
fn an_array_of_version_3_is_read() {
    let array = version_3(|_| {});
    let stored = array.stored.as_ref().unwrap();
    assert_eq!(array.dims, [("y".to_owned(), 4), ("dim_1".to_owned(), 6)]);
    assert_eq!(
        (stored.key(&[1, 0]), array.attributes["_FillValue"].clone()),
        ("c/1/0".to_owned(), json!("NaN"))
    );
    assert!(f32::from_le_bytes(stored.fill.clone().unwrap().try_into().unwrap()).is_nan());
    let dotted = version_3(|d| d["chunk_key_encoding"] = json!({ "name": "v2" }));
    assert_eq!(dotted.stored.unwrap().key(&[1, 0]), "1.0");
}

#[test]
fn what_frazil_does_not_read_is_said_when_it_is_read() {
    for (change, said) in [
        (("data_type", json!("string")), "no numbers"),
        (("chunk_grid", json!({ "name": "rectilinear" })), "rectilinear"),
        (("chunk_grid", json!({ "name": "regular", "configuration": { "chunk_shape": [0, 3] } })), "none"),
        (
            (
                "chunk_grid",
                json!({ "name": "regular", "configuration": { "chunk_shape": [1u64 << 40, 1u64 << 40] } }),
            ),
            "none",
        ),
        (("codecs", json!([{ "name": "bytes" }, { "name": "pcodec" }])), "`pcodec`"),
    ] {
        let error = version_3(|d| d[change.0] = change.1).stored.unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn an_array_of_version_2_is_read() {
    let document = json!({ "shape": [4], "chunks": [3], "dtype": ">i2", "fill_value": -9, "order": "C",
        "filters": [{ "id": "shuffle", "elementsize": 2 }], "compressor": { "id": "zlib", "level": 1 } });
    let array =
        Member::version_2("a", &document, &json!({ "_ARRAY_DIMENSIONS": ["time"], "units": "K" })).unwrap();
    assert_eq!((array.dims.clone(), array.dtype), (vec![("time".to_owned(), 4)], Some(DType::Int16)));
    let stored = array.stored.unwrap();
    assert_eq!((stored.key(&[1]), array.attributes["_FillValue"].clone()), ("1".to_owned(), json!(-9)));
    assert_eq!(stored.fill, Some((-9i16).to_le_bytes().to_vec()));
}

#[test]
fn fills_are_the_numbers_that_the_texts_mean() {
    let of = |value: Value, dtype| fill(&value, dtype);
    assert_eq!(of(json!("0x7fc00000"), DType::Float32), Some(0x7fc0_0000u32.to_le_bytes().to_vec()));
    assert_eq!(of(json!(i64::MIN), DType::Int64), Some(i64::MIN.to_le_bytes().to_vec()));
    assert_eq!(of(json!(u64::MAX), DType::UInt64), Some(u64::MAX.to_le_bytes().to_vec()));
    assert_eq!(of(json!("-Infinity"), DType::Float64), Some(f64::NEG_INFINITY.to_le_bytes().to_vec()));
    assert_eq!(of(Value::Null, DType::Int16), None);
    assert_eq!(base64("AAAAAAAA+H8="), Some(f64::NAN.to_le_bytes().to_vec()));
}

#[test]
fn texts_of_one_length_are_read_by_their_letters() {
    let document = json!({ "shape": [672], "chunks": [100], "dtype": "<U4", "fill_value": null, "order": "C",
        "filters": null, "compressor": null });
    let array = Member::version_2("expver", &document, &json!({})).unwrap();
    let lettered = array.lettered().unwrap();
    assert_eq!(lettered.shape().collect::<Vec<_>>(), [672, 4]);
    assert_eq!((array.dtype, lettered.dtype), (None, Some(DType::UInt32)));
    let stored = array.stored.unwrap();
    assert_eq!((stored.key(&[2, 0]), stored.chunk.clone()), ("2".to_owned(), vec![100, 4]));
    let scalar = json!({ "shape": [], "chunks": [], "dtype": "|S2", "fill_value": "", "order": "C",
        "filters": null, "compressor": null });
    let array = Member::version_2("expver", &scalar, &json!({})).unwrap();
    assert_eq!(array.lettered().unwrap().dtype, Some(DType::UInt8));
    assert_eq!(array.stored.unwrap().key(&[0]), "0");
    assert!(version_3(|_| {}).lettered().is_none());
}
