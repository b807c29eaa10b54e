//! What an SPDX licence expression permits.
//!
//! Rights are enforced: a purpose is permitted only where this table says so, and a licence that is not
//! in it permits nothing. It is the operator's reading, logged with the policy, and not legal advice.

use std::fmt;

use serde::{Deserialize, Serialize};
use spdx::{Expression, ParseMode};

/// What a run is for, as the epoch declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Research whose results are published; parameters stay with the operator.
    Research,
    /// A product or a service.
    Commercial,
    /// The parameters are given to anybody.
    WeightsReleased,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Research => "research",
            Purpose::Commercial => "commercial",
            Purpose::WeightsReleased => "weights-released",
        })
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;
    fn from_str(text: &str) -> Result<Purpose, String> {
        [Purpose::Research, Purpose::Commercial, Purpose::WeightsReleased]
            .into_iter()
            .find(|p| p.to_string() == text)
            .ok_or_else(|| format!("purpose {text:?}: expected research, commercial or weights-released"))
    }
}

/// What a licence says about a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The expression can be satisfied by licences that permit it.
    Permitted,
    /// The licence is known and forbids it.
    Forbidden,
    /// The expression, or a licence that it needs, is not known.
    Unknown,
}

/// An expression that is not SPDX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("licence {expression:?}: expected an SPDX expression, found {reason}")]
pub struct LicenceError {
    /// What was given.
    pub expression: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Permissive licences: any purpose.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "AFL-3.0",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "ODC-By-1.0",
    "PDDL-1.0",
    "PostgreSQL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "Zlib",
    "bzip2-1.0.6",
    "OpenSSL",
    "Python-2.0",
];
/// Share-alike licences: research and commercial use; giving parameters away is left out, since what they ask of parameters is disputed.
const SHARE_ALIKE: &[&str] = &[
    "AGPL-3.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "EPL-2.0",
    "GFDL-1.3",
    "GPL-2.0",
    "GPL-3.0",
    "LGPL-2.1",
    "LGPL-3.0",
    "MPL-2.0",
    "ODbL-1.0",
    "EUPL-1.2",
];
/// Non-commercial licences: research.
const NON_COMMERCIAL: &[&str] = &["CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"];
/// Licences that forbid derived works: nothing that trains.
const NO_DERIVATIVES: &[&str] = &["CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "CC-BY-ND-3.0", "CC-BY-NC-ND-3.0"];

/// The expression in SPDX form; the `/` of old manifests becomes `OR`.
///
/// # Errors
/// [`LicenceError`] if it is not an expression of known SPDX ids or `LicenseRef-` names.
pub fn parse(expression: &str) -> Result<String, LicenceError> {
    let error = |reason: String| LicenceError { expression: expression.to_string(), reason };
    let text = expression.trim();
    if text.is_empty() {
        return Err(error("nothing".into()));
    }
    let canonical = Expression::canonicalize(text).map_err(|e| error(e.reason.to_string()))?.unwrap_or_else(|| text.to_string());
    Expression::parse_mode(&canonical, ParseMode::LAX).map_err(|e| error(e.reason.to_string()))?;
    Ok(canonical)
}

/// The SPDX id that `name` is in letters of any size, as dataset cards write them.
pub fn id_of(name: &str) -> Option<&'static str> {
    spdx::identifiers::LICENSES.iter().map(|l| l.name).find(|id| id.eq_ignore_ascii_case(name.trim()))
}

/// What `expression` says about `purpose`.
pub fn permission(expression: &str, purpose: Purpose) -> Permission {
    let Ok(parsed) = Expression::parse_mode(expression, ParseMode::LAX) else { return Permission::Unknown };
    let base = |requirement: &spdx::LicenseReq| {
        let name = requirement.license.id().map(|id| id.name.to_string())?;
        Some(name.trim_end_matches("-only").trim_end_matches("-or-later").to_string())
    };
    let known = |requirement: &spdx::LicenseReq| {
        base(requirement)
            .is_some_and(|n| [PERMISSIVE, SHARE_ALIKE, NON_COMMERCIAL, NO_DERIVATIVES].iter().any(|list| list.contains(&n.as_str())))
    };
    let permitted = |requirement: &spdx::LicenseReq| {
        let Some(name) = base(requirement) else { return false };
        PERMISSIVE.contains(&name.as_str())
            || SHARE_ALIKE.contains(&name.as_str()) && purpose != Purpose::WeightsReleased
            || NON_COMMERCIAL.contains(&name.as_str()) && purpose == Purpose::Research
    };
    if parsed.evaluate(permitted) {
        Permission::Permitted
    } else if parsed.evaluate(known) {
        Permission::Forbidden
    } else {
        Permission::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_follow_the_expression() {
        use Permission::*;
        use Purpose::*;
        let cases = [
            ("MIT", Commercial, Permitted),
            ("MIT OR Apache-2.0", WeightsReleased, Permitted),
            ("GPL-3.0-only", Commercial, Permitted),
            ("GPL-3.0-or-later", WeightsReleased, Forbidden),
            ("MIT OR GPL-3.0-only", WeightsReleased, Permitted),
            ("MIT AND GPL-3.0-only", WeightsReleased, Forbidden),
            ("CC-BY-NC-4.0", Research, Permitted),
            ("CC-BY-NC-4.0", Commercial, Forbidden),
            ("CC-BY-ND-4.0", Research, Forbidden),
            ("LicenseRef-Mine", Research, Unknown),
            ("not a licence", Research, Unknown),
        ];
        for (expression, purpose, expected) in cases {
            assert_eq!(permission(expression, purpose), expected, "{expression} for {purpose}");
        }
    }

    #[test]
    fn old_and_wrong_expressions() {
        assert_eq!(parse("MIT/Apache-2.0").unwrap(), "MIT OR Apache-2.0");
        assert!(parse("").is_err());
        assert!(parse("All rights reserved").unwrap_err().to_string().contains("All rights reserved"));
    }
}
