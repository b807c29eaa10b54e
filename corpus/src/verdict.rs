//! What was decided about each document, with the evidence.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::id::{DocumentRef, EntryIndex};
use crate::merkle;

/// The kinds of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is in the corpus.
    Accepted,
    /// Its text is that of an earlier document.
    Exact,
    /// Its words are those of an earlier document; case, space or punctuation differ.
    Formatting,
    /// Its shingles overlap those of an earlier document above the threshold.
    Near,
    /// Its words are covered by earlier documents above the threshold.
    Contained,
    /// Too much of it is in the held-out pool.
    HeldOut,
    /// A filter of the epoch's policy leaves it out.
    Filtered,
    /// Its licence forbids the epoch's purpose.
    Forbidden,
    /// Its licence is not known to permit the epoch's purpose.
    UnknownLicence,
    /// Its licence ended before the epoch opened.
    Expired,
    /// Its contributor permits other purposes than the epoch's.
    PurposeNotPermitted,
    /// Its contributor does not know why it may be used.
    UnknownRights,
    /// Its publisher reserves training.
    Reserved,
    /// What its publisher says about training is not known, and the epoch's policy leaves such documents out.
    ReservationUnknown,
    /// Its contributor took it back before it was judged.
    Withdrawn,
}

impl Verdict {
    /// All kinds.
    pub const ALL: [Verdict; 15] = [
        Verdict::Accepted,
        Verdict::Exact,
        Verdict::Formatting,
        Verdict::Near,
        Verdict::Contained,
        Verdict::HeldOut,
        Verdict::Filtered,
        Verdict::Forbidden,
        Verdict::UnknownLicence,
        Verdict::Expired,
        Verdict::PurposeNotPermitted,
        Verdict::UnknownRights,
        Verdict::Reserved,
        Verdict::ReservationUnknown,
        Verdict::Withdrawn,
    ];

    /// The reason code in tables.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Exact => "exact",
            Verdict::Formatting => "formatting-only",
            Verdict::Near => "near",
            Verdict::Contained => "contained",
            Verdict::HeldOut => "held-out",
            Verdict::Filtered => "filtered",
            Verdict::Forbidden => "licence-forbids-purpose",
            Verdict::UnknownLicence => "licence-unknown",
            Verdict::Expired => "licence-expired",
            Verdict::PurposeNotPermitted => "purpose-not-permitted",
            Verdict::UnknownRights => "rights-unknown",
            Verdict::Reserved => "reserved",
            Verdict::ReservationUnknown => "reservation-unknown",
            Verdict::Withdrawn => "withdrawn",
        }
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|v| v.code() == code)
    }

    /// Whether it says "somebody else's, earlier".
    pub fn is_duplicate(self) -> bool {
        matches!(self, Verdict::Exact | Verdict::Formatting | Verdict::Near | Verdict::Contained)
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        let code = String::deserialize(deserializer)?;
        Verdict::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("unknown verdict {code:?}")))
    }
}

/// How much of a document an earlier one covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// The earlier, kept document.
    pub document: DocumentRef,
    /// Words that it covers and those before it in the list do not.
    pub words: u64,
}

/// What a filter found: the rule that a document does not pass, what was measured and the limit, both in millionths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The filter and its rule, such as `gopher-quality/words`.
    pub rule: String,
    /// The value.
    pub measured: u64,
    /// What it is compared with.
    pub limit: u64,
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimal = |v: u64| {
            let text = format!("{}.{:06}", v / 1_000_000, v % 1_000_000);
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        };
        write!(f, "{} {}, limit {}", self.rule, decimal(self.measured), decimal(self.limit))
    }
}

/// What was decided about a document, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its kind.
    pub verdict: Verdict,
    /// The earlier, kept document that it duplicates; of several that contain it, the one that covers most.
    pub of: Option<DocumentRef>,
    /// Shingles in both, for a near duplicate; words that are covered, for a contained one.
    pub intersection: u64,
    /// Shingles in either; its words.
    pub union: u64,
    /// Its words.
    pub words: u64,
    /// Words that earlier, kept documents do not cover.
    pub novel_words: u64,
    /// Which documents cover the others: most first.
    pub covered_by: Vec<Cover>,
    /// Commitment to the counts of a held-out hit, opened at the reveal.
    pub hit: Option<Digest>,
    /// The filter that leaves it out, or the protocol of the reservation that does.
    pub filtered: Option<Measure>,
}

/// A document of a submission with what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    /// Its number in the submission.
    pub number: u32,
    /// Its commitment.
    pub commitment: Digest,
    /// What was decided.
    pub decision: Decision,
}

impl std::ops::Deref for VerdictRow {
    type Target = Decision;
    fn deref(&self) -> &Decision {
        &self.decision
    }
}

