//! Multiscale datasets: every level is that of the data, after whatever was written.

use std::sync::Arc;

use frazil_engine::data::{Action, Field, Grid, Slice, Status, Values};
use serde_json::json;

use super::support::{Bench, bench, day, expected, finals, grid, slice};
use crate::{
    cube::{Layout, Template, rechunk, relevel},
    downsample::{self, Method},
};

/// Makes levels, and says whether there was anything to do.
async fn raise(bench: &Bench, count: usize, method: Method) -> bool {
    let before = bench.head().await;
    let wanted = move |stored: &Template| {
        let wanted = stored.with_levels(count, |_| method);
        Ok((!stored.is_leveled_as(&wanted)).then_some(wanted))
    };
    relevel(&bench.info, wanted, &bench.cx).await.unwrap();
    bench.head().await != before
}

/// Asserts that every level holds what becomes of the data, at every period.
async fn agree(bench: &Bench, count: usize) {
    let cube = bench.cube().await.unwrap();
    let template = cube.template();
    assert_eq!(template.foreign_levels, None);
    assert_eq!(template.levels.len(), count);
    let time = || 0..cube.axis().len();
    for variable in &template.variables {
        let name = &variable.name;
        let data = cube.read(name, time(), None).await.unwrap();
        let method = template.method(name).unwrap();
        let made =
            downsample::levels(data.bytes(), variable.encoding(), method, template.grid.shape(), count)
                .unwrap();
        for (level, made) in template.levels.iter().zip(made) {
            let stored = cube.read(&format!("{}/{name}", level.group), time(), None).await.unwrap();
            let made = Values::from_le_bytes(variable.dtype, &made).unwrap();
            assert_eq!(stored.len(), made.len());
            for at in 0..made.len() {
                let (found, wanted) = (stored.get(at), made.get(at));
                let same = found == wanted || (found.is_nan() && wanted.is_nan());
                assert!(same, "{name} level {} at {at}: {found}, {wanted} was made", level.group);
            }
        }
    }
    // All groups have one axis, and say the same of it.
    let (labels, codes) = (cube.axis().labels_from(0), cube.axis().codes_from(0));
    for group in template.groups() {
        for (name, wanted) in
            [("time", Values::Int64(labels.clone())), ("period_status", Values::UInt8(codes.clone()))]
        {
            let path = crate::cube::level::inside(group, name);
            let found =
                crate::cube::read::vector(&cube.session, &cube.nodes, &path, 0, "test").await.unwrap();
            assert_eq!(found, Some((0, wanted)), "{path}");
        }
    }
}

