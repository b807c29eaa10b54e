//! Key files: reading and writing them, with a passphrase on request, and keys of OpenSSH.
//!
//! A secret key file has mode 0600 and holds the signed-note text form, or the same encrypted in the `age` format (armored). No key and no
//! passphrase is ever taken from the environment or from arguments, and texts that hold them are zeroed.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use age::secrecy::SecretString;
use corpus::ContributorId;
use ledger::key::Algorithm;
use ledger::{PublicKey, SecretKey, Verifier};
use ssh_key::private::KeypairData;
use store::{StoreError, files};
use zeroize::Zeroizing;

use crate::error::{Context, Kind, Result, failure, usage};

const AGE: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Somebody who can be asked for a passphrase, with the words to ask it with.
pub type Ask = fn(&str) -> std::io::Result<Zeroizing<String>>;

/// Where the passphrase comes from, and what it was: one command asks once.
struct Passphrase {
    file: Option<PathBuf>,
    ask: Option<Ask>,
    known: Option<SecretString>,
}

static PASSPHRASE: Mutex<Passphrase> = Mutex::new(Passphrase { file: None, ask: None, known: None });

/// Takes passphrases from `file`, or else from whoever `ask` asks; without both, encrypted keys are refused.
pub fn passphrase_from(file: Option<PathBuf>, ask: Option<Ask>) {
    let mut source = PASSPHRASE.lock().expect("nobody panics with it");
    (source.file, source.ask) = (file, ask);
}

fn passphrase(prompt: &str, again: bool) -> Result<SecretString> {
    let mut source = PASSPHRASE.lock().expect("nobody panics with it");
    if let Some(known) = &source.known {
        return Ok(known.clone());
    }
    let text = match &source.file {
        Some(path) => {
            let bytes = Zeroizing::new(files::read(path)?);
            let text = std::str::from_utf8(&bytes).with_context(|| path.display().to_string())?;
            Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_string())
        }
        None => {
            let ask = |prompt: &str| source.ask.map_or_else(|| Err(std::io::Error::other("nobody can be asked")), |ask| ask(prompt));
            let refused =
                |e: std::io::Error| failure(Kind::Io, format!("a passphrase is needed: {e}; give it with --passphrase-file FILE"));
            let text = ask(&format!("{prompt}: ")).map_err(refused)?;
            if again && *ask("once more: ").map_err(refused)? != *text {
                return Err(usage("the two passphrases differ"));
            }
            text
        }
    };
    if text.is_empty() {
        return Err(usage("an empty passphrase"));
    }
    let text = SecretString::from(text.to_string());
    source.known = Some(text.clone());
    Ok(text)
}

fn encrypt(text: &str, passphrase: SecretString) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut out, age::armor::Format::AsciiArmor)?;
    let mut writer = age::Encryptor::with_user_passphrase(passphrase).wrap_output(armor)?;
    writer.write_all(text.as_bytes())?;
    writer.finish().and_then(|armor| armor.finish())?;
    Ok(out)
}

fn decrypt(bytes: &[u8], path: &Path) -> Result<Zeroizing<String>> {
    let wrong = |e: &dyn std::fmt::Display| failure(Kind::Verification, format!("{}: {e}", path.display()));
    let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(bytes)).map_err(|e| wrong(&e))?;
    let identity = age::scrypt::Identity::new(passphrase(&format!("passphrase of {}", path.display()), false)?);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|e| wrong(&e))?;
    let mut text = Zeroizing::new(String::new());
    reader.read_to_string(&mut text).map_err(|e| wrong(&e))?;
    Ok(text)
}

fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(AGE.as_bytes())
}

/// Reads a secret key file.
pub fn read(path: &Path) -> Result<SecretKey> {
    let bytes = Zeroizing::new(files::read(path)?);
    let text = if is_encrypted(&bytes) {
        decrypt(&bytes, path)?
    } else {
        let text = std::str::from_utf8(&bytes).map_err(|_| failure(Kind::Check, format!("{}: not UTF-8", path.display())))?;
        Zeroizing::new(text.to_string())
    };
    SecretKey::from_text(&text).with_context(|| path.display().to_string())
}

/// The public key of a secret or public key file, if it can be had without asking anybody: not of one that is encrypted, unless a file has
/// the passphrase, nor of one that this user may not read.
pub(crate) fn public_at_hand(path: &Path) -> Result<Option<PublicKey>> {
    let bytes = match files::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(StoreError::Io { source, .. }) if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    if let Ok(verifier) = Verifier::from_vkey(&String::from_utf8_lossy(&bytes)) {
        return Ok(Some(verifier.public));
    }
    let source = PASSPHRASE.lock().expect("nobody panics with it");
    if is_encrypted(&bytes) && source.file.is_none() && source.known.is_none() {
        return Ok(None);
    }
    drop(source);
    Ok(Some(read(path)?.public()))
}

/// The key of a file that somebody may have given.
pub fn read_given(path: Option<&Path>) -> Result<Option<SecretKey>> {
    path.map(read).transpose()
}

