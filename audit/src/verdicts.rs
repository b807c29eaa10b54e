//! Every verdict and every token again, once the epoch's key is revealed.

use std::collections::BTreeMap;

use corpus::bundle::Part;
use corpus::outline::Outlines;
use corpus::shard::Shard;
use corpus::verdict::VerdictTable;
use corpus::{Digest, DocumentRef, EntryIndex, canonical};
use dedup::{Index, Judge};
use filters::Filters;
use ledger::Epoch;
use ledger::history::Logged;
use rayon::prelude::*;
use rules::listener::Listener;
use rules::seen::{Seen, by_part};
use rules::verdicts::{JudgeParameters, Keeper, Opening, judge, outlines};
use rules::{Archive, EpochView, EpochViews};
use store::Class;

use super::{Report, Result};

/// Submissions judged again, and submissions with verdicts; those of an epoch that is not revealed yet cannot be judged.
///
/// Of each epoch the `share` is drawn from its seed and the log's size: with a share below one, what is looked at is not known before.
pub fn check(epochs: &EpochViews<'_>, share: f64, listener: &dyn Listener, report: &mut Report) -> Result<(usize, usize)> {
    let archive = epochs.archive;
    let accepted = |e: &Epoch| e.submissions.iter().filter(|s| s.acceptance.is_some()).count();
    let of = archive.state.epochs.iter().map(accepted).sum();
    let before = report.findings.len();
    let (mut judged, mut count) = (0, 0);
    let last = |e: &Epoch| e.submissions.last().and_then(|s| s.acceptance.as_ref()).map_or(EntryIndex(0), |Logged { index: at, .. }| *at);
    for view in epochs.iter().filter(|view| view.epoch.reveal.is_some()) {
        let e = view.epoch;
        // Judged again after an earlier audit only if its key was revealed by then.
        if last(e).max(e.reveal.as_ref().map_or(EntryIndex(0), |Logged { index: at, .. }| *at)) < report.from {
            judged += accepted(e);
        } else if share > 0.0 {
            let (submissions, verdicts) = check_epoch(view, share, listener, report)?;
            (judged, count) = (judged + submissions, count + verdicts);
        }
    }
    let tokens = if share > 0.0 { check_tokens(archive, share, listener, report)? } else { 0 };
    report.check("verdicts", format!("{count} verdicts and {tokens} tokens computed again"), before);
    Ok((judged, of))
}

/// Whether a submission is among the `share` that is looked at.
fn chosen(archive: &Archive, submission: EntryIndex, share: f64) -> bool {
    let digest = Digest::of_parts(&[b"assay audit sample v1", &archive.state.size.to_be_bytes(), &submission.0.to_be_bytes()]);
    let number = u32::from_be_bytes(digest.0[..4].try_into().expect("four bytes"));
    share >= 1.0 || f64::from(number) < share * f64::from(u32::MAX)
}

