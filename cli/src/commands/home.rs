//! A home: made, and its index made again.

use anyhow::{Context, Result};
use pipeline::Home;
use pipeline::config::{config_of_home, database_url};
use pipeline::witnesses::WitnessChoice;
use serde_json::json;
use store::{Index as Database, files};

use super::{Place, proof};
use crate::args::home::Init;
use crate::failure::usage;
use crate::output::Output;

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
    let json = json!({ "home": dir.display().to_string(), "origin": a.origin, "log_root": made.root() });
    Ok(Output::new(format!("{}: log {}, verifier key in log.vkey; keep keys/ to yourself", dir.display(), a.origin), json))
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

/// Makes the index again from log and objects, and says whether it is the same: an SQLite file is moved aside, Postgres tables are emptied.
pub async fn rebuild(place: &Place) -> Result<Output> {
    let dir = &place.home;
    let config = config_of_home(dir)?;
    let before = match config.database.strip_prefix("sqlite:") {
        Some(name) if !dir.join(name).exists() => None,
        sqlite => {
            let index = Database::open(&database_url(dir, &config)).await?;
            let dump = index.dump().await?;
            if sqlite.is_none() {
                index.clear().await?;
            }
            index.close().await;
            if let Some(name) = sqlite {
                let path = dir.join(name);
                std::fs::rename(&path, dir.join(format!("{name}.old"))).with_context(|| path.display().to_string())?;
                for suffix in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(dir.join(format!("{name}{suffix}")));
                }
            }
            Some(dump)
        }
    };
    let home = place.open().await?;
    let after = home.index.dump().await?;
    let same = before.as_ref().map(|b| *b == after);
    let text = format!(
        "index rebuilt from {} entries; {}",
        home.state.size,
        match same {
            Some(true) => "it is the same as before",
            Some(false) => "it differs from the one before, which was wrong",
            None => "there was none before",
        }
    );
    Ok(Output::new(text, json!({ "entries": home.state.size, "same": same, "matches_log": home.index_matches().await? })))
}
