//! Everything that can be added up: bundles, verdict tables, shards, draws, totals, rewards, statements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use corpus::merkle::{Frontier, leaf_hash};
use corpus::shard::Shard as ShardFile;
use corpus::verdict::{Verdict, VerdictRow, VerdictTable};
use corpus::{ContributorId, Digest, DocumentRef, EntryIndex, RunNumber, canonical};
use ledger::entry::{Holder, PoolOutcome, ReplayOutcome, RunOutcome, Shard};
use ledger::history::{Epoch, Logged, Run, Submitted};
use ledger::statement::Statement;
use rayon::prelude::*;
use rules::accounting::Accounting;
use rules::bundles::pool_documents;
use rules::listener::{Listener, Task};
use rules::settlement::{compute_before, statements};
use rules::tables::{Tables, nano, statements_root};
use rules::targets::{Targets, draw_targets};
use rules::verdicts::{Clusters, JudgeParameters};
use rules::withdrawn::{Consequences, DocumentList, Withdrawn};
use rules::{Archive, EpochView, EpochViews};
use store::Class;
use trainer::{SamplingRule, read_documents};

use super::{Report, Result};

/// Checks every epoch and every run.
pub fn check(epochs: &EpochViews<'_>, listener: &dyn Listener, report: &mut Report) -> Result<()> {
    let before = report.findings.len();
    let (archive, withdrawn) = (epochs.archive, epochs.withdrawn()?);
    for (at, digest) in &withdrawn.foreign {
        report.find("withdrawal-destroyed", *at, format!("{digest}: is said to be destroyed, and is not of what was withdrawn"));
    }
    check_withdrawals(archive, report)?;
    let (mut documents, mut tokens) = (0, 0);
    let submitted = archive.state.epochs.iter().flat_map(|e| &e.submissions).map(|s| s.submission.entry.documents);
    let bar = listener.task("documents added up", submitted.sum());
    for view in epochs.iter() {
        check_targets(view, report)?;
        check_compactions(archive, view.epoch, withdrawn, report)?;
        let shared = Shared { withdrawn, gone: withdrawn.gone(), parameters: parameters(view)? };
        for s in &view.epoch.submissions {
            check_submission(view, s, &shared, &*bar, report)?;
            documents += s.submission.entry.documents;
            tokens += s.tokens();
        }
    }
    drop(bar);
    let mut books = Accounting::default();
    let mut signed = SignedStatements::default();
    for run in &archive.state.runs {
        check_run(epochs.of_run(run), run, (&mut books, &mut signed), listener, report)?;
        let settled = archive.state.runs.iter().find(|r| r.intent.entry.epoch == run.intent.entry.epoch && r.statements.is_some());
        let passed_over =
            run.attribution.is_some() && !run.intent.entry.pilot && settled.is_some_and(|s| s.intent.entry.run != run.intent.entry.run);
        report.expect(!passed_over, "run-passed-over", run.intent.index, || {
            format!("run {}: attributed, and another run of its epoch was settled", run.intent.entry.run)
        });
    }
    report.check("arithmetic", format!("{documents} documents, {tokens} tokens, {} runs", archive.state.runs.len()), before);
    Ok(())
}

fn check_targets(view: &EpochView<'_>, report: &mut Report) -> Result<()> {
    let (archive, e) = (view.archive, view.epoch);
    let Logged { index: at, entry: open } = &e.open;
    let pool = view.pool()?;
    let (root, count) = (pool.root(), pool.documents.len() as u64);
    report.expect((root, count) == (open.pool_root, open.pool_documents), "pool-root", *at, || {
        format!("pool root {} over {}, the pool gives {root} over {count}", open.pool_root, open.pool_documents)
    });
    if let Some(Logged { index: at, entry: draw }) = &e.draw {
        let found: Targets = canonical::from_slice(&archive.objects.get(Class::Public, &draw.targets)?)?;
        report.expect(found == draw_targets(&pool_documents(&pool), &draw.seed), "draw-targets", *at, || {
            "the targets are not those that the seed draws".into()
        });
    }
    Ok(())
}

