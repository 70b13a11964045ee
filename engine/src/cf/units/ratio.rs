/// A positive number as number by number, without common factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) num: u128,
    pub(super) den: u128,
}

impl Ratio {
    pub(super) const ONE: Self = Self { num: 1, den: 1 };

    /// None when either is nothing.
    pub(super) fn new(num: u128, den: u128) -> Option<Self> {
        let common = common(num, den);
        (num > 0 && den > 0).then(|| Self { num: num / common, den: den / common })
    }

    /// None where it has too many digits; so with all that follows.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let (a, b) = (Self::new(self.num, other.den)?, Self::new(other.num, self.den)?);
        Some(Self { num: a.num.checked_mul(b.num)?, den: a.den.checked_mul(b.den)? })
    }

    pub(super) const fn inverse(self) -> Self {
        Self { num: self.den, den: self.num }
    }

    pub(super) fn power(self, n: i8) -> Option<Self> {
        let base = if n < 0 { self.inverse() } else { self };
        let n = u32::from(n.unsigned_abs());
        Some(Self { num: base.num.checked_pow(n)?, den: base.den.checked_pow(n)? })
    }

    pub(super) fn ten_to(n: i32) -> Option<Self> {
        let power = 10u128.checked_pow(n.unsigned_abs())?;
        Some(if n < 0 { Self { num: 1, den: power } } else { Self { num: power, den: 1 } })
    }

    /// A number as it is written: `100`, `0.01`, `1e-3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let places = i32::try_from(fraction.len()).ok()?;
        let exponent: i32 = exponent.parse().ok()?;
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        Self::new(digits, 1)?.times(Self::ten_to(exponent.checked_sub(places)?)?)
    }
}

fn common(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_say() {
        for (text, num, den) in [("100", 100, 1), ("0.01", 1, 100), ("1e-3", 1, 1000), ("2.5E2", 250, 1)] {
            assert_eq!(Ratio::parse(text), Ratio::new(num, den), "{text}");
        }
        for text in ["0", "", ".", "1e99", "1e", "99999999999999999999999999999999999999999"] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
        assert_eq!(Ratio::new(6, 4).unwrap().power(-2), Ratio::new(4, 9));
        assert_eq!(Ratio::ten_to(38).unwrap().times(Ratio::ten_to(1).unwrap()), None);
    }
}
