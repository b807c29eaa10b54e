//! From a document, a token or a cent to everything that it came from and that came of it, and back; each step names its entry.
//!
//! Works on a copy of `log/` and `objects/` too, whose log was checked.

use std::collections::{BTreeMap, BTreeSet};

use corpus::shard::{Shard, TokenizedDocument};
use corpus::verdict::VerdictRow;
use corpus::{ContributorId, DocumentRef, EntryIndex, RunNumber};
use ledger::Submitted;
use ledger::amount::with_currency;
use ledger::history::{Logged, Run};
use rules::{Archive, EpochViews, lines};
use serde::Serialize;
use store::Class;
use trainer::{read_documents, read_order};

use crate::error::{Context, Kind, Result, failure, usage};

/// Documents that are traced at once.
pub const LISTED: usize = 20;

/// Where a trace begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// A document.
    Document(DocumentRef),
    /// Documents that hold a text.
    Text(String),
    /// A token of a shard.
    Token {
        /// The shard's entry.
        shard: EntryIndex,
        /// Its row, from 0.
        row: usize,
        /// The row's token, from 0.
        token: usize,
    },
    /// A contributor's statement.
    Statement {
        /// Whose.
        contributor: ContributorId,
        /// Of which run.
        run: RunNumber,
        /// Its document with the `line`th most weight, from 1; without it the first [`LISTED`].
        line: Option<usize>,
    },
}

/// One step of a trace.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// What it is.
    pub what: &'static str,
    /// The entry that says so.
    pub entry: EntryIndex,
    /// What it says.
    pub text: String,
}

struct Trace<'a> {
    archive: &'a Archive,
    hops: Vec<Hop>,
}

/// Where a token lies.
#[derive(Clone, Debug)]
pub struct TokenAt {
    /// Its id.
    pub token: u32,
    /// Text before it.
    pub before: String,
    /// Its own.
    pub text: String,
    /// Text after it.
    pub after: String,
}

/// What a trace came to.
#[derive(Clone, Debug, Serialize)]
pub struct Traced {
    /// The token that it began with.
    #[serde(skip)]
    pub token: Option<TokenAt>,
    /// Documents that it leads to.
    pub documents: Vec<DocumentRef>,
    /// Its steps; of many documents, those of the first [`LISTED`].
    pub hops: Vec<Hop>,
}

/// Everything that `start` came from, and that came of it.
pub fn trace(archive: &Archive, start: Start) -> Result<Traced> {
    let (mut trace, mut token) = (Trace { archive, hops: Vec::new() }, None);
    let documents = match start {
        Start::Document(document) => vec![document],
        Start::Text(text) => {
            let found = holding(archive, &text)?;
            if found.is_empty() {
                return Err(failure(Kind::Check, format!("no document holds the {} bytes given, in their normal form", text.len())));
            }
            found
        }
        Start::Token { shard, row, token: number } => {
            let (document, at) = token_of(archive, shard, row, number)?;
            token = Some(at);
            vec![document]
        }
        Start::Statement { contributor, run, line } => trace.statement(&contributor, run, line)?,
    };
    for document in documents.iter().take(LISTED) {
        trace.document(*document)?;
    }
    Ok(Traced { token, documents, hops: trace.hops })
}

/// Every document whose normalised text holds `text`, in the order of the log.
fn holding(archive: &Archive, text: &str) -> Result<Vec<DocumentRef>> {
    let wanted = corpus::text::normalise(text);
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return Err(usage("--text: expected a text, found none"));
    }
    let mut found = Vec::new();
    for s in archive.state.epochs.iter().flat_map(|e| &e.submissions) {
        let submission = s.submission.index;
        for part in rules::parts::parts(archive, s)?.parts {
            let bundle = rules::bundles::read_part(&*archive.objects, &part)?;
            let held = bundle.prepare().filter(|p| p.text.contains(wanted)).map(|p| DocumentRef { submission, number: p.number });
            found.extend(held);
        }
    }
    Ok(found)
}

