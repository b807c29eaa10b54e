//! Verdicts: candidates by bands, proof by exact Jaccard, coverage by matches of word runs.
//!
//! A document is compared only with documents that are kept, and is a duplicate of the earliest one to which it has a verified
//! edge: no chains. Documents come in batches, of which every size gives the same rulings: first each is compared with what was kept
//! before the batch, in parallel; then, one after the other, with what the batch itself keeps.

use std::sync::Arc;

use corpus::Threshold;
use rayon::prelude::*;

use crate::bands::{Bands, Filter, LIMIT, Place, Places};
use crate::device::{Device, Pair};
use crate::error::DedupError;
use crate::features::{Features, Name, WORDLESS};
use crate::hash::{Constants, Key};
use crate::index::View;
use crate::kept::{Delta, Kept};
use crate::signature::{BANDS, LEVELS, SLOTS, matches, refined_key};
use crate::similarity::{Comparer, Overlap};
use crate::spans::{Coverage, cover};
use crate::winnow::fingerprints;

/// How documents are compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// From where on a pair, or what is covered of a document, makes a duplicate.
    pub threshold: Threshold,
    /// Keys of the signatures: each gives 14 bands more.
    pub keys: Vec<Key>,
    /// Whether a pair has to be proven; otherwise sharing a band is enough.
    pub verify: bool,
    /// Whether runs of words in common with kept documents are looked for.
    pub spans: bool,
    /// Bytes of word streams that stay in memory; the others go to a temporary file.
    pub memory_bytes: usize,
}

impl Options {
    /// Everything on, under these keys.
    pub fn new(keys: &[Key]) -> Options {
        Options { threshold: Threshold::default(), keys: keys.to_vec(), verify: true, spans: true, memory_bytes: 256 << 20 }
    }

    pub(crate) fn constants(&self) -> Vec<Constants> {
        self.keys.iter().map(Constants::new).collect()
    }

    /// Slots of all signatures of a document.
    pub(crate) fn width(&self) -> usize {
        self.keys.len() * SLOTS
    }
}

/// What a document is, compared with those kept before; the others are named by their ordinals among kept documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Not a duplicate; later documents are compared with it. Its own ordinal.
    Kept(u32),
    /// The same text.
    Exact(u32),
    /// The same words.
    Formatting(u32),
    /// Jaccard at or above the threshold, with the earliest such document.
    Near(u32, Overlap),
    /// Covered by earlier documents at or above the threshold; the one that covers most.
    Contained(u32),
}

impl Decision {
    /// The kept document that it duplicates.
    pub fn of(&self) -> Option<u32> {
        match self {
            Decision::Kept(_) => None,
            Decision::Exact(of) | Decision::Formatting(of) | Decision::Near(of, _) | Decision::Contained(of) => Some(*of),
        }
    }
}

/// A decision with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What was decided.
    pub decision: Decision,
    /// Words that earlier documents cover, and which documents; empty if spans are not compared.
    pub coverage: Coverage,
}

/// What the first, parallel step finds about a document.
struct Probed {
    identical: Option<u32>,
    near: Option<(u32, Overlap)>,
    /// Of each fingerprint.
    places: Vec<Option<Place>>,
    coverage: Coverage,
    /// Where its bands are not full: level, key, and kept documents in them before the batch.
    open: Vec<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    band: u8,
    level: usize,
    key: u64,
    /// Documents of the band that the index on disk has.
    indexed: usize,
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    comparer: Comparer,
    candidates: Vec<u32>,
    buffer: Vec<u32>,
}

/// What makes documents ready for a judge: it needs the judge's keys and device, and nothing that was kept.
#[derive(Clone)]
pub struct Preparer {
    constants: Vec<Constants>,
    spans: bool,
    device: Arc<Device>,
}

