//! Policies, statements, payouts and what rails report of them, disputes, and the books' close.

use corpus::{ContributorId, Digest, EntryIndex, RunNumber};

use super::{ApprovalOutcome, DisputeCode, DisputeOutcome, PoolOutcome, RailName, records};

records! {
    /// Who earns what.
    Statements {
        /// Which epoch.
        epoch: u32,
        /// Which run.
        run: RunNumber,
        /// The pool.
        pool_minor: i128 = "crate::amount",
        /// ISO 4217 code.
        currency: String,
        /// The table of pay weights, amounts and what is carried on, as lines of canonical JSON.
        rewards: Digest,
        /// What of the pool accrued; the rest is on hold.
        accrued_minor: i128 = "crate::amount",
        /// What is payable after the dispute period.
        payable_minor: i128 = "crate::amount",
        /// Number of statements.
        statements: u64,
        /// Root over the statements' envelopes, in the order of contributor ids.
        root: Digest,
        /// Seconds since 1970.
        time: u64,
        /// Whether the pool is paid out or on hold, and why.
        outcome: PoolOutcome,
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
    /// What of a statement is payable now: its dispute period is over, and nothing holds it.
    Release {
        /// Index of the statements entry.
        statements: EntryIndex,
        /// Number of contributors.
        contributors: u64,
        /// The sum.
        total_minor: i128 = "crate::amount",
        /// The list of them with their amounts.
        list: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Payments that one person proposes.
    PayoutProposal {
        /// How it is paid.
        rail: RailName,
        /// The sum.
        total_minor: i128 = "crate::amount",
        /// ISO 4217 code.
        currency: String,
        /// Number of payments; accounts of one payee are paid by one.
        transfers: u64,
        /// Root over the lines of the list.
        root: Digest,
        /// The list of contributors with their amounts and the references of their payments.
        list: Digest,
        /// What goes to the rail, byte by byte; it names payees, and stays with the operator.
        file: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Another person's word on a proposal, by the approver's key.
    PayoutApproval {
        /// Index of the proposal.
        proposal: EntryIndex,
        /// Whether it may be paid.
        outcome: ApprovalOutcome,
        /// The root again.
        root: Digest,
        /// The file again.
        file: Digest,
        /// The sum again.
        total_minor: i128 = "crate::amount",
        /// Seconds since 1970.
        time: u64,
    }
    /// What the rail says became of an approved payout; several may come for one.
    PayoutReport {
        /// Index of the proposal.
        proposal: EntryIndex,
        /// Paid with this report.
        #[serde(rename = "settled_minor")]
        paid_minor: i128 = "crate::amount",
        /// Sent back with this report.
        returned_minor: i128 = "crate::amount",
        /// Reported as paid before, and sent back after all.
        reversed_minor: i128 = "crate::amount",
        /// Payments in this report.
        transfers: u64,
        /// The list of contributors and amounts that were sent back.
        returned: Digest,
        /// The list of those that had been reported as paid.
        reversed: Digest,
        /// The report.
        report: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Somebody doubts that an amount is due: it is on hold until this is resolved.
    Dispute {
        /// Whose amounts, if they are somebody's.
        contributor: Option<ContributorId>,
        /// Index of the submission that it is about, if it is about one.
        submission: Option<EntryIndex>,
        /// The run whose amounts are all on hold, if it is about one.
        run: Option<RunNumber>,
        /// What is doubted.
        code: DisputeCode,
        /// The evidence, which the operator and auditors see.
        evidence: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// What became of a dispute.
    DisputeResolution {
        /// Index of the dispute.
        dispute: EntryIndex,
        /// Whether the amount is due.
        outcome: DisputeOutcome,
        /// What is clawed back.
        amount_minor: i128 = "crate::amount",
        /// Digest of the reasons, which both sides see.
        reasons: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// The end of an accounting period: the entries since the close before it; what comes later is of the next.
    BooksClose {
        /// Which, from 0.
        period: u32,
        /// The balance of every account.
        balances: Digest,
        /// Number of accounts.
        accounts: u64,
        /// Seconds since 1970.
        time: u64,
    }
}
