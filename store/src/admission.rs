//! Which of many entries that arrive together are appended: each by itself, in the order of arrival.
//!
//! Signatures are checked on all cores against the keys in force before the batch; where a key changes within it, once more.

use std::collections::HashMap;

use corpus::{Digest, EntryIndex, merkle};
use ledger::state::{Signers, check_signatures};
use ledger::{Entry, Envelope, State, Violation};
use rayon::prelude::*;

use crate::follow::parse;

/// What became of one entry.
pub type Outcome = Result<EntryIndex, Violation>;

/// A batch that may be appended.
#[derive(Debug)]
pub struct Admitted {
    /// What became of the first entries given: the index that each has or will have, or the rule that forbids it.
    pub outcomes: Vec<Outcome>,
    /// Bytes of the new ones.
    pub bytes: Vec<Vec<u8>>,
    /// What they say.
    pub entries: Vec<Entry>,
}

/// Applies entries of `batch` to `state`; `known` has the indexes of entries in the log by leaf hash.
///
/// Ends early after an entry for which `last` holds, so that its tree head ends with it; the rest of the batch is for the next call.
/// If the new entries are then not appended, the state has to be made again from the log.
pub fn admit(state: &mut State, known: &HashMap<Digest, EntryIndex>, batch: &[Vec<u8>], last: impl Fn(&Entry) -> bool) -> Admitted {
    type Read = (Digest, Result<(Envelope, Entry, Option<Signers>), Violation>);
    let read = |bytes: &Vec<u8>| -> Read {
        let leaf = merkle::leaf_hash(bytes);
        let parsed = parse(state.next_index(), bytes).map(|(envelope, entry)| {
            let signers = state.signers(&entry).ok();
            let signers = signers.filter(|s| check_signatures(state.next_index(), &entry, &envelope, s).is_ok());
            (envelope, entry, signers)
        });
        (leaf, parsed)
    };
    let read: Vec<Read> = batch.par_iter().with_min_len(8).map(read).collect();
    let mut admitted = Admitted { outcomes: Vec::with_capacity(batch.len()), bytes: Vec::new(), entries: Vec::new() };
    let mut new: HashMap<Digest, EntryIndex> = HashMap::new();
    for ((leaf, parsed), bytes) in read.into_iter().zip(batch) {
        if let Some(index) = known.get(&leaf).or_else(|| new.get(&leaf)) {
            admitted.outcomes.push(Ok(*index));
            continue;
        }
        let index = state.next_index();
        let applied = parsed.and_then(|(envelope, entry, verified)| {
            let signers = state.signers(&entry)?;
            if verified.is_none_or(|v| v != signers) {
                check_signatures(index, &entry, &envelope, &signers)?;
            }
            state.apply_unsigned(entry.clone())?;
            Ok(entry)
        });
        match applied {
            Ok(entry) => {
                new.insert(leaf, index);
                admitted.outcomes.push(Ok(index));
                admitted.bytes.push(bytes.clone());
                let ends = last(&entry);
                admitted.entries.push(entry);
                if ends {
                    break;
                }
            }
            Err(violation) => admitted.outcomes.push(Err(violation)),
        }
    }
    admitted
}
