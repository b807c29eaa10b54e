//! Runs: trained in memory, or with a credit that the test gives.

use std::sync::LazyLock;

use corpus::canonical;
use corpus::objects::Class;
use corpus::{Digest, EntryIndex, RunNumber};
use kernels::Memory;
use ledger::entry::{Attribution, Replay, ReplayOutcome, RunClose, RunIntent, RunOutcome, RunProgress};
use ledger::history::Logged;
use rules::checkpoints::is_whole;
use rules::run_data::{self, Engine, RunData, steps_of};
use rules::tables::nano;
use trainer::{
    Accounts, DocumentCredit, Part, Rule, RunConfig, Window, credit_rows, document_rows, order_rows, read_credit, read_documents,
    write_credit, write_documents, write_order, write_windows,
};

use crate::world::World;

/// What a run of a few steps is like.
const TINY: &str = r#"
[model]
layers = 1
channels = 16
heads = 2
kv_heads = 1
hidden = 32
tied = true
context = 32
rope_base = 10000.0
norm_eps = 1e-5

[optimizer]
lr = 3e-3
warmup_steps = 4
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 1.0

[schedule]
steps = 16
rows_per_step = 8

[attribution]
rule = "simpson"
first_window = 2
max_window = 4
residual_limit = 0.02
pricing_tokens = 512
progress_windows = 2
max_buckets = 8
"#;

/// A run of sixteen steps of a model with one layer.
pub fn tiny() -> RunConfig {
    static CONFIG: LazyLock<RunConfig> = LazyLock::new(|| RunConfig::from_toml(TINY).expect("a config"));
    CONFIG.clone()
}

/// What a run credits a contributor with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credit {
    /// Its name.
    pub name: &'static str,
    /// Nats over the whole run.
    pub nats: f64,
    /// Half of what the two halves of the held-out text differ by, in nats.
    pub spread: f64,
}

/// Windows of a run with a given credit; two between one progress and the next.
const WINDOWS: u64 = 4;
/// Its loss before the first step.
const FIRST_LOSS: f64 = 6.0;

/// What a run computed up to a progress entry.
struct Progress {
    step: u64,
    /// All windows so far.
    windows: Vec<Window>,
    /// Credit by document since the last progress.
    rows: Vec<DocumentCredit>,
    /// The whole state.
    state: Vec<u8>,
    /// What is kept of it.
    checkpoint: Vec<u8>,
    shares: Vec<trainer::Shares>,
}

/// A run, computed.
struct Computed {
    intent: RunIntent,
    progress: Vec<Progress>,
    /// Loss on the control documents before the first step and after the last.
    control: (f64, f64),
}

impl World {
    /// Trains a run on the last epoch, prices and attributes it; returns its number.
    pub fn train(&mut self, config: &RunConfig) -> RunNumber {
        self.run(config, |data, config, intent, archive| {
            let order = data.order(config).expect("an order");
            let backend = Engine::new();
            let mut trainer = data.trainer(&backend, config, &order, intent.steps).expect("a trainer");
            let initial = data.initial(archive, config).expect("initial parameters");
            let mut state = data.start(archive, config, &trainer, &initial).expect("a first state");
            let before = data.control_loss(&mut trainer, &state);
            let (mut progress, mut logged) = (Vec::new(), 0);
            while trainer.window(&mut state, &mut |_| {}) {
                let windows = state.windows.len() as u64;
                if windows - logged >= config.attribution.progress_windows || state.step >= intent.steps {
                    logged = windows;
                    // The log has documents' credit before the state is saved without it.
                    let rows = std::mem::take(&mut state.rows);
                    let digest = intent.config.to_string();
                    let file = trainer.save(&backend, &state, &digest).expect("a state");
                    let kept = if is_whole(config, intent, progress.len(), state.step) {
                        trainer::pack(&file)
                    } else {
                        trainer::pack(&trainer.save_parameters(&backend, &state.parameters(), &digest).expect("parameters"))
                    };
                    progress.push(Progress {
                        step: state.step,
                        windows: state.windows.clone(),
                        rows,
                        state: file,
                        checkpoint: kept.expect("a checkpoint"),
                        shares: state.shares.clone(),
                    });
                }
                if state.step >= intent.steps {
                    break;
                }
            }
            let after = data.control_loss(&mut trainer, &state);
            (progress, (before, after))
        })
    }

    /// A run on the last epoch that nobody trained: it credits contributors with what is given, in equal parts to windows and documents.
    pub fn run_with(&mut self, credit: &[Credit]) -> RunNumber {
        self.run_configured(&tiny(), credit)
    }