fn token_of(archive: &Archive, at: EntryIndex, row: usize, token: usize) -> Result<(DocumentRef, TokenAt)> {
    let mut shards = archive.state.epochs.iter().flat_map(|e| &e.submissions).flat_map(|s| &s.shards);
    let Logged { entry, .. } =
        shards.find(|Logged { index: i, .. }| *i == at).ok_or_else(|| usage(format!("--shard {at}: entry {at} is no shard")))?;
    let shard = Shard::decode(&archive.objects.get(Class::Sealed, &entry.file)?)?;
    let rows = shard.documents.len();
    let document = shard.documents.get(row).ok_or_else(|| usage(format!("--row {row}: the shard has rows 0 to {}", rows - 1)))?;
    let tokens = document.tokens.len();
    let id = document.tokens.get(token).ok_or_else(|| usage(format!("--token {token}: the row has tokens 0 to {}", tokens - 1)))?;
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let around = |range: std::ops::Range<usize>| tokenizer.decode(&document.tokens[range]).unwrap_or_default();
    let (before, after) = (around(token.saturating_sub(8)..token), around(token + 1..tokens.min(token + 9)));
    Ok((document.document, TokenAt { token: *id, before, text: around(token..token + 1), after }))
}

impl Trace<'_> {
    fn hop(&mut self, what: &'static str, entry: EntryIndex, text: impl Into<String>) {
        self.hops.push(Hop { what, entry, text: text.into() });
    }

    /// Where a document comes from and what came of it.
    fn document(&mut self, document: DocumentRef) -> Result<()> {
        let archive = self.archive;
        let submitted = archive
            .state
            .submission(document.submission)
            .ok_or_else(|| usage(format!("document {document}: entry {} is no submission", document.submission)))?;
        let Logged { index: at, entry: s } = &submitted.submission;
        if u64::from(document.number) >= s.documents {
            return Err(usage(format!("document {document}: the submission has documents 0 to {}", s.documents - 1)));
        }
        let contributor = &archive.state.contributors[&s.contributor];
        let Logged { index: registered, entry: r } = &contributor.registration;
        let custodial = if r.custodial { ", imported by the operator" } else { "" };
        self.hop("contributor", *registered, format!("{}{custodial}, key in force {}", s.contributor, contributor.key.key));
        let (bundle, place) = rules::bundles::bundle_of(archive, submitted, document.number)?;
        let commitment = bundle.prepare_one(place).commitment;
        self.hop(
            "commitment",
            s.commitment,
            format!("root {} over {} documents; document {document} is {commitment}", s.root, s.documents),
        );
        let rights = &s.rights;
        let licence = &bundle.documents[place].licence;
        self.hop(
            "submission",
            *at,
            format!(
                "{document} under {licence}; the dataset under {} ({}, verified by {})",
                rights.license_to_use,
                rights.license_statements.iter().map(|s| s.source.name()).collect::<Vec<_>>().join(", "),
                rights.license_verified_by
            ),
        );
        for Logged { index: granted, entry: grant } in &submitted.grants {
            let purposes = grant.purposes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let what = format!("{} documents are licensed for {purposes} too, under the terms {}", grant.documents, grant.terms);
            self.hop("grant", *granted, what);
        }
        let Some(Logged { index: judged, .. }) = &submitted.acceptance else { return Ok(()) };
        let row = row_of(archive, submitted, document)?;
        let of = row.of.map_or(String::new(), |of| format!(" of {of}, {} of {} shingles", row.intersection, row.union));
        let filter = row.filtered.as_ref().map_or(String::new(), |m| format!(": {m}"));
        self.hop("verdict", *judged, format!("{}{of}{filter}; {} words", row.verdict.code(), row.words));
        if let Some(of) = row.of {
            let (original, s) = (of.submission, archive.state.submission(of.submission).context("a verdict names a submission")?);
            self.hop("original", original, format!("{of} of {}", s.submission.entry.contributor));
        }
        let epochs = EpochViews::of(archive);
        for w in &submitted.withdrawals {
            if let Some(Logged { index: effect, .. }) = &w.effect
                && epochs.withdrawn()?.documents.get(&document).is_some_and(|(at, _)| at == effect)
            {
                self.hop("withdrawn", *effect, format!("by entry {}: {}", w.withdrawal.index, w.withdrawal.entry.kind));
            }
        }
        for Logged { index: at, entry } in
            submitted.shards.iter().filter(|Logged { entry: s, .. }| (s.first..s.end).contains(&document.number))
        {
            match Shard::decode(&archive.objects.get(Class::Sealed, &entry.file).unwrap_or_default()) {
                Ok(shard) => {
                    if let Some((row, found)) = shard.documents.iter().enumerate().find(|(_, d)| d.document == document) {
                        self.in_shard(*at, row, found);
                    }
                }
                Err(_) => self.hop("shard", *at, "its file is not here, or was destroyed"),
            }
        }
        let number = s.epoch;
        for run in archive.state.runs.iter().filter(|r| r.intent.entry.epoch == number) {
            self.in_run(run, document, &s.contributor)?;
        }
        Ok(())
    }

    fn in_shard(&mut self, at: EntryIndex, row: usize, document: &TokenizedDocument) {
        self.hop("shard", at, format!("row {row}, {} tokens, of {}", document.tokens.len(), document.source));
    }

    /// Steps that saw it, its credit, and what the statement made of it.
    fn in_run(&mut self, run: &Run, document: DocumentRef, contributor: &ContributorId) -> Result<()> {
        let archive = self.archive;
        let name = document.to_string();
        let (mut steps, mut tokens, mut last) = (BTreeSet::new(), 0u64, run.intent.index);
        for Logged { index: at, entry: p } in &run.progress {
            for row in read_order(&archive.objects.get(Class::Public, &p.order)?)?.iter().filter(|r| r.document == name) {
                steps.insert(row.step);
                tokens += u64::from(row.tokens.end - row.tokens.start);
                last = *at;
            }
        }
        let Some(first) = steps.first() else {
            return Ok(());
        };
        let span =
            format!("run {}: {tokens} tokens in {} steps, {first} to {}", run.intent.entry.run, steps.len(), steps.last().unwrap_or(first));
        self.hop("trained on", last, span);
        let Some(Logged { index: at, entry: a }) = &run.attribution else { return Ok(()) };
        let tables = rules::run_tables::of_run(archive, run)?;
        let rows = read_documents(&archive.objects.get(Class::Public, &a.documents)?)?;
        let nats: f64 = rows.iter().filter(|r| r.document == name).map(|r| tables.weight(&r.target) * r.nats).sum();
        self.hop(
            "credit",
            *at,
            format!(
                "{nats:+.6} nats of held-out loss, estimated within its contributor's {:+.4}",
                tables.credits().get(contributor).map_or(0.0, |(nats, _)| *nats)
            ),
        );
        self.paid(run, contributor, Some(document))
    }

    /// The statement's line, and the part of it that a document's weight is.
    fn paid(&mut self, run: &Run, contributor: &ContributorId, document: Option<DocumentRef>) -> Result<()> {
        let Some(Logged { index: at, entry: s }) = &run.statements else { return Ok(()) };
        let computed = rules::settlement::compute(self.archive, run.intent.entry.run)?;
        let (policy, tables) = (&computed.policy, &computed.tables);
        let Some(account) = computed.rewards.settlement.accounts.iter().find(|a| a.contributor == *contributor) else {
            self.hop("statement", *at, "commons are paid to nobody");
            return Ok(());
        };
        let sum: i128 = computed.lines().map(|r| r.pay_weight).sum();
        let amount = |minor: i128| with_currency(minor, policy.currency_exponent, &policy.currency);
        let mut text = format!(
            "{}; weight {} of {sum}, accrued {}, payable {}",
            computed.outcome,
            computed.rewards.pay_weights().get(contributor).copied().unwrap_or_default(),
            amount(account.accrued_minor),
            amount(account.payable_minor)
        );
        if let (Some(document), true) = (document, sum > 0) {
            let own = weights_by_document(self.archive, run, tables, policy.window_cap_permille)?;
            let weight = own.get(&document.to_string()).map_or(0.0, |(_, w)| *w);
            let share = (weight * 1e9 / sum as f64 * s.pool_minor as f64).round() as i128;
            text += &format!("; of it {document} is about {}", amount(share));
        }
        self.hop("statement", *at, text);
        for payout in &self.archive.state.payouts {
            let Logged { index, entry: proposal } = &payout.proposal;
            let list = lines::amounts(self.archive, &proposal.list)?;
            if let Some(paid) = list.iter().find(|a| a.contributor == *contributor && *index > *at) {
                let text =
                    format!("{} proposed over {}, {}", amount(paid.amount_minor), proposal.rail, paid.reference.as_deref().unwrap_or(""));
                self.hops.push(Hop { what: "payout", entry: *index, text });
            }
        }
        Ok(())
    }

    /// Back from a statement: its line, and the documents behind it by what they weigh.
    fn statement(&mut self, contributor: &ContributorId, number: RunNumber, line: Option<usize>) -> Result<Vec<DocumentRef>> {
        let archive = self.archive;
        let run = archive
            .state
            .runs
            .get(number.0 as usize)
            .ok_or_else(|| usage(format!("run {number}: there are {}", archive.state.runs.len())))?;
        if run.statements.is_none() {
            return Err(failure(Kind::Check, format!("run {number}: has no statements")));
        }
        self.paid(run, contributor, None)?;
        let cap = archive.view_of(run).policy()?.window_cap_permille;
        let tables = rules::run_tables::of_run(archive, run)?;
        let own = weights_by_document(archive, run, &tables, cap)?;
        let id = contributor.to_string();
        let mut lines: Vec<(String, f64)> = own.into_iter().filter(|(_, (of, _))| *of == id).map(|(d, (_, w))| (d, w)).collect();
        lines.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let chosen: Vec<&(String, f64)> = match line {
            Some(line) => vec![
                lines
                    .get(line.wrapping_sub(1))
                    .ok_or_else(|| usage(format!("--line {line}: the statement rests on documents 1 to {}", lines.len())))?,
            ],
            None => lines.iter().take(LISTED).collect(),
        };
        Ok(chosen.into_iter().map(|(d, _)| d.parse()).collect::<Result<_, _>>()?)
    }
}

/// Whose each document is and what it weighs, in nats times window weight.
fn weights_by_document(archive: &Archive, run: &Run, tables: &rules::tables::Tables, cap: u64) -> Result<BTreeMap<String, (String, f64)>> {
    let Logged { entry: a, .. } = run.attribution.as_ref().context("statements follow an attribution")?;
    let windows = tables.window_weights(run.intent.entry.steps, cap);
    let mut sums: BTreeMap<String, (String, f64)> = BTreeMap::new();
    for row in read_documents(&archive.objects.get(Class::Public, &a.documents)?)? {
        let weight = tables.factor(&windows, &row.target, row.window) * row.nats;
        sums.entry(row.document).or_insert_with(|| (row.credited.contributor, 0.0)).1 += weight;
    }
    Ok(sums)
}

fn row_of(archive: &Archive, submitted: &Submitted, document: DocumentRef) -> Result<VerdictRow> {
    let rows = rules::bundles::verdicts(&*archive.objects, submitted)?.rows;
    rows.into_iter().find(|r| r.number == document.number).with_context(|| format!("document {document}: has no verdict"))
}
