//! Minor units to decimal text and back, exactly. An amount has one text only, so that files compare byte by byte.
//!
//! As a `serde(with)` module it writes the minor units themselves as text: JSON readers keep integers of 53 bits, some currencies have 24 decimals.

use serde::{Deserialize, Deserializer, Serializer};

/// Writes minor units as text.
///
/// # Errors
/// As the serializer.
pub fn serialize<S: Serializer>(minor: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(minor)
}

/// Reads minor units; leading zeros and signs of plus are refused.
///
/// # Errors
/// If the text is not what [`serialize`] writes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    let text = String::deserialize(deserializer)?;
    let minor: i128 = text.parse().map_err(serde::de::Error::custom)?;
    if minor.to_string() == text { Ok(minor) } else { Err(serde::de::Error::custom(format!("amount {text:?} is not canonical"))) }
}

/// Text or an exponent that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Beyond the finest unit that a rail has.
    #[error("currency exponent is {0}, expected at most {MAX_EXPONENT}")]
    Exponent(u8),
    /// Signs, spaces, leading zeros, a fraction of the wrong length, anything but digits.
    #[error("amount {found:?}: expected {expected}")]
    NotCanonical {
        /// The text, its beginning if it is long.
        found: String,
        /// What canonical text has there.
        expected: String,
    },
    /// More than 128 bits of minor units.
    #[error("amount {0:?} exceeds 128 bits of minor units")]
    Overflow(String),
}

/// The finest unit of a rail: NEAR divides by 10²⁴.
pub const MAX_EXPONENT: u8 = 24;

/// `minor` units as decimal text with exactly `exponent` digits after the point: `1234` with 2 is `12.34`.
///
/// # Errors
/// [`AmountError::Exponent`].
pub fn to_decimal(minor: i128, exponent: u8) -> Result<String, AmountError> {
    let mut text = String::new();
    push_decimal(&mut text, minor, exponent)?;
    Ok(text)
}

/// An amount with its decimals and its currency, for example `12.50 XTS`.
///
/// # Panics
/// If the exponent is beyond [`MAX_EXPONENT`]; no log has such a one.
pub fn with_currency(minor: i128, exponent: u8, currency: &str) -> String {
    let decimal = to_decimal(minor, exponent).expect("the log refuses more decimals than any rail has");
    format!("{decimal} {currency}")
}

/// As [`to_decimal`], at the end of `text`.
///
/// # Errors
/// [`AmountError::Exponent`].
pub fn push_decimal(text: &mut String, minor: i128, exponent: u8) -> Result<(), AmountError> {
    use std::fmt::Write;

    let unit = unit(exponent)?;
    let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
    if minor < 0 {
        text.push('-');
    }
    let written = match exponent {
        0 => write!(text, "{whole}"),
        _ => write!(text, "{whole}.{rest:0width$}", width = usize::from(exponent)),
    };
    written.expect("a string takes every write");
    Ok(())
}

/// Minor units of `text`, which has the one form that [`to_decimal`] writes.
///
/// # Errors
/// [`AmountError::NotCanonical`] for any other form of the same number (`1.5` for `1.50`, `+1`, `01`, `-0`),
/// [`AmountError::Overflow`] beyond 128 bits.
pub fn from_decimal(text: &str, exponent: u8) -> Result<i128, AmountError> {
    let unit = unit(exponent)?;
    let fault = |expected: &str| AmountError::NotCanonical { found: text.chars().take(64).collect(), expected: expected.to_owned() };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match (digits.split_once('.'), exponent) {
        (None, 0) => (digits, ""),
        (Some(_), 0) => return Err(fault("no decimal point: the currency has no minor unit")),
        (Some((whole, fraction)), n) if fraction.len() == usize::from(n) => (whole, fraction),
        _ => return Err(fault(&format!("exactly {exponent} digits after a decimal point"))),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(fault("digits, with a minus sign before them if it is negative"));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(fault("no leading zeros"));
    }
    let overflow = || AmountError::Overflow(text.chars().take(64).collect());
    let whole: u128 = whole.parse().map_err(|_| overflow())?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().expect("at most 24 digits fit 128 bits") };
    let size = whole.checked_mul(unit).and_then(|n| n.checked_add(fraction)).ok_or_else(overflow)?;
    match (negative, size) {
        (true, 0) => Err(fault("no minus sign before zero")),
        (true, _) => 0i128.checked_sub_unsigned(size).ok_or_else(overflow),
        (false, _) => i128::try_from(size).map_err(|_| overflow()),
    }
}

fn unit(exponent: u8) -> Result<u128, AmountError> {
    if exponent > MAX_EXPONENT {
        return Err(AmountError::Exponent(exponent));
    }
    Ok(10u128.pow(u32::from(exponent)))
}

