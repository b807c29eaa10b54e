//! The witnesses of a home: its policy, and how each is asked.

use std::path::Path;

use ledger::WitnessPolicy;
use store::follow::draws;
use store::{Catalog, Cosigner, FileWitness, HeadKeeper, RemoteWitness, Witness, Witnesses};

use crate::config::Config;
use crate::error::{Kind, Result, failure, usage};
use crate::keys::{key_path, read as read_key};

/// A home's file with the `tlog-policy` in force, which the log has too.
pub(crate) const WITNESS_POLICY: &str = "witness-policy";

/// The witnesses of a new home, beside its own.
pub enum WitnessChoice {
    /// URL and verifier key of each; all have to cosign.
    All(Vec<(String, String)>),
    /// The rest of a C2SP `tlog-policy` after its log and the home's own witness, which is named `home`.
    Policy(String),
}

/// The text of a new home's policy.
pub(crate) fn witness_policy(dir: &Path, choice: &WitnessChoice) -> Result<String> {
    let (log, own) = (read_key(&key_path(dir, "log"))?.vkey(), read_key(&key_path(dir, "witness"))?.vkey());
    let text = match choice {
        WitnessChoice::All(others) => {
            let others = others.iter().map(|(url, vkey)| (vkey.clone(), Some(url.clone())));
            WitnessPolicy::text_of_all(&log, &std::iter::once((own, None)).chain(others).collect::<Vec<_>>())
        }
        WitnessChoice::Policy(rest) => format!("log {log}\nwitness home {own}\n{rest}"),
    };
    WitnessPolicy::from_text(&text).map_err(|e| usage(e.to_string()))?;
    Ok(text)
}

/// Those whom a policy names, as they can be asked: the home's own, others by HTTP, or by files where they have no URL.
pub(crate) fn asked(dir: &Path, policy: &str, config: &Config, catalog: &Catalog) -> Result<Witnesses> {
    let policy = WitnessPolicy::from_text(policy).map_err(|e| failure(Kind::Verification, e.to_string()))?;
    let own = read_key(&key_path(dir, "witness"))?;
    let cosigner = |w: &ledger::witness_policy::PolicyWitness| -> Box<dyn Cosigner> {
        match &w.url {
            _ if w.verifier.public == own.public() => Box::new(Witness::new(own.clone(), &dir.join("state/witness"))),
            Some(url) => Box::new(RemoteWitness::new(w.verifier.clone(), url)),
            None => Box::new(FileWitness::new(w.verifier.clone(), &dir.join("state/witnesses").join(&w.name))),
        }
    };
    let cosigners = policy.witnesses.iter().map(cosigner).collect();
    // A database in the home would be restored with it; a demonstration's key is everybody's.
    let kept = config.demo_seed.is_none() && config.database.starts_with("postgres");
    let keeper = kept.then(|| Box::new(HeadKeeper::new(catalog.clone())) as Box<dyn Cosigner>);
    Ok(Witnesses::new(cosigners, Box::new(move |signed| policy.is_quorum(signed)), draws).after(keeper))
}
