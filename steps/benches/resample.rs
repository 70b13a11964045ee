//! The arithmetic of resampling on a month of 360 × 480 cells: `cargo bench -p frazil-steps`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use frazil_engine::data::{DType, Values};
use frazil_steps::resample::{Accumulator, Encoding, Method};

const CELLS: usize = 360 * 480;
const STEPS: usize = 30;

/// Rain-like numbers, some of them missing.
fn month() -> Values {
    let number = |at: usize| match at.wrapping_mul(0x9E37_79B9) >> 7 & 0xff {
        missing if missing < 8 => f32::NAN,
        tenths => f32::from(u8::try_from(tenths).unwrap_or(0)) / 10.0,
    };
    Values::Float32((0..CELLS * STEPS).map(number).collect())
}

fn resample(criterion: &mut Criterion) {
    let values = month();
    let mut group = criterion.benchmark_group("a month of 30 days");
    group.throughput(Throughput::Bytes((CELLS * STEPS * size_of::<f32>()) as u64)).sample_size(20);
    for method in [Method::Sum, Method::Mean, Method::Max, Method::Count, Method::Last] {
        group.bench_function(format!("{method:?}").to_lowercase(), |bench| {
            let new = || Accumulator::new(method, Encoding::plain(DType::Float32, None), CELLS);
            bench.iter_batched_ref(new, |sums| sums.add(&values, 0..STEPS), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, resample);
criterion_main!(benches);
