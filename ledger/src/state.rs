//! The log replayed entry by entry: what is known after each, and every rule about order, signers and references.
//!
//! The operator applies an entry before it appends it, the auditor applies the same rules afterwards.

use std::collections::BTreeMap;

use corpus::{ContributorId, Digest};

use crate::entry::{Draw, Entry, Genesis, Registration, Shard, Submission, Tokenizer};
use crate::envelope::Envelope;
use crate::history::{At, Epoch, Run, Submitted};
use crate::key::{Algorithm, PublicKey};
use crate::note::{Note, Verifier};
use crate::tree_head::{TreeHead, draw_seed};

/// An entry that a rule forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {text} [{rule}]")]
pub struct Violation {
    /// The rule's id, as in `docs/ledger-format.md`.
    pub rule: &'static str,
    /// The entry.
    pub index: u64,
    /// The thing, the expected and the found.
    pub text: String,
}

/// What the log says.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Entries applied.
    pub size: u64,
    /// The first entry.
    pub genesis: Option<Genesis>,
    /// Contributors by id.
    pub contributors: BTreeMap<ContributorId, At<Registration>>,
    /// Epochs in order.
    pub epochs: Vec<Epoch>,
    /// The tokenizer, once it is fixed.
    pub tokenizer: Option<At<Tokenizer>>,
    /// Runs in order.
    pub runs: Vec<Run>,
}

/// Stops with a violation of `rule` unless `holds`.
macro_rules! rule {
    ($index:expr, $rule:literal, $holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(Violation { rule: $rule, index: $index, text: format!($($text)+) });
        }
    };
}

macro_rules! some {
    ($index:expr, $rule:literal, $value:expr, $($text:tt)+) => {
        match $value {
            Some(value) => value,
            None => return Err(Violation { rule: $rule, index: $index, text: format!($($text)+) }),
        }
    };
}