impl Preparer {
    /// Signs documents and takes their fingerprints, in parallel.
    ///
    /// # Errors
    /// If the device fails.
    pub fn prepare(&self, documents: &mut [Features]) -> Result<(), DedupError> {
        self.device.sign(documents, &self.constants)?;
        if self.spans {
            let last = self.last();
            documents.par_iter_mut().with_min_len(16).for_each(|f| f.fingerprints = fingerprints(&f.words, last));
        }
        Ok(())
    }

    /// The key of everything but bands: the last one, which of an epoch's two is the one that nobody could know.
    fn last(&self) -> &Constants {
        self.constants.last().expect("at least one key")
    }
}

/// The documents kept so far: those of an index on disk, then those in memory.
pub struct Judge {
    options: Options,
    preparer: Preparer,
    base: Option<View>,
    /// The ordinal of the first document in memory.
    first: u32,
    kept: Kept,
    bands: Bands,
    places: Places,
    /// Fingerprints of what the batch at hand keeps, and some more.
    recent: Filter,
}

impl Judge {
    /// Nothing kept yet.
    pub fn new(options: Options) -> Judge {
        Judge::on(None, options)
    }

    /// What an index holds is kept already.
    ///
    /// # Errors
    /// If the index has other keys.
    pub fn with_base(base: View, options: Options) -> Result<Judge, DedupError> {
        base.expect_keys(&options.keys)?;
        Ok(Judge::on(Some(base), options))
    }

    fn on(base: Option<View>, options: Options) -> Judge {
        assert!((1..=8).contains(&options.keys.len()), "between one and eight keys");
        let first = base.as_ref().map_or(0, View::len);
        let bands = options.keys.len() * BANDS;
        Judge {
            preparer: Preparer { constants: options.constants(), spans: options.spans, device: Arc::new(Device::Cpu) },
            first,
            kept: Kept::new(options.width(), options.memory_bytes),
            bands: Bands::new(bands, first),
            places: Places::default(),
            recent: Filter::new(1 << 20),
            options,
            base,
        }
    }

    /// Signs and proves on another device, with the same result.
    pub fn on_device(mut self, device: impl Into<Arc<Device>>) -> Judge {
        self.preparer.device = device.into();
        self
    }

    /// What makes documents ready for it, while it judges others.
    pub fn preparer(&self) -> Preparer {
        self.preparer.clone()
    }

    /// Kept documents in all.
    pub fn len(&self) -> u32 {
        self.first + self.kept.len() as u32
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it kept besides its base, for an index.
    pub fn into_delta(self) -> Delta {
        Delta { first: self.first, kept: self.kept, bands: self.bands, places: self.places, device: self.preparer.device }
    }

    /// What the caller calls a kept document.
    pub fn name(&self, ordinal: u32) -> Name {
        match &self.base {
            Some(base) if ordinal < self.first => base.name(ordinal),
            _ => self.kept.names[(ordinal - self.first) as usize],
        }
    }

    /// As [`Preparer::prepare`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn prepare(&self, documents: &mut [Features]) -> Result<(), DedupError> {
        self.preparer.prepare(documents)
    }

    /// Keeps a document whatever it is like: what an earlier epoch accepted. `features` are prepared.
    ///
    /// # Errors
    /// If the temporary file for word streams cannot be written.
    pub fn keep(&mut self, name: Name, features: &Features) -> Result<u32, DedupError> {
        let open = self.walk(features, |_| ());
        let places: Vec<Option<Place>> = features.fingerprints.iter().map(|f| self.place(f.key)).collect();
        self.push(name, features, open, &places)
    }

