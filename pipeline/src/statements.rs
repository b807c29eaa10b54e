//! A statement that somebody was given, computed again from the log and public objects.

use corpus::Digest;
use ledger::entry::Holder;
use ledger::history::Logged;
use ledger::statement::Statement;
use rules::Archive;

use crate::error::{Kind, PipelineError, Result, failure};

/// A statement signed by the operator's key that was in force when it was settled.
fn signed(archive: &Archive, bytes: &[u8]) -> Result<Statement> {
    let settled = archive.state.runs.iter().filter_map(|r| r.statements.as_ref()).map(|Logged { index: at, .. }| *at);
    let keys = settled.chain([archive.state.next_index()]).filter_map(|at| archive.state.key_before(&Holder::Operator, at));
    let mut found = Err(failure(Kind::Check, "a log without an operator"));
    for key in keys {
        found = Statement::verify(bytes, &key).map_err(Into::into);
        if found.is_ok() {
            break;
        }
    }
    found
}

/// The statement in the envelope `bytes`, if it is signed, and what the log and its tables give; else the fields that differ.
///
/// `what` names it in errors.
pub fn verify(archive: &Archive, bytes: &[u8], what: &str) -> Result<Statement> {
    let wrong = |text: String| -> PipelineError { failure(Kind::Verification, format!("{what}: {text}")) };
    let statement = signed(archive, bytes).map_err(|e| wrong(e.to_string()))?;
    let run = archive.state.runs.get(statement.run.0 as usize);
    let run = run.ok_or_else(|| wrong(format!("run {} is not in the log", statement.run)))?;
    let Some(Logged { index: at, entry }) = &run.statements else {
        return Err(wrong(format!("run {} is not settled in the log", statement.run)));
    };
    let computed = rules::settlement::compute(archive, statement.run)?;
    // What the operator logged, and pays by, is what the statement is about.
    let logged = (entry.rewards, entry.accrued_minor, entry.payable_minor, &entry.outcome);
    let gives =
        (Digest::of(&computed.rewards.to_bytes()?), computed.rewards.accrued_minor(), computed.rewards.payable_minor(), &computed.outcome);
    if logged != gives {
        return Err(wrong(format!("entry {at}: rewards, accrued, payable and outcome {logged:?}, the log's tables give {gives:?}")));
    }
    let all = rules::settlement::statements(archive, run, &computed)?;
    let expected = all.iter().find(|s| s.contributor == statement.contributor);
    let expected = expected.ok_or_else(|| wrong(format!("contributor {} is not in run {}", statement.contributor, statement.run)))?;
    let differing = statement.differences(expected)?;
    if !differing.is_empty() {
        return Err(wrong(differing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
    }
    Ok(statement)
}