/// What withdrawals name is theirs to name, and their effects say what follows from the log.
fn check_withdrawals(archive: &Archive, report: &mut Report) -> Result<()> {
    for s in archive.state.epochs.iter().flat_map(|e| &e.submissions) {
        // What was taken back for its licence may be taken back for consent too; it was in no shard then.
        let mut before: BTreeSet<u32> = BTreeSet::new();
        for w in &s.withdrawals {
            let Logged { index: at, entry: withdrawal } = &w.withdrawal;
            let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &withdrawal.list)?)?;
            let own = |d: &DocumentRef| d.submission == withdrawal.submission && u64::from(d.number) < s.submission.entry.documents;
            let whole = list.documents.len() as u64 == withdrawal.documents && list.documents.is_sorted_by(|a, b| a < b);
            report.expect(whole && list.documents.iter().all(own), "withdrawal-list", *at, || {
                format!(
                    "a list of {} documents in order of submission {}, expected {}",
                    list.documents.len(),
                    withdrawal.submission,
                    withdrawal.documents
                )
            });
            let Some(Logged { index: effect_at, entry: effect }) = &w.effect else {
                report.find("withdrawal-open", *at, "a withdrawal without its effect");
                continue;
            };
            let accepted = match &s.acceptance {
                Some(Logged { index: judged_at, entry: a }) if judged_at < effect_at => {
                    let table = VerdictTable::decode(&archive.objects.get(Class::Public, &a.verdicts)?)?;
                    let numbers: BTreeSet<u32> = list.documents.iter().map(|d| d.number).collect();
                    table
                        .rows
                        .iter()
                        .filter(|r| r.verdict == Verdict::Accepted && numbers.contains(&r.number) && !before.contains(&r.number))
                        .count() as u64
                }
                _ => 0,
            };
            report.expect(effect.accepted == accepted, "withdrawal-accepted", *effect_at, || {
                format!("{} accepted documents, the verdicts give {accepted}", effect.accepted)
            });
            before.extend(list.documents.iter().map(|d| d.number));
            let consequences: Consequences = canonical::from_slice(&archive.objects.get(Class::Public, &effect.consequences)?)?;
            let used = |r: &&Run| r.intent.entry.epoch == s.submission.entry.epoch && r.intent.index < *effect_at && accepted > 0;
            let runs: Vec<RunNumber> = archive.state.runs.iter().filter(used).map(|r| r.intent.entry.run).collect();
            report.expect(consequences.runs == runs && effect.runs == runs.len() as u64, "withdrawal-runs", *effect_at, || {
                format!("runs {:?}, the log gives {runs:?}", consequences.runs)
            });
        }
    }
    Ok(())
}

/// What checks of an epoch's submissions have in common.
struct Shared<'a> {
    withdrawn: &'a Withdrawn,
    /// Documents whose text is destroyed.
    gone: BTreeSet<DocumentRef>,
    /// The digest of what its verdicts were given by, once they are.
    parameters: Option<Digest>,
}

/// The digest of the parameters that verdicts of an epoch follow from, if it has any verdict.
fn parameters(view: &EpochView<'_>) -> Result<Option<Digest>> {
    let judged = view.epoch.submissions.iter().any(|s| s.acceptance.is_some());
    Ok(if judged { Some(Digest::of(&canonical::to_vec(&JudgeParameters::of(view)?)?)) } else { None })
}

