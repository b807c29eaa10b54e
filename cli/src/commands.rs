//! What each command does: opens the home, calls a stage, says what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::bundle::Submitted;
use corpus::canonical;
use filters::shown;
use ledger::entry::ReplayOutcome;
use pipeline::Home;
use pipeline::config::{config_of_home, database_url};
use pipeline::disputes::Subject;
use pipeline::gather::Source;
use pipeline::keys::read as read_key;
use pipeline::submit::Submitting;
use pipeline::witnesses::WitnessChoice;
use pipeline::{
    compact, contributor, epoch, estimate, exports, ingest, notices, replay, reward, strata, submit, train, weighting, withdraw,
};
use rights::licence::UNKNOWN;
use rules::policy::{Policy, TARGET, pool_source};
use serde_json::json;
use store::{Class, Index as Database, files};
use trainer::{Drawing, RunConfig, Sampling, Start, Weighting, read_config};

use crate::args::{
    Args, Attribution, Books, Command, Contributor, Dispute, Epoch, Format, Index, Payout, Statement, SubmissionCommand, TrainLook, Witness,
};
use crate::failure::{Kind, failure, usage};
use crate::keys;
use crate::money::{disputes, page, payouts, statement};
use crate::output::{Bars, Output, note};
use crate::{
    alike, attribution, audited, deduplicate, exact, model, preview, prove, queue, quickstart, report, serve, status, submission, tables,
    trace, witness,
};

/// Opens a home whose progress is shown on stderr.
async fn opened(dir: &Path, now: u64) -> Result<Home> {
    Ok(Home::open(dir, now).await?.listening(Bars))
}

