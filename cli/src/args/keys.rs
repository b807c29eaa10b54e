//! Contributors and keys: `assay contributor add`, `assay key new`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use corpus::EntryIndex;
use ledger::entry::RevocationReason;

/// Contributors.
#[derive(Debug, Subcommand)]
pub enum Contributor {
    Add(Add),
}

/// Register a contributor, or many.
#[derive(Debug, Args)]
pub struct Add {
    /// A name in this home, in any script; it is not in the log.
    #[arg(required_unless_present = "each")]
    pub name: Option<String>,
    /// Its secret key file, which is used once and not kept; without it the operator holds a new key.
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// A file that says where it is paid; the log has only a keyed digest of it, which is the same for accounts of one payee.
    #[arg(long, value_name = "FILE")]
    pub payee: Option<PathBuf>,
    /// One contributor per file NAME.toml in this folder, which says where it is paid; the operator holds their keys.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["name", "key", "payee"])]
    pub each: Option<PathBuf>,
}

/// Keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    New(New),
    Show(Show),
    Import(Import),
    Protect(Protect),
    Rotate(Rotate),
    Revoke(Revoke),
}

/// Make a key.
#[derive(Debug, Args)]
pub struct New {
    /// Its name.
    pub name: String,
    /// Where to write it.
    #[arg(long)]
    pub out: PathBuf,
    /// Encrypt the file with a passphrase.
    #[arg(long)]
    pub encrypt: bool,
}

/// Say what a key file holds, or whose keys are in force in a home.
#[derive(Debug, Args)]
pub struct Show {
    /// A file: a key of ours, secret or public, or an OpenSSH ed25519 key.
    pub file: Option<PathBuf>,
}

/// Make a key file of an OpenSSH ed25519 key: a secret one of a private key, a verifier key of a public one.
#[derive(Debug, Args)]
pub struct Import {
    /// The OpenSSH file.
    pub file: PathBuf,
    /// Its name; default: the comment in the file.
    #[arg(long)]
    pub name: Option<String>,
    /// Where to write it.
    #[arg(long)]
    pub out: PathBuf,
    /// Encrypt the file with a passphrase.
    #[arg(long)]
    pub encrypt: bool,
}

/// Encrypt a key file with a passphrase, or with --decrypt take it off.
#[derive(Debug, Args)]
pub struct Protect {
    /// The key file.
    pub file: PathBuf,
    /// Take the passphrase off.
    #[arg(long)]
    pub decrypt: bool,
}

/// Put a new key in the place of one, from the next entry on; both sign.
#[derive(Debug, Args)]
pub struct Rotate {
    /// `operator`, `approver`, or a contributor's name or id.
    pub holder: String,
    /// The new key; default: one that is made for those whose key the home holds.
    #[arg(long, value_name = "FILE")]
    pub new: Option<PathBuf>,
    /// The old key, if the home does not hold it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The old key is revoked: the operator signs instead, and for the operator the approver.
    #[arg(long)]
    pub recover: bool,
}

/// Let a key sign nothing more.
#[derive(Debug, Args)]
pub struct Revoke {
    /// `operator`, `approver`, or a contributor's name or id.
    pub holder: String,
    /// compromised, lost or retired.
    #[arg(long)]
    pub reason: RevocationReason,
    /// The first entry that the holder disputes, for a compromised key.
    #[arg(long, value_name = "ENTRY")]
    pub disputed_from: Option<EntryIndex>,
    /// The key itself signs, from this file; without it the home's, and for a lost key the operator's (for the operator the approver's).
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}
