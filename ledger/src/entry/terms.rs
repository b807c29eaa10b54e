//! Terms that entries choose from: one enum for each list, whose text in an entry is the term's name.

use std::fmt;
use std::str::FromStr;

/// A text that is no term of its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{list} {found:?}, expected {expected}")]
pub struct UnknownTerm {
    list: &'static str,
    found: String,
    expected: String,
}

macro_rules! terms {
    ($($(#[$doc:meta])* $name:ident, $list:literal { $($(#[$term_doc:meta])* $term:ident = $text:literal),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $name { $($(#[$term_doc])* $term),* }
            impl $name {
                /// All terms of the list.
                pub const ALL: &[$name] = &[$($name::$term),*];
                /// The text that stands for it in an entry.
                pub fn name(self) -> &'static str {
                    match self { $($name::$term => $text),* }
                }
            }
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.pad(self.name())
                }
            }
            // As the text that it was, in quotes: messages show values of entries.
            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Debug::fmt(self.name(), f)
                }
            }
            impl FromStr for $name {
                type Err = UnknownTerm;
                fn from_str(text: &str) -> Result<$name, UnknownTerm> {
                    let found = $name::ALL.iter().find(|term| term.name() == text).copied();
                    found.ok_or_else(|| UnknownTerm { list: $list, found: text.to_string(), expected: format!("one of {}", [$($text),*].join(", ")) })
                }
            }
            corpus::as_text!($name);
        )*
    };
}

terms! {
    /// Where a tokenizer comes from.
    TokenizerOrigin, "tokenizer origin" {
        /// Trained on accepted text.
        Trained = "trained",
        /// Given by the operator.
        Given = "given",
    }
    /// The evidence that a claim rests on.
    EvidenceKind, "evidence kind" {
        /// It was published before.
        PriorPublication = "prior-publication",
        /// It is on a domain of the claimant.
        Domain = "domain",
        /// It is in a repository of the claimant.
        Repository = "repository",
        /// A contract gives the right.
        Contract = "contract",
        /// Something else.
        Other = "other",
    }
    /// The end of a claim.
    ClaimOutcome, "claim outcome" {
        /// The claimant is right.
        Upheld = "upheld",
        /// The claimant is not right.
        Rejected = "rejected",
        /// The claimant took it back.
        Withdrawn = "withdrawn",
    }
    /// How far documents are taken back.
    WithdrawalKind, "withdrawal kind" {
        /// They are not used from now on.
        Licence = "licence",
        /// Their salts and texts are destroyed too.
        Consent = "consent",
    }
    /// Why a key is revoked.
    RevocationReason, "revocation reason" {
        /// Somebody else had it.
        Compromised = "compromised",
        /// Nobody has it.
        Lost = "lost",
        /// It is not needed any more.
        Retired = "retired",
    }
    /// How windows that were computed again compare with the run's.
    ReplayOutcome, "replay outcome" {
        /// The same to the last bit.
        BitEqual = "bit-equal",
        /// The same but for rounding, on another instruction set.
        WithinTolerance = "within-tolerance",
        /// Not the same.
        Differs = "differs",
    }
    /// How payments are made.
    RailName, "payout rail" {
        /// ISO 20022 credit transfers.
        Bank = "pain.001",
        /// Claims from a contract on a chain of the EVM.
        MerkleDistributor = "merkle-distributor",
        /// Transfers of a NEAR token.
        Nep141 = "nep-141",
        /// A table for people.
        Csv = "csv",
    }
    /// The approver's word on a proposal.
    ApprovalOutcome, "approval outcome" {
        /// It may be paid.
        Approved = "approved",
        /// It may not.
        Rejected = "rejected",
    }
    /// What a dispute is about.
    DisputeCode, "dispute code" {
        /// Whose the documents are.
        Rights = "rights",
        /// A submission that somebody has to look at.
        Review = "review",
        /// What a run measured.
        Measurement = "measurement",
        /// Who a contributor is.
        Identity = "identity",
        /// Something else.
        Other = "other",
    }
    /// The end of a dispute.
    DisputeOutcome, "dispute outcome" {
        /// The amount is due.
        Released = "released",
        /// Some of it is taken back.
        Clawback = "clawback",
    }
    /// Where a statement of a licence was found.
    LicenseSource, "license source" {
        /// A field of a row.
        RowField = "row-field",
        /// A line of a file.
        File = "file",
        /// A file that holds a licence's text.
        LicenceFile = "licence-file",
        /// A dataset card.
        DatasetCard = "dataset-card",
        /// A package's manifest.
        CargoManifest = "cargo-manifest",
        /// The contributor says so.
        Declared = "declared",
    }
    /// Who checked a licence against its evidence.
    VerifiedBy, "license_verified_by" {
        /// The contributor.
        Contributor = "contributor",
        /// The operator that imported it.
        Importer = "importer",
    }
    /// Why a dataset may be used.
    RightsBasis, "rights_basis" {
        /// A licence permits it.
        License = "license",
        /// The contributor made it.
        OwnWork = "own-work",
        /// A contract permits it.
        Contract = "contract",
        /// Nobody holds rights in it.
        PublicDomain = "public-domain",
        /// Those whom it is about consented.
        Consent = "consent",
        /// A law permits it.
        StatutoryException = "statutory-exception",
        /// Nobody says.
        Unknown = "unknown",
    }
    /// How a dataset was collected, in the terms of the Data Provenance Standards.
    CollectionMethod, "method" {
        /// Read from web pages.
        WebScrapingCrawling = "web-scraping-crawling",
        /// From feeds.
        Feeds = "feeds",
        /// From syndication.
        Syndication = "syndication",
        /// By data mining.
        DataMining = "data-mining",
        /// Written by a machine.
        MachineGenerated = "machine-generated",
        /// From its first user.
        PrimaryUserSource = "primary-user-source",
        /// From a publication.
        Published = "published",
        /// In another way.
        Other = "other",
        /// Nobody says.
        Unknown = "unknown",
    }
    /// Whether a dataset holds personal data.
    PersonalDataTerm, "personal_data" {
        /// It holds none.
        None = "none",
        /// It may hold some.
        Possible = "possible",
        /// It holds some.
        Contained = "contained",
        /// Nobody says.
        Unknown = "unknown",
    }
    /// What publishers say about training by one protocol, the strictest last.
    OptOutFinding, "opt_out_signals.found" {
        /// Nothing.
        Absent = "absent",
        /// They permit it.
        Permits = "permits",
        /// It could not be read.
        Unknown = "unknown",
        /// They reserve it.
        Reserves = "reserves",
    }
}

