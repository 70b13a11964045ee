use frazil_raster_protocol::{Lattice, Method, Number, Reply, Warp};
use proptest::prelude::*;

use super::warp;

/// WGS 84, as the tables of PROJ have it.
fn degrees() -> String {
    system("EPSG:4326")
}

fn system(code: &str) -> String {
    crate::configure().unwrap();
    crate::crs::look_up(code).unwrap().wkt
}

fn lattice(origin: [f64; 2], cell: [f64; 2], shape: [usize; 2]) -> Lattice {
    Lattice {
        wkt: degrees(),
        origin: origin.map(Number),
        cell: cell.map(Number),
        rows: shape[0] as u64,
        columns: shape[1] as u64,
    }
}

fn warped(source: &Lattice, target: &Lattice, method: Method, planes: u64, numbers: &[f64]) -> Vec<f64> {
    let request = Warp { source: source.clone(), target: target.clone(), planes, method };
    let body = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let (reply, body) = warp(&request, body).unwrap();
    assert!(matches!(reply, Reply::Values { .. }));
    body.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

/// The cells of an axis as they are stored: lower edge, upper edge.
fn cells(origin: f64, cell: f64, len: u64) -> Vec<(f64, f64)> {
    let edge = |at: u64| origin + at as f64 * cell;
    (0..len).map(|at| (edge(at).min(edge(at + 1)), edge(at).max(edge(at + 1)))).collect()
}

/// How much of one cell lies in another, in every turn of the earth.
fn shared((a, b): (f64, f64), (c, d): (f64, f64), turns: bool) -> f64 {
    let turns = if turns { -2..=2 } else { 0..=0 };
    turns.map(|k| (b.min(d + 360.0 * f64::from(k)) - a.max(c + 360.0 * f64::from(k))).max(0.0)).sum()
}

/// What a target cell covers of each source cell, in parts of that; cell by cell, all of them.
fn covered(source: &Lattice, target: &Lattice) -> Vec<Vec<(usize, f64)>> {
    let axes = |grid: &Lattice| {
        let x = cells(grid.origin[0].0, grid.cell[0].0, grid.columns);
        let y = cells(grid.origin[1].0, grid.cell[1].0, grid.rows);
        y.iter().flat_map(|y| x.iter().map(|x| (*y, *x)).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let from = axes(source);
    let area = (source.cell[0].0 * source.cell[1].0).abs();
    let part = |to: &((f64, f64), (f64, f64)), own: &((f64, f64), (f64, f64))| {
        shared(to.0, own.0, false) * shared(to.1, own.1, true) / area
    };
    axes(target)
        .iter()
        .map(|to| from.iter().map(|own| part(to, own)).enumerate().filter(|(_, part)| *part > 1e-9).collect())
        .collect()
}

fn near(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * (1.0 + a.abs())
}

/// A source: the whole turn or a part of it, from anywhere, either way up.
fn source() -> impl Strategy<Value = Lattice> {
    let whole = prop::sample::select(vec![(30.0, 12), (20.0, 18), (10.0, 36), (10.0, 9), (20.0, 4)]);
    (whole, -36..36i32, prop::sample::select(vec![10.0, -10.0, 7.5]), 2..9usize).prop_map(
        |((cell, columns), west, dy, rows)| {
            let south = -30.0;
            let north = if dy > 0.0 { south } else { south - dy * rows as f64 };
            lattice([f64::from(west) * 10.0, north], [cell, dy], [rows, columns])
        },
    )
}

/// A target that need not lie inside, with cells that need not fit.
fn target() -> impl Strategy<Value = Lattice> {
    let sizes = prop::sample::select(vec![3.0, 5.0, 10.0, 13.0, 40.0]);
    (sizes.clone(), sizes, -190.0..190.0f64, -40.0..40.0f64, 1..7usize, 1..7usize, any::<bool>()).prop_map(
        |(dx, dy, west, edge, rows, columns, up)| {
            lattice([west, edge], [dx, if up { dy } else { -dy }], [rows, columns])
        },
    )
}

fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..len).map(|_| if next() % 5 == 0 { f64::NAN } else { (next() % 1_000) as f64 }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn means_and_sums_are_those_of_what_is_covered(from in source(), to in target(), seed in any::<u64>()) {
        let values = numbers((from.rows * from.columns) as usize, seed);
        let (means, sums) =
            (warped(&from, &to, Method::Average, 1, &values), warped(&from, &to, Method::Sum, 1, &values));
        for (at, covered) in covered(&from, &to).iter().enumerate() {
            let there = covered.iter().filter(|(cell, _)| !values[*cell].is_nan());
            let (mut sum, mut parts) = (0.0, 0.0);
            for (cell, part) in there {
                (sum, parts) = (sum + values[*cell] * part, parts + part);
            }
            let (mean, sum) = if parts > 0.0 { (sum / parts, sum) } else { (f64::NAN, f64::NAN) };
            prop_assert!(near(mean, means[at]), "mean {at}: {mean} {}", means[at]);
            prop_assert!(near(sum, sums[at]), "sum {at}: {sum} {}", sums[at]);
        }
    }

    #[test]
    fn the_nearest_is_the_cell_that_holds_the_centre(from in source(), to in target(), seed in any::<u64>()) {
        let values = numbers((from.rows * from.columns) as usize, seed);
        let found = warped(&from, &to, Method::Nearest, 1, &values);
        // A cell that is hardly there around each centre.
        let centre = |(a, b): (f64, f64)| f64::midpoint(a, b);
        let x = cells(to.origin[0].0, to.cell[0].0, to.columns);
        let y = cells(to.origin[1].0, to.cell[1].0, to.rows);
        let own_x = cells(from.origin[0].0, from.cell[0].0, from.columns);
        let own_y = cells(from.origin[1].0, from.cell[1].0, from.rows);
        for (at, (row, column)) in y.iter().flat_map(|y| x.iter().map(move |x| (y, x))).enumerate() {
            let (y, x) = (centre(*row), centre(*column));
            let on_edge = |at: f64, cells: &[(f64, f64)]| {
                cells.iter().any(|c| ((at - c.0).abs() % 360.0) < 1e-6 || ((at - c.1).abs() % 360.0) < 1e-6)
            };
            if on_edge(y, &own_y) || on_edge(x, &own_x) {
                continue;
            }
            let row = own_y.iter().position(|c| c.0 < y && y < c.1);
            let column = own_x.iter().position(|c| (x - c.0).rem_euclid(360.0) < c.1 - c.0);
            let expected = row.zip(column).map_or(f64::NAN, |(r, c)| values[r * own_x.len() + c]);
            prop_assert!(near(expected, found[at]), "{at}: {expected} {}", found[at]);
        }
    }
}

#[test]
fn between_two_centres_a_number_lies_between_them_also_across_the_seam() {
    // One number per meridian; from 0 to 360, and a window over Greenwich at half the cells.
    let from = lattice([0.0, 20.0], [10.0, -10.0], [4, 36]);
    let values: Vec<f64> = (0..4).flat_map(|_| (0..36).map(|c| f64::from(c * c))).collect();
    let to = lattice([-10.0, 10.0], [5.0, -5.0], [4, 4]);
    let at = |c: i32| f64::from(c.rem_euclid(36).pow(2));
    // Centres at -7.5, -2.5, 2.5, 7.5; those of the source at -15, -5, 5, 15.
    let expected = [
        0.25 * at(-2) + 0.75 * at(-1),
        0.75 * at(-1) + 0.25 * at(0),
        0.25 * at(-1) + 0.75 * at(0),
        0.75 * at(0) + 0.25 * at(1),
    ];
    for row in warped(&from, &to, Method::Bilinear, 1, &values).chunks(4) {
        assert!(row.iter().zip(expected).all(|(a, b)| near(*a, b)), "{row:?} {expected:?}");
    }
    // Over the date line, the other way round.
    let west = lattice([-180.0, 20.0], [10.0, -10.0], [4, 36]);
    let over = lattice([170.0, 10.0], [5.0, -5.0], [4, 4]);
    let expected = [
        0.25 * at(34) + 0.75 * at(35),
        0.75 * at(35) + 0.25 * at(0),
        0.25 * at(35) + 0.75 * at(0),
        0.75 * at(0) + 0.25 * at(1),
    ];
    for row in warped(&west, &over, Method::Bilinear, 1, &values).chunks(4) {
        assert!(row.iter().zip(expected).all(|(a, b)| near(*a, b)), "{row:?} {expected:?}");
    }
}

#[test]
fn what_is_missing_is_never_mixed_in_and_what_is_not_covered_is_missing() {
    let from = lattice([0.0, 40.0], [10.0, -10.0], [4, 4]);
    let mut values = vec![5.0; 16];
    values[5] = f64::NAN;
    let to = lattice([-20.0, 60.0], [5.0, -5.0], [16, 16]);
    for method in [Method::Nearest, Method::Bilinear, Method::Cubic, Method::Average, Method::Mode] {
        let found = warped(&from, &to, method, 1, &values);
        assert!(found.iter().all(|n| n.is_nan() || near(*n, 5.0)), "{method:?} {found:?}");
        assert!(found[0].is_nan() && found[255].is_nan() && near(found[16 * 8 + 10], 5.0));
    }
    let nowhere = lattice([100.0, 40.0], [10.0, -10.0], [4, 4]);
    assert!(warped(&from, &nowhere, Method::Sum, 1, &values).iter().all(|n| n.is_nan()));
}

#[test]
fn planes_stay_apart_and_the_number_that_covers_most_wins() {
    let from = lattice([0.0, 40.0], [10.0, -10.0], [4, 4]);
    let one = [1.0, 1.0, 2.0, 2.0, 1.0, 3.0, 2.0, 4.0, 7.0, 7.0, 8.0, 9.0, 6.0, 7.0, 9.0, 9.0];
    let two: Vec<f64> = one.iter().map(|n| n * 1e6).collect();
    let to = lattice([0.0, 40.0], [20.0, -20.0], [2, 2]);
    let found = warped(&from, &to, Method::Mode, 2, &[one.as_slice(), &two].concat());
    assert_eq!(found, [1.0, 2.0, 7.0, 9.0, 1e6, 2e6, 7e6, 9e6]);
}

/// A projection whose middle is the date line: cells over it cover both ends of a source in degrees.
#[test]
fn cells_over_the_date_line_in_a_projection_are_those_of_both_ends() {
    let from = lattice([-180.0, 10.0], [1.0, -1.0], [20, 360]);
    // The longitude counted from the date line, 0.5 on its eastern side.
    let offset = |c: i32| f64::from(if c >= 180 { c - 360 } else { c }) + 0.5;
    let values: Vec<f64> = (0..20).flat_map(|_| (0..360).map(offset)).collect();
    // Mercator around 150° E: a metre there is 1 / 111,319.49 of a degree.
    let degree = 6_378_137.0 * std::f64::consts::PI / 180.0;
    let to = Lattice {
        wkt: system("EPSG:3832"),
        origin: [Number(27.0 * degree), Number(2.0 * degree)],
        cell: [Number(2.0 * degree), Number(-2.0 * degree)],
        rows: 2,
        columns: 3,
    };
    // 177 to 179, 179 to 181, 181 to 183: the middle one lies over the line.
    for (method, expected) in [(Method::Average, [-2.0, 0.0, 2.0]), (Method::Bilinear, [-2.0, 0.0, 2.0])] {
        let found = warped(&from, &to, method, 1, &values);
        for row in found.chunks(3) {
            for (a, b) in row.iter().zip(expected) {
                assert!((a - b).abs() < 1e-6, "{method:?} {found:?}");
            }
        }
    }
}

#[test]
fn a_pole_inside_is_refused_where_areas_are_asked_for() {
    let from = lattice([-180.0, 90.0], [10.0, -10.0], [18, 36]);
    let to = Lattice {
        wkt: system("EPSG:3413"),
        origin: [Number(-1e6), Number(1e6)],
        cell: [Number(5e5), Number(-5e5)],
        rows: 4,
        columns: 4,
    };
    let values: Vec<f64> = vec![1.0; 18 * 36];
    let ask = |method| {
        let request = Warp { source: from.clone(), target: to.clone(), planes: 1, method };
        warp(&request, values.iter().flat_map(|n| n.to_le_bytes()).collect())
    };
    assert!(ask(Method::Average).unwrap_err().message.contains("around a pole"));
    let (_, body) = ask(Method::Nearest).unwrap();
    assert!(body.as_chunks::<8>().0.iter().all(|n| near(f64::from_le_bytes(*n), 1.0)));
}
