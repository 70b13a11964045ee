//! Any layout out of any other, bit by bit, against plain lists of numbers.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use frazil_engine::data::{Action, Axis, Dimensions, Field, Grid, Slice, Status, Values};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    rewriting::layout,
    support::{Bench, bench, day, grid},
};
use crate::cube::{
    read::{Block, copy, copy_within},
    rechunk,
};

#[derive(Debug, Clone)]
struct Case {
    periods: usize,
    /// Cells along the dimension `level`, where there is one, y and x.
    cells: Vec<usize>,
    /// Chunks and shards, one after the other, as multiples of chunks; of two layouts.
    layouts: [(Vec<u64>, Option<Vec<u64>>); 2],
    seed: u64,
    level: i32,
    window: usize,
    batch: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..3).prop_flat_map(|extra| {
        let chunks = || prop::collection::vec(1u64..8, 3 + extra - 1);
        let shards = || prop::option::of(prop::collection::vec(1u64..4, 3 + extra - 1));
        let cells = prop::collection::vec(1usize..9, 2 + extra - 1);
        let sizes = (
            prop::sample::select(vec![1usize, 300, 1 << 20]),
            prop::sample::select(vec![1u64, 2_000, 1 << 30]),
        );
        (1usize..24, cells, chunks(), shards(), chunks(), shards(), any::<u64>(), 1i32..8, sizes).prop_map(
            |(periods, cells, one, one_shards, other, other_shards, seed, level, (window, batch))| Case {
                periods,
                cells,
                layouts: [(one, one_shards), (other, other_shards)],
                seed,
                level,
                window,
                batch,
            },
        )
    })
}

impl Case {
    fn grid(&self) -> Arc<Grid> {
        let [levels @ .., rows, columns] = self.cells.as_slice() else { panic!("{:?}", self.cells) };
        let extra = match levels {
            [levels] => json!({ "level": (0..*levels).collect::<Vec<_>>() }),
            _ => json!({}),
        };
        Arc::new(Grid {
            y: Axis::regular("y", 10.0, -0.5, *rows),
            x: Axis::regular("x", -13.5, 0.5, *columns),
            extra: serde_json::from_value::<Dimensions>(extra).unwrap(),
            ..grid()
        })
    }