impl Decision {
    /// The reason that it is counted by: the verdict's code and, where a filter or a reservation leaves it out, its rule or protocol.
    pub fn reason(&self) -> String {
        match &self.filtered {
            Some(m) if matches!(self.verdict, Verdict::Filtered | Verdict::Reserved | Verdict::ReservationUnknown) => {
                format!("{}/{}", self.verdict.code(), m.rule)
            }
            _ => self.verdict.code().to_string(),
        }
    }
}

impl VerdictRow {
    /// The record in the tree of accepted or of rejected documents: all of the row.
    ///
    /// Commitment, number, the code's length in one byte, the code, `of` as 1, submission and number or as 0, intersection, union,
    /// words, novel words, the number of covering documents in four bytes, submission, number and words of each, hit as 1 and its digest or
    /// as 0, filter as 1, its rule's length in one byte, the rule, measured and limit or as 0; integers big-endian.
    pub fn record(&self) -> Vec<u8> {
        let code = self.verdict.code();
        let mut record = [&self.commitment.0[..], &self.number.to_be_bytes(), &[code.len() as u8], code.as_bytes()].concat();
        match self.of {
            Some(of) => record.extend([&[1][..], &of.submission.0.to_be_bytes(), &of.number.to_be_bytes()].concat()),
            None => record.push(0),
        }
        record.extend([self.intersection, self.union, self.words, self.novel_words].map(u64::to_be_bytes).concat());
        record.extend((self.covered_by.len() as u32).to_be_bytes());
        for c in &self.covered_by {
            record.extend([&c.document.submission.0.to_be_bytes()[..], &c.document.number.to_be_bytes(), &c.words.to_be_bytes()].concat());
        }
        match self.hit {
            Some(hit) => record.extend([&[1][..], &hit.0].concat()),
            None => record.push(0),
        }
        match &self.filtered {
            Some(m) => {
                record
                    .extend([&[1, m.rule.len() as u8][..], m.rule.as_bytes(), &m.measured.to_be_bytes(), &m.limit.to_be_bytes()].concat());
            }
            None => record.push(0),
        }
        record
    }

    /// The inverse of [`VerdictRow::record`]; `None` if these bytes are no record.
    pub fn from_record(record: &[u8]) -> Option<VerdictRow> {
        let mut rest = Fields(record);
        let (commitment, number) = (Digest(rest.take()?), rest.u32()?);
        let verdict = Verdict::from_code(rest.text()?)?;
        let of = if rest.flag()? { Some(rest.document()?) } else { None };
        let (intersection, union, words, novel_words) = (rest.u64()?, rest.u64()?, rest.u64()?, rest.u64()?);
        let covers = rest.u32()?;
        let covered_by = (0..covers).map(|_| Some(Cover { document: rest.document()?, words: rest.u64()? })).collect::<Option<_>>()?;
        let hit = if rest.flag()? { Some(Digest(rest.take()?)) } else { None };
        let filtered =
            if rest.flag()? { Some(Measure { rule: rest.text()?.to_string(), measured: rest.u64()?, limit: rest.u64()? }) } else { None };
        let decision = Decision { verdict, of, intersection, union, words, novel_words, covered_by, hit, filtered };
        rest.0.is_empty().then_some(VerdictRow { number, commitment, decision })
    }
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take()?))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn document(&mut self) -> Option<DocumentRef> {
        Some(DocumentRef { submission: EntryIndex(self.u64()?), number: self.u32()? })
    }

    /// Text behind its length in one byte.
    fn text(&mut self) -> Option<&'a str> {
        let [length] = self.take::<1>()?;
        std::str::from_utf8(self.bytes(length.into())?).ok()
    }
}

/// The decisions about one submission, in the order of its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictTable {
    /// Log index of the submission.
    pub submission: EntryIndex,
    /// One row a document.
    pub rows: Vec<VerdictRow>,
}

impl VerdictTable {
    /// Number of documents with `verdict`.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.rows.iter().filter(|r| r.verdict == verdict).count() as u64
    }

    /// Documents by reason: the verdict's code, and for filtered ones `filtered/` and the rule.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.reason()).or_default() += 1;
        }
        counts
    }

    /// Roots over the accepted and over all other documents.
    pub fn roots(&self) -> (Digest, Digest) {
        let mut roots = Roots::default();
        self.rows.iter().for_each(|row| roots.push(row));
        roots.roots()
    }
}

/// The trees over accepted and over all other documents, row by row.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    accepted: merkle::Frontier,
    rejected: merkle::Frontier,
}

impl Roots {
    /// Adds the next row.
    pub fn push(&mut self, row: &VerdictRow) {
        let tree = if row.verdict == Verdict::Accepted { &mut self.accepted } else { &mut self.rejected };
        tree.push(merkle::leaf_hash(&row.record()));
    }

    /// Roots over the accepted and over all other documents.
    pub fn roots(&self) -> (Digest, Digest) {
        (self.accepted.root(), self.rejected.root())
    }
}
