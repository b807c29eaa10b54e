//! Submissions to verdicts, the tokenizer, and shards.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use corpus::bundle::Bundle;
use corpus::streams::WordStreams;
use corpus::verdict::{Verdict, VerdictRow, VerdictTable};
use corpus::{Digest, DocumentRef, canonical};
use dedup::{Device, Index, Judge};
use ingest::TextTokenizer;
use ledger::entry::{Acceptance, Shard, Tokenizer};
use ledger::history::Submitted;
use rayon::prelude::*;
use store::{Class, Objects};

use crate::failure::{Kind, failure, usage};
use crate::home::{Archive, Home};
use crate::rules::{Clusters, JudgeParameters, Opening, ToJudge, hit_salt, judge, word_streams};
use crate::stages::kept::{self, Seen, judged_at};
use crate::stages::{epoch, jobs};
use crate::withdrawn::Withdrawn;

/// Worker tasks of one process.
const WORKERS: usize = 2;

/// Judges, tokenizes and shards the last epoch; what is in the log already is not done again.
pub async fn run(home: &mut Home, tokenizer: Option<Vec<u8>>, vocabulary: usize, device: Device) -> Result<()> {
    let epoch = epoch::find(home, None)?;
    if epoch.draw.is_none() {
        return Err(failure(Kind::Check, format!("epoch {}: not closed yet; close it with `assay epoch close` first", epoch.open.1.epoch)));
    }
    accept(home, device).await?;
    let digest = fix_tokenizer(home, tokenizer, vocabulary).await?;
    shard(home, digest).await
}

/// The words of every given submission, by jobs.
pub async fn words(home: &Home, submissions: &[&Submitted]) -> Result<Vec<WordStreams>> {
    let objects = home.objects.clone();
    // Another procedure cuts other words.
    let inputs: Vec<String> = submissions.iter().map(|s| format!("{} {}", dedup::PROCEDURE, s.bundle())).collect();
    let there = |output: &str| output.parse().is_ok_and(|d| home.objects.has(Class::Sealed, &d));
    let outputs = jobs::run(&home.index, "words", &inputs, WORKERS, home.now, there, move |input| {
        let digest = input.rsplit(' ').next().unwrap_or(input);
        let bundle = Bundle::decode(&objects.get(Class::Sealed, &digest.parse()?)?)?;
        Ok(objects.put(Class::Sealed, &word_streams(&bundle).encode()?)?.to_string())
    })
    .await?;
    outputs.iter().map(|o| Ok(WordStreams::decode(&home.objects.get(Class::Sealed, &o.parse()?)?)?)).collect()
}

/// A verdict table of the log.
pub fn verdicts(objects: &Objects, submitted: &Submitted) -> Result<VerdictTable> {
    let (_, acceptance) =
        submitted.acceptance.as_ref().with_context(|| format!("submission {}: not judged yet", submitted.submission.0))?;
    Ok(VerdictTable::decode(&objects.get(Class::Public, &acceptance.verdicts)?)?)
}

/// The documents of a submission, without those whose text is destroyed.
pub fn bundle(archive: &Archive, submitted: &Submitted) -> Result<Bundle> {
    Ok(Bundle::decode(&archive.objects.get(Class::Sealed, &submitted.bundle())?)?)
}

/// Verdicts and openings of an epoch, computed.
pub struct Judged {
    /// In the order of submissions.
    pub tables: Vec<VerdictTable>,
    /// Of held-out hits.
    pub openings: Vec<Opening>,
    /// How they came about.
    pub parameters: JudgeParameters,
    /// The index that they were judged against, and the judge with what it kept besides.
    index: (Index, Judge),
}