/// Carries out a command.
pub async fn run(args: Args) -> Result<Output> {
    let now = args.now.unwrap_or_else(crate::clock);
    match args.command {
        Command::Quickstart { home, small, seed, contributors, target, licence, tokenizer, run, purpose, replay } => {
            let options = quickstart::Options { small, seed, contributors, target, licence, tokenizer, run, purpose, replay };
            quickstart::run(&home.home, options, args.now).await
        }
        Command::Init { home, origin, database, storage, currency, exponent, witness, witness_policy } => {
            if home.home.join("log/checkpoint").exists() {
                return Err(usage(format!("{}: is a home already", home.home.display())));
            }
            let witnesses = match witness_policy {
                Some(path) => WitnessChoice::Policy(files::read_text(&path)?),
                None => remote_witnesses(&witness)?,
            };
            let made =
                Home::init(&home.home, &origin, (database.as_deref(), storage.as_deref()), (&currency, exponent), None, &witnesses, now)
                    .await?;
            let json = json!({ "home": home.home.display().to_string(), "origin": origin, "log_root": made.root() });
            Ok(Output::new(format!("{}: log {origin}, verifier key in log.vkey; keep keys/ to yourself", home.home.display()), json))
        }
        Command::Contributor(Contributor::Add { home, name, key, payee }) => {
            let key = key.map(|k| read_key(&k)).transpose()?;
            let mut home = opened(&home.home, now).await?;
            let payee = payee.map(|p| Ok::<_, anyhow::Error>(files::read_text(&p)?)).transpose()?;
            let id = contributor::add(&mut home, &name, key.as_ref(), payee.as_deref()).await?;
            Ok(Output::new(format!("contributor {name}: {id}"), json!({ "name": name, "id": id })))
        }
        Command::Key(key) => keys::command(key, now).await,
        Command::Epoch(Epoch::Open {
            home,
            target,
            target_weight,
            strata,
            weights,
            filters,
            pay,
            pool_minor,
            hold_days,
            grant_hold_days,
            unknown_reservations,
            purpose,
        }) => {
            let mut home = opened(&home.home, now).await?;
            let (targets, target_weights) = targets(&target, &target_weight)?;
            let mut policy = Policy::new(pool_minor, &home.genesis().currency.clone(), home.genesis().currency_exponent);
            policy.target_weights = target_weights;
            policy.hold_days = hold_days;
            policy.grant_hold_days = grant_hold_days;
            policy.unknown_reservations = unknown_reservations.map(Into::into);
            if let Some(path) = pay {
                let text = files::read_text(&path)?;
                policy.pay = toml::from_str(&text).map_err(|e| usage(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
            }
            policy.strata = strata.map(|path| strata::read(&home, &path)).transpose()?.unwrap_or_default();
            if let Some(path) = filters {
                let text = files::read_text(&path)?;
                policy.filters = toml::from_str(&text).map_err(|e| usage(format!("{}: {e}", path.display())))?;
            }
            for path in &weights {
                policy.weight_tables.push(home.objects.put(Class::Public, &canonical::to_vec(&weighting::table_of_file(path)?)?)?);
            }
            if let Some(announced) = notices::announced_policy(&home)? {
                note("the policy of this epoch was announced: it is taken as it is, whatever is given here");
                policy = announced;
            }
            if let Some(fault) = policy.fault() {
                return Err(usage(format!("policy: {fault}")));
            }
            let number = epoch::open(&mut home, &policy, purpose, targets).await?;
            Ok(Output::new(format!("epoch {number} is open for {purpose}"), json!({ "epoch": number })))
        }
        Command::Epoch(Epoch::Close { home }) => {
            let mut home = opened(&home.home, now).await?;
            let seed = epoch::close(&mut home).await?;
            Ok(Output::new(format!("closed; the witnesses' cosignatures drew the seed {seed}"), json!({ "seed": seed })))
        }
        Command::Submit { home, contributor, reading, key, commit_only, commitment, dry_run } => {
            let given = ToSubmit { source: reading.source(None)?, key, commitment, commit_only, dry_run };
            submit_command(&home.home, now, &contributor, given).await
        }
        Command::Import { home, reading, source, commons, contributor, dry_run } => {
            let name = commons.or(contributor).unwrap_or_else(|| source.clone());
            let mut opened = opened(&home.home, now).await?;
            contributor::add(&mut opened, &name, None, None).await?;
            drop(opened);
            let given = ToSubmit { source: reading.source(Some(&source))?, key: None, commitment: None, commit_only: false, dry_run };
            submit_command(&home.home, now, &name, given).await
        }
        Command::Ingest { home, tokenizer, vocabulary, device } => {
            let mut home = opened(&home.home, now).await?;
            let tokenizer = tokenizer.as_deref().map(|path| ingest::given_tokenizer(path, &Bars)).transpose()?;
            let (device, name) = device.open()?;
            note(&format!("documents are compared on {name}"));
            ingest::run(&mut home, tokenizer, vocabulary, device).await?;
            status::run(&home, None).await
        }
        Command::Submission(SubmissionCommand::Show { home, submission, documents, replay }) => {
            submission::show(&opened(&home.home, now).await?, submission, submission::Detail { documents, replay }).await
        }
        Command::Dedup { input, columned, clusters, verdicts, held_out, threshold, no_verify, no_spans, device, key } => {
            let (verify, spans, reading) = (!no_verify, !no_spans, columned.options(false));
            deduplicate::run(&deduplicate::Request { input, reading, clusters, verdicts, held_out, threshold, verify, spans, device, key })
        }
        Command::Train { look: Some(TrainLook::Inspect { home, step, run }), .. } => {
            attribution::inspect(&opened(&home.home, now).await?, run, step)
        }
        Command::Train { look: Some(TrainLook::Draws { home, run }), .. } => attribution::draws(&opened(&home.home, now).await?, run),
        Command::Attribution(Attribution::Show { home, run, by, sort, limit }) => {
            attribution::show(&opened(&home.home, now).await?, run, by, sort, limit)
        }
        Command::Attribution(Attribution::Alike { home, run, least, documents, tokens }) => {
            alike::show(&opened(&home.home, now).await?, run, least, documents, tokens)
        }
        Command::Explain { home, document, run } => attribution::explain(&opened(&home.home, now).await?, run, &document),
        Command::Generate { home, prompt, run, tokens, temperature, top, seed } => {
            let drawing = Drawing { temperature, top, seed };
            model::generate_text(&*opened(&home.home, now).await?, run, &prompt, tokens, drawing)
        }
        Command::Eval { home, file, run } => model::evaluate(&*opened(&home.home, now).await?, run, file.as_deref()),
        Command::Export { home, format: Format::Llama, out, run, .. } => model::export(&*opened(&home.home, now).await?, run, &out),
        Command::Export { home, format, out, epoch, .. } => export(&home.home, format, epoch, &out),
        Command::Train { look: None, home, run, epoch, dry_run, weights, pilot, weights_from_run, abort } => {
            let mut home = opened(&home.home, now).await?;
            if let Some(reason) = abort {
                let number = train::abort(&mut home, epoch, &reason).await?;
                return Ok(Output::new(
                    format!("run {number}: aborted"),
                    json!({ "run": number, "outcome": format!("aborted: {reason}") }),
                ));
            }
            let path = run.ok_or_else(|| usage("train: expected a RUN.toml"))?;
            let mut config =
                RunConfig::from_toml(&String::from_utf8_lossy(&files::read(&path)?)).with_context(|| path.display().to_string())?;
            if let Some(dir) = weights {
                start_from(&home, &dir, &mut config)?;
            }
            if let Some(from) = weights_from_run {
                config.sampling = Some(Sampling { run: Some(from), ..Sampling::new(Weighting::FromRun) });
            }
            if let Some(sampling) = &mut config.sampling {
                // A file is named from the RUN.toml that names it.
                sampling.file = sampling.file.take().map(|file| path.with_file_name(file));
                // A run does so itself.
                if dry_run {
                    weighting::resolve(&home, sampling)?;
                }
            }
            if dry_run {
                let e = estimate::estimate(&home, &config, epoch)?;
                let json = json!({ "parameters": e.parameters, "tokens": e.tokens, "steps": e.steps, "buckets": e.buckets, "memory_bytes": e.memory_bytes, "seconds": e.seconds });
                return Ok(Output::new(
                    format!(
                        "{} parameters, {} steps of {} tokens in all, {} buckets, {} MiB of buffers, about {:.0} s",
                        e.parameters,
                        e.steps,
                        e.tokens,
                        e.buckets,
                        e.memory_bytes >> 20,
                        e.seconds
                    ),
                    json,
                ));
            }
            let number = if pilot {
                train::pilot_then_fixed(&mut home, &config, epoch).await?
            } else {
                train::run(&mut home, &config, epoch, false).await?
            };
            run_output(&home, number)
        }
        Command::Replay { home, run, window, sample, documents } => replay_command(&home.home, now, run, window, sample, documents).await,
        Command::Reward { home, run, dry_run } => {
            let mut home = opened(&home.home, now).await?;
            if !dry_run {
                let settled = reward::run(&mut home, run).await?;
                page::write(&home, &settled)?;
            }
            statement::rewards(&home, run)
        }
        Command::Status { home, contributor } => status::run(&opened(&home.home, now).await?, contributor.as_deref()).await,
        Command::Prove { home, document, open, out } => prove::document(&opened(&home.home, now).await?, document, open, out),
        Command::VerifyProof { file, vkey, witness, entry } => prove::verify(&file, &vkey, &witness, entry.as_deref()),
        Command::Audit { home, url, mirror, from, replay_verdicts, replay, receipts } => {
            if !(0.0..=1.0).contains(&replay_verdicts) {
                return Err(usage(format!("--replay-verdicts {replay_verdicts}: expected a share from 0 to 1")));
            }
            let options = audit::Options { now, replay, verdicts: replay_verdicts, receipts, from };
            let report = match url {
                None => audit::run(&audited::files(&home.home)?, &options, &Bars)?,
                Some(base) => {
                    let temporary = tempfile::tempdir()?;
                    let dir = mirror.unwrap_or_else(|| temporary.path().to_path_buf());
                    let absent = audit::mirror::mirror(&base, &dir, &Bars)?;
                    if absent > 0 {
                        note(&format!("{base}: {absent} objects are not given"));
                    }
                    audit::run(&audited::files(&dir)?, &options, &Bars)?
                }
            };
            let exit = if report.ok { 0 } else { Kind::Verification as u8 };
            Ok(Output { text: audited::text(&report)?, json: json!({ "audit": report }), exit })
        }
        Command::Claim { home, contributor, document, evidence, kind, key } => {
            let key = key.map(|k| read_key(&k)).transpose()?;
            let mut home = opened(&home.home, now).await?;
            let at = notices::claim(&mut home, &contributor, &document, &files::read(&evidence)?, kind, key.as_ref()).await?;
            Ok(Output::new(format!("claim of {} documents, entry {at}", document.len()), json!({ "claim": at })))
        }
        Command::Grant { home, contributor, submission, document, purpose, terms, key } => {
            let key = key.map(|k| read_key(&k)).transpose()?;
            let mut home = opened(&home.home, now).await?;
            let at = notices::grant(&mut home, &contributor, submission, &document, purpose, &files::read(&terms)?, key.as_ref()).await?;
            Ok(Output::new(format!("grant for submission {submission}, entry {at}"), json!({ "grant": at })))
        }
        Command::Resolve { home, claim, outcome, reasons } => {
            let mut home = opened(&home.home, now).await?;
            let at = notices::resolve(&mut home, claim, outcome, &files::read(&reasons)?).await?;
            Ok(Output::new(format!("claim {claim}: {outcome}, entry {at}"), json!({ "resolution": at, "outcome": outcome })))
        }
        Command::Policy { home, policy, from_epoch, announcement } => {
            let mut home = opened(&home.home, now).await?;
            let (at, from) = notices::change_policy(&mut home, &files::read(&policy)?, from_epoch, &files::read(&announcement)?).await?;
            Ok(Output::new(format!("policy from epoch {from} on, entry {at}"), json!({ "policy_change": at, "from_epoch": from })))
        }
        Command::Trace { home, document, text, shard, row, token, statement, run, line, proofs } => {
            let from = match (document, text, shard, statement) {
                (Some(document), ..) => trace::From::Document(document),
                (_, Some(text), ..) => trace::From::Text(text),
                (.., Some(shard), _) => trace::From::Token { shard, row: row.unwrap_or(0), token },
                (.., Some(contributor)) => trace::From::Statement { contributor, run, line },
                _ => return Err(usage("trace: expected a document, --text, --shard or --statement")),
            };
            trace::run(&home.home, from, proofs.as_deref())
        }
        Command::Serve { home, listen, sealed } => serve::run(&home.home, listen, sealed, args.now).await,
        Command::Withdraw { home, submission, document, consent, key } => {
            let key = key.map(|k| read_key(&k)).transpose()?;
            let mut home = opened(&home.home, now).await?;
            let done = withdraw::withdraw(&mut home, submission, &document, consent, key.as_ref()).await?;
            let runs = &done.consequences.runs;
            let mut text = format!("entry {}: {} documents of submission {submission} are taken back\n", done.withdrawal, done.documents);
            for thing in &done.consequences.destroyed {
                text += &format!("  destroyed  {} {}\n", thing.name, thing.digest.map_or_else(String::new, |d| d.to_string()));
            }
            for thing in &done.consequences.remains {
                text +=
                    &format!("  remains    {} {}: {}\n", thing.name, thing.digest.map_or_else(String::new, |d| d.to_string()), thing.holds);
            }
            text += &match runs.is_empty() {
                true => "no run used them\n".to_string(),
                false => format!(
                    "runs {runs:?} used them: weights that are trained already are not undone; money for permitted use still flows\n"
                ),
            };
            Ok(Output::new(text, json!({ "withdrawal": done.withdrawal, "documents": done.documents, "consequences": done.consequences })))
        }
        Command::Witness(Witness::Key { name, out }) => witness::key(&name, &out),
        Command::Witness(Witness::Change { home, policy }) => {
            let mut home = opened(&home.home, now).await?;
            let at = notices::change_witnesses(&mut home, &files::read_text(&policy)?).await?;
            Ok(Output::new(format!("other witnesses from entry {} on", at + 1), json!({ "witness_change": at })))
        }
        Command::Witness(Witness::Serve { listen, what }) => witness::serve(listen, &what.key, &what.log, &what.state).await,
        Command::Witness(Witness::Cosign { request, out, what }) => witness::cosign(&request, &what.key, &what.log, &what.state, out, now),
        Command::Statement(Statement::Verify { file, home }) => statement::verify(&file, &home.home),
        Command::Payout(command) => payout_command(command, now).await,
        Command::Dispute(Dispute::Open { home, contributor, submission, run, code, evidence }) => {
            let subject = match (contributor, submission, run) {
                (Some(name), _, _) => Subject::Contributor(name),
                (_, Some(at), _) => Subject::Submission(at),
                (_, _, run) => Subject::Run(run.context("one of the three is required")?),
            };
            disputes::open(&mut opened(&home.home, now).await?, subject, code, &evidence).await
        }
        Command::Dispute(Dispute::Resolve { home, dispute, clawback_minor, reasons }) => {
            disputes::resolve(&mut opened(&home.home, now).await?, dispute, clawback_minor, &reasons).await
        }
        Command::Books(Books::Close { home, period }) => disputes::close(&mut opened(&home.home, now).await?, period).await,
        Command::Books(Books::Show { home }) => disputes::show(&opened(&home.home, now).await?).await,
        Command::Report { home, run } => {
            let opened = opened(&home.home, now).await?;
            let this = opened.state.run(run)?;
            let rows = tables::contributors(&opened, this.intent.entry.epoch, Some(run), |id| opened.name_of(id))?;
            let path = report::write(&opened, run, &rows, &audit::run(&audited::files(&home.home)?, &audit::Options::new(now), &Bars)?)?;
            Ok(Output::new(path.display().to_string(), json!({ "report": path.display().to_string() })))
        }
        Command::Index(Index::Rebuild { home }) => rebuild(&home.home, now).await,
        Command::Jobs { home, watch, retry, all } => queue::show(&home.home, watch, retry, all).await,
        Command::Worker { place, lease_ms, exit_when_idle } => queue::work(&place, lease_ms, exit_when_idle).await,
        Command::Compact { home, epoch, documents_bytes } => {
            let c = compact::run(&mut opened(&home.home, now).await?, epoch, documents_bytes).await?;
            let text = format!("epoch {}: {} shards are in {} files now", c.epoch, c.shards, c.files);
            Ok(Output::new(text, serde_json::to_value(c)?))
        }
    }
}

/// Takes a folder's weights into the home and names them in the run's config, whose sizes have to be theirs.
fn start_from(home: &Home, dir: &Path, config: &mut RunConfig) -> Result<()> {
    let text = String::from_utf8_lossy(&files::read(&dir.join("config.json"))?).into_owned();
    let (mut sizes, _) = read_config(&text)?;
    // Rows may be shorter than the longest that the model was made for.
    sizes.context = config.model.context;
    if sizes != config.model {
        return Err(usage(format!("{}: the model is {sizes:?}, RUN.toml says {:?}", dir.display(), config.model)));
    }
    let bytes = files::read(&dir.join("model.safetensors"))?;
    let digest = corpus::Digest::of(&bytes).to_string();
    if let Some(start) = config.start.as_ref().filter(|s| s.weights != digest) {
        return Err(usage(format!("{}: weights {digest}, RUN.toml says {}", dir.display(), start.weights)));
    }
    home.objects.put(Class::Sealed, &bytes)?;
    config.start = Some(Start { weights: digest });
    Ok(())
}

/// Held-out documents of several paths, each a source of the target that it names, and the targets' weights.
fn targets(paths: &[String], weights: &[String]) -> Result<(Vec<Submitted>, BTreeMap<String, u64>)> {
    let (mut all, mut known) = (Vec::new(), BTreeMap::new());
    for given in paths {
        let (target, path) = match given.split_once('=') {
            Some((name, path)) if !Path::new(given).exists() => (name, Path::new(path)),
            _ => (TARGET, Path::new(given)),
        };
        if target.is_empty() || target.contains('/') {
            return Err(usage(format!("target {given:?}: expected PATH or NAME=PATH with a name without a slash")));
        }
        known.insert(target.to_string(), 1);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let several = paths.len() > 1;
        all.extend(quickstart::epoch_targets(path)?.into_iter().map(|d| {
            let source = if several { format!("{name}/{}", d.source) } else { d.source.clone() };
            Submitted { source: pool_source(target, &source), ..d }
        }));
    }
    for given in weights {
        let parsed = given.split_once('=').and_then(|(name, weight)| Some((name, weight.parse::<u64>().ok().filter(|w| *w > 0)?)));
        let (name, weight) = parsed.ok_or_else(|| usage(format!("target weight {given:?}: expected NAME=WEIGHT, a number from 1")))?;
        let slot = known.get_mut(name).ok_or_else(|| usage(format!("target weight {given:?}: no --target is named {name:?}")))?;
        *slot = weight;
    }
    Ok((all, known))
}

/// Writes what the log says of an epoch's corpus.
fn export(dir: &Path, format: Format, number: Option<u32>, out: &Path) -> Result<Output> {
    let verified = audited::archive(dir)?;
    let archive = exports::Signed { archive: &verified.archive, head: &verified.head };
    let number = archive.epoch(number)?.open.entry.epoch;
    if format == Format::HuggingFace {
        let w = exports::hugging_face::write(&archive, number, out, &Bars)?;
        let folder = out.display().to_string();
        return Ok(Output::new(
            format!("epoch {number}: {} documents, {} tokens in {} files below {folder}", w.documents, w.tokens, w.files),
            json!({ "epoch": number, "documents": w.documents, "tokens": w.tokens, "files": w.files, "bytes": w.bytes, "folder": folder }),
        ));
    }
    let text = match format {
        Format::EuSummary => exports::eu_summary(&archive, number)?,
        _ => {
            let value = exports::croissant(&archive, number)?;
            let missing = exports::check_croissant(&value);
            if !missing.is_empty() {
                return Err(failure(Kind::Check, format!("croissant: {}", missing.join("; "))));
            }
            serde_json::to_string_pretty(&value)? + "\n"
        }
    };
    files::write(out, text.as_bytes(), 0o644)?;
    Ok(Output::new(format!("epoch {number}: {}", out.display()), json!({ "epoch": number, "file": out.display().to_string() })))
}

/// What `submit` and `import` are given.
struct ToSubmit {
    source: Source,
    key: Option<PathBuf>,
    commitment: Option<u64>,
    commit_only: bool,
    dry_run: bool,
}

async fn submit_command(home: &Path, now: u64, name: &str, given: ToSubmit) -> Result<Output> {
    let mut home = opened(home, now).await?;
    home.contributor_key(name)?;
    let key = given.key.as_deref().map(read_key).transpose()?;
    if given.dry_run {
        return preview::show(&home, name, &given.source).await;
    }
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
    for (one, other) in preview::conflicts(&read.licence) {
        note(&format!("licences differ, and both count: {one}; {other}"));
    }
    let fields_not_read = preview::fields_not_read(&read);
    if !fields_not_read.is_empty() {
        note(&format!("fields that are not read: {}", fields_not_read.join(", ")));
    }
    let mut json = json!({ "contributor": name, "documents": read.documents, "bytes": read.bytes, "licence": read.licence.expression, "licence_evidence": preview::sources_of(&read.licence), "licence_conflicts": preview::conflicts(&read.licence), "fields_not_read": fields_not_read, "origin": read.origin, "masked": read.masked, "unread": read.unread(), "problems": read.problems });
    let mut summary = format!(
        "{} documents, {} bytes, under {} ({})",
        read.documents,
        read.bytes,
        read.licence.expression,
        preview::sources_of(&read.licence)
    );
    if read.masked > 0 {
        summary += &format!(", {} pieces of personal data masked", read.masked);
    }
    let (field, entry, text) = match submit::submit(&mut home, name, key.as_ref(), &read, given.commitment, given.commit_only).await? {
        Submitting::Committed(at) => ("commitment", at, format!("{name}: committed to {summary}, entry {at}")),
        Submitting::Submitted(at) => ("submission", at, format!("{name}: submitted {summary}, entry {at}")),
        Submitting::Already(at) => {
            return Err(failure(
                Kind::Check,
                format!("submission repeated: entry {at} already holds these {} documents of {name}", read.documents),
            ));
        }
    };
    json[field] = entry.into();
    let receipt = prove::receipt(&home, entry)?;
    json["receipt"] = receipt.display().to_string().into();
    Ok(Output::new(format!("{text}; receipt {}", receipt.display()), json))
}

/// Problems that are shown one by one.
const SHOWN: usize = 20;

fn run_output(home: &Home, number: u32) -> Result<Output> {
    let facts = tables::run_facts(home, number)?.context("an attributed run has facts")?;
    let text = format!(
        "run {number}: held-out loss {:.4} to {:.4} nats a token, control dropped by {:.4}, residual {:.2} % of the drop",
        facts.loss_start,
        facts.loss_end,
        facts.control_drop,
        100.0 * facts.residual
    );
    let json = json!({ "run": number, "loss_start": facts.loss_start, "loss_end": facts.loss_end, "control_drop": facts.control_drop, "attribution_residual": facts.residual });
    Ok(Output::new(text, json))
}

/// Witnesses given as URL=VKEY.
fn remote_witnesses(given: &[String]) -> Result<WitnessChoice> {
    let one = |text: &String| {
        let expected = || usage(format!("--witness {text:?}: expected URL=VKEY with a URL that begins with http:// or https://"));
        let http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let (url, vkey) = text.split_once('=').filter(|(url, _)| http(url)).ok_or_else(expected)?;
        Ok((url.to_string(), prove::verifier(vkey).context("--witness")?.to_vkey()))
    };
    Ok(WitnessChoice::All(given.iter().map(one).collect::<Result<_>>()?))
}

async fn replay_command(dir: &Path, now: u64, run: u32, window: Option<u64>, sample: usize, documents: bool) -> Result<Output> {
    let mut home = opened(dir, now).await?;
    let this = home.state.run(run)?.clone();
    let logged = !this.replays.is_empty();
    let result = if window.is_some() || logged {
        rules::replay::replay(&home, &this, sample, window)?
    } else {
        replay::run(&mut home, run, sample).await?
    };
    let mut text =
        format!("run {run}: windows {:?} of {} replayed: {}\n{}", result.windows, result.of, result.outcome, result.differences.join("\n"));
    let mut exact = Vec::new();
    for window in result.windows.iter().filter(|_| documents) {
        let (lines, json) = exact::show(&home, &exact::window(&home, &this, *window)?)?;
        text += &lines;
        exact.push(json);
    }
    let exit = if result.outcome == ReplayOutcome::Differs { Kind::Verification as u8 } else { 0 };
    Ok(Output {
        text,
        json: json!({ "run": run, "windows": result.windows, "of": result.of, "outcome": result.outcome, "differences": result.differences, "exact": exact }),
        exit,
    })
}

async fn payout_command(command: Payout, now: u64) -> Result<Output> {
    match command {
        Payout::Propose { home, rail, dry_run } => payouts::propose(&mut opened(&home.home, now).await?, &rail, dry_run).await,
        Payout::Approve { home, payout, reject, key } => {
            let key = key.map(|k| read_key(&k)).transpose()?;
            payouts::approve(&mut opened(&home.home, now).await?, payout, reject, key.as_ref()).await
        }
        Payout::Export { home, payout, out } => payouts::export(&opened(&home.home, now).await?, payout, &out),
        Payout::Reconcile { home, payout, report } => payouts::reconcile(&mut opened(&home.home, now).await?, payout, &report).await,
        Payout::List { home } => payouts::list(&opened(&home.home, now).await?),
    }
}

/// Makes the index again from log and objects, and says whether it is the same: an SQLite file is moved aside, Postgres tables are emptied.
async fn rebuild(dir: &Path, now: u64) -> Result<Output> {
    let config = config_of_home(dir)?;
    let before = match config.database.strip_prefix("sqlite:") {
        Some(name) if !dir.join(name).exists() => None,
        sqlite => {
            let index = Database::open(&database_url(dir, &config)).await?;
            let dump = index.dump().await?;
            if sqlite.is_none() {
                index.clear().await?;
            }
            index.close().await;
            if let Some(name) = sqlite {
                let path = dir.join(name);
                std::fs::rename(&path, dir.join(format!("{name}.old"))).with_context(|| path.display().to_string())?;
                for suffix in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(dir.join(format!("{name}{suffix}")));
                }
            }
            Some(dump)
        }
    };
    let home = opened(dir, now).await?;
    let after = home.index.dump().await?;
    let same = before.as_ref().map(|b| *b == after);
    let text = format!(
        "index rebuilt from {} entries; {}",
        home.state.size,
        match same {
            Some(true) => "it is the same as before",
            Some(false) => "it differs from the one before, which was wrong",
            None => "there was none before",
        }
    );
    Ok(Output::new(text, json!({ "entries": home.state.size, "same": same, "matches_log": home.index_matches().await? })))
}
