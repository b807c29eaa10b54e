//! Outlines of bundles, which judging needs; jobs make them.

use std::collections::BTreeMap;

use corpus::Digest;
use corpus::bundle::Part;
use corpus::objects::ReadObjects;
use corpus::outline::Outlines;
use ledger::history::Submitted;
use rules::parts::parts;
use rules::{EpochViews, RulesError};
use store::Class;

use crate::error::{Context, Result};
use crate::home::Home;
use crate::jobs;
use crate::work::Work;

/// The files with outlines of every bundle of the given submissions, by jobs.
pub(crate) async fn outlines_of(home: &Home, submissions: &[&Submitted]) -> Result<Vec<Vec<Digest>>> {
    let mut work = Vec::new();
    let mut counts = Vec::new();
    let epochs = EpochViews::of(home);
    for s in submissions {
        let e = home.state.epoch_at(s.submission.index).context("a submission lies in an epoch")?;
        let filters = &epochs.number(e.open.entry.epoch).policy()?.filters;
        let parts = parts(home, s)?.parts;
        counts.push(parts.len());
        let one = |p: Part| Work::Outlines { procedure: dedup::PROCEDURE.into(), filters: Box::new(filters.clone()), part: p.file };
        work.extend(parts.into_iter().map(one));
    }
    let mut outputs = jobs::run(home, &work).await?.into_iter();
    Ok(counts.into_iter().map(|n| outputs.by_ref().take(n).collect()).collect())
}

/// How the outlines of a submission's bundles are had, from the files that jobs made of them.
pub fn loading<'a>(
    home: &'a Home,
    s: &Submitted,
    files: Vec<Digest>,
) -> rules::Result<impl Fn(&Part) -> rules::Result<Outlines> + use<'a>> {
    let by_first: BTreeMap<u32, Digest> = parts(home, s)?.parts.iter().map(|p| p.first).zip(files).collect();
    Ok(move |part: &Part| {
        let file = by_first.get(&part.first);
        let file = file.ok_or_else(|| RulesError::Check(format!("bundle {}: is in no list of its submission", part.file)))?;
        Ok(Outlines::decode(&ReadObjects::get(&home.objects, Class::Sealed, file)?)?)
    })
}