fn check_epoch(view: &EpochView<'_>, share: f64, listener: &dyn Listener, report: &mut Report) -> Result<(usize, usize)> {
    let (archive, e) = (view.archive, view.epoch);
    let Logged { index: reveal_at, entry: reveal } = e.reveal.as_ref().expect("checked by the caller");
    let openings: Vec<Opening> = canonical::from_slice(&archive.objects.get(Class::Public, &reveal.openings)?)?;
    let salts: BTreeMap<DocumentRef, Digest> = openings.iter().map(|o| (o.document, o.salt)).collect();
    let parameters = JudgeParameters::of(view)?;
    let seen = Seen::by(view)?;
    // What is kept from earlier epochs, from its texts; the auditor's index is thrown away afterwards.
    let temporary = tempfile::tempdir()?;
    let options = parameters.options(&reveal.dedup_key.0);
    let index = Index::open(&temporary.path().join("index"), &options.keys)?;
    let mut keeper = Keeper::over(Judge::with_base(index.view(), options.clone())?, Some((index, 0)), options);
    let kept = seen.kept_before()?;
    let bar = listener.task("documents kept before", kept.len() as u64);
    for documents in kept.chunk_by(|a, b| a.submission == b.submission) {
        let Some(s) = archive.state.submission(documents[0].submission) else { continue };
        for (part, documents) in by_part(&rules::parts::parts(archive, s)?, documents) {
            let outlines = outlines(&rules::bundles::read_part(&*archive.objects, part)?, &Filters::default());
            keeper.keep(documents.iter().map(|d| (*d, &outlines.documents[(d.number - part.first) as usize])))?;
            bar.advance(documents.len() as u64);
        }
    }
    drop(bar);
    let mut submissions = Vec::new();
    for s in &e.submissions {
        let outlining = |part: &Part| -> rules::Result<Outlines> {
            Ok(outlines(&rules::bundles::read_part(&*archive.objects, part)?, &parameters.filters))
        };
        let to_judge = seen.prepare(s, outlining)?;
        if let (Some(Logged { index: at, .. }), false) = (&s.acceptance, to_judge.given.is_empty()) {
            report.unverifiable(*at, format!("submission {}: verdicts on {} documents", s.submission.index, to_judge.given.len()));
        }
        submissions.push(to_judge);
    }
    let pool = outlines(&view.pool()?, &Filters::default()).documents;
    let salt = |d: DocumentRef| salts.get(&d).copied().unwrap_or_default();
    let (tables, found) = judge(&mut keeper, &submissions, &pool, &reveal.dedup_key.0, &parameters, salt, listener)?;
    // Hits of texts that are destroyed cannot be counted again.
    let openings: Vec<Opening> = openings.into_iter().filter(|o| !seen.gone.contains(&o.document)).collect();
    report.expect(found == openings, "held-out-openings", *reveal_at, || "the openings are not those of the hits".into());
    let (mut judged, mut count) = (0, 0);
    for (s, table) in e.submissions.iter().zip(&tables).filter(|(s, _)| chosen(archive, s.submission.index, share)) {
        let Some(Logged { index: at, entry: acceptance }) = &s.acceptance else { continue };
        let logged = VerdictTable::decode(&archive.objects.get(Class::Public, &acceptance.verdicts)?)?;
        for (logged, found) in logged.rows.iter().zip(table.iter()).filter(|(a, b)| **a != *b) {
            report.find(
                "verdict",
                *at,
                format!(
                    "document {}/{}: {} of {:?}, judged again {} of {:?}",
                    table.submission,
                    logged.number,
                    logged.verdict.code(),
                    logged.of,
                    found.verdict.code(),
                    found.of
                ),
            );
        }
        report.expect(logged.rows.len() == table.len(), "verdict", *at, || {
            format!("{} verdicts, expected {}", logged.rows.len(), table.len())
        });
        (judged, count) = (judged + 1, count + table.len());
    }
    Ok((judged, count))
}

/// Every document's tokens are what the logged tokenizer makes of its text.
fn check_tokens(archive: &Archive, share: f64, listener: &dyn Listener, report: &mut Report) -> Result<u64> {
    if archive.state.tokenizer.is_none() {
        return Ok(0);
    }
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let mut count = 0;
    let sampled = archive.state.epochs.iter().flat_map(|e| &e.submissions).filter(|s| chosen(archive, s.submission.index, share));
    let from = report.from;
    let shards: Vec<_> = sampled.flat_map(|s| s.live_shards()).filter(|Logged { index: at, .. }| *at >= from).collect();
    let bar = listener.task("shards cut again", shards.len() as u64);
    for Logged { index: at, entry } in shards {
        bar.advance(1);
        let Ok(shard) = Shard::decode(&archive.objects.get(Class::Sealed, &entry.file)?) else { continue };
        let wrong = shard.documents.par_iter().find_first(|d| {
            match tokenizer.encode_document(&d.text, d.answer_at) {
                // What the tokenizer refuses has no tokens.
                Err(_) => !d.tokens.is_empty() || d.reversible,
                Ok(e) => {
                    let reversible = !e.tokens.is_empty() && tokenizer.gives_back(&e.tokens, &d.text);
                    e.tokens != d.tokens || e.learned_from != d.learned_from || reversible != d.reversible
                }
            }
        });
        report.expect(wrong.is_none(), "shard-tokens", *at, || {
            format!("document {}: its tokens are not those of its text", wrong.expect("found").document)
        });
        count += shard.tokens();
    }
    Ok(count)
}
