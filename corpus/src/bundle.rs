//! A submission's documents as they came: text, licence and the salts' secret, in sealed files of bounded size.
//!
//! A bundle is Parquet with one row a document: `number`, `source`, `licence`, `text`, `answer_at`, `reservation`. The secret is in the
//! footer. A submission has as many as it needs, each with a secret of its own, and a list of them ([`Parts`]) whose digest is in
//! the log; since the secrets are in them, the digests tell nothing about a text.
//!
//! After a withdrawal of consent another bundle takes the place of each that held one of the documents: the secret is destroyed with
//! the texts that were withdrawn, so it has the other documents' salts one by one (`salt`), every document's `commitment`, and `withdrawn`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BooleanArray, LargeStringArray, RecordBatch, StringArray, UInt32Array, UInt64Array};

use crate::digest::{Digest, Hasher, from_hex};
use crate::merkle;
use crate::parquet_file::{self, ParquetError, column};
use crate::text::{self, SaltSecret};

pub use crate::parts::{PART_BYTES, PART_DOCUMENTS, Part, Parts};

/// One document of a submission, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Where it came from: a path in the dataset, with `#row` for a record of a file.
    pub source: String,
    /// Its SPDX expression.
    pub licence: String,
    /// Its text before normalisation.
    pub text: String,
    /// The byte of `text` at which the answer begins, if only that is to be learned.
    pub answer_at: Option<u64>,
    /// What its publisher's machine-readable statements say about training, such as `reserves/robots`; none if it is of no web page.
    pub reservation: Option<String>,
}

/// Some documents of a submission, or a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What the salts derive from.
    pub secret: SaltSecret,
    /// Number of the first document.
    pub first: u32,
    /// In their order.
    pub documents: Vec<Submitted>,
    /// What withdrawals left.
    pub redaction: Option<Redaction>,
}

/// What is kept of each document once the secret is destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Salts; zero for documents that were withdrawn.
    pub salts: Vec<Digest>,
    /// Commitments of all.
    pub commitments: Vec<Digest>,
    /// Whether text and salt are gone.
    pub withdrawn: Vec<bool>,
}

/// A document, ready for every later stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its number.
    pub number: u32,
    /// Its source.
    pub source: String,
    /// Its SPDX expression.
    pub licence: String,
    /// The normalised text.
    pub text: String,
    /// The byte of it at which the answer begins, if only that is to be learned.
    pub answer_at: Option<u64>,
    /// What its publisher's machine-readable statements say about training.
    pub reservation: Option<String>,
    /// Its salt.
    pub salt: Digest,
    /// What is committed to.
    pub commitment: Digest,
    /// Whether text and salt were destroyed; the commitment is all that is left.
    pub withdrawn: bool,
}

const SECRET: &str = "assay.salt_secret";

impl Bundle {
    /// Documents from number `first` on; their salts derive from the contributor's secret `master` and from what they are.
    pub fn new(master: &SaltSecret, first: u32, documents: Vec<Submitted>) -> Bundle {
        let mut content = Hasher::new();
        content.update(b"assay bundle content v1");
        content.update(&first.to_be_bytes());
        for d in &documents {
            for field in [&d.source, &d.licence, &d.text] {
                content.update(&(field.len() as u64).to_be_bytes());
                content.update(field.as_bytes());
            }
            content.update(&d.answer_at.map_or([0xff; 8], u64::to_be_bytes));
        }
        // Few bundles have pages; these are behind all documents, with their numbers.
        for (place, reservation) in documents.iter().enumerate().filter_map(|(i, d)| Some((i, d.reservation.as_ref()?))) {
            content.update(b"reservation");
            content.update(&(place as u64).to_be_bytes());
            content.update(&(reservation.len() as u64).to_be_bytes());
            content.update(reservation.as_bytes());
        }
        Bundle { secret: text::part_secret(master, &content.finish()), first, documents, redaction: None }
    }

