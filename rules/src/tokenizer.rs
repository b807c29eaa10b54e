//! The tokenizer that a home's shards are cut with.

use corpus::Digest;
use corpus::objects::Class;
use ingest::TextTokenizer;
use ledger::history::Logged;

use crate::archive::Archive;
use crate::error::{Result, RulesError};

/// The home's tokenizer.
pub fn read(archive: &Archive) -> Result<(Digest, TextTokenizer)> {
    let Logged { entry, .. } =
        archive.state.tokenizer.as_ref().ok_or_else(|| RulesError::Check("no tokenizer yet: run `assay ingest` first".into()))?;
    Ok((entry.tokenizer, TextTokenizer::from_json(&archive.objects.get(Class::Public, &entry.tokenizer)?)?))
}
