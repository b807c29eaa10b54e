//! Why a dataset may be used, and where it comes from.
//!
//! Field names follow the Data & Trust Alliance's Data Provenance Standards 1.0.0 where they have one, in snake case.
//! Everything is a term of a list, a date, a digest or an SPDX expression: no person is named.

use corpus::licence::Purpose;
use corpus::{Digest, date};
use serde::{Deserialize, Serialize};

use super::{CollectionMethod, LicenseSource, OptOutFinding, PersonalDataTerm, RightsBasis, VerifiedBy};

/// Most statements of licences, and most signals: one for each source and protocol that is known, and room for more.
pub(crate) const MOST_STATEMENTS: usize = 32;

/// The sentence that a grant signs.
pub fn grant_sentence(purposes: &[Purpose], terms: &Digest) -> String {
    let purposes = purposes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    format!("I hold the rights in these documents and license {purposes} under the terms {terms}")
}

/// What a submission says of its rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// SPDX expression of the dataset; documents may have their own.
    pub license_to_use: String,
    /// What it was read from, one for each source; what all of them permit is permitted.
    pub license_statements: Vec<LicenseStatement>,
    /// Who verified it against the evidence.
    pub license_verified_by: VerifiedBy,
    /// The last day on which the licence holds.
    pub license_expires: Option<String>,
    /// Why it may be used.
    pub rights_basis: RightsBasis,
    /// Digest of the consents' documentation.
    pub consent_documentation: Option<Digest>,
    /// What it may be used for; none for whatever the licence permits.
    pub intended_data_use: Option<Vec<Purpose>>,
    /// How it was collected.
    pub method: CollectionMethod,
    /// First day of its making or collection.
    pub data_generation_from: Option<String>,
    /// Last day of it.
    pub data_generation_to: Option<String>,
    /// ISO 3166-1 codes of two letters, in order; none if it is not known.
    pub data_origin_geography: Vec<String>,
    /// Whether a model wrote it, or part of it.
    pub synthetic: bool,
    /// Which one.
    pub generating_model: Option<String>,
    /// Whether it holds personal data.
    pub personal_data: PersonalDataTerm,
    /// What publishers of its pages say about training, as it was read from its bytes, in the order of the protocols' names.
    pub opt_out_signals: Vec<OptOutSignal>,
}

/// Something that says which licence documents have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseStatement {
    /// Where it was found.
    pub source: LicenseSource,
    /// The SPDX expression that it is read as.
    pub license: String,
    /// Digest of the bytes that say it.
    pub digest: Digest,
}

/// What publishers say about training by one protocol. The list of protocols is open: one that is not known to a reader is one more signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutSignal {
    /// The protocol, such as `robots`.
    pub signal: String,
    /// Its revision, such as `RFC 9309`.
    pub revision: String,
    /// The strictest that was found.
    pub found: OptOutFinding,
    /// Documents with a finding of this protocol, and those of them that it reserves, or whose finding is not known.
    pub documents: u64,
    /// Documents that it reserves.
    pub reserved: u64,
    /// Documents whose finding is not known.
    pub unknown: u64,
    /// Digest of the list of findings with place and digest of each, an object of its contributor's.
    pub findings: Digest,
}

/// Why a manifest keeps its documents out of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// The licence ended before.
    Expired,
    /// It is for other purposes.
    Purpose,
    /// It does not say what gives the right.
    UnknownRights,
}

impl Rights {
    /// Rights that only a licence is known of.
    pub fn of_license(expression: &str, statements: Vec<LicenseStatement>, verified_by: VerifiedBy) -> Rights {
        Rights {
            license_to_use: expression.to_string(),
            license_statements: statements,
            license_verified_by: verified_by,
            license_expires: None,
            rights_basis: RightsBasis::License,
            consent_documentation: None,
            intended_data_use: None,
            method: CollectionMethod::Unknown,
            data_generation_from: None,
            data_generation_to: None,
            data_origin_geography: Vec::new(),
            synthetic: false,
            generating_model: None,
            personal_data: PersonalDataTerm::Unknown,
            opt_out_signals: Vec::new(),
        }
    }

    /// Why it may not be used for `purpose` on the day `date`, beside what the licences say; none if it may.
    pub fn exclusion(&self, purpose: Purpose, date: &str) -> Option<Exclusion> {
        if self.rights_basis == RightsBasis::Unknown {
            return Some(Exclusion::UnknownRights);
        }
        if self.license_expires.as_deref().is_some_and(|last| last < date) {
            return Some(Exclusion::Expired);
        }
        self.intended_data_use.as_ref().filter(|purposes| !purposes.contains(&purpose)).map(|_| Exclusion::Purpose)
    }

