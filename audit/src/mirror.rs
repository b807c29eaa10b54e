//! A log and its objects copied from any static file server, to be audited like a home.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use corpus::bundle::Parts;
use corpus::{Digest, EntryIndex, canonical};
use ledger::Verifier;
use ledger::tile::{self, Tile};
use rules::Kind;
use rules::listener::Listener;
use store::follow::parse;
use store::{LogFiles, StoreError, files};

use super::record::BUNDLES;
use super::{AuditError, Result};

/// Longest file that is taken.
const LONGEST: u64 = 16 << 30;

struct Server {
    agent: ureq::Agent,
    base: String,
}

impl Server {
    /// The file's bytes; `None` if the server says that there is none.
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let url = format!("{}/{path}", self.base);
        let mut answer = self.agent.get(&url).call().map_err(|e| AuditError::Server(format!("{url}: {e}")))?;
        match answer.status().as_u16() {
            200 => {
                let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
                Ok(Some(body.map_err(|e| AuditError::Server(format!("{url}: {e}")))?))
            }
            403 | 404 | 410 => Ok(None),
            other => Err(AuditError::Server(format!("{url}: status {other}, expected 200 or 404"))),
        }
    }
}

/// Copies the tiles of a tree of `size` that are not in `dir` yet; returns how many the server does not give.
///
/// A server may have removed a partial tile since its tree head was read: the full one then begins with it, or the tree head is newer.
///
/// Source: C2SP `tlog-tiles`, partial tiles.
fn copy_tiles(server: &Server, dir: &Path, size: u64, listener: &dyn Listener) -> Result<usize> {
    let tiles = tile::all(size);
    let bar = listener.task("tiles", tiles.len() as u64);
    let mut absent = 0;
    for tile in tiles {
        let path = format!("log/{}", tile.path());
        if !dir.join(&path).is_file() {
            let full = Tile { width: tile::WIDTH, ..tile };
            let bytes = match server.get(&path)? {
                None if tile != full => server.get(&format!("log/{}", full.path()))?.and_then(|bytes| tile::narrow(tile, bytes)),
                found => found,
            };
            match bytes {
                Some(bytes) => files::write(&dir.join(&path), &bytes, 0o644)?,
                None => absent += 1,
            }
        }
        bar.advance(1);
    }
    Ok(absent)
}

/// Copies `log.vkey`, `log/` and the objects that its entries name from `base` to `dir`; what is there already is not fetched again.
///
/// Returns how many objects the server does not give.
pub fn mirror(base: &str, dir: &Path, listener: &dyn Listener) -> Result<usize> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(600)));
    let server = Server { agent: config.build().into(), base: base.trim_end_matches('/').to_string() };
    let needed = |path: &str| -> Result<Vec<u8>> {
        server.get(path)?.ok_or_else(|| AuditError::Server(format!("{}/{path}: expected a home's files, found none", server.base)))
    };
    let vkey = needed("log.vkey")?;
    let log = Verifier::from_vkey(&String::from_utf8_lossy(&vkey)).map_err(|e| AuditError::Given {
        path: "log.vkey".into(),
        text: e.to_string(),
        kind: Kind::Check,
    })?;
    files::write(&dir.join("log.vkey"), &vkey, 0o644)?;
    let reader = LogFiles::new(&dir.join("log"));
    let mut size = None;
    let head = loop {
        files::write(&dir.join("log/checkpoint"), &needed("log/checkpoint")?, 0o644)?;
        let (_, head) = reader.head(&log)?.expect("just written");
        // A tile that is still absent in a tree that grew no more is the audit's to find.
        if copy_tiles(&server, dir, head.size, listener)? == 0 || size.is_some_and(|before| head.size <= before) {
            break head;
        }
        size = Some(head.size);
    };
    let (mut named, mut lists) = (BTreeSet::new(), BTreeSet::new());
    // What cannot be read is the audit's to find.
    let _ = reader.entries(head.size, 0..head.size, |_, entries| {
        for bytes in entries {
            if let Ok((_, entry)) = parse(EntryIndex(0), &bytes) {
                lists.extend(entry.objects().into_iter().filter(|(name, _)| *name == BUNDLES).map(|(_, digest)| digest));
                named.extend(entry.objects().into_iter().map(|(name, digest)| (class(name), digest)));
            }
        }
        Ok::<_, StoreError>(())
    });
    // Statements are named by their root alone; the server lists them, if it can.
    let party = server.get("objects/party/index")?.unwrap_or_default();
    let listed = String::from_utf8_lossy(&party).lines().filter_map(|l| l.parse().ok()).map(|d| ("party", d)).collect::<Vec<_>>();
    named.extend(listed);
    let bar = listener.task("objects", named.len() as u64);
    let mut absent = 0;
    // Lists of bundles name more.
    let mut waiting: Vec<(&str, Digest)> = named.into_iter().collect();
    while let Some((class, digest)) = waiting.pop() {
        let path = format!("objects/{class}/{digest}");
        if lists.contains(&digest)
            && let Some(bytes) = files::read_if_present(&dir.join(&path))?
            && let Ok(parts) = canonical::from_slice::<Parts>(&bytes)
        {
            waiting.extend(parts.parts.into_iter().map(|p| ("sealed", p.file)));
        }
        if !dir.join(&path).is_file() {
            match server.get(&path)? {
                Some(bytes) => {
                    files::write(&dir.join(&path), &bytes, 0o600)?;
                    if let Ok(parts) = canonical::from_slice::<Parts>(&bytes) {
                        waiting.extend(parts.parts.into_iter().map(|p| ("sealed", p.file)));
                    }
                }
                None => absent += 1,
            }
        }
        bar.advance(1);
    }
    drop(bar);
    Ok(absent)
}

fn class(name: &'static str) -> &'static str {
    name.split('/').next().unwrap_or(name)
}
