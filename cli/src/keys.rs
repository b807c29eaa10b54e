//! Key files: reading and writing them, with a passphrase on request; showing, importing, rotating and revoking keys.
//!
//! A secret key file has mode 0600 and holds the signed-note text form, or the same encrypted in the `age` format (armored). No key and no
//! passphrase is ever taken from the environment or from arguments, and texts that hold them are zeroed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use age::secrecy::SecretString;
use anyhow::{Context, Result};
use ledger::entry::{Holder, KeyRevocation, KeyRotation};
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, PublicKey, SecretKey, Verifier};
use serde_json::json;
use ssh_key::private::KeypairData;
use ssh_key::public::KeyData;
use store::files;
use zeroize::Zeroizing;

use crate::args::Key;
use crate::failure::{Kind, failure, usage};
use crate::home::{ContributorKey, Home};
use crate::output::Output;

const AGE: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Where the passphrase comes from, and what it was: one command asks once.
static PASSPHRASE: Mutex<(Option<PathBuf>, Option<SecretString>)> = Mutex::new((None, None));

/// Takes passphrases from a file instead of the terminal.
pub fn passphrase_from(path: Option<PathBuf>) {
    PASSPHRASE.lock().expect("nobody panics with it").0 = path;
}

fn passphrase(prompt: &str, again: bool) -> Result<SecretString> {
    let mut source = PASSPHRASE.lock().expect("nobody panics with it");
    if let Some(known) = &source.1 {
        return Ok(known.clone());
    }
    let text = match &source.0 {
        Some(path) => {
            let bytes = Zeroizing::new(files::read(path)?);
            let text = std::str::from_utf8(&bytes).with_context(|| path.display().to_string())?;
            Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_string())
        }
        None => {
            let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new);
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
    source.1 = Some(text.clone());
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
fn write_like(like: &Path, path: &Path, key: &SecretKey) -> Result<()> {
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

fn vacant(out: &Path) -> Result<()> {
    if out.exists() {
        return Err(usage(format!("{}: is there already; a key is never written over", out.display())));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return Err(usage(format!("key name {name:?}: expected a name without spaces and plus signs")));
    }
    Ok(())
}

/// Carries out a command about keys.
pub async fn command(command: Key, now: u64) -> Result<Output> {
    match command {
        Key::New { name, out, encrypt } => {
            check_name(&name)?;
            let key = generate(&name, Algorithm::Ed25519)?;
            write_new(&out, &key, encrypt)?;
            Ok(Output::new(key.vkey(), json!({ "file": out.display().to_string(), "vkey": key.vkey() })))
        }
        Key::Show { file: Some(file), .. } => show(&file),
        Key::Show { home, .. } => in_force(&Home::open(&home.unwrap_or_default(), now).await?),
        Key::Import { file, name, out, encrypt } => import(&file, name, &out, encrypt),
        Key::Protect { file, decrypt } => {
            let key = read(&file)?;
            // The passphrase that opened the file is not the one that closes it; a file gives the same again, so it only adds one.
            let mut source = PASSPHRASE.lock().expect("nobody panics with it");
            if !decrypt && source.1.take().is_some() && source.0.is_some() {
                return Err(usage(format!(
                    "{}: is encrypted; change its passphrase on the terminal, or take it off first",
                    file.display()
                )));
            }
            drop(source);
            let passphrase = if decrypt { None } else { Some(passphrase("new passphrase", true)?) };
            write(&file, &key, passphrase)?;
            let text = format!("{}: {}", file.display(), if decrypt { "not encrypted" } else { "encrypted" });
            Ok(Output::new(text, json!({ "file": file.display().to_string(), "encrypted": !decrypt })))
        }
        Key::Rotate { home, holder, new, key, recover } => {
            let mut home = Home::open(&home.home, now).await?;
            rotate(&mut home, &holder, new.as_deref(), key.as_deref(), recover).await
        }
        Key::Revoke { home, holder, reason, disputed_from, key } => {
            let mut home = Home::open(&home.home, now).await?;
            revoke(&mut home, &holder, reason, disputed_from, key.as_deref()).await
        }
    }
}

fn describe(name: &str, algorithm: Algorithm, public: &PublicKey) -> Output {
    let vkey = ledger::key::vkey(name, algorithm, public);
    let id = corpus::ContributorId::of_key(&public.to_bytes());
    let ssh = ssh_key::PublicKey::new(KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(public.to_bytes())), name)
        .to_openssh()
        .unwrap_or_default();
    let text = format!("verifier key  {vkey}\nkey id        {}\ncontributor   {id}\nOpenSSH       {ssh}", public.key_id());
    Output::new(text, json!({ "vkey": vkey, "key_id": public.key_id(), "contributor": id, "openssh": ssh }))
}

/// A public key of a file: ours or OpenSSH's, secret or public.
fn public_of(file: &Path) -> Result<(String, Algorithm, PublicKey)> {
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

fn show(file: &Path) -> Result<Output> {
    let (name, algorithm, public) = public_of(file)?;
    Ok(describe(&name, algorithm, &public))
}

/// The 32 bytes that a secret key is, zeroed after use.
type Seed = Zeroizing<[u8; 32]>;

/// Comment, public key, and seed if there is one, of an OpenSSH file.
fn openssh(text: &str, file: &Path) -> Result<(String, PublicKey, Option<Seed>)> {
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

fn import(file: &Path, name: Option<String>, out: &Path, encrypt: bool) -> Result<Output> {
    let text = Zeroizing::new(files::read(file)?);
    let text = std::str::from_utf8(&text).map_err(|_| usage(format!("{}: not UTF-8", file.display())))?;
    let (comment, public, seed) = openssh(text, file)?;
    // Comments are mail addresses more often than not, and names go into files that are passed on.
    let name = name.unwrap_or_else(|| comment.split('@').next().unwrap_or_default().to_string());
    check_name(&name)?;
    match seed {
        Some(seed) => write_new(out, &SecretKey::from_seed(&name, Algorithm::Ed25519, &seed), encrypt)?,
        None => {
            vacant(out)?;
            files::write(out, ledger::key::vkey(&name, Algorithm::Ed25519, &public).as_bytes(), 0o644)?;
        }
    }
    Ok(describe(&name, Algorithm::Ed25519, &public))
}

/// Every key in force in a home, with the entry since which it is.
fn in_force(home: &Home) -> Result<Output> {
    let contributors = home.state.contributors.keys().map(|id| Holder::Contributor(*id));
    let (mut text, mut rows) = (String::new(), Vec::new());
    for holder in [Holder::Operator, Holder::Approver].into_iter().chain(contributors) {
        let held = home.state.key_of(&holder).context("a holder has a key")?;
        let name = match holder {
            Holder::Contributor(id) => home.name_of(&id),
            other => other.to_string(),
        };
        let state = held.revoked.map_or_else(String::new, |at| format!(", revoked by entry {at}"));
        text += &format!("{name:<24} {} since entry {}{state}\n", held.key, held.since);
        rows.push(json!({ "holder": holder, "name": name, "key": held.key, "since": held.since, "revoked": held.revoked }));
    }
    Ok(Output::new(text, json!({ "keys": rows })))
}

fn holder_of(home: &Home, text: &str) -> Result<(Holder, String)> {
    let holder = match text.parse() {
        Ok(holder) => holder,
        Err(_) => Holder::Contributor(home.contributor_id(text)?),
    };
    let name = match holder {
        Holder::Contributor(id) => home.name_of(&id),
        other => other.to_string(),
    };
    home.state.key_of(&holder).ok_or_else(|| usage(format!("{text}: is not registered")))?;
    Ok((holder, name))
}

/// The key that the home holds for somebody.
fn held(home: &Home, holder: &Holder, name: &str) -> Result<Option<SecretKey>> {
    Ok(match holder {
        Holder::Operator | Holder::Approver => Some(read(&home.role_path(name))?),
        Holder::Contributor(_) => match home.contributors.get(name) {
            Some(ContributorKey::Custodial(key)) => Some(key.clone()),
            _ => None,
        },
    })
}

fn second(holder: &Holder) -> &'static str {
    if *holder == Holder::Operator { "approver" } else { "operator" }
}

async fn rotate(home: &mut Home, text: &str, new: Option<&Path>, old: Option<&Path>, recover: bool) -> Result<Output> {
    let (holder, name) = holder_of(home, text)?;
    let in_home = held(home, &holder, &name)?;
    // A rotation that a crash cut off between the log and the file goes on with the key that it logged.
    let begun = home.dir.join("state").join(format!("rotation-{holder}.key"));
    let new = match new {
        Some(path) => read(path)?,
        None if begun.exists() => read(&begun)?,
        None if in_home.is_some() => {
            let key = generate(in_home.as_ref().map_or(&name, |k| &k.name), Algorithm::Ed25519)?;
            let path = match holder {
                Holder::Contributor(_) => home.dir.join(format!("keys/contributors/{name}.key")),
                _ => home.role_path(&name),
            };
            write_like(&path, &begun, &key)?;
            key
        }
        None => return Err(usage(format!("{name}: the home does not hold its key; give the new one with --new FILE"))),
    };
    let old_key = home.state.key_of(&holder).context("looked up above")?.key;
    if old_key != new.public() {
        let signer = match (recover, old) {
            (true, _) => read(&home.role_path(second(&holder)))?,
            (false, Some(path)) => read(path)?,
            (false, None) => in_home.clone().ok_or_else(|| usage(format!("{name}: give the old key with --key FILE")))?,
        };
        let entry: Entry = KeyRotation { holder, old_key, key: new.public(), recovery: recover, time: home.now }.into();
        home.append_envelopes(vec![Envelope::sign(entry.to_payload()?, &[&signer, &new])]).await?;
    }
    let public = new.public();
    match holder {
        Holder::Operator | Holder::Approver => home.replace_role_key(&name, new)?,
        Holder::Contributor(_) if in_home.is_some() => home.replace_contributor_key(&name, ContributorKey::Custodial(new))?,
        Holder::Contributor(_) => home.replace_contributor_key(&name, ContributorKey::Own(Verifier::of(&new)))?,
    }
    files::remove(&begun)?;
    let since = home.state.key_of(&holder).context("just rotated")?.since;
    let text = format!("{name}: key {public} is in force after entry {since}");
    Ok(Output::new(text, json!({ "holder": holder, "key": public, "entry": since })))
}

async fn revoke(home: &mut Home, text: &str, reason: String, disputed_from: Option<u64>, key: Option<&Path>) -> Result<Output> {
    let (holder, name) = holder_of(home, text)?;
    let own = match key {
        Some(path) => Some(read(path)?),
        None if reason == "lost" => None,
        None => held(home, &holder, &name)?,
    };
    let by_holder = own.is_some();
    let signer = match own {
        Some(key) => key,
        None => read(&home.role_path(second(&holder)))?,
    };
    let revoked = home.state.key_of(&holder).context("looked up above")?.key;
    let entry: Entry = KeyRevocation { holder, key: revoked, reason, disputed_from, by_holder, time: home.now }.into();
    let at = home.append_envelopes(vec![Envelope::sign(entry.to_payload()?, &[&signer])]).await?;
    let text = format!("{name}: key {revoked} is revoked by entry {at}; `assay key rotate --recover` gives another");
    Ok(Output::new(text, json!({ "holder": holder, "key": revoked, "entry": at })))
}