/// Judges an epoch that is drawn; every device gives the same.
pub async fn judge_epoch(home: &Home, number: u32, device: Device) -> Result<Judged> {
    let epoch = epoch::find(home, Some(number))?;
    let key = home.secret(&format!("dedup key {number}"))?;
    let secret = home.secret(&format!("held-out hits {number}"))?;
    let parameters = epoch::judge_parameters(home, epoch)?;
    let pool = word_streams(&epoch::pool(home, epoch)?);
    let seen = Seen::by(home, epoch)?;
    let own: Vec<&Submitted> = epoch.submissions.iter().collect();
    let streams = words(home, &own).await?;
    let submissions: Vec<ToJudge> = own.iter().zip(streams).map(|(s, streams)| seen.prepare(s, streams)).collect::<Result<_>>()?;
    let options = parameters.options(&key);
    let (index, duplicates) = kept::index_of(home, &seen, &options).await?;
    let mut duplicates = duplicates.on_device(device);
    let salts = |document: DocumentRef| hit_salt(&secret, document);
    let (tables, openings) = judge(&mut duplicates, &submissions, &pool, &key, &parameters, salts)?;
    Ok(Judged { tables, openings, parameters, index: (index, duplicates) })
}

async fn accept(home: &mut Home, device: Device) -> Result<()> {
    let epoch = epoch::find(home, None)?;
    if epoch.submissions.iter().all(|s| s.acceptance.is_some()) {
        return Ok(());
    }
    let (number, done) = (epoch.open.1.epoch, epoch.submissions.iter().filter(|s| s.acceptance.is_some()).count());
    let Judged { tables, parameters, index: (mut index, kept), .. } = judge_epoch(home, number, device).await?;
    let parameters = home.objects.put(Class::Public, &canonical::to_vec(&parameters)?)?;
    let mut entries = Vec::new();
    for table in tables.iter().skip(done) {
        let counts: BTreeMap<String, u64> =
            Verdict::ALL.iter().map(|v| (v.code().to_string(), table.count(*v))).filter(|(_, n)| *n > 0).collect();
        let (accepted_root, rejected_root) = table.roots();
        let verdicts = home.objects.put(Class::Public, &table.encode()?)?;
        let clusters = Clusters::of(table);
        let entry = Acceptance {
            submission: table.submission,
            verdicts,
            counts,
            accepted_root,
            rejected_root,
            parameters,
            largest_cluster: clusters.largest,
            held_for_review: Acceptance::is_to_be_reviewed(clusters.largest, table.rows.len() as u64),
            novel_words: clusters.novel_words,
        };
        entries.push(entry.into());
    }
    home.append(entries).await?;
    // A crash before this leaves an index without them, which is one as of before; the log has the verdicts.
    let first = judged_at(home, epoch::find(home, Some(number))?);
    index.append(&kept.into_delta(), first)?;
    kept::forget_before(home, number)?;
    Ok(())
}

/// Accepted texts of the last epoch, in the order of submissions.
fn accepted_texts(home: &Home) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let withdrawn = Withdrawn::of(home)?;
    for s in &epoch::find(home, None)?.submissions {
        let table = verdicts(&home.objects, s)?;
        let gone = withdrawn.before(s, home.state.size);
        let kept = |row: &VerdictRow| row.verdict == Verdict::Accepted && !gone.contains(&row.number);
        texts.extend(bundle(home, s)?.prepare().zip(&table.rows).filter(|(_, row)| kept(row)).map(|(p, _)| p.text));
    }
    Ok(texts)
}

async fn fix_tokenizer(home: &mut Home, given: Option<Vec<u8>>, vocabulary: usize) -> Result<Digest> {
    if let Some((at, t)) = &home.state.tokenizer {
        if let Some(given) = given.map(|g| Digest::of(&g)).filter(|g| *g != t.tokenizer) {
            return Err(failure(
                Kind::Check,
                format!("tokenizer {given}: this home's shards are cut with {} (entry {at}), and a home has one tokenizer", t.tokenizer),
            ));
        }
        return Ok(t.tokenizer);
    }
    let (json, origin) = match given {
        Some(json) => {
            fits(&json, &accepted_texts(home)?)?;
            (json, "given")
        }
        None => {
            let texts = accepted_texts(home)?;
            if texts.is_empty() {
                return Err(failure(
                    Kind::Check,
                    "no document was accepted: there is nothing to train a tokenizer on; `assay status` says why",
                ));
            }
            (ingest::train(texts.iter().map(String::as_str), vocabulary)?, "trained")
        }
    };
    let loaded = TextTokenizer::from_json(&json).map_err(|e| usage(e.to_string()))?;
    let tokenizer = home.objects.put(Class::Public, &json)?;
    home.append(vec![Tokenizer { tokenizer, vocabulary: loaded.vocabulary() as u64, origin: origin.into() }.into()]).await?;
    Ok(tokenizer)
}

