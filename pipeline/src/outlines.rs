//! Outlines of bundles, which judging needs; jobs make them.

use std::collections::BTreeMap;

use corpus::Digest;
use corpus::bundle::{Bundle, Part};
use corpus::outline::Outlines;
use ledger::history::Submitted;
use rayon::prelude::*;
use rules::parts::parts;
use rules::{Archive, EpochViews, RulesError};
use store::{Catalog, Class};

use crate::config::catalog_place;
use crate::error::{Context, Result};
use crate::home::Home;
use crate::jobs;
use crate::snapshot::Snapshot;
use crate::work::Work;

/// The files with outlines of every bundle of the given submissions, by jobs.
pub(crate) async fn outlines_of(home: &Home, submissions: &[&Submitted]) -> Result<Vec<Vec<Digest>>> {
    let (work, counts) = work_of(home, submissions)?;
    Ok(by_submission(jobs::run(home, &work).await?, counts))
}

/// The same for who only looks: files that jobs made are taken as the queue names them, and others are made beside the home's objects.
pub(crate) async fn outlines_looking(home: &Snapshot, submissions: &[&Submitted]) -> Result<Vec<Vec<Digest>>> {
    let (work, counts) = work_of(home, submissions)?;
    // The queue saves work and says nothing that is not made here as well, so that a home without it is as good.
    let made = match Catalog::look(&catalog_place(&home.dir, &home.config)).await {
        Ok(Some(catalog)) => catalog.jobs_of("outlines").await.unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    let bar = home.listener.task("outlines", work.len() as u64);
    let file = |work: &Work| -> Result<Digest> {
        let known = made.get(&store::jobs::id_of(work.kind(), &work.input()?)).and_then(|job| job.output);
        bar.advance(1);
        match (known.filter(|file| home.archive.objects.has(Class::Sealed, file)), work) {
            (Some(file), _) => Ok(file),
            (None, Work::Outlines { filters, part, .. }) => {
                let bundle = Bundle::decode(&home.archive.objects.get(Class::Sealed, part)?)?;
                home.make(Class::Sealed, &rules::verdicts::outlines(&bundle, filters).encode()?)
            }
            (None, _) => unreachable!("outlines alone are asked for"),
        }
    };
    let files = tokio::task::block_in_place(|| work.par_iter().map(file).collect::<Result<Vec<_>>>())?;
    Ok(by_submission(files, counts))
}

/// The job for each bundle of each submission, and how many each has.
fn work_of(archive: &Archive, submissions: &[&Submitted]) -> Result<(Vec<Work>, Vec<usize>)> {
    let mut work = Vec::new();
    let mut counts = Vec::new();
    let epochs = EpochViews::of(archive);
    for s in submissions {
        let e = archive.state.epoch_at(s.submission.index).context("a submission lies in an epoch")?;
        let filters = &epochs.number(e.open.entry.epoch).policy()?.filters;
        let parts = parts(archive, s)?.parts;
        counts.push(parts.len());
        let one = |p: Part| Work::Outlines { procedure: dedup::PROCEDURE.into(), filters: Box::new(filters.clone()), part: p.file };
        work.extend(parts.into_iter().map(one));
    }
    Ok((work, counts))
}

fn by_submission(files: Vec<Digest>, counts: Vec<usize>) -> Vec<Vec<Digest>> {
    let mut files = files.into_iter();
    counts.into_iter().map(|n| files.by_ref().take(n).collect()).collect()
}

/// How the outlines of a submission's bundles are had, from the files that jobs made of them.
pub fn loading<'a>(
    archive: &'a Archive,
    s: &Submitted,
    files: Vec<Digest>,
) -> rules::Result<impl Fn(&Part) -> rules::Result<Outlines> + Send + Sync + use<'a>> {
    let by_first: BTreeMap<u32, Digest> = parts(archive, s)?.parts.iter().map(|p| p.first).zip(files).collect();
    Ok(move |part: &Part| {
        let file = by_first.get(&part.first);
        let file = file.ok_or_else(|| RulesError::Check(format!("bundle {}: is in no list of its submission", part.file)))?;
        Ok(Outlines::decode(&archive.objects.get(Class::Sealed, file)?)?)
    })
}
