//! Contributors and keys.

use std::path::Path;

use anyhow::{Context, Result};
use ledger::entry::Holder;
use ledger::key::Algorithm;
use ledger::{PublicKey, SecretKey};
use pipeline::contributor::New as NewContributor;
use pipeline::keys::{self, check_name, generate, openssh, public_of, read_given, vacant, write_new};
use pipeline::rotation::Changed;
use pipeline::{Home, Snapshot};
use pipeline::{contributor, payees, rotation};
use serde_json::json;
use ssh_key::public::KeyData;
use store::files;
use zeroize::Zeroizing;

use crate::args::keys::{Add, Import, New, Protect, Revoke, Rotate, Show};
use crate::failure::usage;
use crate::output::Output;
use crate::place::Place;

/// Registers a contributor, or one for each file of a folder.
pub async fn add(place: &Place, a: Add) -> Result<Output> {
    let key = read_given(a.key.as_deref())?;
    let mut home = place.open().await?;
    let payee = a.payee.map(|path| files::read_text(&path)).transpose()?;
    let Some(name) = &a.name else { return add_each(&mut home, &a.each.context("a name or a folder")?).await };
    let id = contributor::add(&mut home, NewContributor { name, own: key.as_ref(), payee: payee.as_deref() }).await?;
    let spelled = payee.as_deref().map(payees::parse).transpose()?.map_or_else(Vec::new, |payee| payees::spelled(&payee));
    let written = spelled.iter().map(|s| format!("\n  {:?} is written {:?} in files for banks", s.given, s.written));
    let text = format!("contributor {name}: {id}{}", written.collect::<String>());
    Ok(Output::new(text, json!({ "name": name, "id": id, "spelled": spelled })))
}

/// Registers one contributor for each file of a folder.
async fn add_each(home: &mut Home, folder: &Path) -> Result<Output> {
    let mut found = Vec::new();
    for (file, path) in super::submit::named(folder, |entry| entry.path().extension().is_some_and(|e| e == "toml"))? {
        let name = file.strip_suffix(".toml").unwrap_or(&file).to_string();
        found.push((name, files::read_text(&path)?));
    }
    if found.is_empty() {
        return Err(usage(format!("{}: expected one file NAME.toml per contributor, found none", folder.display())));
    }
    let mut rows = Vec::new();
    for chunk in found.chunks(contributor::BATCH) {
        let new: Vec<NewContributor> = chunk.iter().map(|(name, payee)| NewContributor { name, own: None, payee: Some(payee) }).collect();
        let ids = contributor::add_all(home, &new).await?;
        rows.extend(chunk.iter().zip(ids).map(|((name, _), id)| json!({ "name": name, "id": id })));
    }
    Ok(Output::new(format!("{} contributors are registered", rows.len()), json!({ "contributors": rows })))
}

/// Makes a key.
pub fn new(a: New) -> Result<Output> {
    check_name(&a.name)?;
    let key = generate(&a.name, Algorithm::Ed25519)?;
    write_new(&a.out, &key, a.encrypt)?;
    Ok(Output::new(key.vkey(), json!({ "file": a.out.display().to_string(), "vkey": key.vkey() })))
}

/// Says what a file holds, or whose keys are in force in the home.
pub fn show(place: &Place, a: Show) -> Result<Output> {
    let Some(file) = a.file else { return in_force(&place.look()?) };
    let (name, algorithm, public) = public_of(&file)?;
    Ok(describe(&name, algorithm, &public))
}

/// Makes a key file of an OpenSSH key.
pub fn import(a: Import) -> Result<Output> {
    let (file, out) = (&a.file, &a.out);
    let text = Zeroizing::new(files::read(file)?);
    let text = std::str::from_utf8(&text).map_err(|_| usage(format!("{}: not UTF-8", file.display())))?;
    let (comment, public, seed) = openssh(text, file)?;
    // Comments are mail addresses more often than not, and names go into files that are passed on.
    let name = a.name.unwrap_or_else(|| comment.split('@').next().unwrap_or_default().to_string());
    check_name(&name)?;
    match seed {
        Some(seed) => write_new(out, &SecretKey::from_seed(&name, Algorithm::Ed25519, &seed), a.encrypt)?,
        None => {
            vacant(out)?;
            files::write(out, ledger::key::vkey(&name, Algorithm::Ed25519, &public).as_bytes(), 0o644)?;
        }
    }
    Ok(describe(&name, Algorithm::Ed25519, &public))
}

/// Puts a passphrase on a key file, or takes it off.
pub fn protect(a: Protect) -> Result<Output> {
    keys::protect(&a.file, a.decrypt)?;
    let text = format!("{}: {}", a.file.display(), if a.decrypt { "not encrypted" } else { "encrypted" });
    Ok(Output::new(text, json!({ "file": a.file.display().to_string(), "encrypted": !a.decrypt })))
}

/// Puts a new key in the place of one.
pub async fn rotate(place: &Place, a: Rotate) -> Result<Output> {
    let mut home = place.open().await?;
    let changed = rotation::rotate(&mut home, &a.holder, a.new.as_deref(), a.key.as_deref(), a.recover).await?;
    let Changed { holder, name, key, entry } = changed;
    let text = format!("{name}: key {key} is in force after entry {entry}");
    Ok(Output::new(text, json!({ "holder": holder, "key": key, "entry": entry })))
}

/// Lets a key sign nothing more.
pub async fn revoke(place: &Place, a: Revoke) -> Result<Output> {
    let mut home = place.open().await?;
    let changed = rotation::revoke(&mut home, &a.holder, a.reason, a.disputed_from, a.key.as_deref()).await?;
    let Changed { holder, name, key, entry } = changed;
    let text = format!("{name}: key {key} is revoked by entry {entry}; `assay key rotate --recover` gives another");
    Ok(Output::new(text, json!({ "holder": holder, "key": key, "entry": entry })))
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

/// Every key in force in a home, with the entry since which it is.
fn in_force(home: &Snapshot) -> Result<Output> {
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
