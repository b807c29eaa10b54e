//! Account and bank identifiers: the IBAN of ISO 13616, the BIC of ISO 9362, countries of ISO 3166-1.
//!
//! Messages show the first four and the last two characters of an account, because logs outlive the right to hold it.

/// No account number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IbanError {
    /// Lower case, spaces, anything but `A-Z 0-9`, or no country and check digits at the start.
    #[error("IBAN {0}: expected two capitals, two digits, then capitals and digits, without spaces")]
    Characters(String),
    /// No country of the registry.
    #[error("IBAN {iban}: country {country} is not in the IBAN registry")]
    Country {
        /// The masked number.
        iban: String,
        /// Its first two characters.
        country: String,
    },
    /// Each country has one length.
    #[error("IBAN {iban}: has {found} characters, expected {expected} for its country")]
    Length {
        /// The masked number.
        iban: String,
        /// The registry's length.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// Digits where the country has letters, or the reverse.
    #[error("IBAN {iban}: character {position} does not fit the country's structure {structure}")]
    Structure {
        /// The masked number.
        iban: String,
        /// Counted from 1.
        position: usize,
        /// Of the part after the check digits: n digits, a capitals, c both.
        structure: &'static str,
    },
    /// A digit is wrong, or two are exchanged.
    #[error("IBAN {iban}: remainder modulo 97 is {found}, expected 1 with check digits 02 to 98")]
    CheckDigits {
        /// The masked number.
        iban: String,
        /// The remainder.
        found: u32,
    },
}

/// No bank identifier: form and country of ISO 9362.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("BIC {0:?}: expected 4 capitals or digits, a country, 2 capitals or digits, and none or 3 more")]
pub struct BicError(
    /// The text, its beginning if it is long.
    pub String,
);

/// Country and structure of the part after the check digits: n digits, a capitals, c capitals and digits.
///
/// Source: IBAN registry of ISO 13616 (SWIFT is the registration authority), release 101.
#[rustfmt::skip]
const REGISTRY: &[(&str, &str)] = &[
    ("AD", "8n12c"), ("AE", "19n"), ("AL", "8n16c"), ("AT", "16n"), ("AZ", "4a20c"), ("BA", "16n"), ("BE", "12n"),
    ("BG", "4a6n8c"), ("BH", "4a14c"), ("BI", "23n"), ("BR", "23n1a1c"), ("BY", "4c4n16c"), ("CH", "5n12c"), ("CR", "18n"),
    ("CY", "8n16c"), ("CZ", "20n"), ("DE", "18n"), ("DJ", "23n"), ("DK", "14n"), ("DO", "4c20n"), ("EE", "16n"),
    ("EG", "25n"), ("ES", "20n"), ("FI", "14n"), ("FK", "2a12n"), ("FO", "14n"), ("FR", "10n11c2n"), ("GB", "4a14n"),
    ("GE", "2a16n"), ("GI", "4a15c"), ("GL", "14n"), ("GR", "7n16c"), ("GT", "24c"), ("HN", "4a20n"), ("HR", "17n"),
    ("HU", "24n"), ("IE", "4a14n"), ("IL", "19n"), ("IQ", "4a15n"), ("IS", "22n"), ("IT", "1a10n12c"), ("JO", "4a4n18c"),
    ("KW", "4a22c"), ("KZ", "3n13c"), ("LB", "4n20c"), ("LC", "4a24c"), ("LI", "5n12c"), ("LT", "16n"), ("LU", "3n13c"),
    ("LV", "4a13c"), ("LY", "21n"), ("MC", "10n11c2n"), ("MD", "20c"), ("ME", "18n"), ("MK", "3n10c2n"), ("MN", "16n"),
    ("MR", "23n"), ("MT", "4a5n18c"), ("MU", "4a19n3a"), ("NI", "4a20n"), ("NL", "4a10n"), ("NO", "11n"), ("OM", "3n16c"),
    ("PK", "4a16c"), ("PL", "24n"), ("PS", "4a21c"), ("PT", "21n"), ("QA", "4a21c"), ("RO", "4a16c"), ("RS", "18n"),
    ("RU", "14n15c"), ("SA", "2n18c"), ("SC", "4a20n3a"), ("SD", "14n"), ("SE", "20n"), ("SI", "15n"), ("SK", "20n"),
    ("SM", "1a10n12c"), ("SO", "19n"), ("ST", "21n"), ("SV", "4a20n"), ("TL", "19n"), ("TN", "20n"), ("TR", "6n16c"),
    ("UA", "6n19c"), ("VA", "18n"), ("VG", "4a16n"), ("XK", "16n"), ("YE", "4a4n18c"),
];

/// Countries whose accounts SEPA credit transfers reach, by the prefix of the IBAN.
///
/// Source: EPC409-09, list of countries in the geographical scope of the SEPA schemes, as of 2026. Territories use the
/// prefix of their state (GP, GF, MQ and others: FR; AX: FI; JE, GG and IM: GB).
const SEPA: &str = "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI \
                    SK SM VA";

