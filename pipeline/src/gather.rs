//! Reading a dataset into bundles: streamed, so that its size does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use corpus::bundle::{Bundle, PART_BYTES, PART_DOCUMENTS, Part, Parts, Submitted};
use corpus::merkle::{Frontier, leaf_hash};
use corpus::{Digest, canonical};
use filters::{Filters, count, secrets_in, shown};
use ingest::Problem;
use ingest::read::{Code, Item, Options, Record, Stream};
use ledger::entry::OptOutFinding;
use ledger::entry::rights::OptOutSignal;
use rayon::prelude::*;
use rights::reservation::{Finding, Protocol, Signal};
use rights::{Licences, Stated};
use rules::listener::Listener;
use serde::Serialize;
use store::{Class, Objects};

use crate::error::{Context, PipelineError, Result, usage};
use crate::stated_rights::StatedRights;

/// A dataset that is to be submitted.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A file or a folder.
    pub path: PathBuf,
    /// How it is read.
    pub options: Options,
    /// The licence that a package manifest states, and the manifest.
    pub manifest: Option<(String, Vec<u8>)>,
    /// The licence that is declared.
    pub declared: Option<String>,
    /// What else is said of its rights.
    pub stated: StatedRights,
    /// Where all of it comes from; what is read may say it better.
    pub origin: Option<String>,
    /// What every document's source begins with.
    pub prefix: Option<String>,
    /// Which places are part of it; all if none is given.
    pub keep: Option<fn(&str) -> bool>,
    /// Whether personal data is counted by kind, which a preview shows.
    pub counts_personal: bool,
}

/// A dataset as bundles.
pub struct Gathered {
    /// Its bundles.
    pub parts: Parts,
    /// Root over all commitments.
    pub root: Digest,
    /// Documents of all.
    pub documents: u64,
    /// Bytes of their texts, as they came.
    pub bytes: u64,
    /// What is no document.
    pub problems: Vec<Problem>,
    /// Personal data that was masked.
    pub masked: u64,
    /// Personal data that was found, by kind, if it was to be counted; nothing of what it is.
    pub personal: BTreeMap<&'static str, u64>,
    /// Names of fields that rows have and that are not read.
    pub fields_not_read: BTreeSet<String>,
    /// Statements of publishers about training, by protocol.
    pub signals: Signals,
    /// The licence of the whole, and what says so.
    pub licence: Stated,
    /// What else is said of its rights.
    pub stated: StatedRights,
    /// Where all of it comes from.
    pub origin: Option<String>,
}

impl Gathered {
    /// What is no document, by code.
    pub fn unread(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for p in &self.problems {
            *counts.entry(p.code.name().to_string()).or_default() += 1;
        }
        counts
    }

    /// The kinds of places that the licence was read from.
    pub fn licence_evidence(&self) -> String {
        self.licence.statements.iter().map(|s| s.source.name()).collect::<Vec<_>>().join(", ")
    }

    /// Statements of the licence that differ, as they may be shown.
    pub fn licence_conflicts(&self) -> Vec<(String, String)> {
        self.licence.conflicts.iter().map(|(one, other)| (shown(one), shown(other))).collect()
    }

    /// The names of fields that were not read, as they may be shown.
    pub fn shown_fields(&self) -> Vec<String> {
        self.fields_not_read.iter().map(|name| shown(name)).collect()
    }

    /// The list of what is no document, as an object; none if all was read.
    pub(crate) fn problems_object(&self) -> Result<Option<Vec<u8>>> {
        if self.problems.is_empty() {
            return Ok(None);
        }
        Ok(Some(canonical::to_vec(&serde_json::json!({ "version": 1, "problems": self.problems }))?))
    }
}

/// Where bundles go.
pub trait Destination: Sync {
    /// Takes a bundle; returns the digest of its file.
    fn take(&self, bundle: Bundle) -> Result<Digest>;
}

impl Destination for Objects {
    fn take(&self, bundle: Bundle) -> Result<Digest> {
        Ok(self.put(Class::Sealed, &bundle.encode()?)?)
    }
}