    /// Judges the next documents in order of priority, and keeps those that are no duplicates. They are prepared.
    ///
    /// # Errors
    /// If the device fails, or the temporary file for word streams cannot be written.
    pub fn judge(&mut self, batch: &[(Name, Features)]) -> Result<Vec<Ruling>, DedupError> {
        let batch_first = self.len();
        let mut probed: Vec<Probed> = match &*self.preparer.device {
            Device::Cpu => batch
                .par_iter()
                .with_min_len(16)
                .map_init(Scratch::default, |scratch, (_, f)| {
                    let (mut probed, candidates) = self.probe(f, scratch);
                    if probed.identical.is_none() {
                        probed.near = self.prove(f, &candidates, scratch);
                    }
                    probed
                })
                .collect(),
            device => {
                let probes: Vec<(Probed, Vec<u32>)> =
                    batch.par_iter().with_min_len(16).map_init(Scratch::default, |scratch, (_, f)| self.probe(f, scratch)).collect();
                self.prove_on(device, batch, probes)?
            }
        };
        self.recent.clear();
        let mut scratch = Scratch::default();
        let mut rulings = Vec::with_capacity(batch.len());
        for (i, (name, features)) in batch.iter().enumerate() {
            if let Some(next) = probed.get(i + 1) {
                next.open.iter().for_each(|o| self.bands.prefetch(o.band, o.key));
            }
            let found = std::mem::replace(&mut probed[i], Probed::none());
            rulings.push(self.rule(*name, features, found, batch_first, &mut scratch)?);
        }
        Ok(rulings)
    }

    /// Calls `each` with every kept document that shares a band with this one. Skips full bands.
    fn walk(&self, features: &Features, mut each: impl FnMut(u32)) -> Vec<Open> {
        features.band_keys().for_each(|(band, key)| self.bands.prefetch(band, key));
        let full = |band: u8, level: usize, documents: usize| documents >= LIMIT && level < LEVELS && band != WORDLESS;
        let mut open = Vec::with_capacity(features.bands.len().max(1));
        for (slot, (band, mut key)) in features.band_keys().enumerate() {
            let mut level = 0;
            loop {
                let indexed = self.base.as_ref().map_or(0, |b| b.band(band, key, &mut each));
                let documents = indexed + self.bands.visit(band, slot, key, &mut each);
                if !full(band, level, documents) {
                    open.push(Open { band, level, key, indexed });
                    break;
                }
                level += 1;
                key = refine(features, band, level, key);
            }
        }
        open
    }

    /// Candidates among what was kept before the batch, ascending, and what else one thread can find out by itself.
    fn probe(&self, features: &Features, scratch: &mut Scratch) -> (Probed, Vec<u32>) {
        let mut candidates = std::mem::take(&mut scratch.candidates);
        candidates.clear();
        let open = self.walk(features, |ordinal| candidates.push(ordinal));
        let (identical, worth) = self.sift(features, &mut candidates, scratch);
        scratch.candidates = candidates;
        let places: Vec<Option<Place>> = if self.options.spans && identical.is_none() {
            match &self.base {
                Some(_) => features.fingerprints.iter().map(|f| self.place(f.key)).collect(),
                None => self.places.get_all(features.fingerprints.iter().map(|f| f.key)),
            }
        } else {
            Vec::new()
        };
        let coverage = self.coverage(features, &places, scratch);
        (Probed { identical, near: None, places, coverage, open }, worth)
    }

    /// Of candidates in any order: the one with the same words, and those worth proving, ascending.
    fn sift(&self, features: &Features, candidates: &mut Vec<u32>, scratch: &mut Scratch) -> (Option<u32>, Vec<u32>) {
        candidates.sort_unstable();
        candidates.dedup();
        let least = match self.options.verify {
            true => self.options.threshold.least_matches(self.options.width()),
            false => 0,
        };
        let mut worth = Vec::new();
        for &ordinal in candidates.iter().filter(|o| !self.base.as_ref().is_some_and(|b| b.is_withdrawn(**o))) {
            if features.slots.is_empty() {
                // A text without words is a copy only if it is equal.
                if self.text_digest(ordinal) == &features.text_digest {
                    return (Some(ordinal), Vec::new());
                }
                continue;
            }
            let agree = matches(self.slots(ordinal), &features.slots);
            if agree as usize == features.slots.len()
                && self.words_len(ordinal) == features.words.len()
                && self.words(ordinal, &mut scratch.buffer) == features.words
            {
                return (Some(ordinal), Vec::new());
            }
            if agree >= least {
                worth.push(ordinal);
            }
        }
        (None, worth)
    }

