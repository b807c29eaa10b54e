//! Submissions to verdicts, the tokenizer, and shards.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::Path;

use corpus::bundle::Part;
use corpus::outline::Outlines;
use corpus::shard::Footer;
use corpus::verdict::{Roots, Verdict, VerdictRow};
use corpus::{Digest, DocumentRef, VerdictReader, VerdictRows, canonical};
use dedup::Device;
use filters::Filters;
use ingest::{Beside, TextTokenizer, TokenizerError, cut};
use ledger::entry::{Acceptance, Shard, Tokenizer, TokenizerOrigin};
use ledger::history::{Logged, Submitted};
use rayon::prelude::*;
use rules::EpochView;
use rules::bundles::unread_counts;
use rules::listener::Listener;
use rules::parts::parts;
use rules::seen::Seen;
use rules::verdicts::{ClusterTally, JudgeParameters, Keeper, Opening, ToJudge, hit_salt, judge, outlines};
use rules::withdrawn::DocumentList;
use store::Class;

use crate::error::{Context, Kind, Result, failure, usage};
use crate::home::Home;
use crate::kept;
use crate::outlines::{loading, outlines_looking, outlines_of};
use crate::snapshot::Snapshot;
use crate::work::Work;
use crate::{epoch, jobs};

/// Judges, tokenizes and shards the last epoch; what is in the log already is not done again.
pub async fn run(home: &mut Home, tokenizer: Option<Vec<u8>>, vocabulary: usize, device: Device) -> Result<()> {
    let epoch = home.epoch(None)?;
    if epoch.draw.is_none() {
        return Err(failure(
            Kind::Check,
            format!("epoch {}: not closed yet; close it with `assay epoch close` first", epoch.open.entry.epoch),
        ));
    }
    accept(home, device).await?;
    let digest = fix_tokenizer(home, tokenizer, vocabulary).await?;
    shard(home, digest).await
}

/// Verdicts and openings of an epoch, computed.
pub struct Judged {
    /// Rows of each submission, in the order of submissions.
    pub tables: Vec<VerdictRows>,
    /// Of held-out hits.
    pub openings: Vec<Opening>,
    /// How they came about.
    pub parameters: JudgeParameters,
    /// What they were judged against, with what was kept besides.
    keeper: Keeper,
}

/// Judges an epoch that is drawn; every device gives the same.
pub(crate) async fn judge_epoch(home: &Home, number: u32, device: Device) -> Result<Judged> {
    let view = home.view(Some(number))?;
    let secrets = EpochSecrets { key: home.secret(&key_label(number))?, hits: home.secret(&epoch::hits_label(number))? };
    let parameters = JudgeParameters::of(&view)?;
    let seen = Seen::by(&view)?;
    let own: Vec<&Submitted> = view.epoch.submissions.iter().collect();
    let files = outlines_of(home, &own).await?;
    let keeper = kept::index_of(home, &seen, &parameters.options(&secrets.key)).await?.on_device(device);
    judge_over(&view, &seen, files, keeper, parameters, &secrets, &*home.listener)
}

/// The verdicts of an epoch that was judged, computed again by who only looks.
pub(crate) async fn judge_looking(home: &Snapshot, number: u32) -> Result<Vec<VerdictRows>> {
    let view = home.view(Some(number))?;
    let drawn = |label: String| home.secrets.find(&label)?.with_context(|| format!("{label}: the secret is not in this home"));
    let secrets = EpochSecrets { key: drawn(key_label(number))?, hits: drawn(epoch::hits_label(number))? };
    let parameters = JudgeParameters::of(&view)?;
    let seen = Seen::by(&view)?;
    let own: Vec<&Submitted> = view.epoch.submissions.iter().collect();
    let files = outlines_looking(home, &own).await?;
    let folder = tempfile::tempdir()?;
    let keeper = kept::judge_over_kept(home, &seen, &parameters.options(&secrets.key), folder.path()).await?;
    Ok(judge_over(&view, &seen, files, keeper, parameters, &secrets, &*home.listener)?.tables)
}