/// Reads a dataset into bundles, with salts of the contributor's secret `master`; personal data is masked as the `filters` say.
///
/// The same files give the same bundles. One thread reads; rows are taken and bundles are made on all cores.
pub fn gather(
    name: &str,
    source: &Source,
    master: &[u8; 32],
    filters: &Filters,
    to: &dyn Destination,
    listener: &dyn Listener,
) -> Result<Gathered> {
    let manifest = source.manifest.as_ref().map(|(expression, bytes)| (expression.as_str(), bytes.as_slice()));
    let mut gatherer = Gatherer::new(master, filters, to);
    let (mut licences, mut origin) = (None, source.origin.clone());
    let bar = listener.task("documents read", 0);
    let wanted = |place: &str| source.keep.is_none_or(|keep| keep(place));
    let mut stream = Stream::new(&source.path, &source.options);
    while let Some(item) = stream.next_item() {
        match item {
            Item::Scanned(scanned) => {
                origin = scanned.origin.or(origin.take());
                licences = Some(Licences::new(name, scanned.statements, manifest, source.declared.as_deref())?);
            }
            Item::Problem(problem) => gatherer.problems.extend(wanted(&problem.place).then_some(problem)),
            Item::Block(_) if gatherer.problems.len() >= PROBLEMS => {
                let text = format!("{PROBLEMS} records are no documents; what follows was not read: is this the right column?");
                gatherer.problems.push(Problem::new(&source.path.display().to_string(), Code::TooMany, &text));
                break;
            }
            Item::Block(block) => {
                let licences = licences.as_mut().context("a scan begins with what it found")?;
                for row in block.map(|row| Screened::of(Record::of(&row), source.counts_personal)) {
                    match row {
                        Ok(screened) if wanted(&screened.record.source) => gatherer.record(screened, source.prefix.as_deref(), licences)?,
                        Err(problem) if wanted(&problem.place) => gatherer.problems.push(problem),
                        _ => {}
                    }
                }
                gatherer.fields_not_read.extend(block.unused());
                bar.set(gatherer.documents);
                bar.say(format!("{} MB read", gatherer.bytes / 1_000_000));
            }
        }
    }
    stream.finish()?;
    gatherer.flush(true)?;
    drop(bar);
    let Gatherer { parts, frontier, documents, bytes, problems, masked, personal, fields_not_read, signals, .. } = gatherer;
    if documents == 0 {
        return Err(nothing_read(&source.path, &problems));
    }
    let licence = licences.context("a scan begins with what it found")?.finish()?;
    let (parts, root, stated) = (Parts::new(parts), frontier.root(), source.stated.clone());
    Ok(Gathered { parts, root, documents, bytes, problems, masked, personal, fields_not_read, signals, licence, stated, origin })
}

/// A dataset without a document, with the first reasons why.
pub(crate) fn nothing_read(path: &Path, problems: &[Problem]) -> PipelineError {
    let found = problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).take(5).collect::<Vec<_>>().join("; ");
    let colon = if found.is_empty() { "" } else { ": " };
    usage(format!("{}: expected at least one readable document, found none{colon}{found}", path.display()))
}

/// Problems that are listed, in memory and in an object; a dataset with more is read no further.
const PROBLEMS: usize = 500_000;

/// Bundles that are made at once.
const AT_ONCE: usize = 4;

struct Gatherer<'a> {
    master: &'a [u8; 32],
    filters: &'a Filters,
    to: &'a dyn Destination,
    /// Documents of the bundle that is filled, and their bytes.
    filling: Vec<Submitted>,
    filled: usize,
    /// Full ones with the number of their first document.
    full: Vec<(u32, Vec<Submitted>)>,
    parts: Vec<Part>,
    frontier: Frontier,
    documents: u64,
    bytes: u64,
    problems: Vec<Problem>,
    masked: u64,
    personal: BTreeMap<&'static str, u64>,
    fields_not_read: BTreeSet<String>,
    signals: Signals,
}

/// A record, and what was found in its text.
struct Screened {
    record: Record,
    secrets: u64,
    personal: BTreeMap<&'static str, u64>,
}

impl Screened {
    /// Secrets are always looked for; all kinds of personal data, which takes longer, only where their counts are shown.
    fn of(record: Record, counts_personal: bool) -> Screened {
        let beside = [Some(record.source.as_str()), record.licence.as_deref(), record.person.as_deref()];
        let secrets = secrets_in(&record.text) + beside.into_iter().flatten().map(secrets_in).sum::<u64>();
        let personal = if counts_personal { count(&record.text, record.person.as_deref()) } else { BTreeMap::new() };
        Screened { record, secrets, personal }
    }
}

/// Statements of the publishers of a dataset's pages about training: one finding after the other, with the number of documents.
#[derive(Clone, Debug, Default)]
pub struct Signals(BTreeMap<(Protocol, Finding, String, Digest), u64>, BTreeMap<Protocol, [u64; 3]>);