/// Writes a secret key file, encrypted if there is a passphrase.
pub fn write(path: &Path, key: &SecretKey, passphrase: Option<SecretString>) -> Result<()> {
    let text = Zeroizing::new(key.to_text());
    let bytes = match passphrase {
        Some(passphrase) => encrypt(&text, passphrase)?,
        None => text.as_bytes().to_vec(),
    };
    Ok(files::write(path, &Zeroizing::new(bytes), 0o600)?)
}

/// Writes a secret key file in the place of another, encrypted if that one is.
pub fn replace(path: &Path, key: &SecretKey) -> Result<()> {
    write_like(path, path, key)
}

/// Writes a secret key file, encrypted if the one at `like` is.
pub(crate) fn write_like(like: &Path, path: &Path, key: &SecretKey) -> Result<()> {
    let encrypted = files::read_if_present(like)?.is_some_and(|old| is_encrypted(&old));
    write(path, key, if encrypted { Some(passphrase("passphrase of the new key", true)?) } else { None })
}

/// A new key from the system's generator.
pub fn generate(name: &str, algorithm: Algorithm) -> Result<SecretKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|e| failure(Kind::Io, format!("the system's random generator: {e}")))?;
    Ok(SecretKey::from_seed(name, algorithm, &seed))
}

/// Writes a key to a place where no key is.
pub fn write_new(out: &Path, key: &SecretKey, encrypted: bool) -> Result<()> {
    vacant(out)?;
    write(out, key, if encrypted { Some(passphrase("passphrase", true)?) } else { None })
}

/// Refuses a place where something is.
pub fn vacant(out: &Path) -> Result<()> {
    if out.exists() {
        return Err(usage(format!("{}: is there already; a key is never written over", out.display())));
    }
    Ok(())
}

/// Names of keys stand in texts whose parts spaces and plus signs divide.
pub fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return Err(usage(format!("key name {name:?}: expected a name without spaces and plus signs")));
    }
    Ok(())
}

/// Encrypts a key file, or takes its encryption off.
pub fn protect(file: &Path, decrypt: bool) -> Result<()> {
    let key = read(file)?;
    // The passphrase that opened the file is not the one that closes it; a file gives the same again, so it only adds one.
    let mut source = PASSPHRASE.lock().expect("nobody panics with it");
    if !decrypt && source.known.take().is_some() && source.file.is_some() {
        return Err(usage(format!("{}: is encrypted; change its passphrase on the terminal, or take it off first", file.display())));
    }
    drop(source);
    let passphrase = if decrypt { None } else { Some(passphrase("new passphrase", true)?) };
    write(file, &key, passphrase)
}

/// A public key of a file: ours or OpenSSH's, secret or public.
pub fn public_of(file: &Path) -> Result<(String, Algorithm, PublicKey)> {
    let bytes = Zeroizing::new(files::read(file)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| usage(format!("{}: not UTF-8", file.display())))?;
    if let Ok(v) = Verifier::from_vkey(text) {
        return Ok((v.name, v.algorithm, v.public));
    }
    if text.starts_with("ssh-") || text.contains("OPENSSH PRIVATE KEY") {
        let (name, public, _) = openssh(text, file)?;
        return Ok((name, Algorithm::Ed25519, public));
    }
    let key = read(file)?;
    Ok((key.name.clone(), key.algorithm, key.public()))
}

/// The 32 bytes that a secret key is, zeroed after use.
pub type Seed = Zeroizing<[u8; 32]>;

/// Comment, public key, and seed if there is one, of an OpenSSH file.
pub fn openssh(text: &str, file: &Path) -> Result<(String, PublicKey, Option<Seed>)> {
    let wrong = |e: &dyn std::fmt::Display| usage(format!("{}: expected an OpenSSH ed25519 key: {e}", file.display()));
    let ed25519 = || wrong(&"it is of another kind");
    if text.starts_with("ssh-") {
        let key = ssh_key::PublicKey::from_openssh(text.trim()).map_err(|e| wrong(&e))?;
        let public = key.key_data().ed25519().ok_or_else(ed25519)?;
        return Ok((key.comment().to_string(), PublicKey::from_bytes(&public.0).map_err(|e| wrong(&e))?, None));
    }
    let mut key = ssh_key::PrivateKey::from_openssh(text).map_err(|e| wrong(&e))?;
    if key.is_encrypted() {
        use age::secrecy::ExposeSecret;
        let phrase = passphrase(&format!("passphrase of {}", file.display()), false)?;
        key = key.decrypt(phrase.expose_secret()).map_err(|e| wrong(&e))?;
    }
    let KeypairData::Ed25519(pair) = key.key_data() else { return Err(ed25519()) };
    let public = PublicKey::from_bytes(&pair.public.0).map_err(|e| wrong(&e))?;
    Ok((key.comment().to_string(), public, Some(Zeroizing::new(pair.private.to_bytes()))))
}

/// The file with a contributor's key: `key` if the operator holds it, `vkey` of one that keeps its own.
pub(crate) fn contributor_path(dir: &Path, id: &ContributorId, extension: &str) -> PathBuf {
    dir.join("keys/contributors").join(format!("{id}.{extension}"))
}

/// The file with the key of a role.
pub(crate) fn key_path(dir: &Path, role: &str) -> PathBuf {
    dir.join("keys").join(format!("{role}.key"))
}
