//! One plane of numbers, all its levels.

use super::{Encoding, Method, Unfit, number::Number};

/// What is needed for one plane after the other; its memory is used again.
pub(super) struct Work<T: Number> {
    fill: Option<T>,
    encoding: Encoding,
    sums: Vec<T::Sum>,
    counts: Vec<u32>,
    cells: Vec<T>,
}

impl<T: Number> Work<T> {
    pub(super) const fn new(fill: Option<T>, encoding: Encoding) -> Self {
        Self { fill, encoding, sums: Vec::new(), counts: Vec::new(), cells: Vec::new() }
    }

    /// Appends the levels of a plane to `levels`.
    pub(super) fn plane(
        &mut self,
        plane: &[T],
        (rows, columns): (usize, usize),
        method: Method,
        levels: &mut [Vec<T>],
    ) -> Result<(), Unfit> {
        let shape = (rows, columns);
        match method {
            Method::Mean | Method::Sum => self.sums(plane, shape, method, levels),
            Method::Min | Method::Max => {
                // The smallest value is the largest stored number where values are packed upside down.
                let smallest = (method == Method::Min) == (self.encoding.scale > 0.0);
                self.extremes(plane, shape, smallest, levels);
                Ok(())
            }
            Method::Mode => {
                self.modes(plane, shape, levels);
                Ok(())
            }
            Method::Nearest => {
                for (level, out) in levels.iter_mut().enumerate() {
                    let step = 2 << level;
                    let (height, width) = (rows / step, columns / step);
                    for row in 0..height {
                        let line = &plane[row * step * columns..][..columns];
                        out.extend((0..width).map(|column| line[column * step]));
                    }
                }
                Ok(())
            }
        }
    }

    /// Sums and counts of each level are those of four cells of the level above.
    fn sums(
        &mut self,
        plane: &[T],
        (mut rows, mut columns): (usize, usize),
        method: Method,
        levels: &mut [Vec<T>],
    ) -> Result<(), Unfit> {
        for (level, out) in levels.iter_mut().enumerate() {
            let (height, width) = (rows / 2, columns / 2);
            if level == 0 {
                self.first(plane, columns, (height, width));
            } else {
                self.next(columns, (height, width));
            }
            let cells = height * width;
            let (fill, encoding) = (self.fill, self.encoding);
            let all = self.sums[..cells].iter().zip(&self.counts[..cells]);
            if method == Method::Mean {
                out.extend(all.map(|(&sum, &count)| match count {
                    0 => T::missing(fill),
                    count => T::mean(sum, count, fill),
                }));
            } else {
                for (&sum, &count) in all {
                    out.push(if count == 0 { T::missing(fill) } else { T::sum(sum, count, fill, encoding)? });
                }
            }
            (rows, columns) = (height, width);
        }
        Ok(())
    }

    /// Pairs of rows of the plane.
    fn first(&mut self, plane: &[T], columns: usize, (height, width): (usize, usize)) {
        let fill = self.fill;
        self.sums.resize(height * width, T::Sum::default());
        self.counts.resize(height * width, 0);
        let one = |number: T| {
            let missing = number.is_missing(fill);
            (if missing { T::Sum::default() } else { number.widen() }, u32::from(!missing))
        };
        for row in 0..height {
            let top = &plane[2 * row * columns..][..2 * width];
            let bottom = &plane[(2 * row + 1) * columns..][..2 * width];
            let sums = &mut self.sums[row * width..][..width];
            let counts = &mut self.counts[row * width..][..width];
            let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
            for ((top, bottom), (sum, count)) in pairs.zip(sums.iter_mut().zip(counts)) {
                let [(a, m), (b, n)] = [one(top[0]), one(top[1])];
                let [(c, o), (d, p)] = [one(bottom[0]), one(bottom[1])];
                *sum = (a + b) + (c + d);
                *count = m + n + o + p;
            }
        }
    }

    /// The same of the sums and counts themselves, in place: what is written lies before what is read.
    fn next(&mut self, columns: usize, (height, width): (usize, usize)) {
        for row in 0..height {
            let (top, bottom) = (2 * row * columns, (2 * row + 1) * columns);
            for column in 0..width {
                let (a, c) = (top + 2 * column, bottom + 2 * column);
                let sum = (self.sums[a] + self.sums[a + 1]) + (self.sums[c] + self.sums[c + 1]);
                let count = self.counts[a] + self.counts[a + 1] + self.counts[c] + self.counts[c + 1];
                self.sums[row * width + column] = sum;
                self.counts[row * width + column] = count;
            }
        }
    }

    /// The smallest or largest of four cells of the level above.
    fn extremes(
        &self,
        plane: &[T],
        (mut rows, mut columns): (usize, usize),
        smallest: bool,
        levels: &mut [Vec<T>],
    ) {
        let fill = self.fill;
        let better = |a: T, b: T| {
            let second = a.is_missing(fill) || (!b.is_missing(fill) && if smallest { b < a } else { b > a });
            if second { b } else { a }
        };
        for level in 0..levels.len() {
            let (above, rest) = levels.split_at_mut(level);
            let out = &mut rest[0];
            let source = match above.last() {
                None => plane,
                // The cells of this plane are the last that were appended.
                Some(above) => &above[above.len() - rows * columns..],
            };
            let (height, width) = (rows / 2, columns / 2);
            for row in 0..height {
                let top = &source[2 * row * columns..][..2 * width];
                let bottom = &source[(2 * row + 1) * columns..][..2 * width];
                let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
                out.extend(pairs.map(|(t, b)| better(better(t[0], t[1]), better(b[0], b[1]))));
            }
            (rows, columns) = (height, width);
        }
    }

    /// The most frequent number of the square at full resolution, the smallest value of several.
    fn modes(&mut self, plane: &[T], (rows, columns): (usize, usize), levels: &mut [Vec<T>]) {
        let fill = self.fill;
        let upward = self.encoding.scale > 0.0;
        for (level, out) in levels.iter_mut().enumerate() {
            let step = 2 << level;
            for row in 0..rows / step {
                for column in 0..columns / step {
                    self.cells.clear();
                    for line in 0..step {
                        let begin = (row * step + line) * columns + column * step;
                        let cells = &plane[begin..begin + step];
                        self.cells.extend(cells.iter().filter(|cell| !cell.is_missing(fill)));
                    }
                    out.push(most(&mut self.cells, upward).unwrap_or_else(|| T::missing(fill)));
                }
            }
        }
    }
}

/// The most frequent of some numbers; none of none.
fn most<T: Number>(cells: &mut [T], upward: bool) -> Option<T> {
    let order = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    cells.sort_unstable_by(|a, b| if upward { order(a, b) } else { order(b, a) });
    let (mut best, mut longest) = (None, 0);
    for run in cells.chunk_by(|a, b| a == b) {
        if run.len() > longest {
            (best, longest) = (run.first().copied(), run.len());
        }
    }
    best
}
