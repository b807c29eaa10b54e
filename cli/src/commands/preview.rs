//! `assay submit --dry-run`: what would become of every record, before anything is sent.
//!
//! The same verdicts as after the close, but for two things that nobody may know before it: held-out text is not compared, and near duplicates are
//! looked for under a key of its own, since the epoch's is secret. Pairs are proven all the same.

use std::path::Path;

use anyhow::{Context, Result};
use corpus::bundle::Bundle;
use corpus::objects::ObjectError;
use corpus::outline::Outlines;
use corpus::verdict::{Verdict, VerdictRow};
use corpus::{Digest, DocumentRef};
use filters::{Filters, shown};
use ledger::entry::rights::date_of;
use pipeline::Home;
use pipeline::gather::{Destination, Gathered, Source, gather};
use pipeline::kept::judge_over_kept;
use pipeline::outlines::{loading, outlines_of};
use pipeline::submit;
use polars::prelude::*;
use rights::Stated;
use rules::bundles::counts;
use rules::seen::Seen;
use rules::verdicts::{Clusters, JudgeParameters, ToJudge, judge, outlines};
use serde_json::{Value, json};
use store::files;

use crate::output::{Bars, Output};
use crate::tables::render;

/// Rows that are shown; `--json` has all.
const SHOWN: usize = 100;

/// Bundles become outlines in a temporary folder, and their sources are kept to name rows by.
struct Outlining<'a> {
    folder: &'a Path,
    filters: &'a Filters,
}

impl Destination for Outlining<'_> {
    fn take(&self, bundle: Bundle) -> pipeline::Result<Digest> {
        let sources: Vec<&str> = bundle.documents.iter().map(|d| d.source.as_str()).collect();
        std::fs::write(self.folder.join(format!("{}.sources", bundle.first)), serde_json::to_vec(&sources)?)?;
        std::fs::write(self.folder.join(bundle.first.to_string()), outlines(&bundle, self.filters).encode()?)?;
        Ok(Digest::default())
    }
}

