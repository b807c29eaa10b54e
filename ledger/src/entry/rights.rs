//! Why a dataset may be used, and where it comes from.
//!
//! Field names follow the Data & Trust Alliance's Data Provenance Standards 1.0.0 where they have one, in snake case.
//! Everything is a term of a list, a date, a digest or an SPDX expression: no person is named.

use corpus::Digest;
use corpus::licence::Purpose;
use serde::{Deserialize, Serialize};

/// Terms for [`Rights::license_evidence`].
pub const LICENSE_EVIDENCE: &[&str] = &["cargo-manifest", "row-field", "licence-file", "dataset-card", "declared"];
/// Terms for [`Rights::license_verified_by`].
pub const VERIFIED_BY: &[&str] = &["contributor", "importer"];
/// Terms for [`Rights::rights_basis`].
pub const RIGHTS_BASES: &[&str] = &["license", "own-work", "contract", "public-domain", "consent", "statutory-exception", "unknown"];
/// Terms for [`Rights::method`]: the standard's.
pub const METHODS: &[&str] = &[
    "web-scraping-crawling",
    "feeds",
    "syndication",
    "data-mining",
    "machine-generated",
    "primary-user-source",
    "published",
    "other",
    "unknown",
];
/// Terms for [`Rights::personal_data`].
pub const PERSONAL_DATA: &[&str] = &["none", "possible", "contained", "unknown"];
/// Terms for [`OptOutSignal::signal`].
pub const OPT_OUT_SIGNALS: &[&str] = &["robots", "aipref", "tdmrep", "rsl"];
/// Terms for [`OptOutSignal::found`].
pub const OPT_OUT_FINDINGS: &[&str] = &["absent", "permits", "reserves"];

/// What a submission says of its rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// SPDX expression of the dataset; documents may have their own.
    pub license_to_use: String,
    /// What it was read from: one of [`LICENSE_EVIDENCE`].
    pub license_evidence: String,
    /// Digest of that evidence's bytes.
    pub license_evidence_digest: Digest,
    /// Who verified it against the evidence: one of [`VERIFIED_BY`].
    pub license_verified_by: String,
    /// The last day on which the licence holds.
    pub license_expires: Option<String>,
    /// One of [`RIGHTS_BASES`].
    pub rights_basis: String,
    /// Digest of the consents' documentation.
    pub consent_documentation: Option<Digest>,
    /// What it may be used for; none for whatever the licence permits.
    pub intended_data_use: Option<Vec<Purpose>>,
    /// How it was collected: one of [`METHODS`].
    pub method: String,
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
    /// One of [`PERSONAL_DATA`].
    pub personal_data: String,
    /// What was seen where it was collected, in the order of the signals.
    pub opt_out_signals: Vec<OptOutSignal>,
}

