//! Replays a log's entries, with signatures checked on all cores.

use corpus::EntryIndex;
use ledger::state::{Signers, check_signatures};
use ledger::{Entry, Envelope, State, Violation};
use rayon::prelude::*;

/// Whether an entry's tree head draws, so that every witness has to cosign it: nobody may choose among cosignatures.
pub fn draws(entry: &[u8]) -> bool {
    parse(EntryIndex(0), entry).is_ok_and(|(_, entry)| entry_draws(&entry))
}

/// [`draws`] of an entry that is read already.
pub fn entry_draws(entry: &Entry) -> bool {
    matches!(entry, Entry::EpochClose(_) | Entry::RunProgress(_))
}

/// An entry's envelope and what it says.
pub fn parse(index: EntryIndex, bytes: &[u8]) -> Result<(Envelope, Entry), Violation> {
    let violation = |text: String| Violation { rule: "entry-form", index, text };
    let envelope = Envelope::from_bytes(bytes).map_err(|e| violation(e.to_string()))?;
    let entry = Entry::from_payload(&envelope.payload).map_err(|e| violation(e.to_string()))?;
    Ok((envelope, entry))
}

/// Applies `entries`, which come next, and gives each to `each` with its index; signatures of those before `trusted` were checked before.
///
/// # Errors
/// The first [`Violation`]; what `state` says then must not be used.
pub fn follow(state: &mut State, entries: &[Vec<u8>], trusted: u64, mut each: impl FnMut(EntryIndex, &Entry)) -> Result<(), Violation> {
    let first = state.size;
    let parsed: Vec<Result<(Envelope, Entry), Violation>> =
        entries.par_iter().enumerate().map(|(i, bytes)| parse(EntryIndex(first + i as u64), bytes)).collect();
    let mut applied: Vec<(u64, (Envelope, Signers, Entry))> = Vec::with_capacity(parsed.len());
    let mut violation = None;
    for (index, parsed) in (first..).zip(parsed) {
        let next = parsed.and_then(|(envelope, entry)| Ok((envelope, state.apply_unsigned(entry.clone())?, entry)));
        match next {
            Ok(next) => applied.push((index, next)),
            Err(found) => {
                violation = Some(found);
                break;
            }
        }
    }
    let unsigned = applied
        .par_iter()
        .filter(|(index, _)| *index >= trusted)
        .find_map_first(|(index, (envelope, signers, entry))| check_signatures(EntryIndex(*index), entry, envelope, signers).err());
    let stop = unsigned.as_ref().map_or(u64::MAX, |v| v.index.0);
    applied.iter().take_while(|(index, _)| *index < stop).for_each(|(index, (.., entry))| each(EntryIndex(*index), entry));
    unsigned.or(violation).map_or(Ok(()), Err)
}