/// Says what would become of what the contributor `name` would submit.
pub async fn show(home: &Home, name: &str, source: &Source) -> Result<Output> {
    let view = home.view(None)?;
    let (e, policy) = (view.epoch, view.policy()?);
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path();
    let master = home.secret(&submit::salts_label(name, e.open.entry.epoch))?;
    let source = &Source { counts_personal: true, ..source.clone() };
    let read = gather(name, source, &master, &policy.filters, &Outlining { folder, filters: &policy.filters }, &Bars)?;
    let rights = submit::rights(&read, false)?;

    let key = Digest::of_parts(&[b"assay dry run v1", &read.root.0, &master]).0;
    let parameters = JudgeParameters::new(policy, e.open.entry.purpose, e.open.entry.dedup_key, Digest(key));
    let seen = Seen::by(&view)?;
    let (waiting, mut submissions): (Vec<_>, Vec<ToJudge>) = (e.submissions.iter().collect(), Vec::new());
    for (s, files) in waiting.iter().zip(outlines_of(home, &waiting).await?) {
        submissions.push(seen.prepare(s, loading(home, s, files)?)?);
    }
    let index = home.state.size;
    let own = read.parts.parts.clone();
    submissions.push(ToJudge {
        index,
        commitment: u64::MAX,
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
    let (mut tables, _) = judge(&mut keeper, &submissions, &[], &key, &parameters, |_| Digest::default())?;
    let table = tables.pop().context("a table for each submission")?;
    let mut sources: Vec<String> = Vec::new();
    for part in &read.parts.parts {
        sources.extend(serde_json::from_slice::<Vec<String>>(&std::fs::read(folder.join(format!("{}.sources", part.first)))?)?);
    }
    let of = |d: DocumentRef| {
        if d.submission == index {
            return sources.get(d.number as usize).cloned().unwrap_or_default();
        }
        let owner = home.state.submission(d.submission).map(|s| home.name_of(&s.submission.entry.contributor)).unwrap_or_default();
        format!("{d} of {owner}")
    };
    let counts = counts(&table, &read.unread());
    let clusters = Clusters::of(&table);
    output(name, &read, &table.rows, &sources, &counts, clusters.novel_words, of)
}

/// Statements that differ, as they may be shown.
pub fn conflicts(licence: &Stated) -> Vec<(String, String)> {
    licence.conflicts.iter().map(|(one, other)| (shown(one), shown(other))).collect()
}

/// The names of fields that were not read, as they may be shown.
pub fn fields_not_read(read: &Gathered) -> Vec<String> {
    read.fields_not_read.iter().map(|name| shown(name)).collect()
}

/// The kinds of places that a licence was read from.
pub fn sources_of(licence: &Stated) -> String {
    licence.statements.iter().map(|s| s.source.name()).collect::<Vec<_>>().join(", ")
}

/// What a row's verdict rests on.
pub fn evidence(row: &VerdictRow) -> String {
    match (row.verdict, &row.filtered) {
        (Verdict::Near, _) => format!("{} of {} shingles", row.intersection, row.union),
        (Verdict::Reserved | Verdict::ReservationUnknown, Some(measure)) => measure.rule.clone(),
        (Verdict::Contained, _) => format!("{} of {} words", row.intersection, row.union),
        (_, Some(measure)) => measure.to_string(),
        _ => String::new(),
    }
}

fn output(
    name: &str,
    read: &Gathered,
    rows: &[VerdictRow],
    sources: &[String],
    counts: &std::collections::BTreeMap<String, u64>,
    novel_words: u64,
    of: impl Fn(DocumentRef) -> String,
) -> Result<Output> {
    let all: u64 = counts.values().sum();
    let words: u64 = rows.iter().map(|r| r.words).sum();
    let mut text = format!(
        "{name}: {} records: {} documents, {} bytes, under {} ({}); nothing was sent\n",
        all,
        read.documents,
        read.bytes,
        read.licence.expression,
        sources_of(&read.licence)
    );
    let width = counts.keys().map(String::len).max().unwrap_or(0);
    for (reason, n) in counts {
        text += &format!("  {reason:<width$}  {n}\n");
    }
    text += &format!("  novel words: {novel_words} of {words}\n");
    if read.masked > 0 {
        text += &format!("  {} pieces of personal data are masked\n", read.masked);
    }
    if !read.personal.is_empty() {
        let kinds: Vec<String> = read.personal.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        text += &format!(
            "  personal data was found: {}; the epoch's policy says whether it is accepted, redacted or excluded\n",
            kinds.join(", ")
        );
    }
    let fields_not_read = fields_not_read(read);
    if !fields_not_read.is_empty() {
        text += &format!("  fields that are not read: {}\n", fields_not_read.join(", "));
    }
    for (one, other) in conflicts(&read.licence) {
        text += &format!("  licences differ, and both count: {one}; {other}\n");
    }
    let signals = read.signals.summary()?;
    for s in &signals {
        let counts = format!("{} reserved, {} unknown of {} documents", s.reserved, s.unknown, s.documents);
        text += &format!("  {} ({}): {counts}\n", s.signal, s.revision);
    }
    text += "  held-out text is not compared before the close\n";
    let left_out: Vec<(String, String, String, String)> = rows
        .iter()
        .zip(sources)
        .filter(|(row, _)| row.verdict != Verdict::Accepted)
        .map(|(row, source)| (shown(source), row.verdict.code().to_string(), row.of.map_or(String::new(), &of), evidence(row)))
        .chain(read.problems.iter().map(|p| (p.place.clone(), format!("unread/{}", p.code.name()), String::new(), p.reason.clone())))
        .collect();
    if !left_out.is_empty() {
        let column = |pick: fn(&(String, String, String, String)) -> &String| {
            left_out.iter().take(SHOWN).map(|r| pick(r).chars().take(90).collect::<String>()).collect::<Vec<_>>()
        };
        let frame =
            df!("record" => column(|r| &r.0), "verdict" => column(|r| &r.1), "of" => column(|r| &r.2), "evidence" => column(|r| &r.3))?;
        text += &format!("\n{}", render(&frame, None)?);
        if left_out.len() > SHOWN {
            text += &format!("{} more, which --json lists\n", left_out.len() - SHOWN);
        }
    }
    let json_row = |(row, source): (&VerdictRow, &String)| -> Value {
        json!({
            "source": shown(source), "verdict": row.verdict.code(), "reason": row.reason(), "of": row.of.map(&of), "intersection": row.intersection,
            "union": row.union, "words": row.words, "novel_words": row.novel_words, "filtered": row.filtered,
        })
    };
    let json = json!({
        "contributor": name, "records": all, "documents": read.documents, "bytes": read.bytes, "licence": read.licence.expression,
        "licence_evidence": sources_of(&read.licence), "licence_conflicts": conflicts(&read.licence), "personal_data": read.personal,
        "fields_not_read": fields_not_read, "opt_out_signals": signals, "origin": read.origin, "masked": read.masked, "counts": counts, "unread": read.unread(),
        "novel_words": novel_words, "words": words, "rows": rows.iter().zip(sources).map(json_row).collect::<Vec<_>>(),
        "problems": read.problems,
    });
    Ok(Output::new(text, json))
}
