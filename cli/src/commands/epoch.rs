//! Epochs: opened, closed, judged and cut into shards, compacted.

use anyhow::Result;
use corpus::canonical;
use pipeline::{compact, epoch, held_out, ingest, notices, sampling, strata};
use rules::policy::Policy;
use serde_json::json;
use store::{Class, files};

use super::status;
use crate::args::epoch::{Compact, Ingest, Open};
use crate::failure::usage;
use crate::output::{Bars, Output, note};
use crate::place::Place;

/// Opens an epoch under the policy that was announced for it, or that the arguments say.
pub async fn open(place: &Place, a: Open) -> Result<Output> {
    let mut home = place.open().await?;
    let (targets, target_weights) = held_out::targets(&a.target, &a.target_weight)?;
    let mut policy = Policy::new(a.pool_minor, &home.genesis().currency.clone(), home.genesis().currency_exponent);
    policy.target_weights = target_weights;
    policy.hold_days = a.hold_days;
    policy.grant_hold_days = a.grant_hold_days;
    policy.unknown_reservations = a.unknown_reservations.map(Into::into);
    if let Some(path) = a.pay {
        let text = files::read_text(&path)?;
        policy.pay = toml::from_str(&text).map_err(|e| usage(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
    }
    policy.strata = a.strata.map(|path| strata::read(&home, &path)).transpose()?.unwrap_or_default();
    if let Some(path) = a.filters {
        let text = files::read_text(&path)?;
        policy.filters = toml::from_str(&text).map_err(|e| usage(format!("{}: {e}", path.display())))?;
    }
    for path in &a.shares {
        policy.share_tables.push(home.objects.put(Class::Public, &canonical::to_vec(&sampling::table_of_file(path)?)?)?);
    }
    if let Some(announced) = notices::announced_policy(&home)? {
        note("the policy of this epoch was announced: it is taken as it is, whatever is given here");
        policy = announced;
    }
    if let Some(fault) = policy.fault() {
        return Err(usage(format!("policy: {fault}")));
    }
    let number = epoch::open(&mut home, &policy, a.purpose, targets).await?;
    Ok(Output::new(format!("epoch {number} is open for {}", a.purpose), json!({ "epoch": number })))
}

/// Closes it.
pub async fn close(place: &Place) -> Result<Output> {
    let seed = epoch::close(&mut place.open().await?).await?;
    Ok(Output::new(format!("closed; the witnesses' cosignatures drew the seed {seed}"), json!({ "seed": seed })))
}

/// Judges what was submitted, and cuts it into shards.
pub async fn ingest(place: &Place, a: Ingest) -> Result<Output> {
    let mut home = place.open().await?;
    let tokenizer = a.tokenizer.as_deref().map(|path| ingest::given_tokenizer(path, &Bars)).transpose()?;
    let (device, name) = a.device.open()?;
    note(&format!("documents are compared on {name}"));
    ingest::run(&mut home, tokenizer, a.vocabulary, device).await?;
    status::of(&home, None)
}

/// Puts shards into fewer files.
pub async fn compact(place: &Place, a: Compact) -> Result<Output> {
    let c = compact::run(&mut place.open().await?, a.epoch, a.documents_bytes).await?;
    Output::of(format!("epoch {}: {} shards are in {} files now", c.epoch, c.shards, c.files), &c)
}