    /// As [`World::run_with`], with the steps and the sampling of a config: its order log is the one that training has.
    pub fn run_configured(&mut self, config: &RunConfig, credit: &[Credit]) -> RunNumber {
        let ids: Vec<(String, Credit)> = credit.iter().map(|c| (self.id(c.name).to_string(), *c)).collect();
        self.run(config, |data, config, intent, archive| {
            let (parts, shares) = (data.pricing.of(), data.shares(archive, config).expect("sampling shares"));
            let mut progress = Vec::new();
            let mut windows: Vec<Window> = Vec::new();
            let mut rows = Vec::new();
            for index in 0..WINDOWS {
                let (window, credited) = given_window(data, &parts, &ids, index, intent.steps);
                windows.push(window);
                rows.extend(credited);
                if index % 2 == 1 {
                    progress.push(Progress {
                        step: windows[index as usize].end_step,
                        windows: windows.clone(),
                        rows: std::mem::take(&mut rows),
                        state: format!("the state after window {index}").into_bytes(),
                        checkpoint: format!("what is kept of the state after window {index}").into_bytes(),
                        shares: shares.clone(),
                    });
                }
            }
            let losses = Accounts { parts, windows }.losses().expect("some windows");
            (progress, losses)
        })
    }

    fn intent(&self, config: &RunConfig) -> (RunIntent, RunData) {
        let epoch = self.state().epochs.last().expect("an epoch");
        let number = epoch.open.entry.epoch;
        let data = run_data::read(&self.archive, number, None, config).expect("what a run reads");
        let backend = Engine::new();
        let initial = data.initial(&self.archive, config).expect("initial parameters");
        let (corpus_root, documents, tokens) = epoch.corpus(self.state().next_index());
        let intent = RunIntent {
            run: RunNumber(self.state().runs.len() as u32),
            epoch: number,
            corpus_root,
            documents,
            tokens,
            config: self.objects.put(Class::Public, config.to_toml()),
            code: "test".into(),
            build: Digest::of(b"build"),
            backend: format!("cpu-{}", backend.dtype()),
            instruction_set: kernels::isa().name().to_string(),
            threads: 1,
            initial_parameters: Digest::of(&backend.master_to_bytes(&backend.master(&initial))),
            seed: data.seed,
            contributors: data.owners.contributors.len() as u64,
            buckets: data.corpus.buckets as u64,
            pilot: false,
            steps: steps_of(config, &data.order(config).expect("an order")),
        };
        (intent, data)
    }

    fn run(
        &mut self,
        config: &RunConfig,
        compute: impl FnOnce(&RunData, &RunConfig, &RunIntent, &rules::Archive) -> (Vec<Progress>, (f64, f64)),
    ) -> RunNumber {
        let (intent, data) = self.intent(config);
        let (progress, control) = compute(&data, config, &intent, &self.archive);
        let run = intent.run;
        self.append(intent.clone());
        self.log_run(config, &data, &Computed { intent, progress, control });
        run
    }