/// Active codes of ISO 4217 by the digits after the point of their minor unit.
///
/// Codes whose minor unit is "N.A." are not here: metals, units of account, XTS for tests and XXX.
///
/// Source: ISO 4217:2015, list one (currencies and funds) as SIX Group keeps it, as of 2026.
const ISO4217: [(u8, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU \
     CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES \
     KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR \
     NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP \
     TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// Digits after the point that ISO 4217 gives `currency`; nothing if it has no active code of that name, or no minor unit for it.
pub fn iso4217_exponent(currency: &str) -> Option<u8> {
    let listed = |codes: &str| codes.split(' ').any(|code| code == currency);
    ISO4217.iter().find(|(_, codes)| listed(codes)).map(|(exponent, _)| *exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corpus::random::SplitMix64;

    #[test]
    fn every_amount_reads_back_as_itself() {
        let mut random = SplitMix64(1);
        for exponent in 0..=MAX_EXPONENT {
            let mut amounts = vec![0, 1, -1, 9, 10, -10, i128::MAX, i128::MIN, 10i128.pow(u32::from(exponent))];
            amounts.extend((0..400).map(|_| {
                let n = (u128::from(random.next()) << 64 | u128::from(random.next())) as i128;
                n >> random.below(128)
            }));
            for minor in amounts {
                let text = to_decimal(minor, exponent).unwrap();
                assert_eq!(from_decimal(&text, exponent), Ok(minor), "{text} at {exponent}");
                assert_eq!(text.find('.').map_or(0, |i| text.len() - i - 1), usize::from(exponent));
            }
        }
    }

    #[test]
    fn amounts_keep_their_decimals_beside_their_currency() {
        assert_eq!(with_currency(-105, 2, "XTS"), "-1.05 XTS");
        assert_eq!(with_currency(7, 0, "JPY"), "7 JPY");
        assert_eq!(with_currency(1_000, 3, "KWD"), "1.000 KWD");
    }

    #[test]
    fn only_one_text_is_an_amount() {
        assert_eq!(to_decimal(5, 2).as_deref(), Ok("0.05"));
        assert_eq!(to_decimal(-1234, 3).as_deref(), Ok("-1.234"));
        assert_eq!(from_decimal("170141183460469231731687303715884105727", 0), Ok(i128::MAX));
        for text in
            ["", "-", ".", "1", "1.", "1.5", "1.500", ".50", "01.50", "+1.50", "-0.00", " 1.50", "1.50 ", "1,50", "1e2.00", "1.5-", "١.٥٠"]
        {
            assert!(matches!(from_decimal(text, 2), Err(AmountError::NotCanonical { .. })), "{text:?}");
        }
        assert!(matches!(from_decimal("1.0", 0), Err(AmountError::NotCanonical { .. })));
        assert!(matches!(from_decimal("170141183460469231731687303715884105728", 0), Err(AmountError::Overflow(_))));
        assert!(matches!(from_decimal(&"9".repeat(100_000), 0), Err(AmountError::Overflow(_))));
        assert_eq!(to_decimal(1, 25), Err(AmountError::Exponent(25)));
        assert_eq!(from_decimal("1", 255), Err(AmountError::Exponent(255)));
    }

    #[test]
    fn arbitrary_text_is_refused_or_canonical() {
        let mut random = SplitMix64(2);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let text: String = (0..random.below(8)).map(|_| *random.pick(b"0123456789.-+ e") as char).collect();
            let exponent = random.below(5) as u8;
            if let Ok(minor) = from_decimal(&text, exponent) {
                assert_eq!(to_decimal(minor, exponent).unwrap(), text);
                accepted += 1;
            }
        }
        assert!(accepted > 100, "{accepted} of 20,000 texts are amounts");
    }

    #[test]
    fn currencies_have_the_exponent_of_the_standard() {
        assert_eq!(["JPY", "EUR", "KWD", "CLF", "CHW", "XOF"].map(iso4217_exponent), [0, 2, 3, 4, 2, 0].map(Some));
        // Gold and tests have no minor unit, the franc of France no money, and a token no code.
        assert_eq!(["XAU", "XTS", "XXX", "FRF", "USDC", "eur", "EU", "US1", "", " "].map(iso4217_exponent), [None; 10]);
    }

    #[test]
    fn each_code_of_the_list_has_three_capitals_and_stands_once() {
        let codes: Vec<&str> = ISO4217.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
        assert!(codes.iter().all(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase())));
        assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), codes.len());
        assert_eq!(codes.len(), 165);
    }
}