fn check_submission(view: &EpochView<'_>, s: &Submitted, shared: &Shared<'_>, bar: &dyn Task, report: &mut Report) -> Result<()> {
    let Logged { index: at, entry: submission } = &s.submission;
    let withdrawn = shared.withdrawn;
    let archive = view.archive;
    let (mut root, mut commitments, mut bytes, mut destroyed) = (Frontier::default(), Vec::new(), 0, BTreeSet::new());
    let mut redacted = false;
    for part in rules::parts::parts(archive, s)?.parts {
        let bundle = rules::bundles::read_part(&*archive.objects, &part)?;
        redacted |= bundle.redaction.is_some();
        bytes += bundle.text_bytes();
        let prepared: Vec<(Digest, Option<u32>)> = (0..bundle.documents.len())
            .into_par_iter()
            .map(|place| bundle.prepare_one(place))
            .map(|p| (p.commitment, p.withdrawn.then_some(p.number)))
            .collect();
        bar.advance(prepared.len() as u64);
        for (commitment, gone) in prepared {
            root.push(leaf_hash(&commitment.0));
            commitments.push(commitment);
            destroyed.extend(gone);
        }
    }
    // What was destroyed is no longer counted; commitments and root are as they were.
    let bytes = if redacted { submission.bytes } else { bytes };
    let found = (root.root(), commitments.len() as u64, bytes);
    let expected = (submission.root, submission.documents, submission.bytes);
    let own = DocumentRef { submission: *at, number: 0 }..=DocumentRef { submission: *at, number: u32::MAX };
    let gone: BTreeSet<u32> = shared.gone.range(own).map(|d| d.number).collect();
    report.expect(destroyed == gone, "withdrawn-documents", *at, || {
        format!("documents {destroyed:?} are destroyed in the bundles, {gone:?} were withdrawn")
    });
    report.expect(found == expected, "submission-bundle", *at, || {
        format!("root, documents and bytes {expected:?}, the bundles give {found:?}")
    });
    if let Some(list) = &submission.problems {
        let list: serde_json::Value = canonical::from_slice(&archive.objects.get(Class::Party, list)?)?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for problem in list["problems"].as_array().into_iter().flatten() {
            *counts.entry(problem["code"].as_str().unwrap_or_default().to_string()).or_default() += 1;
        }
        report.expect(counts == submission.unread, "submission-unread", *at, || {
            format!("unread {:?}, the list of problems gives {counts:?}", submission.unread)
        });
    }
    let Some(Logged { index: at, entry: acceptance }) = &s.acceptance else { return Ok(()) };
    let table = VerdictTable::decode(&archive.objects.get(Class::Public, &acceptance.verdicts)?)?;
    let counts = rules::bundles::counts(&table, &submission.unread);
    report.expect(acceptance.counts == counts, "acceptance-table", *at, || {
        format!("counts {:?}, the table gives {counts:?}", acceptance.counts)
    });
    let roots = table.roots();
    report.expect((acceptance.accepted_root, acceptance.rejected_root) == roots, "acceptance-table", *at, || {
        format!("roots of accepted and rejected differ from the table's {roots:?}")
    });
    let clusters = Clusters::of(&table);
    let (logged, found) = ((acceptance.largest_cluster, acceptance.novel_words), (clusters.largest, clusters.novel_words));
    report.expect(logged == found, "acceptance-clusters", *at, || {
        format!("largest cluster and novel words {logged:?}, the table gives {found:?}")
    });
    report.expect(Some(acceptance.parameters) == shared.parameters, "acceptance-parameters", *at, || {
        format!("parameters {}, the epoch gives {}", acceptance.parameters, shared.parameters.unwrap_or_default())
    });
    report.expect(commitments.iter().eq(table.rows.iter().map(|r| &r.commitment)), "acceptance-table", *at, || {
        "the table is about other documents than the bundles'".into()
    });
    report.expect(s.is_sharded(), "shard-missing", *at, || format!("{} accepted documents and not all in shards", s.left()));
    for Logged { index: at, entry } in &s.shards {
        // The withdrawal that a shard follows takes effect behind the others that it brings.
        let open = s
            .withdrawals
            .iter()
            .filter(|w| w.withdrawal.index < *at)
            .filter_map(|w| w.effect.as_ref())
            .map(|Logged { index: effect, .. }| *effect + 1);
        let gone = withdrawn.before(s, open.max().unwrap_or_default());
        if !withdrawn.destroyed.contains(&entry.file) {
            check_shard(archive, (*at, entry), &table, &gone, report)?;
        }
    }
    Ok(())
}

/// A shard's file is what its entry says, and holds the accepted documents that were not `gone`.
fn check_shard(
    archive: &Archive,
    (at, entry): (EntryIndex, &Shard),
    table: &VerdictTable,
    gone: &BTreeSet<u32>,
    report: &mut Report,
) -> Result<()> {
    let shard = match ShardFile::decode(&archive.objects.get(Class::Sealed, &entry.file)?) {
        Ok(shard) => shard,
        Err(e) => {
            report.find("shard-file", at, e.to_string());
            return Ok(());
        }
    };
    let found = (shard.documents.len() as u64, shard.tokens(), shard.document_root(), shard.tokenizer);
    let expected = (entry.rows, entry.tokens, entry.document_root, entry.tokenizer);
    report.expect(found == expected, "shard-file", at, || format!("rows, tokens, root and tokenizer {expected:?}, the file has {found:?}"));
    let kept =
        |r: &&VerdictRow| r.verdict == Verdict::Accepted && !gone.contains(&r.number) && (entry.first..entry.end).contains(&r.number);
    let accepted = table.rows.iter().filter(kept).map(|r| (table.submission, r.number, r.commitment, entry.contributor));
    let rows = shard.documents.iter().map(|d| (d.document.submission, d.document.number, d.commitment, d.contributor));
    report.expect(accepted.eq(rows), "shard-documents", at, || "the shard's documents are not the accepted ones".into());
    Ok(())
}