/// Source: ISO 3166-1 alpha-2 as of 2026, and XK, which banks and the IBAN registry use for Kosovo.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC \
                         CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD \
                         GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
                         KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW \
                         MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC \
                         SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY \
                         UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Accepts an IBAN in its electronic form.
///
/// Letters are capitals: the standard allows small ones in some countries, but no bank issues them.
/// The check digits 00, 01 and 99 are refused though 97 divides evenly, because the standard never generates them.
///
/// Source: ISO 13616-1:2020; ISO/IEC 7064 MOD 97-10.
///
/// # Errors
/// The first [`IbanError`] in the order of its variants.
pub fn check_iban(iban: &str) -> Result<(), IbanError> {
    let bytes = iban.as_bytes();
    let capital_or_digit = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if bytes.len() < 5
        || !bytes.iter().all(capital_or_digit)
        || !bytes[..2].iter().all(u8::is_ascii_uppercase)
        || !bytes[2..4].iter().all(u8::is_ascii_digit)
    {
        return Err(IbanError::Characters(masked(iban)));
    }
    let country = &iban[..2];
    let Ok(row) = REGISTRY.binary_search_by_key(&country, |&(country, _)| country) else {
        return Err(IbanError::Country { iban: masked(iban), country: country.to_owned() });
    };
    let structure = REGISTRY[row].1;
    let expected = 4 + parts(structure).map(|(count, _)| count).sum::<usize>();
    if bytes.len() != expected {
        return Err(IbanError::Length { iban: masked(iban), expected, found: bytes.len() });
    }
    let mut at = 4;
    for (count, kind) in parts(structure) {
        let fits = |b: &u8| match kind {
            b'n' => b.is_ascii_digit(),
            b'a' => b.is_ascii_uppercase(),
            _ => true,
        };
        if let Some(i) = bytes[at..at + count].iter().position(|b| !fits(b)) {
            return Err(IbanError::Structure { iban: masked(iban), position: at + i + 1, structure });
        }
        at += count;
    }
    let found = remainder(bytes);
    if found != 1 || matches!(&bytes[2..4], b"00" | b"01" | b"99") {
        return Err(IbanError::CheckDigits { iban: masked(iban), found });
    }
    Ok(())
}

/// Modulo 97 of the number that the characters make, the first four moved to the end, A as 10 to Z as 35.
fn remainder(iban: &[u8]) -> u32 {
    let rest = iban[4..].iter().chain(&iban[..4]);
    rest.fold(0, |r, &b| if b.is_ascii_digit() { (r * 10 + u32::from(b - b'0')) % 97 } else { (r * 100 + u32::from(b - b'A') + 10) % 97 })
}

/// Counts and kinds of a structure such as `4a6n8c`.
fn parts(structure: &'static str) -> impl Iterator<Item = (usize, u8)> {
    structure.split_inclusive(|c: char| c.is_ascii_lowercase()).map(|part| {
        let (count, kind) = part.split_at(part.len() - 1);
        (count.parse().expect("the table has counts"), kind.as_bytes()[0])
    })
}

/// What messages show of an account.
pub(super) fn masked(iban: &str) -> String {
    let characters: Vec<char> = iban.chars().collect();
    match characters.len() {
        0..=8 => iban.to_owned(),
        n => characters[..4].iter().chain(&['…']).chain(&characters[n - 2..]).collect(),
    }
}

/// Whether SEPA credit transfers reach the account; only its country is looked at.
pub(crate) fn in_sepa(iban: &str) -> bool {
    iban.get(..2).is_some_and(|country| SEPA.split(' ').any(|c| c == country))
}

/// Whether `code` is a country's.
pub fn is_country(code: &str) -> bool {
    // Codes stand at multiples of three, so that a match across two of them is none.
    code.len() == 2 && COUNTRIES.as_bytes().chunks(3).any(|c| c.starts_with(code.as_bytes()))
}