#[tokio::test]
async fn whatever_is_written_every_level_follows_in_the_same_commit() {
    let bench = bench(json!({}));
    bench.add(5, 10).await;
    let before = bench.contents().await;
    assert!(raise(&bench, 2, Method::Mean).await);
    assert_eq!(bench.contents().await, before);
    agree(&bench, 2).await;
    assert!(!raise(&bench, 2, Method::Mean).await, "it stands so already");

    // The end of a chunk that is there, and a new one.
    bench.add(11, 13).await;
    agree(&bench, 2).await;
    // A revised day in the middle, and a day that is a gap and is filled later.
    let written = bench.write(0, Action::Revise, vec![slice(day(7), Status::Final, 0.5)]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    agree(&bench, 2).await;
    let written = bench.write(0, Action::Add, vec![slice(day(14), Status::Gap, 0.0)]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    agree(&bench, 2).await;
    let written = bench.write(0, Action::Fill, vec![slice(day(14), Status::Final, 0.0)]).await.unwrap();
    bench.commit(vec![written]).await.unwrap();
    agree(&bench, 2).await;
    // Earlier periods move all arrays by a chunk.
    bench.add(1, 4).await;
    agree(&bench, 2).await;
    let mut all = finals(1..=14);
    all[6] = expected(&[(7, Status::Final, 0.5)]).remove(0);
    assert_eq!(bench.contents().await, all);
}

#[tokio::test]
async fn levels_are_made_anew_where_they_are_told_otherwise_and_taken_away() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    let before = bench.contents().await;
    for (count, method) in [(1, Method::Max), (2, Method::Max), (2, Method::Sum), (1, Method::Mode)] {
        assert!(raise(&bench, count, method).await);
        agree(&bench, count).await;
        assert_eq!(bench.cube().await.unwrap().template().method("rain"), Some(method));
        assert_eq!(bench.contents().await, before);
    }
    bench.add(7, 7).await;
    agree(&bench, 1).await;
    assert!(raise(&bench, 0, Method::Mean).await);
    let cube = bench.cube().await.unwrap();
    assert_eq!((cube.template().group.as_str(), cube.template().levels.len()), ("", 0));
    assert_eq!(bench.contents().await, finals(1..=7));
    assert!(!cube.nodes.keys().any(|path| path.starts_with("/0") || path.starts_with("/1")));
    assert!(cube.nodes["/"]["attributes"].get("multiscales").is_none());
    bench.add(8, 9).await;
    assert_eq!(bench.contents().await, finals(1..=9));
}

#[tokio::test]
async fn shards_packing_and_further_dimensions_have_levels_too() {
    let block = json!({
        "chunks": { "time": 2, "y": 2, "x": 4 },
        "shards": { "time": 4, "y": 6, "x": 8 },
        "dimensions": { "member": [0, 5] },
        "variables": {
            "rain": { "units": "mm", "dtype": "int16", "scale-factor": 0.5, "add-offset": 3, "fill": -32768 },
            "kind": { "units": "1", "dtype": "uint8", "fill": 255, "categories": { "0": "bare soil", "1": "water" } },
        },
    });
    let bench = bench(block);
    let extra: frazil_engine::data::Dimensions = serde_json::from_value(json!({ "member": [0, 5] })).unwrap();
    let own = Arc::new(Grid { extra, ..grid() });
    let one = |n: i64| {
        let rain: Vec<f64> = (0..96)
            .map(|cell| {
                if (cell + n) % 7 == 0 { f64::NAN } else { f64::from(i16::try_from(cell * n).unwrap()) / 2.0 }
            })
            .collect();
        let kind: Vec<u8> = (0..96u8).map(|cell| if cell % 11 == 0 { 255 } else { (cell / 3) % 3 }).collect();
        let field = |name: &str, values: Values, fill, units: &str| Field {
            name: name.to_owned(),
            values,
            fill,
            units: Some(units.to_owned()),
        };
        let fields =
            vec![field("rain", rain.into(), None, "mm"), field("kind", kind.into(), Some(255.0), "1")];
        Slice { grid: Arc::clone(&own), fields, ..slice(day(n), Status::Final, 0.0) }
    };
    let add = async |from: i64, to: i64| {
        let written = bench.write(0, Action::Add, (from..=to).map(one).collect()).await.unwrap();
        bench.commit(vec![written]).await.unwrap();
    };
    add(1, 5).await;
    let wanted = |stored: &Template| {
        let wanted = stored.with_levels(2, |v| if v.is_categories() { Method::Mode } else { Method::Mean });
        Ok((!stored.is_leveled_as(&wanted)).then_some(wanted))
    };
    relevel(&bench.info, wanted, &bench.cx).await.unwrap();
    agree(&bench, 2).await;
    let template = bench.cube().await.unwrap().template().clone();
    // What map clients read is not sharded.
    let level = &template.levels[0].variables[1];
    assert_eq!((&level.shards, level.chunks.as_slice()), (&None, [2, 1, 2, 4].as_slice()));
    assert_eq!(template.levels[1].variables[1].chunks, [2, 1, 1, 2]);
    add(6, 9).await;
    agree(&bench, 2).await;
    let written = bench.write(0, Action::Revise, vec![one(3)]).await.unwrap();
    assert!(bench.commit(vec![written]).await.is_ok());
    agree(&bench, 2).await;
}

#[tokio::test]
async fn levels_that_another_program_made_are_read_past_and_never_left_behind() {
    let bench = bench(json!({}));
    bench.add(1, 3).await;
    raise(&bench, 1, Method::Mean).await;
    let cube = bench.cube().await.unwrap();
    let mut session = cube.repository.writable_session("main").await.unwrap();
    let mut document = cube.nodes["/1/rain"].clone();
    document["attributes"]["resampling_method"] = json!("lanczos");
    let (shape, names) = crate::cube::creation::shape(&document).unwrap();
    let bytes = document.to_string().into_bytes().into();
    session.update_array(&crate::cube::path("/1/rain").unwrap(), shape, Some(names), bytes).await.unwrap();
    session.commit("by another program").execute().await.unwrap();
    let before = bench.head().await;
    assert_eq!(bench.contents().await, finals(1..=3));
    let refused = bench.write(0, Action::Add, vec![slice(day(4), Status::Final, 0.0)]).await;
    bench.refused(refused, &before, "nothing says how `rain` of level `1` is made").await;
    assert!(raise(&bench, 1, Method::Mean).await);
    agree(&bench, 1).await;
}

#[tokio::test]
async fn another_layout_of_the_data_is_one_of_the_levels_too() {
    let bench = bench(json!({}));
    bench.add(1, 6).await;
    raise(&bench, 2, Method::Mean).await;
    let lengths = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    for (chunks, shards) in [
        (vec![("time", 3), ("y", 3), ("x", 8)], vec![]),
        (vec![("time", 2), ("y", 2), ("x", 4)], vec![("time", 6), ("y", 6), ("x", 8)]),
        (vec![("time", 1), ("y", 6), ("x", 8)], vec![]),
    ] {
        let layout = Layout { chunks: lengths(&chunks), shards: lengths(&shards), level: 3 };
        rechunk(&bench.info, layout, &bench.cx).await.unwrap();
        agree(&bench, 2).await;
        let template = bench.cube().await.unwrap().template().clone();
        assert_eq!(template.levels[0].variables[0].chunks[0], chunks[0].1);
        assert_eq!(template.levels[0].variables[0].shards, None);
        assert_eq!(template.variables[0].shards.is_some(), !shards.is_empty());
        let next = i64::try_from(bench.cube().await.unwrap().axis().len()).unwrap() + 1;
        bench.add(next, next + 1).await;
        agree(&bench, 2).await;
        assert!(!raise(&bench, 2, Method::Mean).await, "the levels are as they should be");
    }
    assert_eq!(bench.contents().await, finals(1..=12));
}
