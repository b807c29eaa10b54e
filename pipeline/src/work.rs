//! What workers do: one job is one input to one content-addressed output, so doing it twice does no harm.
//!
//! A job's input is canonical JSON that names everything by digest; whoever has the objects can do it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use corpus::bundle::Bundle;
use corpus::shard::Shard;
use corpus::{ContributorId, Digest, EntryIndex, VerdictReader, canonical};
use filters::Filters;
use ingest::{ShardOf, TextTokenizer};
use rules::verdicts::outlines;
use rules::withdrawn::DocumentList;
use serde::{Deserialize, Serialize};
use store::{Class, Objects};

use crate::error::{Context, Kind, Result, failure};

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "work")]
pub enum Work {
    /// What judging needs of a bundle's documents.
    Outlines {
        /// How words are cut: another procedure cuts other words.
        procedure: String,
        /// The epoch's filters.
        #[serde(default, skip_serializing_if = "Filters::is_empty")]
        filters: Box<Filters>,
        /// The bundle.
        part: Digest,
    },
    /// The shard of a range of a submission's documents.
    Shard {
        /// Whose.
        contributor: ContributorId,
        /// Log index of the submission.
        submission: EntryIndex,
        /// The list of its bundles.
        bundle: Digest,
        /// Its verdict table.
        verdicts: Digest,
        /// The list of documents that were taken back, if there are any.
        withdrawn: Option<Digest>,
        /// Number of the first document.
        first: u32,
        /// The number after that of the last.
        end: u32,
        /// The `tokenizer.json`.
        tokenizer: Digest,
    },
    /// Several shards in one file.
    Compaction {
        /// Their files, in order.
        files: Vec<Digest>,
    },
}

impl Work {
    /// The queue that it goes to.
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Outlines { .. } => "outlines",
            Work::Shard { .. } => "shard",
            Work::Compaction { .. } => "compaction",
        }
    }

    /// All queues, in the order in which workers look into them.
    pub const KINDS: [&str; 3] = ["outlines", "shard", "compaction"];

    /// The job's input.
    pub fn input(&self) -> Result<String> {
        Ok(String::from_utf8(canonical::to_vec(self)?)?)
    }
}

/// Somebody who does jobs, with what the last ones needed.
pub struct Worker {
    objects: Objects,
    tokenizer: Mutex<Option<(Digest, Arc<TextTokenizer>)>>,
    verdicts: Mutex<Option<(Digest, Arc<Bytes>)>>,
}

impl Worker {
    /// A worker on these objects.
    pub fn new(objects: Objects) -> Worker {
        Worker { objects, tokenizer: Mutex::new(None), verdicts: Mutex::new(None) }
    }

    /// Does a job; returns its output, which lasts.
    pub fn run(&self, input: &str) -> Result<Digest> {
        let work: Work = canonical::from_slice(input.as_bytes()).with_context(|| format!("job {input}"))?;
        match work {
            Work::Outlines { procedure, filters, part } => {
                if procedure != dedup::PROCEDURE {
                    return Err(failure(Kind::Check, format!("procedure {procedure}, this program has {}", dedup::PROCEDURE)));
                }
                let outlines = outlines(&Bundle::decode(&self.objects.get(Class::Sealed, &part)?)?, &filters);
                Ok(self.objects.put(Class::Sealed, &outlines.encode()?)?)
            }
            Work::Shard { contributor, submission, bundle, verdicts, withdrawn, first, end, tokenizer } => {
                let rows = VerdictReader::open((*self.verdicts(&verdicts)?).clone(), first as usize..end as usize)?;
                if rows.submission != submission {
                    let text = format!("verdicts on submission {}, expected {submission}", rows.submission);
                    return Err(failure(Kind::Check, text));
                }
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                let withdrawn = match withdrawn {
                    None => BTreeSet::new(),
                    Some(list) => {
                        let list: DocumentList = canonical::from_slice(&self.objects.get(Class::Sealed, &list)?)?;
                        list.documents.iter().map(|d| d.number).collect()
                    }
                };
                let of = ShardOf { contributor, submission, verdicts: &rows, range: first..end, withdrawn: &withdrawn, tokenizer };
                let parts = rules::parts::read_parts(&self.objects, &bundle)?;
                let wanted = parts.parts.iter().filter(|p| p.first < end && p.end() > first);
                let bundles = wanted.map(|p| -> Result<Bundle> { Ok(rules::bundles::read_part(&self.objects, p)?) });
                self.store(&ingest::build_shard(&of, bundles, &*self.tokenizer(&tokenizer)?)?)
            }
            Work::Compaction { files } => {
                let mut all: Option<Shard> = None;
                for file in files {
                    let shard = Shard::decode(&self.objects.get(Class::Sealed, &file)?)?;
                    match &mut all {
                        None => all = Some(shard),
                        Some(all) => all.documents.extend(shard.documents),
                    }
                }
                self.store(&all.context("a compaction of no shards")?)
            }
        }
    }

    /// Stores a shard, which is in memory once: its file is written a column after the other.
    fn store(&self, shard: &Shard) -> Result<Digest> {
        self.objects.put_written(Class::Sealed, |out| -> Result<()> { Ok(shard.write(out)?) })
    }

    /// A tokenizer, loaded once for jobs that come one after the other.
    fn tokenizer(&self, digest: &Digest) -> Result<Arc<TextTokenizer>> {
        last(&self.tokenizer, digest, || Ok(TextTokenizer::from_json(&self.objects.get(Class::Public, digest)?)?))
    }

    /// The file of a verdict table, checked once for jobs that come one after the other; each reads its own rows.
    fn verdicts(&self, digest: &Digest) -> Result<Arc<Bytes>> {
        last(&self.verdicts, digest, || Ok(self.objects.map(Class::Public, digest)?))
    }
}

/// What `digest` names, if it is what was named last, or as `load` gives it.
fn last<T>(kept: &Mutex<Option<(Digest, Arc<T>)>>, digest: &Digest, load: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
    let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match &*kept {
        Some((known, value)) if known == digest => Ok(value.clone()),
        _ => {
            let value = Arc::new(load()?);
            *kept = Some((*digest, value.clone()));
            Ok(value)
        }
    }
}
