//! Who runs the log, who contributes, and with which keys.

use corpus::{ContributorId, Digest, EntryIndex};

use super::{Holder, RevocationReason, records};
use crate::key::PublicKey;

/// The format of homes that this program reads and writes; entries, tables or files that change raise it.
pub const HOME_FORMAT: u32 = 2;

records! {
    /// The first entry: who runs the log, with which keys.
    Genesis {
        /// [`HOME_FORMAT`]: how entries, tables and files of this home are written.
        format: u32,
        /// The log's name.
        origin: String,
        /// Whether keys derive from a seed that anybody may know; nobody is owed anything then.
        demo: bool,
        /// Signs the operator's entries.
        operator: PublicKey,
        /// Approves payouts.
        approver: PublicKey,
        /// The log's verifier key.
        log: String,
        /// The C2SP `tlog-policy`: the log's verifier key again, its witnesses and their quorum.
        witness_policy: String,
        /// ISO 4217 code.
        currency: String,
        /// Decimals of its minor unit.
        currency_exponent: u8,
        /// Seconds since 1970.
        time: u64,
    }
    /// A contributor, by its key; signed by that key too, which proves possession.
    Registration {
        /// The id that the key gives.
        contributor: ContributorId,
        /// The key.
        key: PublicKey,
        /// Digest of the terms agreed to.
        terms: Digest,
        /// Whether the operator holds the key for an import.
        custodial: bool,
        /// HMAC-SHA-256 of where it is paid, under a secret of the operator: accounts of one payee have the same.
        payee: Option<Digest>,
        /// Whether it stands for what belongs to everybody and is paid nothing.
        commons: bool,
    }
    /// A new key in the place of an old one; signed by both, which proves possession. It counts from the next entry on.
    KeyRotation {
        /// Whose: `operator`, `approver` or a contributor's id.
        holder: Holder,
        /// The key in force until now.
        old_key: PublicKey,
        /// The key from now on.
        key: PublicKey,
        /// Whether `old_key` was revoked before: the operator then signs in its place.
        recovery: bool,
        /// Seconds since 1970.
        time: u64,
    }
    /// A key that signs nothing more. Entries before this one stay as they are: indexes count, and clocks do not.
    KeyRevocation {
        /// Whose: `operator`, `approver` or a contributor's id.
        holder: Holder,
        /// The key.
        key: PublicKey,
        /// Why.
        reason: RevocationReason,
        /// The first entry that its holder disputes, for a key that somebody else had.
        disputed_from: Option<EntryIndex>,
        /// Whether the holder itself signs; the operator does for a key that is lost.
        by_holder: bool,
        /// Seconds since 1970.
        time: u64,
    }
    /// Other witnesses or another quorum, from the tree head after this entry on. Never between an epoch's close and its
    /// draw, nor within a run: the operator could choose what they give.
    WitnessChange {
        /// The C2SP `tlog-policy` that replaces the last one.
        witness_policy: String,
        /// Seconds since 1970.
        time: u64,
    }
}