/// The label of the secret that an epoch's documents are compared under.
fn key_label(number: u32) -> String {
    format!("dedup key {number}")
}

/// What the operator keeps to itself until an epoch is settled.
struct EpochSecrets {
    /// What documents are compared under.
    key: [u8; 32],
    /// What the salts of held-out hits come from.
    hits: [u8; 32],
}

/// Judges an epoch's submissions, whose outlines are in `files`, over what `keeper` has.
fn judge_over(
    view: &EpochView<'_>,
    seen: &Seen<'_>,
    files: Vec<Vec<Digest>>,
    mut keeper: Keeper,
    parameters: JudgeParameters,
    secrets: &EpochSecrets,
    listener: &dyn Listener,
) -> Result<Judged> {
    let pool = outlines(&view.pool()?, &Filters::default()).documents;
    let prepare = |(s, files): (&Submitted, Vec<Digest>)| -> Result<ToJudge> { Ok(seen.prepare(s, loading(view.archive, s, files)?)?) };
    let submissions: Vec<ToJudge> = view.epoch.submissions.iter().zip(files).map(prepare).collect::<Result<_>>()?;
    let salts = |document: DocumentRef| hit_salt(&secrets.hits, document);
    let (tables, openings) = judge(&mut keeper, &submissions, &pool, &secrets.key, &parameters, salts, listener)?;
    Ok(Judged { tables, openings, parameters, keeper })
}

async fn accept(home: &mut Home, device: Device) -> Result<()> {
    let epoch = home.epoch(None)?;
    if epoch.submissions.iter().all(|s| s.acceptance.is_some()) {
        return Ok(());
    }
    let (number, done) = (epoch.open.entry.epoch, epoch.submissions.iter().filter(|s| s.acceptance.is_some()).count());
    let Judged { tables, parameters, keeper, .. } = judge_epoch(home, number, device).await?;
    let parameters = home.objects.put(Class::Public, &canonical::to_vec(&parameters)?)?;
    // An index that is ahead of the log is made again; a log without an index is complete. Its memory is free for the tables then.
    keeper.finish()?;
    let mut entries = Vec::new();
    for (table, s) in tables.iter().zip(&epoch.submissions).skip(done) {
        let (mut roots, mut clusters, mut counts) = (Roots::default(), ClusterTally::of(table.submission), BTreeMap::new());
        for row in table.iter() {
            roots.push(&row);
            clusters.push(&row);
            *counts.entry(row.reason()).or_default() += 1;
        }
        counts.extend(unread_counts(&s.submission.entry.unread));
        let ((accepted_root, rejected_root), clusters) = (roots.roots(), clusters.clusters());
        let entry = Acceptance {
            submission: table.submission,
            verdicts: home.objects.put_written(Class::Public, |out| -> Result<()> { Ok(table.write(out)?) })?,
            counts,
            accepted_root,
            rejected_root,
            parameters,
            largest_cluster: clusters.largest,
            on_hold_for_review: Acceptance::is_to_be_reviewed(clusters.largest, table.len() as u64),
            novel_words: clusters.novel_words,
        };
        entries.push(entry.into());
    }
    home.append(entries).await?;
    kept::forget_before(home, number)?;
    Ok(())
}

/// Text that a tokenizer is trained on at most, in bytes.
const SAMPLE_BYTES: u64 = 32 << 20;

