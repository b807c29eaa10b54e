//! Everything that decides a run: `RUN.toml`.

use corpus::credit::Rule;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// A run's settings; its TOML text is what the log's digest is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The model's sizes.
    pub model: ModelConfig,
    /// AdamW and its learning rate.
    pub optimizer: Optimizer,
    /// How many steps of how many tokens.
    pub schedule: Schedule,
    /// How the loss drop is priced.
    pub attribution: Attribution,
    /// How often strata are seen; none for every token equally often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// The parameters that the run starts from; none for those that follow from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
}

/// How often strata are seen; a stratum is a group that the operator declared at the epoch's opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Where the sampling shares come from.
    #[serde(rename = "weights", alias = "shares")]
    pub rule: SamplingRule,
    /// For `from-run`: the run whose credit gives the shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// For `file`: a TOML file of `stratum = share`. The command that starts a run puts the table's digest in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<std::path::PathBuf>,
    /// For `from-run` and `file`: SHA-256 of the table of shares, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// For `attribution-online`: how strongly shares follow credit, as the exponent's factor.
    #[serde(default = "rate")]
    pub rate: f64,
    /// Largest ratio of a stratum's credit a token to the mean of all that counts, before shares are scaled to a mean of 1.
    #[serde(default = "cap")]
    pub cap: f64,
    /// For `attribution-online`: the least steps between two changes.
    #[serde(default = "every")]
    pub every: u64,
}

/// Where strata's sampling shares come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplingRule {
    /// Every document once a pass.
    Uniform,
    /// Every token equally often: the same order, since a document is read whole.
    Tokens,
    /// Every stratum the share of the tokens that the epoch's policy declares, equal ones by default.
    Stratified,
    /// In proportion to `exp` of credit a token, changed as the run goes on.
    AttributionOnline,
    /// In proportion to the credit a token of an earlier run, a pilot usually.
    FromRun,
    /// As a file says.
    File,
}

impl Sampling {
    /// Shares of this kind, with the defaults for the rest.
    pub fn new(rule: SamplingRule) -> Sampling {
        Sampling { rule, run: None, file: None, table: None, rate: rate(), cap: cap(), every: every() }
    }
}

fn rate() -> f64 {
    0.3
}

fn cap() -> f64 {
    4.0
}

fn every() -> u64 {
    16
}

/// Parameters that a run starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// SHA-256 of a safetensors file with the names of Hugging Face Llama, in hexadecimal.
    #[serde(rename = "weights", alias = "parameters")]
    pub parameters: String,
}

/// Sizes of a Llama-style model; the vocabulary comes from the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Layers `L`.
    pub layers: usize,
    /// Channels `C`.
    pub channels: usize,
    /// Query heads `NH`.
    pub heads: usize,
    /// Key and value heads, a divisor of `heads`.
    pub kv_heads: usize,
    /// Width of the gated feed-forward.
    pub hidden: usize,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Tokens of a row `T`: the longest context.
    pub context: usize,
    /// Base of the rotary angles.
    pub rope_base: f64,
    /// Added to the mean square in the norms.
    pub norm_eps: f64,
}

/// AdamW with clipping, warm-up and cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Peak learning rate.
    pub lr: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Last learning rate as a share of the peak.
    pub min_lr_ratio: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// Largest norm of the gradient over all parameters that are trained.
    pub clip_norm: f64,
    /// Parameters that stay as they are, by the beginnings of their Hugging Face names, for example `model.embed_tokens`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
}

/// How long a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Optimizer steps; 0 means as many as one pass over the corpus takes.
    pub steps: u64,
    /// Rows of `context` tokens a step.
    pub rows_per_step: usize,
    /// Rows of one pass; a step's gradient is accumulated over as many passes as it takes. 0 means one pass.
    #[serde(default)]
    pub rows_per_pass: usize,
}

impl Schedule {
    /// Rows of one pass, where one pass takes the whole step too.
    pub fn pass_rows(&self) -> usize {
        if self.rows_per_pass == 0 { self.rows_per_step } else { self.rows_per_pass }
    }
}

/// How the loss drop is priced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    /// The rule that prices a window first: `trapezoid` or `simpson`.
    pub rule: Rule,
    /// Steps of the first window.
    pub first_window: u64,
    /// Longest window.
    pub max_window: u64,
    /// Share of a window's drop that may stay unexplained before it is priced again with quarter points.
    pub residual_limit: f64,
    /// Tokens that price, in both halves together.
    pub pricing_tokens: usize,
    /// Windows between two entries of progress.
    pub progress_windows: u64,
    /// Entries of progress between two checkpoints that hold the whole state, from which a replay can begin; the others hold the
    /// parameters alone.
    #[serde(default = "whole_every")]
    pub whole_every: u64,
    /// Most buckets; contributors beyond them share some.
    pub max_buckets: usize,
    /// Projections of a map's input in the sketch of a document's gradient; 0 for no credit by document.
    #[serde(default = "sketch_rank")]
    pub sketch_rank: usize,
    /// Maps with more outputs than this are folded to it in a sketch.
    #[serde(default = "sketch_rows")]
    pub sketch_rows: usize,
    /// Steps after its own in which a document's gradient is priced, as far as the first moment carries it.
    #[serde(default = "look_ahead")]
    pub look_ahead: u64,
}

