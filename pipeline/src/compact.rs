//! Small shards in one file: fewer files to open, the same documents in the same order.

use corpus::EntryIndex;
use corpus::shard::Footer;
use ledger::entry::Compaction;
use ledger::history::Logged;
use serde::Serialize;
use store::Class;

use crate::error::Result;
use crate::home::Home;
use crate::jobs;
use crate::work::Work;

/// What was put together.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compacted {
    /// Of which epoch.
    pub epoch: u32,
    /// Shards.
    pub shards: usize,
    /// Files that they are in now.
    pub files: usize,
}

/// Puts runs of consecutive shards of an epoch into one file each, as long as they are of at most `most` bytes together.
///
/// Shards that are in a compaction stay in it. The replaced files stay: runs that began before read them.
pub async fn run(home: &mut Home, number: Option<u32>, most: u64) -> Result<Compacted> {
    let e = home.epoch(number)?;
    let taken: Vec<EntryIndex> =
        e.compactions_before(EntryIndex::MAX).into_iter().flat_map(|c| e.compacted(c)).map(|Logged { index: at, .. }| *at).collect();
    let (mut runs, mut bytes): (Vec<Vec<(EntryIndex, corpus::Digest)>>, u64) = (vec![Vec::new()], 0);
    for Logged { index: at, entry: shard } in e.shards_before(EntryIndex::MAX) {
        let size = home.objects.size(Class::Sealed, &shard.file).unwrap_or(u64::MAX);
        if taken.contains(at) || bytes.saturating_add(size) > most {
            runs.push(Vec::new());
            bytes = 0;
        }
        if !taken.contains(at) && size <= most {
            runs.last_mut().expect("one at least").push((*at, shard.file));
            bytes += size;
        }
    }
    runs.retain(|run| run.len() > 1);
    let work: Vec<Work> = runs.iter().map(|run| Work::Compaction { files: run.iter().map(|(_, file)| *file).collect() }).collect();
    let epoch = e.open.entry.epoch;
    let outputs = jobs::run(home, &work).await?;
    let mut entries = Vec::new();
    for (run, file) in runs.iter().zip(outputs) {
        let footer = Footer::read(&home.objects.map(Class::Sealed, &file)?)?;
        let (first, last) = (run[0].0, run[run.len() - 1].0);
        let Footer { rows, tokens, document_root, .. } = footer;
        entries.push(Compaction { epoch, first, last, shards: run.len() as u64, file, rows, tokens, document_root }.into());
    }
    let (files, shards) = (entries.len(), runs.iter().map(Vec::len).sum::<usize>());
    if !entries.is_empty() {
        home.append(entries).await?;
    }
    Ok(Compacted { epoch, shards, files })
}
