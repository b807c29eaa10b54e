//! Every verdict and every token again, once the epoch's key is revealed.

use std::collections::BTreeMap;

use anyhow::Result;
use corpus::bundle::Bundle;
use corpus::shard::Shard;
use corpus::verdict::VerdictTable;
use corpus::{Digest, DocumentRef, canonical};
use rayon::prelude::*;
use store::Class;

use super::Report;
use crate::home::Archive;
use crate::rules::{JudgeParameters, Opening, ToJudge, judge, word_streams};
use crate::stages::{epoch, ingest};

/// Epochs judged again, and epochs with verdicts; one that is not revealed yet cannot be judged.
pub fn check(archive: &Archive, report: &mut Report) -> Result<(usize, usize)> {
    let judged: Vec<_> = archive.state.epochs.iter().filter(|e| e.submissions.iter().any(|s| s.acceptance.is_some())).collect();
    let revealed: Vec<_> = judged.iter().filter(|e| e.reveal.is_some()).collect();
    let before = report.findings.len();
    let mut count = 0;
    for e in &revealed {
        count += check_epoch(archive, e.open.1.epoch, report)?;
    }
    let tokens = check_tokens(archive, report)?;
    report.check("verdicts", format!("{count} verdicts and {tokens} tokens computed again"), before);
    Ok((revealed.len(), judged.len()))
}

fn check_epoch(archive: &Archive, number: u32, report: &mut Report) -> Result<usize> {
    let e = epoch::find(archive, Some(number))?;
    let (reveal_at, reveal) = e.reveal.as_ref().expect("checked by the caller");
    let openings: Vec<Opening> = canonical::from_slice(&archive.objects.get(Class::Public, &reveal.openings)?)?;
    let salts: BTreeMap<DocumentRef, Digest> = openings.iter().map(|o| (o.document, o.salt)).collect();
    let policy = epoch::policy(archive, e)?;
    let parameters = JudgeParameters::new(&policy, e.open.1.purpose, e.open.1.dedup_key);
    let digest = Digest::of(&canonical::to_vec(&parameters)?);
    let mut submissions = Vec::new();
    for (epoch, s) in archive.state.epochs[..=number as usize].iter().flat_map(|x| x.submissions.iter().map(move |s| (x.open.1.epoch, s))) {
        let bundle = Bundle::decode(&archive.objects.get(Class::Sealed, &s.submission.1.bundle)?)?;
        let streams = word_streams(&bundle);
        let earlier = if epoch < number { Some(ingest::verdicts(&archive.objects, s)?) } else { None };
        submissions.push(ToJudge { index: s.submission.0, commitment: s.submission.1.commitment, bundle, streams, earlier });
    }
    let pool = word_streams(&epoch::pool(archive, e)?);
    let (tables, found) = judge(&submissions, &pool, &reveal.dedup_key.0, &parameters, |d| salts.get(&d).copied().unwrap_or_default());
    report.expect(found == openings, "held-out-openings", *reveal_at, || "the openings are not those of the hits".into());
    let mut count = 0;
    for (s, table) in e.submissions.iter().zip(&tables) {
        let Some((at, acceptance)) = &s.acceptance else { continue };
        report.expect(acceptance.parameters == digest, "acceptance-parameters", *at, || {
            format!("parameters {}, the epoch gives {digest}", acceptance.parameters)
        });
        let logged = VerdictTable::decode(&archive.objects.get(Class::Public, &acceptance.verdicts)?)?;
        for (logged, found) in logged.rows.iter().zip(&table.rows).filter(|(a, b)| a != b) {
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
        report.expect(logged.rows.len() == table.rows.len(), "verdict", *at, || {
            format!("{} verdicts, expected {}", logged.rows.len(), table.rows.len())
        });
        count += table.rows.len();
    }
    Ok(count)
}

/// Every document's tokens are what the logged tokenizer makes of its text.
fn check_tokens(archive: &Archive, report: &mut Report) -> Result<u64> {
    if archive.state.tokenizer.is_none() {
        return Ok(0);
    }
    let (_, tokenizer) = ingest::tokenizer(archive)?;
    let mut count = 0;
    for (at, entry) in archive.state.epochs.iter().flat_map(|e| &e.submissions).filter_map(|s| s.shard.as_ref()) {
        let Ok(shard) = Shard::decode(&archive.objects.get(Class::Sealed, &entry.file)?) else { continue };
        let wrong = shard
            .documents
            .par_iter()
            .find_first(|d| tokenizer.encode_document(&d.text, d.answer_at).ok() != Some((d.tokens.clone(), d.learned_from)));
        report.expect(wrong.is_none(), "shard-tokens", *at, || {
            format!("document {}: its tokens are not those of its text", wrong.expect("found").document)
        });
        count += shard.tokens();
    }
    Ok(count)
}
