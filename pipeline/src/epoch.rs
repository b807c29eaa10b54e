//! Opening and closing an epoch.

use corpus::bundle::{Bundle, Submitted};
use corpus::licence::Purpose;
use corpus::{Digest, canonical};
use ledger::entry::{Draw, EpochClose, EpochOpen};
use ledger::history::{Epoch, Logged};
use rules::EpochView;
use rules::bundles::pool_documents;
use rules::policy::Policy;
use rules::targets::draw_targets;
use store::Class;

use crate::error::{Context, Kind, Result, failure, usage};
use crate::home::Home;

/// A held-out document, before the pool is committed.
pub type Target = Submitted;

/// Licence texts are everywhere; as targets they would keep others' documents out.
fn is_licence_text(source: &str) -> bool {
    ingest::is_licence_name(source.rsplit('/').next().unwrap_or(source))
}

/// Opens the next epoch, once the last one is ingested: its verdicts are what the next is judged against.
pub async fn open(home: &mut Home, policy: &Policy, purpose: Purpose, targets: Vec<Target>) -> Result<u32> {
    if let Some(last) = home.state.epochs.last().filter(|e| e.draw.is_none()) {
        return Err(failure(Kind::Check, format!("epoch {}: open already; close it first", last.open.entry.epoch)));
    }
    let waiting = |e: &Epoch| e.submissions.iter().any(|s| !s.is_sharded());
    if let Some(last) = home.state.epochs.last().filter(|e| waiting(e)) {
        return Err(failure(Kind::Check, format!("epoch {}: not ingested yet; run `assay ingest` first", last.open.entry.epoch)));
    }
    let epoch = home.state.epochs.len() as u32;
    let documents: Vec<Target> = targets.into_iter().filter(|t| !is_licence_text(&t.source)).collect();
    if documents.len() < 2 {
        return Err(usage(format!(
            "target pool: expected at least 2 documents, one to price and one to control, found {}",
            documents.len()
        )));
    }
    let secret = home.secret(&format!("pool {epoch}"))?;
    let bundle = Bundle { secret, first: 0, documents, redaction: None };
    let pool = home.objects.put(Class::Sealed, &bundle.encode()?)?;
    let policy = home.objects.put(Class::Public, &canonical::to_vec(policy)?)?;
    let dedup_key = Digest(home.secret(&format!("dedup key {epoch}"))?);
    // Drawn now, so that verdicts are a function of what there is at the close, whoever computes them.
    home.secret(&hits_label(epoch))?;
    let entry = EpochOpen {
        epoch,
        policy,
        purpose,
        pool,
        pool_root: bundle.root(),
        pool_documents: bundle.documents.len() as u64,
        dedup_key: Digest::of(&dedup_key.0),
        time: home.now,
    };
    home.append(vec![entry.into()]).await?;
    Ok(epoch)
}

/// The name of the secret that salts of held-out hits come from.
pub(crate) fn hits_label(epoch: u32) -> String {
    format!("held-out hits {epoch}")
}

/// Closes the last epoch and draws its seed and targets from the tree head that the witnesses cosigned right after.
pub async fn close(home: &mut Home) -> Result<Digest> {
    let epoch = home.epoch(None)?.clone();
    let number = epoch.open.entry.epoch;
    if let Some(Logged { entry: draw, .. }) = &epoch.draw {
        return Ok(draw.seed);
    }
    let at = match &epoch.close {
        Some(Logged { index: at, .. }) => *at,
        None => {
            if epoch.submissions.is_empty() {
                return Err(failure(
                    Kind::Check,
                    format!("epoch {number}: nothing was submitted; expected at least one submission before the close"),
                ));
            }
            let entry = EpochClose { epoch: number, submissions: epoch.submissions.len() as u64, time: home.now };
            home.append(vec![entry.into()]).await?
        }
    };
    // Exactly this size: a later one would let the operator choose among tree heads.
    let tree_head = home.head_at((at + 1).0)?;
    let seed = home.draw_seed(&tree_head)?;
    let targets = draw_targets(&pool_documents(&EpochView::of(home, &epoch).pool().context("the target pool")?), &seed);
    let entry = Draw {
        epoch: number,
        tree_head,
        seed,
        targets: home.objects.put(Class::Public, &canonical::to_vec(&targets)?)?,
        pricing: targets.pricing.len() as u64,
        control: targets.control.len() as u64,
    };
    home.append(vec![entry.into()]).await?;
    Ok(seed)
}
