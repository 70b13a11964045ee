//! Whether the numbers of a slice lie where those of the cube lie.

use frazil_engine::{
    data::{Axis, Dimensions, Grid, Label},
    step::{ErrorKind, StepError},
};

use super::crs;

/// Coordinates that differ by less than this part of a cell are the same. Two files of one producer
/// say 9.700000000000001 and 9.70000000000082; a coordinate of float32 in cells of 0.05° is up to
/// 1.5e-4 of a cell off; no shift that matters is as small.
const TOLERANCE: f64 = 1e-3;

/// Refuses a grid that is not the stored one, saying what differs and where.
pub(super) fn same(stored: &Grid, given: &Grid) -> Result<(), StepError> {
    if !crs::same(&stored.crs, &given.crs) {
        return Err(refused(
            format!("the grid is in {}, the dataset in {}", crs::name(&given.crs), crs::name(&stored.crs)),
            "reproject the source, or write to a dataset of its own",
        ));
    }
    for (stored, given) in [(&stored.y, &given.y), (&stored.x, &given.x)] {
        if let Some(difference) = difference(stored, given) {
            return Err(refused(
                format!("the grid differs from that of the dataset: {difference}"),
                "bring the source onto the stored grid (its bbox, `transform: regrid`), or write to a dataset of its own",
            ));
        }
    }
    labelled(&stored.extra, &given.extra)
}

/// Refuses other dimensions between time and y, or other labels on them.
pub(super) fn labelled(stored: &Dimensions, given: &Dimensions) -> Result<(), StepError> {
    if stored == given {
        return Ok(());
    }
    fn names(all: &Dimensions) -> Vec<&str> {
        all.0.iter().map(|dimension| dimension.name.as_str()).collect()
    }
    let (own, other) = (names(stored), names(given));
    let message = if own == other {
        let pair = stored.0.iter().zip(&given.0).find(|(stored, given)| stored != given);
        let (name, own, other) =
            pair.map_or(("", &[][..], &[][..]), |(s, g)| (&s.name, &s.labels, &g.labels));
        format!(
            "`{name}` has the labels {}; those of the dataset are {}",
            shown_labels(other),
            shown_labels(own)
        )
    } else {
        let listed = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!(
            "the dimensions between time and y are {}; those of the dataset are {}",
            listed(&other),
            listed(&own)
        )
    };
    Err(refused(message, "read the labels of the dataset with `over`, or write to a dataset of its own"))
}

/// Labels for a message: the first of them.
fn shown_labels(labels: &[Label]) -> String {
    const SHOWN: usize = 12;
    let first: Vec<String> = labels.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if labels.len() > SHOWN { " …" } else { "" };
    format!("{}{more}", first.join(", "))
}

fn refused(message: String, help: &str) -> StepError {
    StepError::permanent(ErrorKind::Data, message).help(help)
}

/// What differs between two grids; none when they are the same.
pub(crate) fn grid_difference(first: &Grid, second: &Grid) -> Option<String> {
    if !crs::same(&first.crs, &second.crs) {
        return Some(format!("it is in {}, not in {}", crs::name(&second.crs), crs::name(&first.crs)));
    }
    if first.extra != second.extra {
        return Some("its dimensions between time and y are others, or their labels are".to_owned());
    }
    [(&first.y, &second.y), (&first.x, &second.x)].into_iter().find_map(|(a, b)| difference(a, b))
}

/// What differs between two axes; none when they are the same.
fn difference(stored: &Axis, given: &Axis) -> Option<String> {
    let name = &stored.name;
    let (a, b) = (&stored.centres, &given.centres);
    if a.len() != b.len() {
        let ends = |c: &[f64]| format!("{} … {}", shown(c.first()), shown(c.last()));
        return Some(format!(
            "`{name}` has {} cells ({}), {} are stored ({})",
            b.len(),
            ends(b),
            a.len(),
            ends(a)
        ));
    }
    let cell = cell(stored);
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * cell;
    let all = |mut other: Box<dyn Iterator<Item = &f64> + '_>| {
        a.iter().all(|c| other.next().is_some_and(|o| near(*c, *o)))
    };
    if all(Box::new(b.iter())) {
        return None;
    }
    if all(Box::new(b.iter().rev())) {
        return Some(format!(
            "`{name}` runs the other way, from {} to {}",
            shown(b.first()),
            shown(b.last())
        ));
    }
    if let Some(by) =
        (1..b.len()).find(|&by| near(a[0], b[by]) && all(Box::new(b[by..].iter().chain(&b[..by]))))
    {
        return Some(format!("`{name}` is rolled by {by} cells: it begins at {}", shown(b.first())));
    }
    let first = b[0] - a[0];
    if !near(first, 0.0) && a.iter().zip(b).all(|(a, b)| near(b - a, first)) {
        return Some(format!(
            "`{name}` is shifted by {} ({} of a cell): its first centre is {}, {} is stored",
            first,
            (first / cell * 1e3).round() / 1e3,
            b[0],
            a[0]
        ));
    }
    let at = a.iter().zip(b).position(|(a, b)| !near(*a, *b)).unwrap_or_default();
    Some(format!("`{name}` at {at} is {}, {} is stored", b[at], a[at]))
}

/// The smallest distance between neighbours.
fn cell(axis: &Axis) -> f64 {
    let least = axis.centres.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { axis.cell.map_or(1.0, f64::abs) }
}

fn shown(value: Option<&f64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), f64::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(given: &Axis) -> Option<String> {
        difference(&Axis::regular("x", -2.0, 0.5, 8), given)
    }

    #[test]
    fn what_formats_round_differently_is_the_same() {
        let stored = Axis::regular("y", 10.1, -0.05, 66);
        let mut given = stored.clone();
        given.centres[7] += 8.2e-13;
        assert_eq!(difference(&stored, &given), None);
        #[expect(clippy::cast_possible_truncation, reason = "as a file of float32 coordinates has them")]
        let single = |axis: &Axis| Axis {
            centres: axis.centres.iter().map(|c| f64::from(*c as f32)).collect(),
            ..axis.clone()
        };
        let globe = Axis::regular("x", -180.0, 0.05, 7_200);
        assert_eq!(difference(&globe, &single(&globe)), None);
        let hundredth = Axis::regular("x", -180.0 + 0.0005, 0.05, 7_200);
        assert!(difference(&globe, &hundredth).unwrap().contains("0.01 of a cell"));
    }

    #[test]
    fn says_how_an_axis_differs() {
        assert_eq!(message(&Axis::regular("lon", -2.0 + 1e-5, 0.5, 8)), None);
        let flipped = message(&Axis::regular("x", 2.0, -0.5, 8)).unwrap();
        assert!(flipped.contains("runs the other way"), "{flipped}");
        let half = message(&Axis::regular("x", -1.75, 0.5, 8)).unwrap();
        assert!(half.contains("shifted by 0.25 (0.5 of a cell)"), "{half}");
        let short = message(&Axis::regular("x", -2.0, 0.5, 7)).unwrap();
        assert!(short.contains("has 7 cells") && short.contains("8 are stored"), "{short}");
        let mut rolled = Axis::regular("x", -2.0, 0.5, 8);
        rolled.centres.rotate_left(3);
        let rolled = message(&rolled).unwrap();
        assert!(rolled.contains("rolled by 5 cells"), "{rolled}");
        let mut bent = Axis::regular("x", -2.0, 0.5, 8);
        bent.centres[3] += 0.1;
        let bent = message(&bent).unwrap();
        assert!(bent.contains("`x` at 3 is"), "{bent}");
    }
}
