//! Reading a dataset into bundles: streamed, so that its size does not matter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::bundle::{Bundle, PART_BYTES, PART_DOCUMENTS, Part, Parts, Submitted};
use corpus::merkle::{Frontier, leaf_hash};
use corpus::{Digest, canonical};
use indicatif::ProgressBar;
use ingest::read::{Code, Item, Options, Record, Stream};
use ingest::{Evidence, Filters, Licences, Problem};
use rayon::prelude::*;
use store::{Class, Objects};

use crate::failure::usage;
use crate::rights::StatedRights;

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
    /// The licence of the whole.
    pub evidence: Evidence,
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

    /// The list of what is no document, as an object; none if all was read.
    pub fn problems_object(&self) -> Result<Option<Vec<u8>>> {
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
pub fn gather(name: &str, source: &Source, master: &[u8; 32], filters: &Filters, to: &dyn Destination) -> Result<Gathered> {
    let manifest = source.manifest.as_ref().map(|(expression, bytes)| (expression.as_str(), bytes.as_slice()));
    let mut gatherer = Gatherer::new(master, filters, to);
    let (mut licences, mut origin) = (None, source.origin.clone());
    let bar = ProgressBar::new_spinner();
    let wanted = |place: &str| source.keep.is_none_or(|keep| keep(place));
    let mut stream = Stream::new(&source.path, &source.options);
    while let Some(item) = stream.next_item() {
        match item {
            Item::Scanned(scanned) => {
                origin = scanned.origin.or(origin.take());
                licences = Some(Licences::new(name, scanned.evidence.as_ref(), manifest, source.declared.as_deref())?);
            }
            Item::Problem(problem) => gatherer.problems.extend(wanted(&problem.place).then_some(problem)),
            Item::Block(block) => {
                let licences = licences.as_mut().context("a scan begins with what it found")?;
                for row in block.map(|row| Record::of(&row)) {
                    match row {
                        Ok(mut record) if wanted(&record.source) => {
                            if let Some(prefix) = &source.prefix {
                                record.source.insert_str(0, prefix);
                            }
                            gatherer.record(record, licences)?;
                        }
                        Err(problem) if wanted(&problem.place) => gatherer.problems.push(problem),
                        _ => {}
                    }
                }
                bar.set_message(format!("{} documents, {} MB read", gatherer.documents, gatherer.bytes / 1_000_000));
                bar.tick();
            }
        }
    }
    stream.finish()?;
    gatherer.flush(true)?;
    bar.finish_and_clear();
    let Gatherer { parts, frontier, documents, bytes, problems, masked, .. } = gatherer;
    if documents == 0 {
        return Err(nothing_read(&source.path, &problems));
    }
    let evidence = licences.context("a scan begins with what it found")?.finish()?;
    let (parts, root, stated) = (Parts::new(parts), frontier.root(), source.stated.clone());
    Ok(Gathered { parts, root, documents, bytes, problems, masked, evidence, stated, origin })
}

/// A dataset without a document, with the first reasons why.
pub fn nothing_read(path: &Path, problems: &[Problem]) -> anyhow::Error {
    let found = problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).take(5).collect::<Vec<_>>().join("; ");
    let colon = if found.is_empty() { "" } else { ": " };
    usage(format!("{}: expected at least one readable document, found none{colon}{found}", path.display()))
}

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
        }
    }

    fn record(&mut self, record: Record, licences: &mut Licences) -> Result<()> {
        let licence = match licences.of(record.licence.as_deref()) {
            Ok(licence) => licence.unwrap_or_default(),
            Err(e) => {
                self.problems.push(Problem { place: record.source, code: Code::BadLicence, reason: e.to_string() });
                return Ok(());
            }
        };
        let (text, answer_at) = self.mask(record.text, record.answer_at);
        self.documents += 1;
        self.bytes += text.len() as u64;
        self.filled += text.len();
        self.filling.push(Submitted { source: record.source, licence, text, answer_at });
        if self.filled >= PART_BYTES || self.filling.len() >= PART_DOCUMENTS { self.flush(false) } else { Ok(()) }
    }

    /// The text without what has to be masked: nothing else is committed to, or leaves this machine.
    fn mask(&mut self, text: String, answer_at: Option<u64>) -> (String, Option<u64>) {
        let mut one = |text: &str| match self.filters.mask(text) {
            Some((masked, count)) => {
                self.masked += count;
                masked
            }
            None => text.to_string(),
        };
        let parts = answer_at.and_then(|at| text.split_at_checked(usize::try_from(at).ok()?));
        match parts {
            Some((prompt, answer)) => {
                let prompt = one(prompt);
                let at = prompt.len() as u64;
                (prompt + &one(answer), Some(at))
            }
            None => (one(&text), answer_at),
        }
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