    /// The first of the candidates that is proven near.
    fn prove(&self, features: &Features, candidates: &[u32], scratch: &mut Scratch) -> Option<(u32, Overlap)> {
        let first = *candidates.first()?;
        if !self.options.verify {
            return Some((first, Overlap { intersection: 0, union: 0 }));
        }
        let (constants, threshold) = (self.constants(), &self.options.threshold);
        scratch.comparer.begin(&features.words, constants);
        candidates.iter().find_map(|&ordinal| {
            let other = self.words(ordinal, &mut scratch.buffer);
            scratch.comparer.compare(other, constants, threshold).map(|overlap| (ordinal, overlap))
        })
    }

    /// [`Judge::prove`] of a whole batch on a device: every document's next candidate in each round.
    fn prove_on(&self, device: &Device, batch: &[(Name, Features)], probes: Vec<(Probed, Vec<u32>)>) -> Result<Vec<Probed>, DedupError> {
        let (mut probed, candidates): (Vec<Probed>, Vec<Vec<u32>>) = probes.into_iter().unzip();
        if !self.options.verify {
            for (p, c) in probed.iter_mut().zip(&candidates) {
                p.near = c.first().map(|first| (*first, Overlap { intersection: 0, union: 0 }));
            }
            return Ok(probed);
        }
        let mut waiting: Vec<usize> = (0..batch.len()).filter(|i| !candidates[*i].is_empty()).collect();
        for round in 0.. {
            if waiting.is_empty() {
                break;
            }
            let pairs: Vec<Pair> = waiting
                .par_iter()
                .map(|&i| {
                    let other = self.words(candidates[i][round], &mut Vec::new()).to_vec();
                    Pair { own: &batch[i].1.words, other }
                })
                .collect();
            let overlaps = device.overlaps(&pairs, self.constants())?;
            for (&i, overlap) in waiting.iter().zip(overlaps) {
                if self.options.threshold.reached(overlap.intersection, overlap.union) {
                    probed[i].near = Some((candidates[i][round], overlap));
                }
            }
            waiting.retain(|&i| probed[i].near.is_none() && round + 1 < candidates[i].len());
        }
        Ok(probed)
    }

    /// The ruling on the next document, which is kept if it is no duplicate of what the batch kept either.
    fn rule(
        &mut self,
        name: Name,
        features: &Features,
        found: Probed,
        batch_first: u32,
        scratch: &mut Scratch,
    ) -> Result<Ruling, DedupError> {
        let Probed { mut identical, mut near, mut places, mut coverage, open } = found;
        // What the batch kept: in the bands that were not full before it, and in their refinements.
        let mut candidates = std::mem::take(&mut scratch.candidates);
        candidates.clear();
        let open = if identical.is_none() && self.len() > batch_first {
            self.walk_on(features, open, |o, deeper| candidates.extend((deeper || o >= batch_first).then_some(o)))
        } else {
            open
        };
        if !candidates.is_empty() {
            let worth;
            (identical, worth) = self.sift(features, &mut candidates, scratch);
            if identical.is_none() && near.is_none() {
                near = self.prove(features, &worth, scratch);
            }
        }
        scratch.candidates = candidates;
        if let Some(of) = identical {
            let decision = if self.text_digest(of) == &features.text_digest { Decision::Exact(of) } else { Decision::Formatting(of) };
            let coverage = Coverage { words: features.words.len() as u64, by: Vec::new() };
            return Ok(Ruling { decision, coverage: if self.options.spans { coverage } else { Coverage::default() } });
        }
        let mut again = false;
        for (place, f) in places.iter_mut().zip(&features.fingerprints).filter(|(p, f)| p.is_none() && self.recent.may_have(f.key)) {
            *place = self.place(f.key);
            again |= place.is_some();
        }
        if again {
            coverage = self.coverage(features, &places, scratch);
        }
        let decision = if let Some((of, overlap)) = near {
            Decision::Near(of, overlap)
        } else if coverage.words > 0 && self.options.threshold.reached(coverage.words, features.words.len() as u64) {
            Decision::Contained(coverage.by[0].0)
        } else {
            Decision::Kept(self.push(name, features, open, &places)?)
        };
        Ok(Ruling { decision, coverage })
    }

