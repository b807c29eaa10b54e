//! The commands about keys.

use std::path::Path;

use anyhow::{Context, Result};
use ledger::entry::Holder;
use ledger::key::Algorithm;
use ledger::{PublicKey, SecretKey};
use pipeline::Home;
use pipeline::keys::{self, check_name, generate, openssh, public_of, vacant, write_new};
use pipeline::rotation::{Changed, revoke, rotate};
use serde_json::json;
use ssh_key::public::KeyData;
use store::files;
use zeroize::Zeroizing;

use crate::args::Key;
use crate::failure::usage;
use crate::output::Output;

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
            keys::protect(&file, decrypt)?;
            let text = format!("{}: {}", file.display(), if decrypt { "not encrypted" } else { "encrypted" });
            Ok(Output::new(text, json!({ "file": file.display().to_string(), "encrypted": !decrypt })))
        }
        Key::Rotate { home, holder, new, key, recover } => {
            let mut home = Home::open(&home.home, now).await?;
            let Changed { holder, name, key, entry } = rotate(&mut home, &holder, new.as_deref(), key.as_deref(), recover).await?;
            let text = format!("{name}: key {key} is in force after entry {entry}");
            Ok(Output::new(text, json!({ "holder": holder, "key": key, "entry": entry })))
        }
        Key::Revoke { home, holder, reason, disputed_from, key } => {
            let mut home = Home::open(&home.home, now).await?;
            let Changed { holder, name, key, entry } = revoke(&mut home, &holder, reason, disputed_from, key.as_deref()).await?;
            let text = format!("{name}: key {key} is revoked by entry {entry}; `assay key rotate --recover` gives another");
            Ok(Output::new(text, json!({ "holder": holder, "key": key, "entry": entry })))
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

fn show(file: &Path) -> Result<Output> {
    let (name, algorithm, public) = public_of(file)?;
    Ok(describe(&name, algorithm, &public))
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