/// One of the findings, in the list that is an object of its contributor's.
#[derive(Serialize)]
struct FindingRow<'a> {
    protocol: Protocol,
    revision: &'static str,
    finding: Finding,
    place: &'a str,
    evidence: &'a Digest,
    documents: u64,
}

/// Findings that are listed; of more, the counts by protocol stay right.
const FINDINGS: usize = 1 << 20;

impl Signals {
    /// Counts what is said about one page; returns what it comes to, such as `reserves/robots`.
    fn add(&mut self, signals: &[Signal]) -> String {
        let mut protocols: BTreeMap<Protocol, Finding> = BTreeMap::new();
        for s in signals {
            let strictest = protocols.entry(s.protocol).or_insert(s.finding);
            *strictest = s.finding.max(*strictest);
            let key = (s.protocol, s.finding, s.place.clone(), s.evidence);
            if self.0.len() < FINDINGS || self.0.contains_key(&key) {
                *self.0.entry(key).or_default() += 1;
            }
        }
        for (protocol, finding) in &protocols {
            let [documents, reserved, unknown] = self.1.entry(*protocol).or_default();
            *documents += 1;
            *reserved += u64::from(*finding == Finding::Reserves);
            *unknown += u64::from(*finding == Finding::Unknown);
        }
        let whole = protocols.values().max().copied().unwrap_or(Finding::Absent);
        let by = protocols.iter().find(|(_, finding)| **finding == whole).map(|(protocol, _)| protocol.name());
        match (whole, by) {
            (Finding::Reserves, Some(by)) => format!("reserves/{by}"),
            (Finding::Unknown, Some(by)) => format!("unknown/{by}"),
            (Finding::Permits, _) => "permits".into(),
            _ => "absent".into(),
        }
    }

    /// The list of findings as an object; none if there are none.
    pub fn object(&self) -> Result<Option<Vec<u8>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let row = |((protocol, finding, place, evidence), documents): (&'_ (Protocol, Finding, String, Digest), &u64)| {
            serde_json::to_value(FindingRow {
                protocol: *protocol,
                revision: protocol.revision(),
                finding: *finding,
                place,
                evidence,
                documents: *documents,
            })
        };
        let findings = self.0.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(canonical::to_vec(&serde_json::json!({ "version": 1, "findings": findings }))?))
    }

    /// Their summary in the manifest, by protocol.
    pub fn summary(&self) -> Result<Vec<OptOutSignal>> {
        let findings = self.object()?.map(|list| Digest::of(&list)).unwrap_or_default();
        let strictest = |protocol: Protocol| {
            let of = self.0.keys().filter(|(p, ..)| *p == protocol).map(|(_, finding, ..)| *finding);
            of.max().unwrap_or(Finding::Absent)
        };
        let one = |(protocol, [documents, reserved, unknown]): (&Protocol, &[u64; 3])| -> Result<OptOutSignal> {
            let found = if *reserved > 0 { Finding::Reserves } else { strictest(*protocol) };
            Ok(OptOutSignal {
                signal: protocol.name().into(),
                revision: protocol.revision().into(),
                found: term(found),
                documents: *documents,
                reserved: *reserved,
                unknown: *unknown,
                findings,
            })
        };
        let mut summary = self.1.iter().map(one).collect::<Result<Vec<_>>>()?;
        summary.sort_by(|a, b| a.signal.cmp(&b.signal));
        Ok(summary)
    }
}

/// The manifest's term for a finding.
fn term(finding: Finding) -> OptOutFinding {
    match finding {
        Finding::Absent => OptOutFinding::Absent,
        Finding::Permits => OptOutFinding::Permits,
        Finding::Unknown => OptOutFinding::Unknown,
        Finding::Reserves => OptOutFinding::Reserves,
    }
}

/// Masks `text` by `masked`, and returns how many pieces that were; the prompt and the answer, which begins at `answer_at`, each for itself, and the
/// answer's begin moves.
fn mask(text: &mut String, answer_at: &mut Option<u64>, masked: impl Fn(&str) -> Option<(String, u64)>) -> u64 {
    let parts = answer_at.and_then(|at| text.split_at_checked(usize::try_from(at).ok()?));
    let (prompt, answer) = parts.unwrap_or(("", text));
    let (prompt_masked, answer_masked) = (masked(prompt), masked(answer));
    let count = prompt_masked.iter().chain(&answer_masked).map(|(_, count)| count).sum();
    if count > 0 {
        let whole = |part: &str, masked: Option<(String, u64)>| masked.map_or_else(|| part.to_string(), |(masked, _)| masked);
        let prompt = whole(prompt, prompt_masked);
        if parts.is_some() {
            *answer_at = Some(prompt.len() as u64);
        }
        *text = prompt + &whole(answer, answer_masked);
    }
    count
}

