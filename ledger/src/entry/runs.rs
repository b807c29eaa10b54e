//! Runs and what they credit.

use corpus::{Digest, RunNumber};

use super::{ReplayOutcome, RunOutcome, records};

records! {
    /// A run, before its first step.
    RunIntent {
        /// Its number, from 0.
        run: RunNumber,
        /// Which epoch.
        epoch: u32,
        /// Root over the document roots of all shards, in the order of submissions.
        corpus_root: Digest,
        /// Documents in them.
        documents: u64,
        /// Tokens in them.
        tokens: u64,
        /// `RUN.toml` as it is carried out.
        config: Digest,
        /// Version of the program.
        code: String,
        /// Digest of the program's file.
        build: Digest,
        /// Backend and number type.
        backend: String,
        /// Instruction set of the elementwise loops.
        instruction_set: String,
        /// Threads.
        threads: u32,
        /// Digest of the initial parameters, which follow from seed and config.
        #[serde(rename = "initial_weights")]
        initial_parameters: Digest,
        /// From the draw.
        seed: Digest,
        /// Contributors with accepted documents.
        contributors: u64,
        /// Buckets that their gradients are kept in; fewer than contributors if some share one.
        buckets: u64,
        /// Whether the run only finds sampling shares for another; it is never settled.
        pilot: bool,
        /// Steps.
        steps: u64,
    }
    /// A run after some windows.
    RunProgress {
        /// Which run.
        run: RunNumber,
        /// Steps taken.
        step: u64,
        /// Windows priced.
        windows: u64,
        /// The state's file, moments and accounts included, before it is packed; it need not be kept.
        state: Digest,
        /// What is kept of it, packed: all, or the parameters alone.
        checkpoint: Digest,
        /// The credit table so far.
        credit: Digest,
        /// The document table of the windows since the last progress.
        documents: Digest,
        /// The order log of the steps since the last progress.
        order: Digest,
        /// The strata and all their sampling shares so far.
        #[serde(rename = "weights")]
        shares: Digest,
        /// The cosigned tree head at the previous progress entry; it drew the window that is replayed before that one.
        drawn_from: Option<String>,
    }
    /// The end of a run; an intent without one is a finding.
    RunClose {
        /// Which run.
        run: RunNumber,
        /// Whether it took all its steps.
        outcome: RunOutcome,
        /// Steps taken.
        steps: u64,
        /// What is kept of the last state; none if the run was aborted before its first progress.
        checkpoint: Option<Digest>,
        /// Pricing loss before the first step.
        loss_start: i64,
        /// Pricing loss after the last.
        loss_end: i64,
        /// Control loss before the first step.
        control_start: i64,
        /// Control loss after the last.
        control_end: i64,
        /// The cosigned tree head at the last progress entry.
        drawn_from: Option<String>,
    }
    /// What a run's loss drop is credited to.
    Attribution {
        /// Which run.
        run: RunNumber,
        /// The credit table.
        credit: Digest,
        /// The windows table.
        windows: Digest,
        /// The document table.
        documents: Digest,
        /// Rows of the credit table.
        rows: u64,
        /// Rows of the document table.
        document_rows: u64,
        /// The measured drop.
        drop: i64,
        /// Sum over windows of the residual's size.
        residual: i64,
        /// Credit of weight decay.
        decay: i64,
        /// Sum over windows and buckets of what documents' estimates were off their bucket's credit.
        correction: i64,
        /// Share of the contributors' credit, by its size, that rests on documents' estimates, in millionths; 0 while nobody shares a bucket.
        estimated_ppm: u64,
    }
    /// Drawn windows, computed again.
    Replay {
        /// Which run.
        run: RunNumber,
        /// Their numbers.
        windows: Vec<u64>,
        /// How they compare.
        outcome: ReplayOutcome,
        /// Threads of the replay.
        threads: u32,
    }
}
