//! Decimal numbers of the message, exactly.

use crate::pain001::{MAX_DIGITS, MAX_FRACTION};

/// A number that a message may hold, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// In 10⁻¹⁷ units: the finest that a control sum has.
    scaled: i128,
    /// Digits after the point.
    pub(super) fraction: usize,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// Not digits with at most one point between them.
    Format,
    /// More digits than the schema allows.
    Limit,
}

/// Digits after the point of a control sum at most.
const MAX_SUM_FRACTION: usize = 17;

impl Decimal {
    /// Reads a control sum or an amount; 18 digits and 17 after the point at most.
    pub(super) fn read(text: &str) -> Result<Decimal, DecimalError> {
        let (whole, fraction) = match text.split_once('.') {
            None => (text, ""),
            // A point stands between digits: `1.` is valid XML Schema but not what banks take.
            Some((_, "")) => return Err(DecimalError::Format),
            Some(parts) => parts,
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(DecimalError::Format);
        }
        if whole.len() + fraction.len() > MAX_DIGITS as usize + 1 || fraction.len() > MAX_SUM_FRACTION {
            return Err(DecimalError::Limit);
        }
        let mantissa = whole.bytes().chain(fraction.bytes()).fold(0i128, |n, b| n * 10 + i128::from(b - b'0'));
        if mantissa >= 10i128.pow(MAX_DIGITS) {
            return Err(DecimalError::Limit);
        }
        // Below 10^18 * 10^17, which 128 bits hold.
        let scaled = mantissa * 10i128.pow((MAX_SUM_FRACTION - fraction.len()) as u32);
        Ok(Decimal { scaled, fraction: fraction.len() })
    }

    /// In 10⁻⁵ units, the finest that an amount has; nothing if it is finer.
    pub(super) fn units(self) -> Option<i128> {
        let unit = 10i128.pow(MAX_SUM_FRACTION as u32 - u32::from(MAX_FRACTION));
        (self.scaled % unit == 0).then_some(self.scaled / unit)
    }
}

/// `minor` units of `exponent` digits in 10⁻⁵ units; nothing if that is no amount of a message.
pub(super) fn units_of(minor: i128, exponent: u8) -> Option<i128> {
    minor.checked_mul(10i128.pow(u32::from(MAX_FRACTION.checked_sub(exponent)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_whatever_their_digits() {
        let units = |text| Decimal::read(text).unwrap().units();
        assert_eq!(units("10.5"), units("10.500"));
        assert_eq!(units("0.00001"), Some(1));
        assert_eq!(units("0.000001"), None);
        assert_eq!(units("999999999999999999"), units_of(999_999_999_999_999_999, 0));
        assert_eq!(units("12.34"), units_of(1234, 2));
        assert_eq!(units_of(1, 6), None);
        for text in ["", ".", "1.", ".5", "+1", "-1", "1e3", "1,0", " 1", "1.2.3"] {
            assert_eq!(Decimal::read(text), Err(DecimalError::Format), "{text}");
        }
        for text in ["1000000000000000000", "0.000000000000000001", "99999999999999999999999999999999999999999999"] {
            assert_eq!(Decimal::read(text), Err(DecimalError::Limit), "{text}");
        }
    }
}