/// A compaction holds the documents of its shards, one behind the other.
fn check_compactions(archive: &Archive, e: &Epoch, withdrawn: &Withdrawn, report: &mut Report) -> Result<()> {
    for compaction in &e.compactions {
        let Logged { index: at, entry: c } = compaction;
        let files: Vec<Digest> = e.compacted(compaction).iter().map(|Logged { entry: s, .. }| s.file).collect();
        if files.iter().chain([&c.file]).any(|f| withdrawn.destroyed.contains(f)) {
            continue;
        }
        let read = |file: &Digest| -> Result<ShardFile> { Ok(ShardFile::decode(&archive.objects.get(Class::Sealed, file)?)?) };
        let together = match read(&c.file) {
            Ok(together) => together,
            Err(e) => {
                report.find("compaction-file", *at, e.to_string());
                continue;
            }
        };
        let found = (together.document_root(), together.documents.len() as u64, together.tokens());
        let expected = (c.document_root, c.rows, c.tokens);
        report.expect(found == expected, "compaction-file", *at, || format!("root, rows and tokens {expected:?}, the file has {found:?}"));
        let mut rows = together.documents.iter();
        // A shard that cannot be read is a finding of its own, and where the next one begins is not known then.
        let Ok(shards) = files.iter().map(read).collect::<Result<Vec<_>>>() else { continue };
        let same = shards.iter().flat_map(|s| &s.documents).all(|d| rows.next() == Some(d)) && rows.next().is_none();
        report.expect(same, "compaction-documents", *at, || "the documents are not those of its shards".into());
    }
    Ok(())
}

fn check_run(
    view: &EpochView<'_>,
    run: &Run,
    money: (&mut Accounting, &mut SignedStatements),
    listener: &dyn Listener,
    report: &mut Report,
) -> Result<()> {
    let archive = view.archive;
    let Logged { index: at, entry: intent } = &run.intent;
    let Some(Logged { index: close_at, entry: close }) = &run.close else {
        report.find("run-closed", *at, format!("run {} has no close", intent.run));
        return Ok(());
    };
    let Some(Logged { index: attribution_at, entry: a }) = &run.attribution else {
        report.expect(close.outcome != RunOutcome::Completed, "run-attributed", *close_at, || {
            format!("run {} is completed and has no attribution", intent.run)
        });
        return Ok(());
    };
    let tables = rules::run_tables::of_run(archive, run)?;
    let (accounts, table) = (&tables.accounts, &tables.credit);
    let rows = table.len() as u64;
    for Logged { index: at, entry: p } in &run.progress {
        let end = p.windows.checked_sub(1).and_then(|w| accounts.windows.get(w as usize)).map(|w| w.end_step);
        report.expect(end == Some(p.step), "progress-windows", *at, || {
            format!("{} windows and step {}, the windows table says {end:?}", p.windows, p.step)
        });
        // What was logged before a window was drawn is what is settled after it.
        let then = trainer::read_credit(&archive.objects.get(Class::Public, &p.credit)?)?;
        let prefix: Vec<_> = table.iter().filter(|r| r.window < p.windows).collect();
        let same = then.len() == prefix.len() && then.iter().zip(prefix).all(|(a, b)| a == b);
        report.expect(same, "progress-credit", *at, || {
            format!("the credit table of {} windows is not the beginning of the final one", p.windows)
        });
    }
    let last = run.progress.last().map_or(0, |Logged { entry: p, .. }| p.windows);
    report.expect(last == accounts.windows.len() as u64, "progress-windows", *attribution_at, || {
        format!("{} windows in the table, the last progress has {last}", accounts.windows.len())
    });
    // The table's credits are rounded once more than the run's: a few units of the last digit.
    let near = |a: i64, b: i64| a.abs_diff(b) <= 2;
    let (decay, residual) = (accounts.decay(), accounts.residual());
    let totals = a.rows == rows && near(a.drop, nano(accounts.drop())) && near(a.decay, nano(decay)) && near(a.residual, nano(residual));
    report.expect(totals, "attribution-totals", *attribution_at, || {
        format!(
            "rows, drop, residual and decay {:?}, the tables give {:?}",
            (a.rows, a.drop, a.residual, a.decay),
            (rows, nano(accounts.drop()), nano(residual), nano(decay))
        )
    });
    check_documents(archive, run, &tables, report)?;
    let losses = accounts.losses().map(|(a, b)| (nano(a), nano(b)));
    report.expect(losses == Some((close.loss_start, close.loss_end)), "close-losses", *close_at, || {
        format!("losses {:?}, the windows give {losses:?}", (close.loss_start, close.loss_end))
    });
    let consecutive = accounts.windows.windows(2).all(|w| w[0].end_step == w[1].first_step && w[0].loss_after == w[1].loss_before);
    let whole =
        accounts.windows.first().is_some_and(|w| w.first_step == 0) && accounts.windows.last().is_some_and(|w| w.end_step == close.steps);
    report.expect(consecutive && whole, "attribution-windows", *attribution_at, || {
        "the windows do not follow each other from the first step to the last".into()
    });
    let (drawn, marked) = (rules::draws::drawn(archive, run)?, rules::replay::marked(&tables));
    for Logged { index: at, entry: replay } in &run.replays {
        let expected = replay.windows.iter().all(|w| drawn.contains(w) || marked.contains(w));
        report.expect(expected && marked.iter().all(|w| replay.windows.contains(w)), "replay-drawn", *at, || {
            format!("windows {:?}, drawn were {drawn:?}, marked {marked:?}", replay.windows)
        });
        report.expect(replay.outcome != ReplayOutcome::Differs, "replay-differs", *at, || {
            format!("windows {:?} of run {} differed when replayed", replay.windows, replay.run)
        });
    }
    check_shares(view, run, report)?;
    check_statements(view, run, money, listener, report)
}

