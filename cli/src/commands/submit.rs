//! Submissions: files are read, committed to and submitted.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::EntryIndex;
use filters::shown;
use pipeline::contributor::New;
use pipeline::gather::Source;
use pipeline::keys::read_given;
use pipeline::submit::{Offer, Submitting};
use pipeline::{contributor, proofs, submit};
use rights::licence::UNKNOWN;
use serde_json::json;

use super::preview;
use crate::args::submit::{Import, Submit};
use crate::failure::{Kind, failure, usage};
use crate::output::{Output, note};
use crate::place::Place;

/// Problems that are shown one by one.
const SHOWN: usize = 20;

/// What is submitted, and how far.
#[derive(Default)]
struct Request {
    source: Source,
    key: Option<PathBuf>,
    commitment: Option<EntryIndex>,
    commit_only: bool,
    dry_run: bool,
}

/// Submits under a contributor's name.
pub async fn submit(place: &Place, a: Submit) -> Result<Output> {
    let source = a.reading.source(None)?;
    let request = Request { source, key: a.key, commitment: a.commitment, commit_only: a.commit_only, dry_run: a.dry_run };
    carry_out(place, &a.contributor, request).await
}

/// Submits a corpus of known origin, under a key that the operator holds.
pub async fn import(place: &Place, a: Import) -> Result<Output> {
    let source = a.reading.source(Some(&a.source))?;
    if a.each {
        return import_each(place, &source).await;
    }
    let name = a.commons.or(a.contributor).unwrap_or_else(|| a.source.clone());
    if a.dry_run {
        // The import itself registers the name.
        return preview::show(&place.look()?, &name, &source).await;
    }
    contributor::add(&mut place.open().await?, New { name: &name, own: None, payee: None }).await?;
    carry_out(place, &name, Request { source, ..Request::default() }).await
}

/// What is in a folder and is wanted, by name.
pub fn named(folder: &Path, wanted: impl Fn(&DirEntry) -> bool) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") || !wanted(&entry) {
            continue;
        }
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: expected a name in UTF-8, which becomes a contributor's", path.display()))?;
        found.push((name.to_string(), path));
    }
    found.sort();
    Ok(found)
}

/// The folders below `folder`, one per contributor. A link to a folder is none, as when a folder is read.
pub fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let found = named(folder, |entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))?;
    if found.is_empty() {
        return Err(usage(format!("{}: expected one folder per contributor, found none", folder.display())));
    }
    // Nothing is written before all of them can be taken.
    found.iter().try_for_each(|(name, _)| pipeline::names::check(name).map(drop))?;
    Ok(found)
}

/// Submits each folder below the source's path for a contributor of its name.
async fn import_each(place: &Place, source: &Source) -> Result<Output> {
    let folders = folders(&source.path)?;
    let mut home = place.open().await?;
    let each: Vec<(String, Source)> = folders.into_iter().map(|(name, path)| (name, Source { path, ..source.clone() })).collect();
    let submitted = submit::submit_each(&mut home, &each).await?;
    let rows: Vec<_> = submitted
        .iter()
        .map(|s| json!({ "contributor": s.name, "submission": s.entry, "documents": s.documents, "problems": s.problems }))
        .collect();
    let (documents, problems) = submitted.iter().fold((0, 0), |(d, p), s| (d + s.documents, p + s.problems.len()));
    let text =
        format!("submitted {documents} documents of {} contributors; {problems} records were not read, which --json lists", rows.len());
    Ok(Output::new(text, json!({ "submissions": rows })))
}

async fn carry_out(place: &Place, name: &str, given: Request) -> Result<Output> {
    if given.dry_run {
        let home = place.look()?;
        home.public_key(name)?;
        return preview::show(&home, name, &given.source).await;
    }
    let mut home = place.open().await?;
    home.contributor_key(name)?;
    let key = read_given(given.key.as_deref())?;
    let read = submit::read(&home, name, &given.source)?;
    for problem in read.problems.iter().take(SHOWN) {
        note(&format!("not read: {}: {} ({})", problem.place, problem.reason, problem.code.name()));
    }
    if read.problems.len() > SHOWN {
        note(&format!("not read: {} more, which --json lists", read.problems.len() - SHOWN));
    }
    for s in read.licence.statements.iter().filter(|s| s.expression.contains(UNKNOWN)) {
        let text =
            "not the text of a licence that is known; documents under it are used for nothing unless who holds the rights licenses them";
        note(&format!("{}: {text} (assay grant)", shown(&s.place)));
    }
    for (one, other) in read.licence_conflicts() {
        note(&format!("licences differ, and both count: {one}; {other}"));
    }
    let fields_not_read = read.shown_fields();
    if !fields_not_read.is_empty() {
        note(&format!("fields that are not read: {}", fields_not_read.join(", ")));
    }
    let mut json = json!({
        "contributor": name, "documents": read.documents, "bytes": read.bytes, "licence": read.licence.expression,
        "licence_evidence": read.licence_evidence(), "licence_conflicts": read.licence_conflicts(), "fields_not_read": fields_not_read,
        "origin": read.origin, "masked": read.masked, "unread": read.unread(), "problems": read.problems,
    });
    let mut summary =
        format!("{} documents, {} bytes, under {} ({})", read.documents, read.bytes, read.licence.expression, read.licence_evidence());
    if read.masked > 0 {
        summary += &format!(", {} pieces of personal data masked", read.masked);
    }
    let offer = Offer { name, key: key.as_ref(), gathered: &read, commitment: given.commitment };
    let (field, entry, text) = match submit::submit(&mut home, offer, given.commit_only).await? {
        Submitting::Committed(at) => ("commitment", at, format!("{name}: committed to {summary}, entry {at}")),
        Submitting::Submitted(at) => ("submission", at, format!("{name}: submitted {summary}, entry {at}")),
        Submitting::Already(at) => {
            return Err(failure(
                Kind::Check,
                format!("submission repeated: entry {at} already holds these {} documents of {name}", read.documents),
            ));
        }
    };
    json[field] = json!(entry);
    let receipt = proofs::receipt(&home, entry)?;
    json["receipt"] = receipt.display().to_string().into();
    Ok(Output::new(format!("{text}; receipt {}", receipt.display()), json))
}
