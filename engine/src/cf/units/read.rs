use super::{
    ratio::Ratio,
    table::{Dimension, ONE, PREFIXES, Size, UNITS},
};

/// Why a unit cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoUnit {
    /// This part of it is not known.
    Unknown(String),
    /// It has another form.
    Malformed,
}

/// A unit that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measure {
    /// What it measures.
    pub(super) dimension: Dimension,
    /// How much of the SI unit it is.
    pub(super) scale: Scale,
}

/// How much of the SI unit of its dimension a unit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// So much, beginning so many SI units above nothing.
    Exact(Ratio, f64),
    /// It is a unit of its own, by its first name.
    Own(&'static str),
    /// It has too many digits, or parts that are units of their own.
    Lost,
}

impl Measure {
    const NOTHING: Self = Self { dimension: ONE, scale: Scale::Exact(Ratio::ONE, 0.0) };

    fn number(ratio: Option<Ratio>) -> Self {
        Self { dimension: ONE, scale: ratio.map_or(Scale::Lost, |ratio| Scale::Exact(ratio, 0.0)) }
    }

    /// Where a scale begins says nothing any more once it is part of a product, as UDUNITS has it.
    fn times(self, other: Self) -> Result<Self, NoUnit> {
        if other == Self::NOTHING {
            return Ok(self);
        }
        if self == Self::NOTHING {
            return Ok(other);
        }
        let mut dimension = self.dimension;
        for (all, one) in dimension.iter_mut().zip(other.dimension) {
            *all = all.checked_add(one).ok_or(NoUnit::Malformed)?;
        }
        let scale = match (self.scale, other.scale) {
            (Scale::Exact(a, _), Scale::Exact(b, _)) => a.times(b).map(|ratio| Scale::Exact(ratio, 0.0)),
            _ => None,
        };
        Ok(Self { dimension, scale: scale.unwrap_or(Scale::Lost) })
    }

    fn power(self, n: i8) -> Result<Self, NoUnit> {
        if n == 1 {
            return Ok(self);
        }
        let mut dimension = self.dimension;
        for exponent in &mut dimension {
            *exponent = exponent.checked_mul(n).ok_or(NoUnit::Malformed)?;
        }
        let scale = match self.scale {
            Scale::Exact(ratio, _) => ratio.power(n).map(|ratio| Scale::Exact(ratio, 0.0)),
            _ => None,
        };
        Ok(Self { dimension, scale: scale.unwrap_or(Scale::Lost) })
    }
}

/// Reads a unit.
///
/// # Errors
/// When a part of it is not known, or it has another form.
pub(super) fn read(text: &str) -> Result<Measure, NoUnit> {
    if text.len() > 200 || text.trim().is_empty() || text.contains(" since ") {
        return Err(NoUnit::Malformed);
    }
    let spaced = text.replace("**", "^");
    let mut reader = Reader { rest: spaced.trim() };
    let found = reader.product(0)?;
    if reader.rest.is_empty() { Ok(found) } else { Err(NoUnit::Malformed) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Factors, one after the other or with a mark between them.
    fn product(&mut self, depth: usize) -> Result<Measure, NoUnit> {
        let mut product = self.factor(depth)?;
        loop {
            let mut sign = 1;
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix('/').or_else(|| self.rest.strip_prefix("per ")) {
                (sign, self.rest) = (-1, rest);
            } else if let Some(rest) = self.rest.strip_prefix(['.', '*', '·', '⋅']) {
                self.rest = rest;
            } else if self.rest.is_empty() || self.rest.starts_with(')') {
                return Ok(product);
            }
            product = product.times(self.factor(depth)?.power(sign)?)?;
        }
    }

    /// A number, a symbol or something in brackets, with its exponent.
    fn factor(&mut self, depth: usize) -> Result<Measure, NoUnit> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('(') {
            if depth > 4 {
                return Err(NoUnit::Malformed);
            }
            self.rest = rest;
            let inner = self.product(depth + 1)?;
            self.rest = self.rest.trim_start().strip_prefix(')').ok_or(NoUnit::Malformed)?;
            return inner.power(self.exponent()?);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let number = |c: char| c.is_ascii_digit() || c == '.';
            let all = self.rest;
            let end = self.rest.find(|c| !number(c)).unwrap_or(self.rest.len());
            let tail = &self.rest[end..];
            let signed = tail.strip_prefix(['e', 'E']).map(|t| t.strip_prefix(['-', '+']).unwrap_or(t));
            let digits = signed.filter(|t| t.starts_with(|c: char| c.is_ascii_digit()));
            self.rest = digits.map_or(tail, |t| t.trim_start_matches(|c: char| c.is_ascii_digit()));
            let text = &all[..all.len() - self.rest.len()];
            return Measure::number(Ratio::parse(text.trim_end_matches('.'))).power(self.exponent()?);
        }
        let symbol = |c: char| c.is_alphabetic() || matches!(c, '_' | '%' | '°' | '℃' | 'µ' | '\'' | '"');
        let end = self.rest.find(|c| !symbol(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(NoUnit::Malformed);
        }
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        let found = known(word).ok_or_else(|| NoUnit::Unknown(word.to_owned()))?;
        found.power(self.exponent()?)
    }

    /// `^2`, `-2`, `2`, or nothing.
    fn exponent(&mut self) -> Result<i8, NoUnit> {
        let marked = self.rest.strip_prefix('^');
        let rest = marked.unwrap_or(self.rest);
        let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if end == 0 {
            return if marked.is_some() { Err(NoUnit::Malformed) } else { Ok(1) };
        }
        let length = rest.len() - digits.len() + end;
        self.rest = &rest[length..];
        rest[..length].parse().map_err(|_| NoUnit::Malformed)
    }
}

fn known(word: &str) -> Option<Measure> {
    bare(word).or_else(|| {
        PREFIXES.iter().find_map(|(prefix, ten)| {
            let found = word.strip_prefix(prefix).and_then(bare)?;
            Measure::number(Ratio::ten_to(*ten)).times(found).ok()
        })
    })
}

/// A unit without a prefix.
fn bare(word: &str) -> Option<Measure> {
    let of = |word: &str| UNITS.iter().find(|(names, ..)| names.contains(&word));
    let row = of(word).or_else(|| word.strip_suffix('s').filter(|one| one.len() > 2).and_then(of))?;
    let (names, dimension, size) = *row;
    let scale = match size {
        Size::Exact(num, den) => Scale::Exact(Ratio::new(num, den)?, 0.0),
        Size::Above(num, den, zero) => Scale::Exact(Ratio::new(num, den)?, zero),
        Size::Own => Scale::Own(names.first()?),
    };
    Some(Measure { dimension, scale })
}