    /// The bundle as a file.
    ///
    /// # Errors
    /// If it has no documents.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let d = &self.documents;
        let columns: [(&str, ArrayRef); 6] = [
            ("number", Arc::new(UInt32Array::from_iter_values((self.first..).take(d.len())))),
            ("source", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.source)))),
            ("licence", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.licence)))),
            ("text", Arc::new(LargeStringArray::from_iter_values(d.iter().map(|d| &d.text)))),
            ("answer_at", Arc::new(d.iter().map(|d| d.answer_at).collect::<UInt64Array>())),
            ("reservation", Arc::new(d.iter().map(|d| d.reservation.as_ref()).collect::<StringArray>())),
        ];
        let Some(r) = &self.redaction else {
            let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
            return parquet_file::encode(&[batch], &[(SECRET, Digest(self.secret).to_string())]);
        };
        let digests = |d: &[Digest]| -> ArrayRef { Arc::new(BinaryArray::from_iter_values(d.iter().map(|d| d.0))) };
        let withdrawn: ArrayRef = Arc::new(BooleanArray::from(r.withdrawn.clone()));
        let more = [("salt", digests(&r.salts)), ("commitment", digests(&r.commitments)), ("withdrawn", withdrawn)];
        let batch = RecordBatch::try_from_iter(columns.into_iter().chain(more)).expect("columns of one length");
        parquet_file::encode(&[batch], &[])
    }

    /// The inverse of [`Bundle::encode`].
    ///
    /// # Errors
    /// If the file is not a bundle.
    pub fn decode(bytes: &[u8]) -> Result<Bundle, ParquetError> {
        let table = parquet_file::decode(bytes)?;
        let secret = table.meta(SECRET).and_then(from_hex).unwrap_or_default();
        let mut documents = Vec::new();
        let mut redaction: Option<Redaction> = None;
        let mut first = None;
        for batch in &table.batches {
            let number: &UInt32Array = column(batch, "number")?;
            let begin = *first.get_or_insert_with(|| number.values().first().copied().unwrap_or(0));
            let expected = (begin..).skip(documents.len());
            if !number.values().iter().copied().eq(expected.take(number.len())) {
                return Err(ParquetError::message("column number: expected consecutive numbers".into()));
            }
            let source: &StringArray = column(batch, "source")?;
            let licence: &StringArray = column(batch, "licence")?;
            let text: &LargeStringArray = column(batch, "text")?;
            let answer_at: &UInt64Array = column(batch, "answer_at")?;
            let reservation: &StringArray = column(batch, "reservation")?;
            documents.extend((0..batch.num_rows()).map(|i| Submitted {
                source: source.value(i).into(),
                licence: licence.value(i).into(),
                text: text.value(i).into(),
                answer_at: answer_at.is_valid(i).then(|| answer_at.value(i)),
                reservation: reservation.is_valid(i).then(|| reservation.value(i).to_string()),
            }));
            if batch.schema().column_with_name("withdrawn").is_some() {
                let r = redaction.get_or_insert_with(|| Redaction { salts: Vec::new(), commitments: Vec::new(), withdrawn: Vec::new() });
                r.salts.extend(digests(column(batch, "salt")?));
                r.commitments.extend(digests(column(batch, "commitment")?));
                r.withdrawn.extend(column::<BooleanArray>(batch, "withdrawn")?.iter().map(|w| w.unwrap_or(true)));
            }
        }
        Ok(Bundle { secret, first: first.unwrap_or(0), documents, redaction })
    }

    /// The bundle without salt, text and source of the documents `numbers`, and without the secret that their salts come from.
    pub fn without(&self, numbers: &BTreeSet<u32>) -> Bundle {
        let (mut documents, mut salts, mut commitments, mut withdrawn) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (p, d) in self.prepare().zip(&self.documents) {
            let gone = p.withdrawn || numbers.contains(&p.number);
            documents.push(if gone {
                Submitted { source: String::new(), text: String::new(), answer_at: None, ..d.clone() }
            } else {
                d.clone()
            });
            salts.push(if gone { Digest::default() } else { p.salt });
            commitments.push(p.commitment);
            withdrawn.push(gone);
        }
        Bundle { secret: SaltSecret::default(), first: self.first, documents, redaction: Some(Redaction { salts, commitments, withdrawn }) }
    }

    /// The documents with normalised text, salt and commitment.
    pub fn prepare(&self) -> impl Iterator<Item = Prepared> + '_ {
        (0..self.documents.len()).map(|place| self.prepare_one(place))
    }

    /// The document at `place`, with normalised text, salt and commitment.
    ///
    /// # Panics
    /// If there is none.
    pub fn prepare_one(&self, place: usize) -> Prepared {
        let (d, number) = (&self.documents[place], self.first + place as u32);
        // An offset that is not between characters is not one; the whole is learned then, and the commitment says so.
        let parts = d.answer_at.and_then(|at| d.text.split_at_checked(usize::try_from(at).ok()?));
        let (text, answer_at) = match parts {
            Some((prompt, answer)) => {
                let prompt = text::normalise(prompt);
                let at = prompt.len() as u64;
                (prompt + &text::normalise(answer), Some(at))
            }
            None => (text::normalise(&d.text), None),
        };
        let kept = self.redaction.as_ref().map(|r| (r.salts[place], r.commitments[place], r.withdrawn[place]));
        let salt = kept.map_or_else(|| text::salt(&self.secret, number), |(salt, ..)| salt);
        let withdrawn = kept.is_some_and(|(.., withdrawn)| withdrawn);
        // Of what is there the commitment is computed, whatever the file says.
        let commitment = kept.filter(|_| withdrawn).map_or_else(|| text::commitment(&salt, &text, answer_at), |(_, c, _)| c);
        Prepared {
            number,
            source: d.source.clone(),
            licence: d.licence.clone(),
            text,
            answer_at,
            reservation: d.reservation.clone(),
            salt,
            commitment,
            withdrawn,
        }
    }

    /// The root over the documents' commitments.
    pub fn root(&self) -> Digest {
        let leaves: Vec<Digest> = self.prepare().map(|p| merkle::leaf_hash(&p.commitment.0)).collect();
        merkle::root(&leaves)
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> u64 {
        self.documents.iter().map(|d| d.text.len() as u64).sum()
    }
}