/// What a settled run was sampled with was named by the policy, or follows from an earlier run.
fn check_shares(view: &EpochView<'_>, run: &Run, report: &mut Report) -> Result<()> {
    let archive = view.archive;
    let Some(sampling) = rules::replay::config(archive, run)?.sampling.filter(|_| run.statements.is_some()) else { return Ok(()) };
    let (at, table) = (run.intent.index, sampling.table.as_deref().and_then(|t| t.parse::<Digest>().ok()));
    match (sampling.rule, sampling.run) {
        (SamplingRule::File, _) => {
            let policy = view.policy()?;
            report.expect(table.is_some_and(|t| policy.share_tables.contains(&t)), "run-weights", at, || {
                format!("run {}: sampling shares from a file that the policy does not name: table {table:?}", run.intent.entry.run)
            });
        }
        (SamplingRule::FromRun, Some(from)) => {
            let expected = Digest::of(&canonical::to_vec(&rules::earned::table_of_run(archive, RunNumber(from), sampling.cap)?)?);
            report.expect(from < run.intent.entry.run.0 && table == Some(expected), "run-weights", at, || {
                format!("run {}: table {table:?}, run {from} gives {expected}", run.intent.entry.run)
            });
        }
        _ => {}
    }
    Ok(())
}

/// The document table is that of the progress entries, and its rows add up to the contributors' credit.
fn check_documents(archive: &Archive, run: &Run, tables: &Tables, report: &mut Report) -> Result<()> {
    let Logged { index: at, entry: a } = run.attribution.as_ref().expect("checked by the caller");
    let documents = read_documents(&archive.objects.get(Class::Public, &a.documents)?)?;
    let mut logged = Vec::new();
    for Logged { entry: p, .. } in &run.progress {
        logged.extend(read_documents(&archive.objects.get(Class::Public, &p.documents)?)?);
    }
    report.expect(logged == documents && a.document_rows == documents.len() as u64, "documents-table", *at, || {
        format!("{} rows of {} are not those of the progress entries", a.document_rows, documents.len())
    });
    let mut sums: BTreeMap<(&str, &str, u64), (f64, f64)> = BTreeMap::new();
    for row in &documents {
        let sum = sums.entry((&row.contributor, &row.target, row.window)).or_default();
        *sum = (sum.0 + row.nats, sum.1 + row.nats.abs());
    }
    if documents.is_empty() {
        return Ok(());
    }
    let off = tables.credit.iter().find(|row| {
        let (sum, size) = sums.get(&(row.contributor.as_str(), row.target.as_str(), row.window)).copied().unwrap_or_default();
        (sum - row.nats).abs() > 1e-9 * (size + row.nats.abs())
    });
    report.expect(off.is_none(), "documents-sum", *at, || {
        let row = off.expect("there is one");
        format!("contributor {}, window {}: credit {} is not the sum of its documents'", row.contributor, row.window, row.nats)
    });
    Ok(())
}

