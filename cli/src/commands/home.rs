//! A home: made, and its catalog made again.

use std::sync::Arc;

use anyhow::{Context, Result};
use pipeline::witnesses::WitnessChoice;
use pipeline::{Home, rebuild};
use serde_json::json;
use store::files;

use super::proof;
use crate::args::home::Init;
use crate::failure::usage;
use crate::output::{Bars, Output};
use crate::place::Place;

/// Makes a home.
pub async fn init(place: &Place, a: Init) -> Result<Output> {
    let dir = &place.home;
    if dir.join("log/checkpoint").exists() {
        return Err(usage(format!("{}: is a home already", dir.display())));
    }
    let witnesses = match a.witness_policy {
        Some(path) => WitnessChoice::Policy(files::read_text(&path)?),
        None => remote_witnesses(&a.witness)?,
    };
    let parts = (a.database.as_deref(), a.storage.as_deref());
    let made = Home::init(dir, &a.origin, parts, (&a.currency, a.exponent), None, &witnesses, place.now).await?;
    let (currency, exponent) = (&made.genesis().currency, made.genesis().currency_exponent);
    let json = json!({
        "home": dir.display().to_string(), "origin": a.origin, "log_root": made.root(), "currency": currency, "currency_exponent": exponent,
    });
    let text = format!(
        "{}: log {}, amounts in {currency} with {exponent} decimals, verifier key in log.vkey; keep keys/ to yourself",
        dir.display(),
        a.origin
    );
    Ok(Output::new(text, json))
}

/// Witnesses given as URL=VKEY.
fn remote_witnesses(given: &[String]) -> Result<WitnessChoice> {
    let one = |text: &String| {
        let expected = || usage(format!("--witness {text:?}: expected URL=VKEY with a URL that begins with http:// or https://"));
        let http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let (url, vkey) = text.split_once('=').filter(|(url, _)| http(url)).ok_or_else(expected)?;
        Ok((url.to_string(), proof::verifier(vkey).context("--witness")?.to_vkey()))
    };
    Ok(WitnessChoice::All(given.iter().map(one).collect::<Result<_>>()?))
}

/// Makes the catalog again from log and objects, and says whether it is the same.
pub async fn rebuild(place: &Place) -> Result<Output> {
    let rebuilt = rebuild::rebuild(&place.home, place.now, Arc::new(Bars)).await?;
    let same = match rebuilt.same {
        Some(true) => "it is the same as before",
        Some(false) => "it differs from the one before, which was wrong",
        None => "there was none before",
    };
    Output::of(format!("catalog rebuilt from {} entries; {same}", rebuilt.entries), &rebuilt)
}