    /// Progress, close and attribution of a run, as the operator logs them.
    fn log_run(&mut self, config: &RunConfig, data: &RunData, computed: &Computed) {
        let (run, parts) = (computed.intent.run, data.pricing.of());
        let order = data.order(config).expect("an order");
        let (mut credit, mut all, mut documents) = (Vec::new(), 0, Vec::new());
        let (mut step, mut last): (u64, Option<EntryIndex>) = (0, None);
        for p in &computed.progress {
            credit.extend(credit_rows(&p.windows[all..], &parts, &p.rows, &data.owners));
            all = p.windows.len();
            let rows = document_rows(&parts, &p.rows, &data.owners);
            let seen = order_rows(&order, &data.corpus, &p.shares, &data.owners, config.model.context, step..p.step);
            step = p.step;
            let shares = canonical::to_vec(&data.share_log(&p.shares)).expect("shares");
            let put = |bytes: Vec<u8>| self.objects.put(Class::Public, bytes);
            let entry = RunProgress {
                run,
                step,
                windows: all as u64,
                state: Digest::of(&p.state),
                checkpoint: self.objects.put(Class::Sealed, p.checkpoint.clone()),
                credit: put(write_credit(&credit).expect("a table")),
                documents: put(write_documents(&rows).expect("a table")),
                order: put(write_order(&seen).expect("a table")),
                shares: put(shares),
                drawn_from: last.map(|at| self.head_at((at + 1).0).to_text()),
            };
            documents.extend(rows);
            last = Some(self.append(entry));
        }
        let Some(windows) = computed.progress.last().map(|p| p.windows.clone()) else { return };
        let accounts = Accounts { parts, windows };
        let (loss_start, loss_end) = accounts.losses().expect("a run of some windows");
        let at = last.expect("a run with progress");
        // As the log has them: a forged progress has others.
        let Some(Logged { entry: logged, .. }) = self.state().runs[run.0 as usize].progress.last() else { return };
        let (checkpoint, credit_table) = (logged.checkpoint, logged.credit);
        self.append(RunClose {
            run,
            outcome: RunOutcome::Completed,
            steps: step,
            checkpoint: Some(checkpoint),
            loss_start: nano(loss_start),
            loss_end: nano(loss_end),
            control_start: nano(computed.control.0),
            control_end: nano(computed.control.1),
            drawn_from: Some(self.head_at((at + 1).0).to_text()),
        });
        let rows = read_credit(&self.objects.bytes(Class::Public, &credit_table)).expect("a table");
        let mut logged = Vec::new();
        for Logged { entry: p, .. } in &self.state().runs[run.0 as usize].progress {
            logged.extend(read_documents(&self.objects.bytes(Class::Public, &p.documents)).expect("a table"));
        }
        let entry = Attribution {
            run,
            credit: credit_table,
            windows: self.objects.put(Class::Public, write_windows(&accounts, &data.owners.targets).expect("a table")),
            documents: self.objects.put(Class::Public, write_documents(&logged).expect("a table")),
            rows: rows.len() as u64,
            document_rows: logged.len() as u64,
            drop: nano(accounts.drop()),
            residual: nano(accounts.residual()),
            decay: nano(accounts.decay()),
            correction: nano(accounts.correction()),
            estimated_ppm: 0,
        };
        self.append(entry);
    }

    /// Logs that the window which each interval's tree head draws was computed again; nobody did.
    pub fn replay(&mut self, run: RunNumber) {
        let this = self.state().run(run).expect("a run");
        let windows = rules::draws::drawn(&self.archive, this).expect("a run that is closed");
        self.append(Replay { run, windows, outcome: ReplayOutcome::BitEqual, threads: 1 });
    }
}

/// A window that credits what is given, without a residual.
fn given_window(data: &RunData, parts: &[Part], credit: &[(String, Credit)], index: u64, steps: u64) -> (Window, Vec<DocumentCredit>) {
    let (owners, buckets) = (&data.owners, data.corpus.buckets);
    let share = 1.0 / WINDOWS as f64;
    // By part: each target's two halves differ by twice the spread, and their mean by shares is the credit.
    let of_part = |c: &Credit, part: &Part| {
        let other = 1.0 - part.share;
        let sign = if part.half == 0 { 1.0 } else { -1.0 };
        share * (c.nats + sign * 2.0 * c.spread * other)
    };
    let mut window = Window {
        index,
        first_step: index * steps / WINDOWS,
        end_step: (index + 1) * steps / WINDOWS,
        rule: Rule::Simpson,
        marked: false,
        loss_before: Vec::new(),
        loss_after: Vec::new(),
        credit: vec![0.0; buckets * parts.len()],
        decay: vec![0.0; parts.len()],
        correction: vec![0.0; parts.len()],
        tokens: vec![0; buckets],
    };
    let mut rows = Vec::new();
    for (owner, id) in owners.contributors.iter().enumerate() {
        let bucket = owners.buckets[owner];
        let given = credit.iter().find(|(name, _)| name == id).map(|(_, c)| c);
        let own: Vec<usize> = (0..owners.documents.len()).filter(|d| owners.document_owners[*d] == owner).collect();
        for (p, part) in parts.iter().enumerate() {
            window.credit[bucket * parts.len() + p] += given.map_or(0.0, |c| of_part(c, part));
        }
        for document in &own {
            let tokens = data.corpus.documents[*document].tokens.len() as u32;
            window.tokens[bucket] += u64::from(tokens);
            let credit = parts.iter().map(|part| given.map_or(0.0, |c| of_part(c, part) / own.len() as f64)).collect();
            rows.push(DocumentCredit { document: *document as u32, bucket: bucket as u32, window: index, tokens, credit });
        }
    }
    let fall = |p: usize| (0..buckets).map(|b| window.credit[b * parts.len() + p]).sum::<f64>();
    let loss = |index: u64| (0..parts.len()).map(|p| FIRST_LOSS - index as f64 * fall(p)).collect();
    (window.loss_before, window.loss_after) = (loss(index), loss(index + 1));
    (window, rows)
}
