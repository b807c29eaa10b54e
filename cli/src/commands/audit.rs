//! `assay audit`: every link from files and public keys.

use anyhow::Result;
use serde_json::json;

use crate::args::audit::Audit;
use crate::audited;
use crate::failure::{Kind, usage};
use crate::output::{Bars, Output, note};
use crate::place::Place;

/// Audits the home, or one that a file server gives.
pub fn audit(place: &Place, a: Audit) -> Result<Output> {
    if !(0.0..=1.0).contains(&a.replay_verdicts) {
        return Err(usage(format!("--replay-verdicts {}: expected a share from 0 to 1", a.replay_verdicts)));
    }
    let options = audit::Options { now: place.now, replay: a.replay, verdicts: a.replay_verdicts, receipts: a.receipts, from: a.from };
    let report = match a.url {
        None => audit::run(&audited::files(&place.home)?, &options, &Bars)?,
        Some(base) => {
            let temporary = tempfile::tempdir()?;
            let dir = a.mirror.unwrap_or_else(|| temporary.path().to_path_buf());
            let absent = audit::mirror::mirror(&base, &dir, &Bars)?;
            if absent > 0 {
                note(&format!("{base}: {absent} objects are not given"));
            }
            audit::run(&audited::files(&dir)?, &options, &Bars)?
        }
    };
    let exit = if report.ok { 0 } else { Kind::Verification as u8 };
    Ok(Output::new(audited::text(&report)?, json!({ "audit": report })).exiting(exit))
}