/// What a publisher says about training, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutSignal {
    /// One of [`OPT_OUT_SIGNALS`].
    pub signal: String,
    /// One of [`OPT_OUT_FINDINGS`].
    pub found: String,
    /// Digest of the bytes that say so; none if there were none.
    pub digest: Option<Digest>,
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
    pub fn of_license(expression: &str, evidence: &str, digest: Digest, verified_by: &str) -> Rights {
        Rights {
            license_to_use: expression.to_string(),
            license_evidence: evidence.to_string(),
            license_evidence_digest: digest,
            license_verified_by: verified_by.to_string(),
            license_expires: None,
            rights_basis: "license".into(),
            consent_documentation: None,
            intended_data_use: None,
            method: "unknown".into(),
            data_generation_from: None,
            data_generation_to: None,
            data_origin_geography: Vec::new(),
            synthetic: false,
            generating_model: None,
            personal_data: "unknown".into(),
            opt_out_signals: Vec::new(),
        }
    }

    /// Why it may not be used for `purpose` on the day `date`, beside what the licences say; none if it may.
    pub fn exclusion(&self, purpose: Purpose, date: &str) -> Option<Exclusion> {
        if self.rights_basis == "unknown" {
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
        let term = |field: &str, found: &str, terms: &[&str]| {
            if terms.contains(&found) { Ok(()) } else { Err(format!("{field} {found:?}, expected one of {}", terms.join(", "))) }
        };
        if self.license_to_use.is_empty() || self.license_to_use.len() > 1000 || self.license_to_use.contains('@') {
            return Err(format!("license_to_use {:?}, expected an SPDX expression", self.license_to_use));
        }
        term("license_evidence", &self.license_evidence, LICENSE_EVIDENCE)?;
        term("license_verified_by", &self.license_verified_by, VERIFIED_BY)?;
        term("rights_basis", &self.rights_basis, RIGHTS_BASES)?;
        term("method", &self.method, METHODS)?;
        term("personal_data", &self.personal_data, PERSONAL_DATA)?;
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
        if self.rights_basis == "consent" && self.consent_documentation.is_none() {
            return Err("rights_basis consent, expected the digest of consent_documentation".into());
        }
        let place = |s: &OptOutSignal| OPT_OUT_SIGNALS.iter().position(|known| *known == s.signal);
        if !self.opt_out_signals.is_sorted_by(|a, b| place(a) < place(b)) {
            return Err(format!("opt_out_signals, expected each of {} at most once, in this order", OPT_OUT_SIGNALS.join(", ")));
        }
        for s in &self.opt_out_signals {
            term("opt_out_signals.signal", &s.signal, OPT_OUT_SIGNALS)?;
            term("opt_out_signals.found", &s.found, OPT_OUT_FINDINGS)?;
            if (s.found == "absent") != s.digest.is_none() {
                return Err(format!(
                    "opt_out_signals {}: {} {} a digest",
                    s.signal,
                    s.found,
                    if s.digest.is_some() { "with" } else { "without" }
                ));
            }
        }
        Ok(())
    }
}

/// The day, in UTC, of a time in seconds since 1970.
pub fn date_of(time: u64) -> String {
    // Days are counted from 0000-03-01, in eras of 400 years, so that a leap day ends its year.
    let days = i64::try_from(time / 86_400).unwrap_or(i64::MAX / 2) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (d, m) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{m:02}-{d:02}", year + era * 400 + i64::from(m <= 2))
}

/// A day of the Gregorian calendar as YYYY-MM-DD.
pub fn is_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| {
        text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse::<u32>().ok())
    };
    let shape = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(5..7), part(8..10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return false,
    };
    shape && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_terms_dates_and_digests_and_nothing_else() {
        let good = Rights::of_license("MIT", "declared", Digest::of(b"x"), "contributor");
        assert_eq!(good.check(), Ok(()));
        let signal =
            |signal: &str, found: &str, digest: Option<Digest>| OptOutSignal { signal: signal.into(), found: found.into(), digest };
        let with = |change: &dyn Fn(&mut Rights)| {
            let mut rights = good.clone();
            change(&mut rights);
            rights.check()
        };
        assert!(
            with(&|r| r.opt_out_signals = vec![signal("robots", "absent", None), signal("rsl", "reserves", Some(Digest::of(b"y")))])
                .is_ok()
        );
        let bad: [&dyn Fn(&mut Rights); 12] = [
            &|r| r.license_to_use = "jane@example.org".into(),
            &|r| r.method = "by hand".into(),
            &|r| r.license_expires = Some("2026-02-30".into()),
            &|r| (r.data_generation_from, r.data_generation_to) = (Some("2026-02-02".into()), Some("2026-02-01".into())),
            &|r| r.data_origin_geography = vec!["DE".into(), "AT".into()],
            &|r| r.data_origin_geography = vec!["Germany".into()],
            &|r| r.generating_model = Some("m".into()),
            &|r| r.rights_basis = "consent".into(),
            &|r| r.personal_data = "yes".into(),
            &|r| r.intended_data_use = Some(Vec::new()),
            &|r| r.opt_out_signals = vec![signal("robots", "reserves", None)],
            &|r| r.opt_out_signals = vec![signal("tdmrep", "absent", None), signal("robots", "absent", None)],
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
