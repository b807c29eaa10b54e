//! Everything on real text, from submission to audit, in one command. Each step is a command of its own too.

mod registry;

use std::path::{Path, PathBuf};
use std::time::Instant;

use ::ingest::read::{Options as ReadOptions, Record, read_all};
use anyhow::{Context, Result};
use corpus::Digest;
use corpus::bundle::{Bundle, Submitted};
use corpus::licence::Purpose;
use dedup::Device;
use filters::Filters;
use ledger::entry::ReplayOutcome;
use pipeline::Home;
use pipeline::gather::{Destination, Source, gather};
use pipeline::status::{self, run_facts};
use pipeline::witnesses::WitnessChoice;
use pipeline::{epoch, held_out, ingest, replay, reward, submit, train};
use rules::policy::{Policy, TARGET, pool_source};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::files;
use trainer::RunConfig;

use super::money::page;
use super::report;
use super::submit::folders;
use crate::args::quickstart::Quickstart;
use crate::audited;
use crate::failure::{Kind, failure, usage};
use crate::output::{Bars, Output, note};
use crate::place::Place;
use crate::tables::contributor_table;

/// What decides a quickstart; kept in the home, so that the same command goes on after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Options {
    /// A dozen small crates and 200 steps.
    small: bool,
    /// All secrets derive from it.
    seed: Option<u64>,
    /// One folder a contributor, instead of crates.
    contributors: Option<PathBuf>,
    /// Held-out files, instead of crates.
    target: Option<PathBuf>,
    /// Licence of contributors that have none.
    licence: Option<String>,
    /// A `tokenizer.json`, instead of training one.
    tokenizer: Option<PathBuf>,
    /// A `RUN.toml`, instead of the built-in one.
    run: Option<PathBuf>,
    /// What the run is for.
    purpose: Purpose,
    /// Windows that the audit replays.
    replay: usize,
}

/// Kept in the home: options, and the time that everything is dated with.
#[derive(Serialize, Deserialize)]
struct Begun {
    options: Options,
    now: u64,
}

const ORIGIN: &str = "quickstart.assay.invalid/log";
const CURRENCY: (&str, u8) = ("XTS", 2);
const POOL_MINOR: i128 = 100_000;
const VOCABULARY: usize = 4096;

/// A contributor's name, and what it submits.
type Contribution = (String, Source);

/// Reads bundles and keeps none.
struct Nowhere;

impl Destination for Nowhere {
    fn take(&self, _: Bundle) -> pipeline::Result<Digest> {
        Ok(Digest::default())
    }
}