impl State {
    /// Applies the next entry.
    ///
    /// # Errors
    /// [`Violation`]; the state is as it was before.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<Entry, Violation> {
        let index = self.size;
        let entry = Entry::from_payload(&envelope.payload).map_err(|e| Violation { rule: "entry-form", index, text: e.to_string() })?;
        self.check_signatures(index, &entry, envelope)?;
        match entry.clone() {
            Entry::Genesis(e) => {
                rule!(index, "genesis-first", index == 0, "genesis, expected at 0 alone");
                rule!(
                    index,
                    "genesis-keys",
                    Verifier::from_vkey(&e.log).is_ok_and(|v| v.name == e.origin),
                    "log key {:?}, expected one named {:?}",
                    e.log,
                    e.origin
                );
                check_witnesses(index, &e)?;
                rule!(
                    index,
                    "genesis-currency",
                    e.currency.len() == 3 && e.currency_exponent <= 24,
                    "currency {:?} with {} decimals, expected three letters and at most 24",
                    e.currency,
                    e.currency_exponent
                );
                self.genesis = Some(e);
            }
            Entry::Registration(e) => {
                rule!(
                    index,
                    "contributor-id",
                    e.contributor == ContributorId::of_key(&e.key.to_bytes()),
                    "contributor {}, expected the id of its key",
                    e.contributor
                );
                rule!(
                    index,
                    "contributor-once",
                    !self.contributors.contains_key(&e.contributor),
                    "contributor {} is registered already",
                    e.contributor
                );
                self.contributors.insert(e.contributor, (index, e));
            }
            Entry::EpochOpen(e) => {
                rule!(index, "epoch-order", e.epoch as usize == self.epochs.len(), "epoch {}, expected {}", e.epoch, self.epochs.len());
                rule!(
                    index,
                    "epoch-order",
                    self.epochs.last().is_none_or(|l| l.draw.is_some()),
                    "epoch {} opens before the last one is drawn",
                    e.epoch
                );
                self.epochs.push(Epoch {
                    open: (index, e),
                    commitments: Vec::new(),
                    submissions: Vec::new(),
                    close: None,
                    draw: None,
                    reveal: None,
                });
            }
            Entry::Commitment(e) => {
                let epoch = self.open_epoch(index, e.epoch)?;
                rule!(
                    index,
                    "commitment-once",
                    epoch.commitments.iter().all(|(_, c)| c.root != e.root),
                    "root {} is committed already",
                    e.root
                );
                rule!(index, "commitment-documents", e.documents > 0, "no documents");
                epoch.commitments.push((index, e));
            }
            Entry::Submission(e) => self.submit(index, e)?,
            Entry::EpochClose(e) => {
                let epoch = self.open_epoch(index, e.epoch)?;
                rule!(
                    index,
                    "close-count",
                    e.submissions == epoch.submissions.len() as u64,
                    "{} submissions, expected {}",
                    e.submissions,
                    epoch.submissions.len()
                );
                epoch.close = Some((index, e));
            }
            Entry::Draw(e) => self.draw(index, e)?,
            Entry::Acceptance(e) => {
                let epoch = some!(
                    index,
                    "acceptance-reference",
                    self.epochs.iter_mut().find(|x| x.submissions.iter().any(|s| s.submission.0 == e.submission)),
                    "submission {} is unknown",
                    e.submission
                );
                rule!(index, "acceptance-after-draw", epoch.draw.is_some(), "submission {}: accepted before the draw", e.submission);
                let next = some!(
                    index,
                    "acceptance-order",
                    epoch.submissions.iter_mut().find(|s| s.acceptance.is_none()),
                    "submission {}: accepted twice",
                    e.submission
                );
                rule!(
                    index,
                    "acceptance-order",
                    next.submission.0 == e.submission,
                    "submission {}, expected {}",
                    e.submission,
                    next.submission.0
                );
                let (sum, documents) = (e.counts.values().fold(0u64, |sum, n| sum.saturating_add(*n)), next.submission.1.documents);
                rule!(
                    index,
                    "acceptance-counts",
                    sum == documents,
                    "submission {}: verdicts on {sum} documents, expected {documents}",
                    e.submission
                );
                next.acceptance = Some((index, e));
            }
            Entry::Tokenizer(e) => {
                rule!(index, "tokenizer-once", self.tokenizer.is_none(), "a second tokenizer {}", e.tokenizer);
                self.tokenizer = Some((index, e));
            }
            Entry::Shard(e) => self.shard(index, e)?,
            Entry::RunIntent(e) => {
                rule!(index, "run-order", e.run as usize == self.runs.len(), "run {}, expected {}", e.run, self.runs.len());
                let epoch = some!(index, "run-epoch", self.epochs.get(e.epoch as usize), "epoch {} is unknown", e.epoch);
                let draw = some!(index, "run-epoch", epoch.draw.as_ref(), "epoch {} is not drawn", e.epoch);
                rule!(index, "run-seed", e.seed == draw.1.seed, "seed {}, the draw says {}", e.seed, draw.1.seed);
                let missing = epoch.submissions.iter().find(|s| s.acceptance.is_none() || s.accepted() > 0 && s.shard.is_none());
                rule!(
                    index,
                    "run-corpus",
                    missing.is_none(),
                    "submission {} has no verdicts or no shard",
                    missing.map_or(0, |m| m.submission.0)
                );
                let (root, documents, tokens) = epoch.corpus();
                rule!(
                    index,
                    "run-corpus",
                    (e.corpus_root, e.documents, e.tokens) == (root, documents, tokens),
                    "corpus {} of {} documents and {} tokens, the shards give {root} of {documents} and {tokens}",
                    e.corpus_root,
                    e.documents,
                    e.tokens
                );
                let contributors = epoch.accepted_contributors().len() as u64;
                rule!(
                    index,
                    "run-buckets",
                    e.contributors == contributors && (1..=contributors).contains(&e.buckets),
                    "{} contributors in {} buckets, {contributors} have shards",
                    e.contributors,
                    e.buckets
                );
                self.runs.push(Run {
                    intent: (index, e),
                    progress: Vec::new(),
                    close: None,
                    attribution: None,
                    replays: Vec::new(),
                    statements: None,
                });
            }
            Entry::RunProgress(e) => {
                let genesis = self.genesis.clone();
                let run = self.running(index, e.run)?;
                let last = run.progress.last();
                rule!(
                    index,
                    "progress-order",
                    last.is_none_or(|(_, l)| l.step < e.step && l.windows < e.windows),
                    "step {} of run {} is not after the last progress",
                    e.step,
                    e.run
                );
                match (last, &e.drawn_from) {
                    (None, None) => {}
                    (Some((at, _)), Some(note)) => {
                        cosigned(index, genesis.as_ref(), note, at + 1)?;
                    }
                    (_, note) => rule!(index, "progress-draw", false, "a drawn tree head {}, expected {}", note.is_some(), last.is_some()),
                }
                run.progress.push((index, e));
            }
            Entry::RunClose(e) => {
                let genesis = self.genesis.clone();
                let run = self.running(index, e.run)?;
                let aborted = e.outcome.starts_with("aborted: ");
                rule!(
                    index,
                    "close-outcome",
                    aborted || e.outcome == "completed",
                    "outcome {:?}, expected completed or aborted with a reason",
                    e.outcome
                );
                let (step, checkpoint) = run.progress.last().map_or((0, None), |(_, p)| (p.step, Some(p.checkpoint)));
                rule!(
                    index,
                    "close-progress",
                    (e.steps, e.checkpoint) == (step, checkpoint),
                    "run {}: closed at step {}, the last progress is at {step}",
                    e.run,
                    e.steps
                );
                match (run.progress.last(), &e.drawn_from) {
                    (None, None) => {}
                    (Some((at, _)), Some(note)) => {
                        cosigned(index, genesis.as_ref(), note, at + 1)?;
                    }
                    (last, note) => {
                        rule!(index, "progress-draw", false, "a drawn tree head {}, expected {}", note.is_some(), last.is_some())
                    }
                }
                let planned = run.intent.1.steps;
                rule!(
                    index,
                    "close-steps",
                    aborted || checkpoint.is_some() && e.steps == planned,
                    "run {}: completed after {} steps of {planned}",
                    e.run,
                    e.steps
                );
                run.close = Some((index, e));
            }
            Entry::Attribution(e) => {
                let run = self.run(index, e.run)?;
                let closed = run.close.as_ref().is_some_and(|(_, c)| c.outcome == "completed");
                rule!(
                    index,
                    "attribution-once",
                    closed && run.attribution.is_none(),
                    "run {}: attributed before its completion, or twice",
                    e.run
                );
                let last = &run.progress.last().expect("a closed run has progress").1;
                rule!(
                    index,
                    "attribution-table",
                    last.credit == e.credit,
                    "run {}: credit table {}, the last progress says {}",
                    e.run,
                    e.credit,
                    last.credit
                );
                run.attribution = Some((index, e));
            }
            Entry::Replay(e) => {
                let run = self.run(index, e.run)?;
                rule!(index, "replay-after", run.attribution.is_some(), "run {}: replayed before its attribution", e.run);
                let known = ["bit-equal", "within-tolerance", "differs"].contains(&e.outcome.as_str());
                rule!(index, "replay-outcome", known, "outcome {:?}", e.outcome);
                let of = run.progress.last().map_or(0, |(_, p)| p.windows);
                rule!(
                    index,
                    "replay-windows",
                    !e.windows.is_empty() && e.windows.iter().all(|w| *w < of),
                    "windows {:?} of {of}",
                    e.windows
                );
                run.replays.push((index, e));
            }
            Entry::Statements(e) => {
                let epoch = self.run(index, e.run)?.intent.1.epoch;
                rule!(index, "statements-epoch", e.epoch == epoch, "epoch {}, run {} is of epoch {epoch}", e.epoch, e.run);
                let settled = self.runs.iter().find(|r| r.intent.1.epoch == epoch && r.statements.is_some()).map(|r| r.intent.1.run);
                rule!(index, "statements-once", settled.is_none(), "run {}: epoch {epoch} is settled by run {settled:?} already", e.run);
                let run = self.run(index, e.run)?;
                rule!(index, "statements-pilot", !run.intent.1.pilot, "run {}: is a pilot, which is never settled", e.run);
                rule!(
                    index,
                    "statements-replayed",
                    run.replays.iter().any(|(_, r)| r.outcome != "differs"),
                    "run {}: statements before a replay",
                    e.run
                );
                run.statements = Some((index, e));
            }
            Entry::Reveal(e) => {
                let settled = self.runs.iter().any(|r| r.intent.1.epoch == e.epoch && r.statements.is_some());
                rule!(index, "reveal-after", settled, "epoch {}: revealed before its settlement", e.epoch);
                let epoch = some!(index, "reveal-epoch", self.epochs.get_mut(e.epoch as usize), "epoch {} is unknown", e.epoch);
                let expected = epoch.open.1.dedup_key;
                rule!(
                    index,
                    "reveal-key",
                    Digest::of(&e.dedup_key.0) == expected,
                    "dedup key with digest {}, the opening says {expected}",
                    Digest::of(&e.dedup_key.0)
                );
                rule!(index, "reveal-once", epoch.reveal.is_none(), "epoch {} is revealed already", e.epoch);
                epoch.reveal = Some((index, e));
            }
        }
        self.size += 1;
        Ok(entry)
    }

    /// The keys that have to have signed `entry`.
    fn signers(&self, index: u64, entry: &Entry) -> Result<Vec<(&'static str, PublicKey)>, Violation> {
        if let Entry::Genesis(e) = entry {
            return Ok(vec![("operator", e.operator)]);
        }
        let operator = ("operator", some!(index, "genesis-first", self.genesis.as_ref(), "{} before genesis", entry.kind()).operator);
        let by_contributor = |id: &ContributorId| {
            let (_, r) = some!(index, "contributor-known", self.contributors.get(id), "contributor {id} is not registered");
            let mut signers = vec![("contributor", r.key)];
            // The operator attests to what it imports under a key that it holds itself.
            signers.extend(r.custodial.then_some(operator));
            Ok(signers)
        };
        match entry {
            Entry::Registration(e) => Ok(vec![operator, ("contributor", e.key)]),
            Entry::Commitment(e) => by_contributor(&e.contributor),
            Entry::Submission(e) => by_contributor(&e.contributor),
            _ => Ok(vec![operator]),
        }
    }

    fn check_signatures(&self, index: u64, entry: &Entry, envelope: &Envelope) -> Result<(), Violation> {
        let signers = self.signers(index, entry)?;
        for (role, key) in &signers {
            rule!(index, "signature", envelope.signed_by(key), "{}: signature does not match {role} {key}", entry.kind());
        }
        rule!(
            index,
            "signature",
            envelope.signatures.len() == signers.len(),
            "{}: {} signatures, expected {}",
            entry.kind(),
            envelope.signatures.len(),
            signers.len()
        );
        Ok(())
    }

    fn open_epoch(&mut self, index: u64, number: u32) -> Result<&mut Epoch, Violation> {
        let epoch = some!(index, "epoch-open", self.epochs.get_mut(number as usize), "epoch {number} is unknown");
        rule!(index, "epoch-open", epoch.close.is_none(), "epoch {number} is closed");
        Ok(epoch)
    }

    fn run(&mut self, index: u64, number: u32) -> Result<&mut Run, Violation> {
        Ok(some!(index, "run-known", self.runs.get_mut(number as usize), "run {number} is unknown"))
    }

    fn running(&mut self, index: u64, number: u32) -> Result<&mut Run, Violation> {
        let run = self.run(index, number)?;
        rule!(index, "run-open", run.close.is_none(), "run {number} is closed");
        Ok(run)
    }

    fn submit(&mut self, index: u64, e: Submission) -> Result<(), Violation> {
        let sequence =
            self.epochs.iter().flat_map(|x| &x.submissions).filter(|s| s.submission.1.contributor == e.contributor).count() as u64;
        let custodial = self.contributors.get(&e.contributor).is_some_and(|(_, r)| r.custodial);
        let epoch = self.open_epoch(index, e.epoch)?;
        let (at, c) = some!(
            index,
            "submission-commitment",
            epoch.commitments.iter().find(|(i, _)| *i == e.commitment),
            "commitment {} is unknown",
            e.commitment
        );
        rule!(
            index,
            "submission-commitment",
            c.contributor == e.contributor,
            "commitment {at} is of contributor {}, not {}",
            c.contributor,
            e.contributor
        );
        rule!(
            index,
            "submission-root",
            (c.root, c.documents) == (e.root, e.documents),
            "commitment {at} says root {} over {} documents, the manifest {} over {}",
            c.root,
            c.documents,
            e.root,
            e.documents
        );
        rule!(index, "submission-once", epoch.submission_of(e.commitment).is_none(), "commitment {at} was submitted already");
        rule!(index, "submission-sequence", e.sequence == sequence, "sequence {}, expected {sequence}", e.sequence);
        let attested = if custodial { "importer" } else { "contributor" };
        rule!(index, "submission-attested", e.attested_by == attested, "attested by {:?}, expected {attested:?}", e.attested_by);
        epoch.submissions.push(Submitted { submission: (index, e), acceptance: None, shard: None });
        Ok(())
    }

    fn draw(&mut self, index: u64, e: Draw) -> Result<(), Violation> {
        let genesis = self.genesis.clone();
        let epoch = some!(index, "draw-epoch", self.epochs.get_mut(e.epoch as usize), "epoch {} is unknown", e.epoch);
        let close = some!(index, "draw-epoch", epoch.close.as_ref(), "epoch {} is not closed", e.epoch).0;
        rule!(index, "draw-once", epoch.draw.is_none(), "epoch {} is drawn already", e.epoch);
        let seed = cosigned(index, genesis.as_ref(), &e.tree_head, close + 1)?;
        rule!(index, "draw-seed", seed == e.seed, "seed {}, the cosignatures give {seed}", e.seed);
        let documents = epoch.open.1.pool_documents;
        rule!(
            index,
            "draw-targets",
            e.pricing > 0 && e.pricing + e.control == documents,
            "{} pricing and {} control documents, the pool has {documents}",
            e.pricing,
            e.control
        );
        epoch.draw = Some((index, e));
        Ok(())
    }

    fn shard(&mut self, index: u64, e: Shard) -> Result<(), Violation> {
        let tokenizer = some!(index, "shard-tokenizer", self.tokenizer.as_ref(), "a shard before the tokenizer").1.tokenizer;
        rule!(index, "shard-tokenizer", e.tokenizer == tokenizer, "tokenizer {}, the log says {tokenizer}", e.tokenizer);
        let submitted = self.epochs.iter_mut().flat_map(|x| &mut x.submissions).find(|s| s.submission.0 == e.submission);
        let submitted = some!(index, "shard-reference", submitted, "submission {} is unknown", e.submission);
        rule!(index, "shard-once", submitted.shard.is_none(), "submission {} has a shard already", e.submission);
        rule!(
            index,
            "shard-contributor",
            submitted.submission.1.contributor == e.contributor,
            "contributor {}, the submission says {}",
            e.contributor,
            submitted.submission.1.contributor
        );
        rule!(
            index,
            "shard-rows",
            submitted.acceptance.is_some() && submitted.accepted() == e.rows && e.rows > 0,
            "submission {}: {} rows, {} documents were accepted",
            e.submission,
            e.rows,
            submitted.accepted()
        );
        submitted.shard = Some((index, e));
        Ok(())
    }
}