/// Whether a given tokenizer gives every accepted text back; once it is in the log there is no other.
fn fits(json: &[u8], texts: &[String]) -> Result<()> {
    let tokenizer = TextTokenizer::from_json(json).map_err(|e| usage(e.to_string()))?;
    let wrong = texts.par_iter().find_map_first(|text| {
        let tokens = tokenizer.encode(text).map_err(|e| e.to_string());
        let outside = |t: &Vec<u32>| t.iter().find(|t| **t as usize >= tokenizer.vocabulary()).copied();
        match tokens.and_then(|t| Ok((outside(&t), tokenizer.decode(&t).map_err(|e| e.to_string())?))) {
            Ok((None, decoded)) if decoded == *text => None,
            Ok((Some(token), _)) => Some(format!("token {token} is outside its vocabulary of {}", tokenizer.vocabulary())),
            Ok((None, _)) => Some(format!(
                "expected a tokenizer that gives text back, but {:?}… decodes to another text",
                text.chars().take(40).collect::<String>()
            )),
            Err(e) => Some(e),
        }
    });
    wrong.map_or(Ok(()), |reason| Err(usage(format!("tokenizer {}: {reason}", Digest::of(json)))))
}

/// The home's tokenizer.
pub fn tokenizer(archive: &Archive) -> Result<(Digest, TextTokenizer)> {
    let (_, entry) = archive.state.tokenizer.as_ref().ok_or_else(|| failure(Kind::Check, "no tokenizer yet: run `assay ingest` first"))?;
    Ok((entry.tokenizer, TextTokenizer::from_json(&archive.objects.get(Class::Public, &entry.tokenizer)?)?))
}

async fn shard(home: &mut Home, tokenizer: Digest) -> Result<()> {
    let epoch = epoch::find(home, None)?;
    let left: Vec<Submitted> = epoch.submissions.iter().filter(|s| s.shard().is_none() && s.left() > 0).cloned().collect();
    let objects = home.objects.clone();
    let json = home.objects.get(Class::Public, &tokenizer)?;
    let loaded = TextTokenizer::from_json(&json)?;
    let withdrawn = Withdrawn::of(home)?;
    // What was taken back since is part of the input.
    let input = |s: &Submitted| format!("{} {tokenizer} {}", s.submission.0, s.withdrawals.len());
    let by_input: BTreeMap<String, Submitted> = left.iter().map(|s| (input(s), s.clone())).collect();
    let inputs: Vec<String> = left.iter().map(input).collect();
    let size = home.state.size;
    let there = |output: &str| output.parse().is_ok_and(|d| home.objects.has(Class::Sealed, &d));
    let outputs = jobs::run(&home.index, "shard", &inputs, WORKERS, home.now, there, move |input| {
        let s = by_input.get(input).with_context(|| format!("job shard {input}: of another home"))?;
        let bundle = Bundle::decode(&objects.get(Class::Sealed, &s.bundle())?)?;
        let gone = withdrawn.before(s, size);
        let shard = ingest::build_shard(s.submission.1.contributor, &bundle, &verdicts(&objects, s)?, &gone, &loaded, tokenizer)?;
        let shard = shard.context("a submission with accepted documents has a shard")?;
        Ok(objects.put(Class::Sealed, &shard.encode()?)?.to_string())
    })
    .await?;
    let mut entries = Vec::new();
    for (s, output) in left.iter().zip(outputs) {
        let file: Digest = output.parse()?;
        // Read back and checked before the log says that it exists.
        let shard = corpus::shard::Shard::decode(&home.objects.get(Class::Sealed, &file)?)?;
        entries.push(
            Shard {
                submission: s.submission.0,
                contributor: shard.contributor,
                file,
                rows: shard.documents.len() as u64,
                tokens: shard.tokens(),
                document_root: shard.document_root(),
                tokenizer,
                replaces: None,
            }
            .into(),
        );
    }
    if !entries.is_empty() {
        home.append(entries).await?;
    }
    Ok(())
}
