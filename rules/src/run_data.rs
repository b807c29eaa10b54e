//! What a run reads, from the log and its objects: documents by bucket, held-out targets, the run's sizes.

use corpus::objects::Class;
use corpus::shard::Shard;
use corpus::{Digest, EntryIndex, canonical};
use kernels::Cpu;
use ledger::history::Logged;
use trainer::{
    Batch, Corpus, Document, Layout, Online, Order, Owners, Pricing, RunConfig, Sampling, SamplingRule, Setup, ShareRule, Shares, State,
    Trainer, assign,
};

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};
use crate::held_out::{self, target_corpora};
use crate::shares::{Change, ShareLog, ShareTable};
use crate::strata::Strata;
use crate::targets::Targets;
use crate::tokenizer;

/// The backend of this program on a machine without an accelerator.
pub type Engine = Cpu<f32>;

/// Documents by bucket, held-out halves, control.
pub struct RunData {
    /// Documents of all shards.
    pub corpus: Corpus,
    /// Whose they are.
    pub owners: Owners,
    /// What prices.
    pub pricing: Pricing,
    /// What only controls, by target with its weight.
    pub control: Vec<(f64, Vec<Batch>)>,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// The run's seed.
    pub seed: Digest,
    /// The epoch's strata, which are the documents' groups.
    pub strata: Strata,
}

/// Reads what a run of an epoch reads whose intent is entry `intent`, or will be the next one.
pub fn read(archive: &Archive, number: u32, intent: Option<EntryIndex>, config: &RunConfig) -> Result<RunData> {
    let intent = intent.unwrap_or(archive.state.next_index());
    let view = archive.view(Some(number))?;
    let epoch = view.epoch;
    let Logged { entry: draw, .. } = epoch.draw.as_ref().ok_or_else(|| RulesError::Check(format!("epoch {number}: not closed yet")))?;
    let contributors = epoch.accepted_contributors(intent);
    let mut owners = Owners { contributors: contributors.iter().map(ToString::to_string).collect(), ..Owners::default() };
    let mut tokens = vec![0u64; contributors.len()];
    let mut corpus = Corpus::default();
    let policy = view.policy()?;
    let strata = Strata::of(&policy.strata)?;
    owners.groups = strata.names();
    for file in epoch.files_before(intent) {
        let bytes = archive.objects.get(Class::Sealed, &file.file)?;
        let shard = Shard::decode(&bytes).with_context(|| format!("shard of entry {}", file.entry))?;
        // What the tokenizer refused has nothing to train on.
        for d in shard.documents.into_iter().filter(|d| !d.tokens.is_empty()) {
            let known = contributors.binary_search(&d.contributor).ok();
            let owner = known.with_context(|| format!("document {}: contributor {} has no shard", d.document, d.contributor))?;
            tokens[owner] += d.tokens.len() as u64;
            owners.documents.push(d.document.to_string());
            owners.document_owners.push(owner);
            let group = strata.find(&d.contributor, &d.source);
            corpus.documents.push(Document { group, ..Document::answering(d.tokens, d.commitment.0, d.learned_from) });
        }
    }
    let keys: Vec<(&[u8], u64)> = contributors.iter().zip(&tokens).map(|(c, tokens)| (&c.0[..], *tokens)).collect();
    owners.buckets = assign(&keys, config.attribution.max_buckets, &draw.seed.0);
    corpus.buckets = owners.buckets.iter().max().map_or(0, |b| b + 1);
    for (document, owner) in corpus.documents.iter_mut().zip(&owners.document_owners) {
        document.bucket = owners.buckets[*owner];
    }
    let (_, tokenizer) = tokenizer::read(archive)?;
    let pool = view.pool()?;
    let drawn: Targets = canonical::from_slice(&archive.objects.get(Class::Public, &draw.targets)?)?;
    let corpora = target_corpora(&pool, &drawn, &policy.target_weights, |text, answer_at| {
        // A held-out document that the tokenizer refuses measures nothing.
        Ok(tokenizer.encode_document(text, answer_at).map_or((Vec::new(), None), |e| (e.tokens, e.learned_from)))
    })?;
    owners.targets = corpora.iter().map(|t| t.name.clone()).collect();
    for corpus in corpora.iter().flat_map(|t| [&t.pricing, &t.control]).chain([&corpus]) {
        corpus.check(tokenizer.vocabulary())?;
    }
    let pricing = held_out::pricing(&corpora, config).context("pricing targets")?;
    let control = held_out::control(&corpora, config);
    Ok(RunData { corpus, owners, pricing, control, vocabulary: tokenizer.vocabulary(), seed: draw.seed, strata })
}