/// Runs or resumes a quickstart in `dir`.
pub async fn run(place: &Place, a: Quickstart) -> Result<Output> {
    let Quickstart { small, seed, contributors, target, licence, tokenizer, run, purpose, replay } = a;
    let (dir, options) = (&place.home, Options { small, seed, contributors, target, licence, tokenizer, run, purpose, replay });
    let (begun, new) = begin(dir, options, place.dated)?;
    let options = &begun.options;
    let mut seconds = serde_json::Map::new();
    let mut clock = Instant::now();
    let mut stage = |name: &str| {
        seconds.insert(name.to_string(), json!((clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0));
        clock = Instant::now();
    };
    note(
        "This is a demonstration: the operator imports under keys that it holds itself, no person is named, and nobody is owed anything. XTS is the currency code for tests.",
    );

    // Everything is read before anything is written, so that bad input leaves no home behind.
    let (sources, targets) = sources(options)?;
    let config = config(options)?;
    let (mut documents, mut problems) = (0, Vec::new());
    for (name, source) in &sources {
        let read = gather(name, source, &[0; 32], &Filters::default(), &Nowhere, &Bars)?;
        documents += read.documents;
        problems.extend(read.problems.into_iter().map(|p| json!({ "contributor": name, "place": p.place, "reason": p.reason })));
    }
    if new {
        files::write(&dir.join(BEGUN), serde_json::to_string(&begun)?.as_bytes(), 0o600)?;
    }
    stage("read");
    let mut home =
        Home::init(dir, ORIGIN, (None, None), (CURRENCY.0, Some(CURRENCY.1)), options.seed, &WitnessChoice::All(Vec::new()), begun.now)
            .await?
            .listening(Bars);
    // A quickstart has one epoch; after its close `epoch::open` would begin the next.
    if home.state.epochs.is_empty() {
        let mut policy = Policy::new(POOL_MINOR, CURRENCY.0, CURRENCY.1);
        policy.strata = vec![rules::strata::of_sources("code", &["*.rs"]), rules::strata::of_sources("prose", &["*.md", "*.txt"])];
        epoch::open(&mut home, &policy, options.purpose, targets).await?;
    }
    // After the close the log has them all.
    if home.epoch(None)?.close.is_none() {
        submit::submit_each(&mut home, &sources).await?;
    }
    note(&format!("submitted {documents} documents of {} contributors; {} files were not read", sources.len(), problems.len()));
    stage("submit");
    epoch::close(&mut home).await?;
    stage("close");
    let tokenizer = options.tokenizer.as_deref().map(|path| ingest::given_tokenizer(path, &Bars)).transpose()?;
    ingest::run(&mut home, tokenizer, VOCABULARY, Device::Cpu).await?;
    stage("ingest");
    let run = train::run(&mut home, &config, None, false).await?;
    stage("train");
    let replayed = replay::run(&mut home, run, 1).await?;
    if replayed.outcome == ReplayOutcome::Differs {
        return Err(failure(
            Kind::Verification,
            format!("replay of windows {:?} differs: {}", replayed.windows, replayed.differences.join("; ")),
        ));
    }
    stage("replay");
    let settled = reward::run(&mut home, run).await?;
    page::write(&home, &settled)?;
    let outcome = settled.outcome;
    stage("reward");
    let audit_report =
        audit::run(&audited::files(dir)?, &audit::Options { replay: options.replay, ..audit::Options::new(home.now) }, &Bars)?;
    stage("audit");
    let rows = status::contributors(&home, 0, Some(run), |id| home.name_of(id))?;
    let page = dir.join(report::PAGE);
    files::write(&page, report::page(&home, run, &rows, &audit_report)?.as_bytes(), 0o644)?;
    stage("report");

    let facts = run_facts(&home, run)?.context("an attributed run has facts")?;
    let json = json!({
        "home": dir.display().to_string(),
        "contributors": rows,
        "pool_minor": POOL_MINOR as i64,
        "outcome": outcome,
        "loss_start": facts.loss_start,
        "loss_end": facts.loss_end,
        "attribution_residual": facts.residual,
        "control_drop": facts.control_drop,
        "log_size": home.state.size,
        "log_root": home.root(),
        "replayed": { "windows": replayed.windows, "of": replayed.of, "outcome": replayed.outcome },
        "audit": audit_report,
        "problems": problems,
        "report": page.display().to_string(),
        "seconds": seconds,
    });
    let mut text = contributor_table(&rows, CURRENCY.0, CURRENCY.1)?;
    text += &format!(
        "\nheld-out loss {:.3} to {:.3} nats a token; control targets dropped by {:.3}; residual {:.2} % of the drop; pool {outcome}\n",
        facts.loss_start,
        facts.loss_end,
        facts.control_drop,
        100.0 * facts.residual
    );
    text += &format!("replayed windows {:?} of {}: {}\n{}", replayed.windows, replayed.of, replayed.outcome, audited::text(&audit_report)?);
    text += &format!("home       {}\nstatements {}\nreport     {}\n", dir.display(), dir.join("statements").display(), page.display());
    text += "Nobody is owed anything: this was a demonstration.\n";
    let exit = if audit_report.ok { 0 } else { Kind::Verification as u8 };
    Ok(Output::new(text, json).exiting(exit))
}

/// The file in a home that quickstart made.
const BEGUN: &str = "quickstart.json";

/// The options of this home, and whether it is a new one.
fn begin(dir: &Path, options: Options, now: Option<u64>) -> Result<(Begun, bool)> {
    let path = dir.join(BEGUN);
    if let Some(bytes) = files::read_if_present(&path)? {
        let begun: Begun = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
        if begun.options != options || now.is_some_and(|n| n != begun.now) {
            return Err(usage(format!(
                "{}: begun with other options ({}); give the same ones to go on, or another --home",
                dir.display(),
                serde_json::to_string(&begun.options)?
            )));
        }
        return Ok((begun, false));
    }
    if Home::exists(dir) || dir.read_dir().is_ok_and(|mut d| d.next().is_some()) {
        return Err(usage(format!("{}: expected an empty folder or a home that quickstart made", dir.display())));
    }
    Ok((Begun { options, now: now.unwrap_or_else(crate::clock) }, true))
}

/// Contributors and held-out documents: folders that were given, or crates.
fn sources(options: &Options) -> Result<(Vec<Contribution>, Vec<Submitted>)> {
    let chosen = match (&options.contributors, &options.target) {
        (Some(_), Some(_)) => None,
        _ => Some(registry::choose(if options.small { registry::SMALL } else { registry::FULL }, options.purpose)?),
    };
    let contributors = match &options.contributors {
        Some(dir) => folders(dir)?
            .into_iter()
            .map(|(name, path)| {
                let reading = ReadOptions { licence_is_evidence: true, ..ReadOptions::default() };
                (name, Source { path, options: reading, declared: options.licence.clone(), ..Source::default() })
            })
            .collect(),
        None => chosen.iter().flat_map(|c| &c.contributors).map(crate_source).collect(),
    };
    let targets = match &options.target {
        Some(path) => held_out::read(path)?.into_iter().map(|d| Submitted { source: pool_source(TARGET, &d.source), ..d }).collect(),
        None => {
            let mut targets = Vec::new();
            for c in chosen.iter().flat_map(|c| &c.targets) {
                let records = read_all(&c.path, &ReadOptions::default())?.0.into_iter().filter(|r| registry::is_source(&r.source));
                let target = |r: Record| Submitted {
                    source: pool_source(TARGET, &format!("{}/{}", c.name, r.source)),
                    ..held_out::document(r, &c.licence)
                };
                targets.extend(records.map(target));
            }
            targets
        }
    };
    Ok((contributors, targets))
}

fn crate_source(c: &registry::Crate) -> Contribution {
    let manifest = Some((c.licence.clone(), c.manifest.clone()));
    // A crate's licence files count beside its manifest.
    let reading = ReadOptions { licence_is_evidence: true, ..ReadOptions::default() };
    let source = Source { path: c.path.clone(), options: reading, manifest, keep: Some(registry::is_source), ..Source::default() };
    (c.name.clone(), source)
}

fn config(options: &Options) -> Result<RunConfig> {
    let text = match &options.run {
        Some(path) => files::read_text(path)?,
        None if options.small => include_str!("../../runs/small.toml").to_string(),
        None => include_str!("../../runs/full.toml").to_string(),
    };
    Ok(RunConfig::from_toml(&text)?)
}