fn whole_every() -> u64 {
    1
}

fn sketch_rank() -> usize {
    4
}

fn sketch_rows() -> usize {
    1024
}

fn look_ahead() -> u64 {
    32
}

impl RunConfig {
    /// Reads and checks a `RUN.toml`.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the line or the setting.
    pub fn from_toml(text: &str) -> Result<RunConfig, TrainError> {
        let config: RunConfig = toml::from_str(text).map_err(|e| TrainError::Config(e.to_string().trim_end().replace('\n', " ")))?;
        config.check()?;
        Ok(config)
    }

    /// The same settings as TOML, always the same bytes.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a run's settings are representable")
    }

    fn check(&self) -> Result<(), TrainError> {
        let m = &self.model;
        let rules = [
            (m.layers > 0 && m.channels > 0 && m.hidden > 0 && m.context > 1, "model: every size is positive and context at least 2"),
            (m.heads > 0 && m.channels.is_multiple_of(m.heads), "model: heads divides channels"),
            (m.kv_heads > 0 && m.heads.is_multiple_of(m.kv_heads), "model: kv_heads divides heads"),
            (m.heads > 0 && (m.channels / m.heads).is_multiple_of(2), "model: the head size channels / heads is even"),
            (m.rope_base > 1.0 && m.norm_eps > 0.0, "model: rope_base above 1, norm_eps above 0"),
            (self.schedule.rows_per_step > 0, "schedule: rows_per_step at least 1"),
            (self.optimizer.lr > 0.0 && self.optimizer.lr.is_finite(), "optimizer: lr above 0"),
            (
                (0.0..1.0).contains(&self.optimizer.beta1) && (0.0..1.0).contains(&self.optimizer.beta2),
                "optimizer: beta1 and beta2 in [0, 1)",
            ),
            (self.optimizer.eps > 0.0 && self.optimizer.clip_norm > 0.0, "optimizer: eps and clip_norm above 0"),
            (
                self.attribution.first_window > 0 && self.attribution.first_window <= self.attribution.max_window,
                "attribution: 1 <= first_window <= max_window",
            ),
            (self.attribution.rule != Rule::Boole, "attribution: rule is trapezoid or simpson; boole is what follows"),
            (self.attribution.progress_windows > 0, "attribution: progress_windows at least 1"),
            (self.attribution.whole_every > 0, "attribution: whole_every at least 1"),
            (self.attribution.pricing_tokens >= 4, "attribution: pricing_tokens at least 4"),
            (self.attribution.max_buckets > 0, "attribution: max_buckets at least 1"),
            (self.attribution.sketch_rank <= m.channels.min(m.hidden), "attribution: sketch_rank at most the model's channels and hidden"),
            (self.attribution.sketch_rows > 0, "attribution: sketch_rows at least 1"),
            (self.attribution.look_ahead > 0, "attribution: look_ahead at least 1"),
            (
                self.sampling.as_ref().is_none_or(|s| match s.rule {
                    SamplingRule::FromRun => s.file.is_none() && (s.run.is_some() || s.table.is_some()),
                    SamplingRule::File => s.run.is_none() && (s.file.is_some() || s.table.is_some()),
                    _ => s.run.is_none() && s.file.is_none() && s.table.is_none(),
                }),
                "sampling: from-run has `run`, file has `file`, the others neither",
            ),
            (
                self.sampling.as_ref().is_none_or(|s| s.rate > 0.0 && s.cap >= 1.0 && s.rate.is_finite() && s.cap.is_finite()),
                "sampling: rate above 0, cap at least 1",
            ),
            (
                self.attribution.sketch_rank > 0 || self.sampling.as_ref().is_none_or(|s| s.rule != SamplingRule::AttributionOnline),
                "sampling: attribution-online needs credit by document, sketch_rank at least 1",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(TrainError::Config((*rule).to_string())),
            None => Ok(()),
        }
    }
}

impl Optimizer {
    /// Learning rate of step `step` of `total`: linear warm-up, then cosine to `min_lr_ratio`.
    pub fn lr_at(&self, step: u64, total: u64) -> f64 {
        if step < self.warmup_steps {
            return self.lr * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let done = (step - self.warmup_steps) as f64 / total.saturating_sub(self.warmup_steps).max(1) as f64;
        self.lr * (self.min_lr_ratio + (1.0 - self.min_lr_ratio) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
    }
}