    /// Lengths of chunks and shards by dimension.
    fn layout(&self, which: usize) -> [Vec<(&'static str, u64)>; 2] {
        let (chunks, shards) = &self.layouts[which];
        let names =
            if self.cells.len() == 3 { vec!["time", "level", "y", "x"] } else { vec!["time", "y", "x"] };
        let limits = std::iter::once(u64::MAX).chain(self.cells.iter().map(|n| *n as u64));
        let chunks: Vec<u64> = chunks.iter().zip(limits).map(|(chunk, limit)| (*chunk).min(limit)).collect();
        let shards = shards.iter().flatten().zip(&chunks).map(|(times, chunk)| times * chunk);
        let named = |lengths: Vec<u64>| names.iter().copied().zip(lengths).collect();
        [named(chunks.clone()), named(shards.collect())]
    }

    /// The bytes of a variable in a period: whole chunks of fill, single holes, any bits.
    fn bytes(&self, variable: &str, period: usize) -> Vec<u8> {
        let cells: usize = self.cells.iter().product();
        let mut random =
            self.seed ^ (period as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ variable.len() as u64;
        let empty = (self.seed >> (period % 40)) & 3 == 0;
        let mut bytes = Vec::new();
        for _ in 0..cells {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (hole, bits) = (empty || random >> 61 == 0, (random >> 33) as u32);
            match variable {
                "rain" if hole => bytes.extend(f32::NAN.to_le_bytes()),
                "rain" => bytes.extend((bits as f32 / 8.0).to_le_bytes()),
                "kind" => bytes.push(if hole { 255 } else { bits.to_le_bytes()[0] % 250 }),
                _ if hole => bytes.extend((-1i16).to_le_bytes()),
                _ => bytes.extend((bits.to_le_bytes()[1] as i16 * 100).to_le_bytes()),
            }
        }
        bytes
    }

    fn slice(&self, grid: &Arc<Grid>, period: usize) -> Slice {
        let field = |name: &str| {
            let bytes = self.bytes(name, period);
            let values = match name {
                "rain" => Values::from_le_bytes(frazil_engine::data::DType::Float32, &bytes),
                "kind" => Values::from_le_bytes(frazil_engine::data::DType::UInt8, &bytes),
                _ => Values::from_le_bytes(frazil_engine::data::DType::Int16, &bytes),
            };
            let units = Some(if name == "rain" { "mm" } else { "1" }.to_owned());
            Field { name: name.to_owned(), values: values.unwrap(), fill: None, units }
        };
        let fields = ["count", "kind", "rain"].map(field).into();
        let period = day(i64::try_from(period).unwrap() + 1);
        Slice { period, status: Status::Final, context: false, grid: Arc::clone(grid), fields }
    }

    async fn bench(&self) -> Bench {
        let map = |lengths: Vec<(&str, u64)>| -> BTreeMap<String, u64> {
            lengths.into_iter().map(|(name, length)| (name.to_owned(), length)).collect()
        };
        let [chunks, shards] = self.layout(0).map(map);
        let dimensions: Value = if self.cells.len() == 3 {
            json!({ "level": (0..self.cells[0]).collect::<Vec<_>>() })
        } else {
            json!({})
        };
        let bench = bench(json!({
            "chunks": chunks,
            "shards": shards,
            "dimensions": dimensions,
            "variables": {
                "rain": { "units": "mm", "cell": "total", "dtype": "float32" },
                "kind": { "units": "1", "dtype": "uint8", "fill": 255 },
                "count": { "units": "1", "dtype": "int16", "fill": -1 },
            },
        }));
        let grid = self.grid();
        let slices = (0..self.periods).map(|period| self.slice(&grid, period)).collect();
        let written = bench.write(0, Action::Add, slices).await.unwrap();
        bench.commit(vec![written]).await.unwrap();
        bench
    }
}

async fn becomes_the_other(case: &Case) {
    let bench = case.bench().await;
    let [chunks, shards] = case.layout(1);
    let wanted = layout(&chunks, &shards, case.level);
    super::rewriting::in_steps(&bench, wanted.clone(), case.window, case.batch).await;
    let cube = bench.cube().await.unwrap();
    for variable in &cube.template().variables {
        let lengths: Vec<u64> = chunks.iter().map(|(_, n)| *n).collect();
        assert_eq!(variable.chunks, lengths, "{case:?}");
        let stored = cube.read(&variable.name, 0..case.periods, None).await.unwrap();
        let meant: Vec<u8> =
            (0..case.periods).flat_map(|period| case.bytes(&variable.name, period)).collect();
        assert_eq!(stored.bytes(), meant, "`{}` of {case:?}", variable.name);
    }
    let head = cube.id();
    assert_eq!(rechunk(&bench.info, wanted, &bench.cx).await.unwrap(), Some(head));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_layout_becomes_any_other_bit_by_bit(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(becomes_the_other(&case));
    }
}

type Ranges = Vec<Range<usize>>;

fn blocks() -> impl Strategy<Value = (Ranges, Ranges, usize, Range<usize>)> {
    (2usize..5).prop_flat_map(|dimensions| {
        let ranges = || {
            prop::collection::vec((0usize..4, 1usize..5), dimensions)
                .prop_map(|all| all.into_iter().map(|(at, length)| at..at + length).collect())
        };
        (ranges(), ranges(), prop::sample::select(vec![1usize, 2, 4]), (0usize..5, 0usize..6))
            .prop_map(|(from, to, size, (at, length))| (from, to, size, at..at + length))
    })
}

/// All places of a block in C order.
fn places(ranges: &[Range<usize>]) -> Vec<Vec<usize>> {
    ranges.iter().fold(vec![Vec::new()], |places, range| {
        let with = |place: &Vec<usize>, at: usize| place.iter().copied().chain([at]).collect();
        places.iter().flat_map(|place| range.clone().map(move |at| with(place, at))).collect()
    })
}

proptest! {
    #[test]
    fn what_blocks_share_is_copied_and_nothing_else((from, to, size, limit) in blocks(), limited: bool) {
        let (given, wanted) = (places(&from), places(&to));
        let source: Vec<u8> = (0..given.len() * size).map(|n| (n % 251) as u8).collect();
        let mut target = vec![255; wanted.len() * size];
        let (from, to) = (Block { ranges: from }, Block { ranges: to });
        match limited {
            true => copy_within(&from, &source, &to, &mut target, size, &limit),
            false => copy(&from, &source, &to, &mut target, size),
        }
        for (at, place) in wanted.iter().enumerate() {
            let found = given.iter().position(|other| other == place);
            let found = found.filter(|_| !limited || limit.contains(&place[0]));
            let meant = found.map_or(vec![255; size], |n| source[n * size..(n + 1) * size].to_vec());
            prop_assert_eq!(&target[at * size..(at + 1) * size], meant.as_slice());
        }
    }
}