    /// Goes on from where the bands were not full, and tells `each` whether a document is in a band that the first step did not see.
    fn walk_on(&self, features: &Features, mut open: Vec<Open>, mut each: impl FnMut(u32, bool)) -> Vec<Open> {
        for (slot, o) in open.iter_mut().enumerate() {
            let mut deeper = false;
            while o.indexed + self.bands.visit(o.band, slot, o.key, |d| each(d, deeper)) >= LIMIT && o.level < LEVELS && o.band != WORDLESS
            {
                o.level += 1;
                o.key = refine(features, o.band, o.level, o.key);
                deeper = true;
                o.indexed = self.base.as_ref().map_or(0, |b| b.band(o.band, o.key, &mut |d| each(d, true)));
            }
        }
        open
    }

    /// Keeps a document; `places` says which of its fingerprints were seen before.
    fn push(&mut self, name: Name, features: &Features, open: Vec<Open>, places: &[Option<Place>]) -> Result<u32, DedupError> {
        let ordinal = self.len();
        self.bands.insert(ordinal, open.iter().map(|o| (o.band, o.key)));
        self.kept.push(name, features.text_digest, &features.words, &features.slots)?;
        let new = features.fingerprints.iter().zip(places).filter(|(_, place)| place.is_none());
        self.places.insert_all(new.map(|(f, _)| (f.key, Place { ordinal, position: f.position })));
        features.fingerprints.iter().for_each(|f| self.recent.insert(f.key));
        Ok(ordinal)
    }

    fn coverage(&self, features: &Features, places: &[Option<Place>], scratch: &mut Scratch) -> Coverage {
        if places.iter().all(Option::is_none) {
            return Coverage::default();
        }
        cover(&features.words, &features.fingerprints, places, |ordinal, take| take(self.words(ordinal, &mut scratch.buffer)))
    }

    fn place(&self, key: u64) -> Option<Place> {
        self.base.as_ref().and_then(|b| b.place(key)).or_else(|| self.places.get(key))
    }

    fn constants(&self) -> &Constants {
        self.preparer.last()
    }

    fn slots(&self, ordinal: u32) -> &[u32] {
        match &self.base {
            Some(base) if ordinal < self.first => base.slots(ordinal),
            _ => self.kept.slots((ordinal - self.first) as usize),
        }
    }

    fn text_digest(&self, ordinal: u32) -> &[u8; 32] {
        match &self.base {
            Some(base) if ordinal < self.first => base.text_digest(ordinal),
            _ => &self.kept.text_digests[(ordinal - self.first) as usize],
        }
    }

    fn words_len(&self, ordinal: u32) -> usize {
        match &self.base {
            Some(base) if ordinal < self.first => base.words(ordinal).len(),
            _ => self.kept.words_len((ordinal - self.first) as usize),
        }
    }

    fn words<'a>(&'a self, ordinal: u32, buffer: &'a mut Vec<u32>) -> &'a [u32] {
        match &self.base {
            Some(base) if ordinal < self.first => base.words(ordinal),
            _ => self.kept.words((ordinal - self.first) as usize, buffer),
        }
    }
}

impl Probed {
    fn none() -> Probed {
        Probed { identical: None, near: None, places: Vec::new(), coverage: Coverage::default(), open: Vec::new() }
    }
}

fn refine(features: &Features, band: u8, level: usize, key: u64) -> u64 {
    // Bands of a second key are refined by that key's slots.
    let (pass, band) = (band as usize / BANDS, band as usize % BANDS);
    refined_key(&features.slots[pass * SLOTS..(pass + 1) * SLOTS], band, level, key)
}
