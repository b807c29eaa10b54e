//! Policies, statements and payouts.

use corpus::Digest;

use super::records;

records! {
    /// Who earns what.
    Statements {
        /// Which epoch.
        epoch: u32,
        /// Which run.
        run: u32,
        /// The pool.
        pool_minor: i128 = "crate::entry::amount",
        /// ISO 4217 code.
        currency: String,
        /// The table of weights and amounts.
        rewards: Digest,
        /// Number of statements.
        statements: u64,
        /// Root over the statements' envelopes, in the order of contributor ids.
        root: Digest,
        /// Seconds since 1970.
        time: u64,
        /// Whether the pool is paid out or held, and why.
        outcome: String,
    }
    /// The policy of epochs to come; never of one that is open.
    PolicyChange {
        /// The policy object.
        policy: Digest,
        /// The first epoch that it holds for.
        from_epoch: u32,
        /// Why, as a digest of what was announced.
        announcement: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Transfers that one person proposes.
    PayoutProposal {
        /// Index of the statements entry.
        statements: u64,
        /// How it is paid: `pain.001`, `merkle-distributor`, `nep-141` or `csv`.
        rail: String,
        /// The sum.
        total_minor: i128 = "crate::entry::amount",
        /// ISO 4217 code.
        currency: String,
        /// Number of transfers.
        transfers: u64,
        /// Root over the transfers, each a contributor's id and an amount.
        root: Digest,
        /// The list of them.
        list: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Another person's word on a proposal, by the approver's key.
    PayoutApproval {
        /// Index of the proposal.
        proposal: u64,
        /// `approved` or `rejected`.
        outcome: String,
        /// The root again.
        root: Digest,
        /// The sum again.
        total_minor: i128 = "crate::entry::amount",
        /// Seconds since 1970.
        time: u64,
    }
    /// What the rail says became of an approved payout; several may come for one.
    Settlement {
        /// Index of the proposal.
        proposal: u64,
        /// Paid with this report.
        settled_minor: i128 = "crate::entry::amount",
        /// Sent back with this report.
        returned_minor: i128 = "crate::entry::amount",
        /// Transfers in this report.
        transfers: u64,
        /// The report.
        report: Digest,
        /// Seconds since 1970.
        time: u64,
    }
}
