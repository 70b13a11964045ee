use super::{Accumulator, Encoding, Number, State, add_up, blocks};
use crate::resample::Method;
use frazil_engine::data::Values;

/// How much of a period lies in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The part of the period that does, above 0 and at most 1: what is taken of a total.
    pub part: f64,
    /// The time that both have in common, in minutes: what a mean is weighed by.
    pub time: f64,
}

impl Accumulator {
    /// Takes one step of `values` (see [`Accumulator::add`]) by its share of the window. Sums take
    /// the part, means weigh by the time; what is picked or counted has no share.
    pub fn add_share(&mut self, values: &Values, step: usize, share: Share) {
        let Self { method, encoding, state, seen, weights } = self;
        let weight = if *method == Method::Mean { share.time } else { share.part };
        match state {
            State::Total(sum) => {
                let weights = weights.get_or_insert_with(|| vec![0.0; sum.len()]);
                each_type!(values, v => weighed((sum, seen, weights), v, step, encoding, weight));
            }
            State::Picked(_) | State::Counted => self.add(values, step..step + 1),
        }
    }
}

fn weighed<T: Number>(
    (sum, seen, weights): (&mut [f64], &mut [u32], &mut [f64]),
    values: &[T],
    step: usize,
    encoding: &Encoding,
    weight: f64,
) {
    let fill = encoding.fill.and_then(T::of_fill);
    let missing = |v: T| v.is_nan() || fill.is_some_and(|fill| v.is_fill(fill));
    let decode = |v: T| encoding.decode(v.wide()) * weight;
    blocks(weights.len(), values, step..step + 1, |block, row| {
        for (weights, &v) in weights[block].iter_mut().zip(row) {
            *weights += if missing(v) { 0.0 } else { weight };
        }
    });
    add_up(sum, seen, values, step..step + 1, missing, decode);
}