/// The end of a run.
#[derive(Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// It took all its steps.
    Completed,
    /// It was given up, for this reason.
    Aborted(String),
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunOutcome::Completed => f.write_str("completed"),
            RunOutcome::Aborted(reason) => write!(f, "aborted: {reason}"),
        }
    }
}

impl fmt::Debug for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl FromStr for RunOutcome {
    type Err = UnknownTerm;
    fn from_str(text: &str) -> Result<RunOutcome, UnknownTerm> {
        match text.strip_prefix("aborted: ") {
            Some(reason) if !reason.is_empty() => Ok(RunOutcome::Aborted(reason.to_string())),
            None if text == "completed" => Ok(RunOutcome::Completed),
            _ => Err(UnknownTerm {
                list: "run outcome",
                found: text.to_string(),
                expected: "`completed`, or `aborted: ` with a reason".to_string(),
            }),
        }
    }
}

corpus::as_text!(RunOutcome);

/// What became of a pool.
#[derive(Clone, PartialEq, Eq)]
pub enum PoolOutcome {
    /// It is divided.
    Settled,
    /// It is on hold, for this reason.
    OnHold(String),
}

impl fmt::Display for PoolOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolOutcome::Settled => f.write_str("settled"),
            PoolOutcome::OnHold(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Debug for PoolOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl FromStr for PoolOutcome {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<PoolOutcome, Self::Err> {
        Ok(if text == "settled" { PoolOutcome::Settled } else { PoolOutcome::OnHold(text.to_string()) })
    }
}

corpus::as_text!(PoolOutcome);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_its_text_and_another_text_is_named_with_what_was_expected() {
        for code in DisputeCode::ALL {
            assert_eq!(code.to_string().parse(), Ok(*code));
        }
        let refused = serde_json::from_str::<DisputeOutcome>("\"kept\"").unwrap_err().to_string();
        assert_eq!(refused, "dispute outcome \"kept\", expected one of released, clawback");
        let aborted = RunOutcome::Aborted("no power".into());
        assert_eq!(serde_json::to_string(&aborted).unwrap(), "\"aborted: no power\"");
        assert_eq!("aborted: no power".parse(), Ok(aborted));
        for text in ["aborted", "aborted: ", "complete", ""] {
            assert!(text.parse::<RunOutcome>().is_err(), "{text:?} was read");
        }
        assert_eq!("settled".parse(), Ok(PoolOutcome::Settled));
        assert_eq!(serde_json::from_str::<PoolOutcome>("\"held: why\"").unwrap(), PoolOutcome::OnHold("held: why".into()));
    }
}