    /// Checks every term.
    ///
    /// # Errors
    /// The field, the expected and the found.
    pub fn check(&self) -> Result<(), String> {
        if self.license_to_use.is_empty() || self.license_to_use.len() > 1000 || self.license_to_use.contains('@') {
            return Err(format!("license_to_use {:?}, expected an SPDX expression", self.license_to_use));
        }
        if self.license_statements.is_empty() || self.license_statements.len() > MOST_STATEMENTS {
            return Err(format!("license_statements of {} statements, expected 1 to {MOST_STATEMENTS}", self.license_statements.len()));
        }
        for s in &self.license_statements {
            if s.license.is_empty() || s.license.len() > 1000 || s.license.contains('@') {
                return Err(format!("license_statements.license {:?}, expected an SPDX expression", s.license));
            }
        }
        let dates = [
            ("license_expires", &self.license_expires),
            ("data_generation_from", &self.data_generation_from),
            ("data_generation_to", &self.data_generation_to),
        ];
        for (field, date) in dates {
            if let Some(date) = date.as_ref().filter(|d| !is_date(d)) {
                return Err(format!("{field} {date:?}, expected YYYY-MM-DD"));
            }
        }
        if let (Some(from), Some(to)) = (&self.data_generation_from, &self.data_generation_to)
            && from > to
        {
            return Err(format!("data_generation_from {from}, expected at most data_generation_to {to}"));
        }
        let geography = &self.data_origin_geography;
        let code = |c: &String| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase());
        if !geography.iter().all(code) || !geography.is_sorted_by(|a, b| a < b) {
            return Err(format!("data_origin_geography {geography:?}, expected ISO 3166-1 codes of two letters in order, each once"));
        }
        if let Some(purposes) = self.intended_data_use.as_ref().filter(|p| p.is_empty() || p.len() > 3) {
            return Err(format!("intended_data_use of {} purposes, expected one to three", purposes.len()));
        }
        match &self.generating_model {
            Some(_) if !self.synthetic => return Err("generating_model without synthetic".into()),
            Some(name) if name.is_empty() || name.len() > 100 || name.contains('@') => {
                return Err(format!("generating_model {name:?}, expected a model's name of at most 100 bytes"));
            }
            _ => {}
        }
        if self.rights_basis == RightsBasis::Consent && self.consent_documentation.is_none() {
            return Err("rights_basis consent, expected the digest of consent_documentation".into());
        }
        let signals = &self.opt_out_signals;
        if signals.len() > MOST_STATEMENTS || !signals.is_sorted_by(|a, b| a.signal < b.signal) {
            return Err(format!("opt_out_signals, expected at most {MOST_STATEMENTS} in the order of their names, each once"));
        }
        for s in signals {
            let word = |text: &str| !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
            if !word(&s.signal) || !word(&s.revision) {
                return Err(format!("opt_out_signals {:?} of revision {:?}, expected at most 60 visible characters", s.signal, s.revision));
            }
            if s.reserved.saturating_add(s.unknown) > s.documents || (s.reserved > 0) != (s.found == OptOutFinding::Reserves) {
                return Err(format!(
                    "opt_out_signals {}: {} reserved and {} unknown of {} documents, found {}",
                    s.signal, s.reserved, s.unknown, s.documents, s.found
                ));
            }
        }
        Ok(())
    }
}

/// The day, in UTC, of a time in seconds since 1970.
pub fn date_of(time: u64) -> String {
    let (year, month, day) = date::civil(i64::try_from(time / 86_400).unwrap_or(i64::MAX));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A day of the Gregorian calendar as YYYY-MM-DD.
pub(crate) fn is_date(text: &str) -> bool {
    date::parse_date(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_terms_dates_and_digests_and_nothing_else() {
        let statement = LicenseStatement { source: LicenseSource::Declared, license: "MIT".into(), digest: Digest::of(b"x") };
        let good = Rights::of_license("MIT", vec![statement], VerifiedBy::Contributor);
        assert_eq!(good.check(), Ok(()));
        let signal = |signal: &str, found: OptOutFinding, reserved: u64| OptOutSignal {
            signal: signal.into(),
            revision: "RFC 9309".into(),
            found,
            documents: 3,
            reserved,
            unknown: 0,
            findings: Digest::of(b"y"),
        };
        let with = |change: &dyn Fn(&mut Rights)| {
            let mut rights = good.clone();
            change(&mut rights);
            rights.check()
        };
        assert!(
            with(&|r| r.opt_out_signals = vec![signal("robots", OptOutFinding::Absent, 0), signal("rsl", OptOutFinding::Reserves, 2)])
                .is_ok()
        );
        let bad: [&dyn Fn(&mut Rights); 11] = [
            &|r| r.license_to_use = "jane@example.org".into(),
            &|r| r.license_expires = Some("2026-02-30".into()),
            &|r| (r.data_generation_from, r.data_generation_to) = (Some("2026-02-02".into()), Some("2026-02-01".into())),
            &|r| r.data_origin_geography = vec!["DE".into(), "AT".into()],
            &|r| r.data_origin_geography = vec!["Germany".into()],
            &|r| r.generating_model = Some("m".into()),
            &|r| r.rights_basis = RightsBasis::Consent,
            &|r| r.intended_data_use = Some(Vec::new()),
            &|r| r.opt_out_signals = vec![signal("robots", OptOutFinding::Reserves, 0)],
            &|r| r.opt_out_signals = vec![signal("tdmrep", OptOutFinding::Absent, 0), signal("robots", OptOutFinding::Absent, 0)],
            &|r| r.license_statements.clear(),
        ];
        for (i, change) in bad.iter().enumerate() {
            assert!(with(change).is_err(), "change {i} was accepted");
        }
        for (time, date) in [(0, "1970-01-01"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"), (1_795_219_200, "2026-11-21")] {
            assert_eq!(date_of(time), date);
        }
        assert!(is_date("2024-02-29") && !is_date("2023-02-29") && !is_date("2024-2-29") && !is_date("2024-13-01"));
    }
}
