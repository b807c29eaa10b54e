//! What would become of every record of a submission, before anything is sent.
//!
//! The same verdicts as after the close, but for two things that nobody may know before it: held-out text is not compared, and near duplicates are
//! looked for under a key of its own, since the epoch's is secret. Pairs are proven all the same.

use std::collections::BTreeMap;
use std::path::Path;

use corpus::bundle::Bundle;
use corpus::objects::ObjectError;
use corpus::outline::Outlines;
use corpus::verdict::VerdictRow;
use corpus::{Digest, DocumentRef, EntryIndex};
use filters::{Filters, shown};
use ingest::Problem;
use ledger::entry::rights::{OptOutSignal, date_of};
use rules::bundles::counts;
use rules::seen::Seen;
use rules::verdicts::{Clusters, JudgeParameters, ToJudge, judge, outlines};
use serde::Serialize;
use store::files;

use crate::error::{Context, Result};
use crate::gather::{Destination, Source, gather};
use crate::kept::judge_over_kept;
use crate::outlines::{loading, outlines_looking};
use crate::snapshot::Snapshot;
use crate::submission::Evidence;
use crate::submit;

/// Bundles become outlines in a temporary folder, and their sources are kept to name rows by.
struct Outlining<'a> {
    folder: &'a Path,
    filters: &'a Filters,
}

impl Destination for Outlining<'_> {
    fn take(&self, bundle: Bundle) -> Result<Digest> {
        let sources: Vec<&str> = bundle.documents.iter().map(|d| d.source.as_str()).collect();
        std::fs::write(self.folder.join(format!("{}.sources", bundle.first)), serde_json::to_vec(&sources)?)?;
        std::fs::write(self.folder.join(bundle.first.to_string()), outlines(&bundle, self.filters).encode()?)?;
        Ok(Digest::default())
    }
}

/// What would become of a record.
#[derive(Clone, Debug, Serialize)]
pub struct PreviewRow {
    /// Where it comes from.
    pub source: String,
    /// The verdict and its measures.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// The reason that it is counted under.
    pub reason: String,
    /// The document that it duplicates: a source of this submission, or a document and its contributor's name.
    pub of: Option<String>,
    /// The row of the verdict table.
    #[serde(skip)]
    pub row: VerdictRow,
}

/// What would become of a submission.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The contributor's name.
    pub contributor: String,
    /// Records, documents or not.
    pub records: u64,
    /// Documents.
    pub documents: u64,
    /// Bytes of their texts.
    pub bytes: u64,
    /// The dataset's licence.
    pub licence: String,
    /// The kinds of places that it was read from.
    pub licence_evidence: String,
    /// Statements that differ.
    pub licence_conflicts: Vec<(String, String)>,
    /// Personal data that was found, by kind.
    pub personal_data: BTreeMap<&'static str, u64>,
    /// Fields that are not read.
    pub fields_not_read: Vec<String>,
    /// What publishers say about training.
    pub opt_out_signals: Vec<OptOutSignal>,
    /// Where all of it comes from.
    pub origin: Option<String>,
    /// Pieces of personal data that are masked.
    pub masked: u64,
    /// Records by reason.
    pub counts: BTreeMap<String, u64>,
    /// What is no document, by reason.
    pub unread: BTreeMap<String, u64>,
    /// Words that no earlier document has.
    pub novel_words: u64,
    /// Words.
    pub words: u64,
    /// By document.
    pub rows: Vec<PreviewRow>,
    /// What is no document.
    pub problems: Vec<Problem>,
}

/// Says what would become of what the contributor `name` would submit.
pub async fn preview(home: &Snapshot, name: &str, source: &Source) -> Result<Preview> {
    let view = home.view(None)?;
    let (e, policy) = (view.epoch, view.policy()?);
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path();
    // Salts decide no verdict, so that a secret that is not drawn yet may be any.
    let master = home.secrets.find(&submit::salts_label(name, e.open.entry.epoch))?.unwrap_or_default();
    let source = &Source { counts_personal: true, ..source.clone() };
    let read = gather(name, source, &master, &policy.filters, &Outlining { folder, filters: &policy.filters }, &*home.listener)?;
    let rights = submit::rights(&read, false)?;

    let key = Digest::of_parts(&[b"assay dry run v1", &read.root.0, &master]).0;
    let parameters = JudgeParameters::new(policy, e.open.entry.purpose, e.open.entry.dedup_key, Digest(key));
    let seen = Seen::by(&view)?;
    let (waiting, mut submissions): (Vec<_>, Vec<ToJudge>) = (e.submissions.iter().collect(), Vec::new());
    for (s, files) in waiting.iter().zip(outlines_looking(home, &waiting).await?) {
        submissions.push(seen.prepare(s, loading(home, s, files)?)?);
    }
    let index = home.state.size;
    let own = read.parts.parts.clone();
    submissions.push(ToJudge {
        index: EntryIndex(index),
        commitment: EntryIndex::MAX,
        parts: own.clone(),
        outlines: Box::new(move |place| {
            let bytes = files::read(&folder.join(own[place].first.to_string())).map_err(|e| ObjectError::Refused(e.into()))?;
            Ok(Outlines::decode(&bytes)?)
        }),
        yields: Default::default(),
        exclusion: rights.exclusion(e.open.entry.purpose, &date_of(e.open.entry.time)),
        withdrawn: Default::default(),
        granted: Default::default(),
        given: Default::default(),
        gone: Default::default(),
    });
    let options = parameters.options(&key);
    let mut keeper = judge_over_kept(home, &seen, &options, &folder.join("index")).await?;
    let (mut tables, _) = judge(&mut keeper, &submissions, &[], &key, &parameters, |_| Digest::default(), &*home.listener)?;
    let table = tables.pop().context("a table for each submission")?.table();
    let mut sources: Vec<String> = Vec::new();
    for part in &read.parts.parts {
        sources.extend(serde_json::from_slice::<Vec<String>>(&std::fs::read(folder.join(format!("{}.sources", part.first)))?)?);
    }
    let of = |d: DocumentRef| {
        if d.submission == EntryIndex(index) {
            return sources.get(d.number as usize).cloned().unwrap_or_default();
        }
        let owner = home.state.submission(d.submission).map(|s| home.name_of(&s.submission.entry.contributor)).unwrap_or_default();
        format!("{d} of {owner}")
    };
    let counts = counts(&table, &read.unread());
    let row = |(row, source): (VerdictRow, &String)| PreviewRow {
        source: shown(source),
        evidence: Evidence::of(&row),
        reason: row.reason(),
        of: row.of.map(&of),
        row,
    };
    Ok(Preview {
        contributor: name.to_string(),
        records: counts.values().sum(),
        documents: read.documents,
        bytes: read.bytes,
        licence: read.licence.expression.clone(),
        licence_evidence: read.licence_evidence(),
        licence_conflicts: read.licence_conflicts(),
        fields_not_read: read.shown_fields(),
        opt_out_signals: read.signals.summary()?,
        masked: read.masked,
        unread: read.unread(),
        novel_words: Clusters::of(&table).novel_words,
        words: table.rows.iter().map(|r| r.words).sum(),
        rows: table.rows.into_iter().zip(&sources).map(row).collect(),
        counts,
        personal_data: read.personal,
        origin: read.origin,
        problems: read.problems,
    })
}