/// Witnesses are others than the log, the operator and the approver, and each is one.
fn check_witnesses(index: u64, genesis: &Genesis) -> Result<(), Violation> {
    let mut keys = vec![genesis.operator.to_bytes(), genesis.approver.to_bytes()];
    keys.extend(Verifier::from_vkey(&genesis.log).map(|v| v.public.to_bytes()));
    rule!(index, "genesis-witnesses", !genesis.witnesses.is_empty(), "no witness, expected at least one");
    for text in &genesis.witnesses {
        let witness = Verifier::from_vkey(text).ok().filter(|w| w.algorithm == Algorithm::CosignatureV1);
        let witness = some!(index, "genesis-witnesses", witness, "witness {text:?}: expected a cosignature key");
        rule!(index, "genesis-witnesses", !keys.contains(&witness.public.to_bytes()), "witness {text:?}: its key has another role already");
        keys.push(witness.public.to_bytes());
    }
    Ok(())
}

/// Checks a cosigned tree head of exactly `size`; returns the seed that its cosignatures give.
fn cosigned(index: u64, genesis: Option<&Genesis>, note: &str, size: u64) -> Result<Digest, Violation> {
    let violation = |text: String| Violation { rule: "cosigned-tree-head", index, text };
    let genesis = genesis.ok_or_else(|| violation("no genesis".into()))?;
    let note = Note::from_text(note).map_err(|e| violation(e.to_string()))?;
    let log = Verifier::from_vkey(&genesis.log).map_err(|e| violation(e.to_string()))?;
    let head = TreeHead::verify(&note, &log).map_err(|e| violation(e.to_string()))?;
    if head.size != size {
        return Err(violation(format!("tree head of size {}, expected {size}", head.size)));
    }
    let witnesses: Result<Vec<Verifier>, _> = genesis.witnesses.iter().map(|w| Verifier::from_vkey(w)).collect();
    draw_seed(&note, &witnesses.map_err(|e| violation(e.to_string()))?).map_err(|e| violation(e.to_string()))
}