/// Accepted texts of the last epoch, in the order of submissions: all, or a sample.
///
/// Documents come in the order of the first eight bytes of `SHA-256("assay tokenizer sample v1" || seed || commitment)`, the first one and as many
/// more as are [`SAMPLE_BYTES`] together: the draw decides, and neither their contributors nor the operator.
async fn sample(home: &Home) -> Result<Vec<String>> {
    let view = home.view(None)?;
    let (e, withdrawn) = (view.epoch, view.withdrawn()?);
    let seed = e.draw.as_ref().context("verdicts come after the draw")?.entry.seed;
    let rank = |commitment: &Digest| {
        let digest = Digest::of_parts(&[b"assay tokenizer sample v1", &seed.0, &commitment.0]);
        u64::from_be_bytes(digest.0[..8].try_into().expect("eight bytes"))
    };
    let all: Vec<&Submitted> = e.submissions.iter().collect();
    // The documents that come first so far, the last of them on top: a few more than the sample has text for.
    let (mut first, mut bytes): (BinaryHeap<(u64, u64)>, u64) = (BinaryHeap::new(), 0);
    for (s, files) in all.iter().zip(outlines_of(home, &all).await?) {
        each_accepted(home, s, &files, &withdrawn.before(s, home.state.next_index()), |row, text_bytes| {
            first.push((rank(&row.commitment), text_bytes));
            bytes += text_bytes;
            while let Some((_, last)) = first.peek().filter(|(_, last)| bytes - last >= SAMPLE_BYTES) {
                bytes -= last;
                first.pop();
            }
        })?;
    }
    let limit = first.peek().map(|(rank, _)| *rank);
    let Some(limit) = limit else { return Ok(Vec::new()) };
    let drawn = |commitment: &Digest| rank(commitment) <= limit;
    let mut places: Vec<(Part, Vec<usize>)> = Vec::new();
    for s in &e.submissions {
        let mut rows = verdict_reader(home, s)?;
        let gone = withdrawn.before(s, home.state.next_index());
        for part in parts(home, s)?.parts {
            let mut chosen = Vec::new();
            for place in 0..part.documents as usize {
                let row = rows.next().context("a verdict for each document")??;
                let accepted = row.verdict == Verdict::Accepted && !gone.contains(&row.number);
                chosen.extend((accepted && drawn(&row.commitment)).then_some(place));
            }
            if !chosen.is_empty() {
                places.push((part, chosen));
            }
        }
    }
    let texts_of = |(part, places): &(Part, Vec<usize>)| -> Result<Vec<String>> {
        let bundle = rules::bundles::read_part(&home.objects, part)?;
        Ok(places.iter().map(|place| bundle.prepare_one(*place).text).collect())
    };
    let texts: Vec<Vec<String>> = places.par_iter().map(texts_of).collect::<Result<_>>()?;
    Ok(texts.into_iter().flatten().collect())
}

async fn fix_tokenizer(home: &mut Home, given: Option<Vec<u8>>, vocabulary: usize) -> Result<Digest> {
    if let Some(Logged { index: at, entry: t }) = &home.state.tokenizer {
        if let Some(given) = given.map(|g| Digest::of(&g)).filter(|g| *g != t.tokenizer) {
            return Err(failure(
                Kind::Check,
                format!("tokenizer {given}: this home's shards are cut with {} (entry {at}), and a home has one tokenizer", t.tokenizer),
            ));
        }
        return Ok(t.tokenizer);
    }
    let texts = sample(home).await?;
    if texts.is_empty() {
        let text = "no document was accepted: there is nothing to cut into tokens; `assay status` says why";
        return Err(failure(Kind::Check, text));
    }
    let (json, origin) = match given {
        Some(json) => (json, TokenizerOrigin::Given),
        None => {
            let _bar = home.listener.task("tokenizer training", 0);
            (ingest::train(texts.iter().map(String::as_str), vocabulary)?, TokenizerOrigin::Trained)
        }
    };
    let loaded = TextTokenizer::from_json(&json).map_err(|e| usage(e.to_string()))?;
    fits(&loaded, &texts, &*home.listener).map_err(|reason| usage(format!("tokenizer {}: {reason}", Digest::of(&json))))?;
    let tokenizer = home.objects.put(Class::Public, &json)?;
    home.append(vec![Tokenizer { tokenizer, vocabulary: loaded.vocabulary() as u64, origin }.into()]).await?;
    Ok(tokenizer)
}