/// Objects that are statements, by their run and contributor: no entry names them. Whether somebody signed them is not looked at here.
#[derive(Default)]
struct SignedStatements(Option<HashMap<(RunNumber, ContributorId), Vec<Digest>>>);

impl SignedStatements {
    /// Those of one run and contributor; all objects are read when the first is asked for.
    fn of(&mut self, archive: &Archive, run: RunNumber, contributor: ContributorId, listener: &dyn Listener) -> Result<&[Digest]> {
        if self.0.is_none() {
            let listed = archive.objects.list(Class::Party)?;
            let bar = listener.task("statements", listed.len() as u64);
            let read = |digest: &Digest| -> Option<((RunNumber, ContributorId), Digest)> {
                bar.advance(1);
                let statement = Statement::unverified(&archive.objects.get(Class::Party, digest).ok()?).ok()?;
                Some(((statement.run, statement.contributor), *digest))
            };
            let mut all: HashMap<(RunNumber, ContributorId), Vec<Digest>> = HashMap::new();
            for (of, digest) in listed.par_iter().filter_map(read).collect::<Vec<_>>() {
                all.entry(of).or_default().push(digest);
            }
            self.0 = Some(all);
        }
        let all = self.0.as_ref().expect("just read");
        Ok(all.get(&(run, contributor)).map_or(&[], Vec::as_slice))
    }
}

/// The statements of a settled run are those that follow from the log; the books go on to its settlement.
fn check_statements(
    view: &EpochView<'_>,
    run: &Run,
    (books, signed): (&mut Accounting, &mut SignedStatements),
    listener: &dyn Listener,
    report: &mut Report,
) -> Result<()> {
    let archive = view.archive;
    let Some(Logged { index: at, entry: s }) = &run.statements else { return Ok(()) };
    let revealed = archive.state.epochs.get(s.epoch as usize).is_some_and(|e| e.reveal.is_some());
    report.expect(revealed, "reveal-missing", *at, || {
        format!("epoch {}: settled, and its key is not revealed; verdicts cannot be computed again", s.epoch)
    });
    let computed = compute_before(view, run, books.turn_to(archive, *at)?.clone())?;
    let (policy, rewards, outcome) = (&computed.policy, &computed.rewards, &computed.outcome);
    let found = archive.objects.get(Class::Public, &s.rewards)?;
    report.expect(rewards.to_bytes()? == found, "rewards", *at, || "the rewards are not those that credit and policy give".into());
    let facts = (s.pool_minor, s.currency.as_str(), &s.outcome);
    report.expect(facts == (policy.pool_minor, policy.currency.as_str(), outcome), "rewards", *at, || {
        format!("pool and outcome {facts:?}, the policy gives {} {} {outcome}", policy.pool_minor, policy.currency)
    });
    let settled: i128 = rewards.pools.iter().filter(|p| p.head.outcome == PoolOutcome::Settled).map(|p| p.head.pool_minor).sum();
    let sums = (rewards.accrued_minor(), rewards.payable_minor());
    report.expect((s.accrued_minor, s.payable_minor) == sums && sums.0 == settled, "rewards-sum", *at, || {
        format!("accrued and payable {:?}, the lines give {sums:?}, the settled pools {settled}", (s.accrued_minor, s.payable_minor))
    });
    // Statements are named by nothing but the root over them: each is looked up by what it has to say.
    let operator = archive.state.key_before(&Holder::Operator, *at).expect("a log with statements has an operator");
    let mut envelopes = Vec::new();
    for expected in statements(archive, run, &computed)? {
        let digests = signed.of(archive, expected.run, expected.contributor, listener)?;
        let says = |digest: &Digest| {
            let bytes = archive.objects.get(Class::Party, digest).ok()?;
            Statement::verify(&bytes, &operator).is_ok_and(|found| found == expected).then_some(bytes)
        };
        match digests.iter().find_map(says) {
            Some(bytes) => envelopes.push(bytes),
            None => {
                report.find("statement", *at, format!("contributor {}: no signed statement says what the log gives", expected.contributor))
            }
        }
    }
    let root = statements_root(&envelopes);
    report.expect((s.statements, s.root) == (envelopes.len() as u64, root), "statement-root", *at, || {
        format!("root {} over {}, the statements give {root} over {}", s.root, s.statements, envelopes.len())
    });
    Ok(())
}
