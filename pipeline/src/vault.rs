//! Files that name persons or bank accounts: age-encrypted in the home, under a key of their own, and in no log or object.

use std::path::PathBuf;

use age::secrecy::ExposeSecret;
use corpus::Digest;
use store::files;
use zeroize::Zeroizing;

use crate::error::{Context, Kind, Result, failure};
use crate::home::Home;
use crate::snapshot::Snapshot;

fn path(home: &Snapshot, name: &str) -> PathBuf {
    home.dir.join("payees").join(format!("{name}.age"))
}

/// The home's key for such files, made when it is first needed.
fn identity(home: &Snapshot) -> Result<age::x25519::Identity> {
    let path = home.dir.join("keys/payees.key");
    if !path.exists() {
        if home.dir.join("payees").read_dir().is_ok_and(|mut d| d.next().is_some()) {
            return Err(failure(Kind::Check, format!("{}: missing, and files below payees/ are encrypted under it", path.display())));
        }
        let new = age::x25519::Identity::generate();
        let text = Zeroizing::new(format!("{}\n", new.to_string().expose_secret()));
        files::write(&path, text.as_bytes(), 0o600)?;
    }
    let text = Zeroizing::new(files::read_text(&path)?);
    text.trim().parse().map_err(|e| failure(Kind::Check, format!("{}: {e}, expected an age identity", path.display())))
}

/// Keeps `bytes` under `name`.
pub fn keep(home: &Home, name: &str, bytes: &[u8]) -> Result<()> {
    let sealed = age::encrypt(&identity(home)?.to_public(), bytes)?;
    Ok(files::write(&path(home, name), &sealed, 0o600)?)
}

/// What is kept under `name`, if something is.
pub fn find(home: &Snapshot, name: &str) -> Result<Option<Vec<u8>>> {
    let path = path(home, name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = age::decrypt(&identity(home)?, &files::read(&path)?);
    Ok(Some(bytes.map_err(|e| failure(Kind::Verification, format!("{}: {e}", path.display())))?))
}

/// A digest that says nothing of what is in a file to who does not have the salt: in a batch of one payment all else may be public.
fn digest(salted: &[u8]) -> Digest {
    Digest::of_parts(&[b"assay pay file v1", salted])
}

/// Bytes of salt before a file.
const SALT: usize = 32;

/// Keeps a file behind a salt, under the digest of both.
pub(crate) fn keep_file(home: &Home, bytes: &[u8]) -> Result<Digest> {
    let mut salted = vec![0; SALT];
    getrandom::fill(&mut salted).map_err(|e| failure(Kind::Io, format!("the system's random generator: {e}")))?;
    salted.extend_from_slice(bytes);
    let digest = digest(&salted);
    keep(home, &digest.to_string(), &salted)?;
    Ok(digest)
}

/// The file with this digest; one that was changed is refused.
pub fn file(home: &Snapshot, expected: &Digest) -> Result<Vec<u8>> {
    let salted = find(home, &expected.to_string())?;
    let mut salted = salted.with_context(|| format!("{}: it is not in this home", path(home, &expected.to_string()).display()))?;
    let found = digest(&salted);
    if found != *expected || salted.len() < SALT {
        return Err(failure(Kind::Verification, format!("file {expected}: its bytes have the digest {found}")));
    }
    Ok(salted.split_off(SALT))
}