/// The tokenizer at `path`, a `tokenizer.json` or the folder that it is in, as it is used; the listener hears of every change.
pub fn given_tokenizer(path: &Path, listener: &dyn Listener) -> Result<Vec<u8>> {
    let (file, folder) = if path.is_dir() { (path.join("tokenizer.json"), Some(path)) } else { (path.to_path_buf(), path.parent()) };
    let named = file.file_name().is_some_and(|name| name == "tokenizer.json");
    // Beside a file of another name lie things that may be of other tokenizers.
    let beside = match folder.filter(|_| named) {
        Some(folder) => Beside::read(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?,
        None => Beside::default(),
    };
    let prepared = ingest::prepare(&store::files::read(&file)?, &beside).map_err(|e| usage(format!("{}: {e}", file.display())))?;
    prepared.changes.iter().for_each(|change| listener.note(&format!("{}: {change}", file.display())));
    Ok(prepared.json)
}

/// Text that a tokenizer is tried on, in bytes: all of it is cut into tokens later, and each document says whether they give it back.
const TRIED_BYTES: usize = 1 << 20;

/// Whether a tokenizer takes some texts; says of how many it changes letters. Once it is in the log there is no other.
fn fits(tokenizer: &TextTokenizer, texts: &[String], listener: &dyn Listener) -> std::result::Result<(), String> {
    let mut tried: Vec<&String> = Vec::new();
    let mut bytes = 0;
    for text in texts {
        if bytes >= TRIED_BYTES {
            break;
        }
        bytes += text.len();
        tried.push(text);
    }
    let given_back: Vec<Result<bool, TokenizerError>> =
        tried.par_iter().map(|text| Ok(tokenizer.gives_back(&tokenizer.encode(text)?, text))).collect();
    let refused = given_back.iter().filter_map(|r| r.as_ref().err()).collect::<Vec<_>>();
    if let Some(first) = refused.first() {
        if refused.len() == tried.len() {
            return Err(format!("it takes none of {} texts: {first}", tried.len()));
        }
        listener.note(&format!("the tokenizer refuses {} of {} texts, which have no tokens then: {first}", refused.len(), tried.len()));
    }
    let changed = given_back.iter().filter(|r| matches!(r, Ok(false))).count();
    if changed > 0 {
        listener.note(&format!(
            "the tokenizer does not give back {changed} of {} texts letter by letter; shards say of which documents",
            tried.len()
        ));
    }
    Ok(())
}

async fn shard(home: &mut Home, tokenizer: Digest) -> Result<()> {
    let view = home.view(None)?;
    let left: Vec<Submitted> = view.epoch.submissions.iter().filter(|s| !s.is_sharded()).cloned().collect();
    let withdrawn = view.withdrawn()?;
    let mut work: Vec<Work> = Vec::new();
    let all: Vec<&Submitted> = left.iter().collect();
    let files = outlines_of(home, &all).await?;
    for (s, files) in left.iter().zip(files) {
        let gone = withdrawn.before(s, home.state.next_index());
        let Logged { index: at, entry: submission } = &s.submission;
        let list = if gone.is_empty() {
            None
        } else {
            let documents = gone.iter().map(|number| DocumentRef { submission: *at, number: *number }).collect();
            Some(home.objects.put(Class::Sealed, &canonical::to_vec(&DocumentList { documents })?)?)
        };
        let Logged { entry: acceptance, .. } = s.acceptance.as_ref().context("shards come after verdicts")?;
        let mut bytes = accepted_bytes(home, s, &files, &gone)?;
        // What is in shards already, from before a crash, stays as it was cut.
        let begun = s.sharded_to();
        bytes.drain(..begun as usize);
        work.extend(cut(&bytes).into_iter().map(|range| Work::Shard {
            contributor: submission.contributor,
            submission: *at,
            bundle: s.bundle(),
            verdicts: acceptance.verdicts,
            withdrawn: list,
            first: begun + range.start,
            end: begun + range.end,
            tokenizer,
        }));
    }
    let outputs = jobs::run(home, &work).await?;
    // Read back, and its bytes compared with its name, before the log says that it exists.
    let objects = &home.objects;
    let footer = |file: &Digest| -> Result<Footer> { Ok(Footer::read(&objects.map(Class::Sealed, file)?)?) };
    let footers: Vec<Footer> = outputs.par_iter().map(footer).collect::<Result<_>>()?;
    let mut entries = Vec::new();
    for ((work, file), footer) in work.iter().zip(outputs).zip(footers) {
        let Work::Shard { submission, contributor, first, end, .. } = work else { continue };
        if footer.refused > 0 {
            name_refused(home, &home.objects.get(Class::Sealed, &file)?)?;
        }
        entries.push(
            Shard {
                submission: *submission,
                contributor: *contributor,
                first: *first,
                end: *end,
                file,
                rows: footer.rows,
                tokens: footer.tokens,
                document_root: footer.document_root,
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

/// Documents of a shard that are named in full; of more, their number.
const NAMED: usize = 20;

/// Says which documents of a shard the tokenizer refused, whose they are, and why.
fn name_refused(home: &Home, bytes: &[u8]) -> Result<()> {
    let (_, tokenizer) = rules::tokenizer::read(home)?;
    let shard = corpus::shard::Shard::decode(bytes)?;
    let refused: Vec<_> = shard.documents.iter().filter(|d| d.tokens.is_empty()).collect();
    for d in refused.iter().take(NAMED) {
        let encoded = tokenizer.encode_document(&d.text, d.answer_at);
        let reason = encoded.map_or_else(|e| e.to_string(), |_| "its text gives no token".into());
        home.listener.note(&format!(
            "document {} of {}: {reason}; it has no tokens and is not trained on",
            d.document,
            home.name_of(&d.contributor)
        ));
    }
    if refused.len() > NAMED {
        home.listener.note(&format!("{} more documents have no tokens", refused.len() - NAMED));
    }
    Ok(())
}

/// The verdicts on a submission, from the file that the log names.
fn verdict_reader(home: &Home, s: &Submitted) -> Result<VerdictReader> {
    let acceptance = s.acceptance.as_ref().with_context(|| format!("submission {}: not judged yet", s.submission.index))?;
    Ok(VerdictReader::open(home.objects.map(Class::Public, &acceptance.entry.verdicts)?, 0..usize::MAX)?)
}

/// Calls `each` with the verdict on every document of a submission that goes into a shard, and with the bytes of its text.
fn each_accepted(home: &Home, s: &Submitted, files: &[Digest], gone: &BTreeSet<u32>, mut each: impl FnMut(&VerdictRow, u64)) -> Result<()> {
    let mut rows = verdict_reader(home, s)?;
    let of_file = |file: &Digest| -> Result<Vec<u64>> { Ok(Outlines::text_bytes(&home.objects.get(Class::Sealed, file)?)?) };
    let bytes: Vec<Vec<u64>> = files.par_iter().map(of_file).collect::<Result<_>>()?;
    for bytes in bytes.into_iter().flatten() {
        let row = rows.next().context("a verdict for each document")??;
        if row.verdict == Verdict::Accepted && !gone.contains(&row.number) {
            each(&row, bytes.max(1));
        }
    }
    Ok(())
}

/// Bytes of text of each document of a submission that goes into a shard, 0 of others: eight bytes per document in memory.
fn accepted_bytes(home: &Home, s: &Submitted, files: &[Digest], gone: &BTreeSet<u32>) -> Result<Vec<u64>> {
    let mut all = vec![0; s.submission.entry.documents as usize];
    let mut outside = None;
    each_accepted(home, s, files, gone, |row, bytes| match all.get_mut(row.number as usize) {
        Some(place) => *place = bytes,
        None => outside = Some(row.number),
    })?;
    match outside {
        None => Ok(all),
        Some(number) => {
            let text = format!("submission {}: a verdict on document {number}, there are {}", s.submission.index, all.len());
            Err(failure(Kind::Verification, text))
        }
    }
}