/// Digests of a column; what has another length is none, and no commitment then fits.
fn digests(column: &BinaryArray) -> impl Iterator<Item = Digest> + '_ {
    column.iter().map(|v| v.and_then(|v| v.try_into().ok()).map_or_else(Digest::default, Digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_survives_its_file_and_text_is_normalised() {
        let bundle = Bundle {
            secret: [7; 32],
            first: 40,
            documents: vec![Submitted {
                source: "a.txt".into(),
                licence: "MIT".into(),
                text: "cafe\u{301}".into(),
                answer_at: None,
                reservation: None,
            }],
            redaction: None,
        };
        let bytes = bundle.encode().unwrap();
        assert_eq!(Bundle::decode(&bytes).unwrap(), bundle);
        assert_eq!(bundle.encode().unwrap(), bytes);
        let prepared = bundle.prepare().next().unwrap();
        assert_eq!(prepared.text, "café");
        assert_eq!(bundle.root(), merkle::leaf_hash(&prepared.commitment.0));
    }

    #[test]
    fn an_answer_begins_at_the_same_place_in_the_normal_form_and_is_committed_to() {
        let (text, at) = crate::text::prompt_and_answer("cafe\u{301}?", "e\u{301}s");
        let documents = vec![Submitted { source: "a".into(), licence: "MIT".into(), text, answer_at: Some(at), reservation: None }];
        let bundle = Bundle { secret: [7; 32], first: 0, documents, redaction: None };
        let prepared = bundle.prepare().next().unwrap();
        assert_eq!(prepared.text.split_at(prepared.answer_at.unwrap() as usize), ("café?\n", "és"));
        assert_eq!(Bundle::decode(&bundle.encode().unwrap()).unwrap(), bundle);
        let mut whole = bundle.clone();
        whole.documents[0].answer_at = None;
        let other = whole.prepare().next().unwrap();
        assert_eq!(other.text, prepared.text);
        assert_ne!(other.commitment, prepared.commitment);
    }

    #[test]
    fn what_is_withdrawn_leaves_its_commitment_and_the_root_stays() {
        let document = |text: &str| Submitted {
            source: format!("{text}.txt"),
            licence: "MIT".into(),
            text: text.into(),
            answer_at: None,
            reservation: None,
        };
        let bundle = Bundle { secret: [7; 32], first: 0, documents: ["one", "two", "three"].map(document).into(), redaction: None };
        let left = bundle.without(&BTreeSet::from([1])).without(&BTreeSet::from([0]));
        let read = Bundle::decode(&left.encode().unwrap()).unwrap();
        assert_eq!(read, left);
        assert_eq!(read.root(), bundle.root());
        let (before, after): (Vec<Prepared>, Vec<Prepared>) = (bundle.prepare().collect(), read.prepare().collect());
        assert_eq!(after[2], before[2]);
        assert!(after[..2].iter().all(|p| p.withdrawn && p.text.is_empty() && p.source.is_empty() && p.salt == Digest::default()));
        let bytes = left.encode().unwrap();
        for gone in [&b"two"[..], &Digest(bundle.secret).to_string().into_bytes(), &before[1].salt.0, &before[0].salt.0] {
            assert!(!bytes.windows(gone.len()).any(|w| w == gone), "the file still holds what was withdrawn");
        }
        // A text that is not the one that was committed to does not take its place.
        let mut other = read.clone();
        other.documents[2].text = "four".into();
        assert_ne!(other.root(), bundle.root());
    }

    #[test]
    fn cut_files_are_errors() {
        let bytes = Bundle {
            secret: [0; 32],
            first: 0,
            documents: vec![Submitted {
                source: "a".into(),
                licence: "MIT".into(),
                text: "x".into(),
                answer_at: Some(1),
                reservation: Some("absent".into()),
            }],
            redaction: None,
        }
        .encode()
        .unwrap();
        for cut in [0, 1, 4, bytes.len() / 2, bytes.len() - 1] {
            assert!(Bundle::decode(&bytes[..cut]).is_err(), "{cut} bytes were accepted");
        }
    }
}