/// Accepts a BIC of 8 or 11 characters.
///
/// Source: ISO 9362:2022; the first four may hold digits, as in ISO 20022 `BICFIDec2014Identifier`.
///
/// # Errors
/// [`BicError`].
pub fn check_bic(bic: &str) -> Result<(), BicError> {
    let form = matches!(bic.len(), 8 | 11) && bic.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !form || !is_country(&bic[4..6]) {
        return Err(BicError(bic.chars().take(16).collect()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corpus::random::SplitMix64;

    /// An IBAN of the country with valid check digits.
    pub(crate) fn generate(random: &mut SplitMix64, country: &str, structure: &'static str) -> String {
        let mut bban = String::new();
        for (count, kind) in parts(structure) {
            let set: &[u8] = match kind {
                b'n' => b"0123456789",
                b'a' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                _ => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            };
            bban.extend((0..count).map(|_| *random.pick(set) as char));
        }
        let check = 98 - remainder(format!("{country}00{bban}").as_bytes());
        format!("{country}{check:02}{bban}")
    }

    #[test]
    fn examples_of_the_registry_pass() {
        for iban in [
            "AD1200012030200359100100",
            "BE68539007547034",
            "DE89370400440532013000",
            "FR1420041010050500013M02606",
            "GB29NWBK60161331926819",
            "KW81CBKU0000000000001234560101",
            "LC55HEMM000100010012001200023015",
            "MT84MALT011000012345MTLCAST001S",
            "NO9386011117947",
            "SC18SSCB11010000000000001497USD",
            "XK051212012345678906",
        ] {
            assert_eq!(check_iban(iban), Ok(()), "{iban}");
        }
    }

    #[test]
    fn a_wrong_or_exchanged_character_is_caught_in_every_country() {
        let mut random = SplitMix64(3);
        for &(country, structure) in REGISTRY {
            for _ in 0..50 {
                let good = generate(&mut random, country, structure);
                assert_eq!(check_iban(&good), Ok(()), "{good}");
                let mut bytes = good.clone().into_bytes();
                let i = 4 + random.below(bytes.len() as u64 - 4) as usize;
                let other = if bytes[i].is_ascii_digit() {
                    b'0' + (bytes[i] - b'0' + 1 + random.below(9) as u8) % 10
                } else {
                    b'A' + (bytes[i] - b'A' + 1) % 26
                };
                bytes[i] = other;
                assert!(check_iban(str::from_utf8(&bytes).unwrap()).is_err(), "{good} at {i}");
                let mut swapped = good.clone().into_bytes();
                let i = 4 + random.below(swapped.len() as u64 - 5) as usize;
                swapped.swap(i, i + 1);
                // A letter next to a digit is two digits next to one; 97 misses M2 for 2M.
                if swapped[i].is_ascii_digit() == swapped[i + 1].is_ascii_digit() {
                    assert_eq!(check_iban(str::from_utf8(&swapped).unwrap()).is_ok(), swapped == good.as_bytes(), "{good} at {i}");
                }
                assert!(matches!(check_iban(&good[..good.len() - 1]), Err(IbanError::Length { .. })));
            }
        }
    }

    #[test]
    fn faults_are_named_and_numbers_masked() {
        let fault = |iban| check_iban(iban).unwrap_err();
        assert!(matches!(fault("de89370400440532013000"), IbanError::Characters(_)));
        assert!(matches!(fault("DE89 3704 0044 0532 0130 00"), IbanError::Characters(_)));
        assert!(matches!(fault("DE8"), IbanError::Characters(_)));
        assert!(matches!(fault("DÉ89370400440532013000"), IbanError::Characters(_)));
        assert!(matches!(fault("US89370400440532013000"), IbanError::Country { .. }));
        assert!(matches!(fault("DE893704004405320130001"), IbanError::Length { expected: 22, found: 23, .. }));
        assert!(matches!(fault("DE8937040044053201300A"), IbanError::Structure { position: 22, .. }));
        assert_eq!(
            fault("DE88370400440532013000").to_string(),
            "IBAN DE88…00: remainder modulo 97 is 0, expected 1 with check digits 02 to 98"
        );
    }

    #[test]
    fn check_digits_that_are_never_generated_are_refused() {
        // 98 and 01 leave the same remainder, so one of them is a forgery of the other.
        let mut random = SplitMix64(4);
        let good = (0..).map(|_| generate(&mut random, "BE", "12n")).find(|iban| &iban[2..4] == "98").unwrap();
        let other = format!("BE01{}", &good[4..]);
        assert_eq!(remainder(other.as_bytes()), 1);
        assert!(matches!(check_iban(&other), Err(IbanError::CheckDigits { .. })));
    }

    #[test]
    fn bics_countries_and_the_scope_of_sepa() {
        for bic in ["DEUTDEFF", "DEUTDEFF500", "COBADEFFXXX", "E097AEXX"] {
            assert_eq!(check_bic(bic), Ok(()), "{bic}");
        }
        for bic in ["", "DEUTDEF", "DEUTDEFF5", "deutdeff", "DEUTZZFF", "DEUTDEFF50É", "DEUT DEFF"] {
            assert!(check_bic(bic).is_err(), "{bic}");
        }
        assert!(is_country("DE") && is_country("XK") && !is_country("UK") && !is_country("D ") && !is_country(" D") && !is_country(""));
        assert!(in_sepa("DE89370400440532013000") && in_sepa("CH93") && !in_sepa("KW81") && !in_sepa("D") && !in_sepa("ÄÄ"));
        assert!(REGISTRY.is_sorted() && REGISTRY.len() == 89 && COUNTRIES.len() == 250 * 3 - 1);
    }
}