impl<'a> Gatherer<'a> {
    fn new(master: &'a [u8; 32], filters: &'a Filters, to: &'a dyn Destination) -> Gatherer<'a> {
        Gatherer {
            master,
            filters,
            to,
            filling: Vec::new(),
            filled: 0,
            full: Vec::new(),
            parts: Vec::new(),
            frontier: Frontier::default(),
            documents: 0,
            bytes: 0,
            problems: Vec::new(),
            masked: 0,
            personal: BTreeMap::new(),
            fields_not_read: BTreeSet::new(),
            signals: Signals::default(),
        }
    }

    fn record(&mut self, screened: Screened, prefix: Option<&str>, licences: &mut Licences) -> Result<()> {
        let Screened { mut record, secrets, personal } = screened;
        // Who gives a secret away by mistake is told before anything is committed to.
        if secrets > 0 {
            let reason = format!("found {secrets} of what looks like a private key or an access token: take it out, and revoke it");
            self.problems.push(Problem::new(&record.source, Code::Secret, &reason));
            return Ok(());
        }
        if let Some(person) = record.person.take() {
            match self.filters.mask_names(&record.text, &person) {
                Ok(Some(_)) => {
                    let names = |part: &str| self.filters.mask_names(part, &person).ok().flatten();
                    self.masked += mask(&mut record.text, &mut record.answer_at, names);
                }
                Ok(None) => {}
                Err(names) => {
                    let reason =
                        format!("found {names} names of whom the row says that it is of; the epoch's policy leaves such documents out");
                    self.problems.push(Problem::new(&record.source, Code::PersonalData, &reason));
                    return Ok(());
                }
            }
        }
        for (kind, n) in personal {
            *self.personal.entry(kind).or_default() += n;
        }
        let licence = licences.of(record.file(), record.licence.as_deref(), record.tag.as_deref());
        let reservation = record.signals.as_deref().map(|signals| self.signals.add(signals));
        if let Some(prefix) = prefix {
            record.source.insert_str(0, prefix);
        }
        // What is masked in a text is not told by the name of its file.
        if let Some((masked, _)) = self.filters.mask(&record.source) {
            record.source = masked;
        }
        // Nothing else is committed to, or leaves this machine.
        self.masked += mask(&mut record.text, &mut record.answer_at, |part| self.filters.mask(part));
        let Record { source, text, answer_at, .. } = record;
        self.documents += 1;
        self.bytes += text.len() as u64;
        self.filled += text.len();
        self.filling.push(Submitted { source, licence, text, answer_at, reservation });
        if self.filled >= PART_BYTES || self.filling.len() >= PART_DOCUMENTS { self.flush(false) } else { Ok(()) }
    }

    /// Closes the bundle that is filled; makes those that wait, once there are enough or if it is `all`.
    fn flush(&mut self, all: bool) -> Result<()> {
        if !self.filling.is_empty() {
            let first = u32::try_from(self.documents - self.filling.len() as u64).ok().filter(|_| self.documents <= u64::from(u32::MAX));
            let first = first.ok_or_else(|| usage(format!("more than {} documents: submit them in parts", u32::MAX)))?;
            self.full.push((first, std::mem::take(&mut self.filling)));
            self.filled = 0;
        }
        if self.full.len() < if all { 1 } else { AT_ONCE } {
            return Ok(());
        }
        let (master, to) = (self.master, self.to);
        let one = |(first, documents): (u32, Vec<Submitted>)| -> Result<(Part, Vec<Digest>)> {
            let count = documents.len() as u32;
            let bundle = Bundle::new(master, first, documents);
            let leaves = (0..bundle.documents.len()).into_par_iter().map(|i| leaf_hash(&bundle.prepare_one(i).commitment.0)).collect();
            Ok((Part { file: to.take(bundle)?, first, documents: count }, leaves))
        };
        let made: Vec<_> = std::mem::take(&mut self.full).into_par_iter().map(one).collect::<Result<_>>()?;
        for (part, leaves) in made {
            self.parts.push(part);
            leaves.into_iter().for_each(|leaf| self.frontier.push(leaf));
        }
        Ok(())
    }
}
