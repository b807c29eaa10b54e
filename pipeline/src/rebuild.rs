//! The catalog, made again from log and objects.

use std::path::Path;
use std::sync::Arc;

use rules::listener::Listener;
use serde::Serialize;
use store::Catalog;

use crate::config::{catalog_place, config_of_home};
use crate::error::{Context, Result};
use crate::home::Home;

/// A catalog that was made again.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rebuilt {
    /// Entries that it was made from.
    pub entries: u64,
    /// Whether it is the same as the one before, if there was one.
    pub same: Option<bool>,
    /// Whether its entries are the log's.
    pub matches_log: bool,
}

/// Makes the catalog of the home in `dir` again: an SQLite file is moved aside, Postgres tables are emptied.
///
/// `listener` hears how far it got.
pub async fn rebuild(dir: &Path, now: u64, listener: Arc<dyn Listener>) -> Result<Rebuilt> {
    let config = config_of_home(dir)?;
    let before = match config.database.strip_prefix("sqlite:") {
        Some(name) if !dir.join(name).exists() => None,
        sqlite => {
            let catalog = Catalog::open(&catalog_place(dir, &config)).await?;
            let dump = catalog.dump().await?;
            if sqlite.is_none() {
                catalog.clear().await?;
            }
            catalog.close().await;
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
    let home = Home::open_with(dir, now, listener).await?;
    let after = home.catalog.dump().await?;
    Ok(Rebuilt { entries: home.state.size, same: before.map(|b| b == after), matches_log: home.catalog_matches().await? })
}