impl RunData {
    /// The order of all steps.
    pub fn order(&self, config: &RunConfig) -> Result<Order<'_>> {
        Ok(Order::new(&self.corpus, self.seed.0, config.model.context, config.schedule.rows_per_step)?)
    }

    /// What shares may do to the strata.
    fn rule(&self, sampling: &Sampling) -> Result<ShareRule> {
        Ok(ShareRule::new(&self.corpus, &self.strata.floors(), sampling.cap)?)
    }

    /// The strata's shares from the first step on, where the config has some.
    pub fn shares(&self, archive: &Archive, config: &RunConfig) -> Result<Vec<Shares>> {
        let Some(sampling) = &config.sampling else { return Ok(Vec::new()) };
        let rule = self.rule(sampling)?;
        let ppm = match sampling.rule {
            SamplingRule::Uniform | SamplingRule::Tokens | SamplingRule::AttributionOnline => return Ok(Vec::new()),
            SamplingRule::Stratified => rule.stratified(&self.strata.shares()),
            SamplingRule::FromRun | SamplingRule::File => {
                let table = sampling.table.as_deref().unwrap_or_default();
                let digest: Digest = table.parse().with_context(|| format!("sampling.table {table:?}"))?;
                let table: ShareTable = canonical::from_slice(&archive.objects.get(Class::Public, &digest)?)?;
                if let Some(name) = table.shares_ppm.keys().find(|name| !self.owners.groups.contains(name)) {
                    let expected = self.owners.groups.join(", ");
                    return Err(RulesError::Check(format!("sampling share of stratum {name}: the epoch's are {expected}")));
                }
                let share = |name: &String| table.shares_ppm.get(name).map_or(1.0, |ppm| *ppm as f64 / 1e6);
                rule.floored(&self.owners.groups.iter().map(share).collect::<Vec<_>>())
            }
        };
        let shares = vec![Shares { from_step: 0, ppm }];
        self.order(config)?.check(&shares)?;
        Ok(shares)
    }

    /// What is published of the strata and of all shares that were in force.
    pub fn share_log(&self, shares: &[Shares]) -> ShareLog {
        let strata = &self.owners.groups;
        let mut tokens = self.corpus.group_tokens();
        tokens.resize(strata.len(), 0);
        let changes = shares.iter().map(|w| Change { from_step: w.from_step, shares_ppm: w.ppm.clone() }).collect();
        ShareLog { version: 1, strata: strata.clone(), tokens, changes }
    }

    /// The state before step 0, with parameters `initial` of the model.
    pub fn start(&self, archive: &Archive, config: &RunConfig, trainer: &Trainer<'_, Engine>, initial: &[f64]) -> Result<State<Engine>> {
        let mut state = trainer.start(initial);
        state.shares = self.shares(archive, config)?;
        Ok(state)
    }

    /// The run's trainer; batches come from `order`.
    pub fn trainer<'a>(
        &'a self,
        backend: &'a Engine,
        config: &'a RunConfig,
        order: &'a Order<'a>,
        steps: u64,
    ) -> Result<Trainer<'a, Engine>> {
        let setup = Setup { vocabulary: self.vocabulary, buckets: self.corpus.buckets, steps, seed: self.seed.0 };
        let rows = config.schedule.rows_per_pass;
        let mut trainer = Trainer::new(backend, config, setup, &self.pricing, move |step, shares| order.batches(step, shares, rows))?;
        if let Some(sampling) = config.sampling.as_ref().filter(|s| s.rule == SamplingRule::AttributionOnline) {
            trainer.follow(Online::new(&self.corpus, self.rule(sampling)?, sampling.rate, sampling.every))?;
        }
        Ok(trainer)
    }

    /// Parameters before the first step: the config's, or those that follow from the seed.
    pub fn initial(&self, archive: &Archive, config: &RunConfig) -> Result<Vec<f64>> {
        let layout = Layout::new(&config.model, self.vocabulary);
        match &config.start {
            Some(start) => {
                let digest: Digest = start.parameters.parse().with_context(|| format!("start.parameters {:?}", start.parameters))?;
                Ok(trainer::read_parameters(&layout, &archive.objects.get(Class::Sealed, &digest)?)?)
            }
            None => Ok(layout.initial(&self.seed.0)),
        }
    }

    /// Mean loss over the control documents, by the targets' weights.
    pub fn control_loss(&self, trainer: &mut Trainer<'_, Engine>, state: &trainer::State<Engine>) -> f64 {
        self.control.iter().map(|(weight, batches)| weight * trainer.loss(state, batches)).sum()
    }
}

/// Steps of a run: the config's, or one pass over the corpus.
pub fn steps_of(config: &RunConfig, order: &Order<'_>) -> u64 {
    if config.schedule.steps == 0 { order.steps_per_epoch() } else { config.schedule.steps }
}
