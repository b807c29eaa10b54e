//! A home's settings, and where its parts are.

use std::path::{Path, PathBuf};

use ledger::entry::HOME_FORMAT;
use serde::{Deserialize, Serialize};
use store::{CatalogPlace, Objects, files};

use crate::error::{Context, Kind, Result, failure, usage};

/// `assay.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// [`HOME_FORMAT`]; a home of another format is refused.
    pub format: u32,
    /// The log's name.
    pub origin: String,
    /// Where the catalog is: `sqlite:index.db` in the home, or a Postgres URL.
    pub database: String,
    /// Where objects are, if not in the home: the URL of an object store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// A seed that all keys derive from; a demonstration, and anybody who knows it can sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo_seed: Option<u64>,
}

/// A home's config, if the folder has one: a copy for an audit has none.
pub(crate) fn config_of(dir: &Path) -> Result<Option<Config>> {
    let path = dir.join("assay.toml");
    let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let table: toml::Table = text.parse().with_context(|| path.display())?;
    // Before anything else: a home of another format may say other things.
    let format = table.get("format").and_then(toml::Value::as_integer);
    if format != Some(i64::from(HOME_FORMAT)) {
        let found = format.map_or_else(|| "no format".to_string(), |n| format!("format {n}"));
        let text =
            format!("{}: a home of {found}, this program reads format {HOME_FORMAT}; use the version of Assay that made it", dir.display());
        return Err(failure(Kind::Check, text));
    }
    Ok(Some(toml::from_str(&text).with_context(|| path.display())?))
}

/// The config of a folder that has to be a home.
pub fn config_of_home(dir: &Path) -> Result<Config> {
    config_of(dir)?.ok_or_else(|| usage(format!("{}: no assay.toml in it; make a home with `assay init`", dir.display())))
}

/// The objects of a home, or of a copy of one.
pub fn objects_of(dir: &Path) -> Result<Objects> {
    match config_of(dir)?.and_then(|c| c.storage) {
        Some(url) => Ok(Objects::in_store(&url)?),
        None => Ok(Objects::new(&dir.join("objects"))),
    }
}

/// Where a home's catalog is, with a relative SQLite path below the home.
pub fn catalog_place(dir: &Path, config: &Config) -> CatalogPlace {
    match config.database.strip_prefix("sqlite:") {
        Some(path) => CatalogPlace::File(dir.join(path)),
        None => CatalogPlace::Url(config.database.clone()),
    }
}

/// Where the last signed tree heads are kept, out of reach of a restored home.
pub(crate) fn state_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state")));
    Ok(base.ok_or_else(|| usage("neither XDG_STATE_HOME nor HOME is set; the last signed tree head is kept there"))?.join("assay"))
}
