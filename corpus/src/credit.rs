//! What a window of steps credits to each bucket, and what it cannot explain; the rows of credit by contributor and by document.
//!
//! The held-out loss drops along the chord from a window's first to its last parameters by the integral of
//! its gradient; the step being linear in the buckets' gradients, that integral splits by bucket.
//! The vectors that this is tested against are in `trainer/tests/vectors`.

use serde::{Deserialize, Serialize};

/// How the mean held-out gradient along a window's chord is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Both ends.
    Trapezoid,
    /// Both ends and the middle.
    Simpson,
    /// Both ends, the middle and the quarter points.
    Boole,
}

impl Rule {
    /// Points on the chord, from 0 to 1, with their weights.
    ///
    /// Source: Abramowitz and Stegun 1964, 25.4.2, 25.4.5 and 25.4.14.
    pub fn points(self) -> &'static [(f64, f64)] {
        match self {
            Rule::Trapezoid => &[(0.0, 0.5), (1.0, 0.5)],
            Rule::Simpson => &[(0.0, 1.0 / 6.0), (0.5, 4.0 / 6.0), (1.0, 1.0 / 6.0)],
            Rule::Boole => &[(0.0, 7.0 / 90.0), (0.25, 32.0 / 90.0), (0.5, 12.0 / 90.0), (0.75, 32.0 / 90.0), (1.0, 7.0 / 90.0)],
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Trapezoid => "trapezoid",
            Rule::Simpson => "simpson",
            Rule::Boole => "boole",
        }
    }
}

/// What a part of the pricing tokens is: half of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Which target.
    pub target: u32,
    /// Which half of it.
    pub half: u32,
    /// The target's weight.
    pub weight: f64,
    /// The half's share of the target's tokens.
    pub share: f64,
}

impl Part {
    /// What the part's loss counts for: weights sum to 1 over targets, shares to 1 over a target's halves.
    pub fn factor(&self) -> f64 {
        self.weight * self.share
    }
}

/// The account of one window; losses and credits are nats a token of held-out text, one number a pricing part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its place in the run.
    pub index: u64,
    /// First step.
    pub first_step: u64,
    /// The step after its last.
    pub end_step: u64,
    /// The rule that priced it.
    pub rule: Rule,
    /// Whether the residual was above the limit with every rule.
    pub marked: bool,
    /// Loss at its first parameters.
    #[serde(with = "bits")]
    pub loss_before: Vec<f64>,
    /// Loss at its last parameters.
    #[serde(with = "bits")]
    pub loss_after: Vec<f64>,
    /// Credit of bucket and part, buckets outermost.
    #[serde(with = "bits")]
    pub credit: Vec<f64>,
    /// Credit of weight decay.
    #[serde(with = "bits")]
    pub decay: Vec<f64>,
    /// Sum over buckets of what the documents' estimates were off their bucket's credit, by part.
    #[serde(with = "bits")]
    pub correction: Vec<f64>,
    /// Tokens trained on, by bucket.
    pub tokens: Vec<u64>,
}

/// Floats in JSON by their bits, so that a checkpoint holds exactly what was computed.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|x| x.to_bits()))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(f64::from_bits).collect())
    }
}

impl Window {
    /// Credit of one bucket over all parts.
    pub fn bucket_credit(&self, bucket: usize, parts: &[Part]) -> f64 {
        weighted(&self.credit[bucket * parts.len()..][..parts.len()], parts)
    }

    /// The measured drop.
    pub fn drop(&self, parts: &[Part]) -> f64 {
        weighted(&self.loss_before, parts) - weighted(&self.loss_after, parts)
    }

    /// What neither a bucket nor weight decay accounts for.
    pub fn residual(&self, parts: &[Part]) -> f64 {
        let credit: f64 = (0..self.tokens.len()).map(|b| self.bucket_credit(b, parts)).sum();
        self.drop(parts) - credit - weighted(&self.decay, parts)
    }
}

fn weighted(values: &[f64], parts: &[Part]) -> f64 {
    values.iter().zip(parts).map(|(v, p)| v * p.factor()).sum()
}

/// All windows of a run so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Accounts {
    /// The pricing parts; their factors sum to 1.
    pub parts: Vec<Part>,
    /// In their order.
    pub windows: Vec<Window>,
}

impl Accounts {
    /// The measured drop of the held-out loss.
    pub fn drop(&self) -> f64 {
        self.windows.iter().map(|w| w.drop(&self.parts)).sum()
    }

    /// `sum over windows of |residual|` as a share of the drop, so that errors cannot cancel.
    ///
    /// Not a number if the loss did not move.
    pub fn residual_share(&self) -> f64 {
        self.residual() / self.drop()
    }

    /// Credit of one bucket, windows in order.
    pub fn bucket_credit(&self, bucket: usize) -> f64 {
        self.windows.iter().map(|w| w.bucket_credit(bucket, &self.parts)).sum()
    }

    /// Credit of weight decay.
    pub fn decay(&self) -> f64 {
        self.windows.iter().map(|w| weighted(&w.decay, &self.parts)).sum()
    }

    /// Sum over windows of the residual's size, in nats.
    pub fn residual(&self) -> f64 {
        self.windows.iter().map(|w| w.residual(&self.parts).abs()).sum()
    }

    /// Sum over windows of the size of the corrections that made documents' estimates add up to their buckets' credit, in nats.
    pub fn correction(&self) -> f64 {
        self.windows.iter().map(|w| weighted(&w.correction, &self.parts)).sum()
    }

    /// Loss before the first and after the last window.
    pub fn losses(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.windows.first()?, self.windows.last()?);
        Some((weighted(&first.loss_before, &self.parts), weighted(&last.loss_after, &self.parts)))
    }
}

/// What rows of the credit table and of the document table have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Credited {
    /// The contributor's id.
    pub contributor: String,
    /// The bucket its gradient was kept in.
    pub bucket: u32,
    /// The held-out target.
    pub target: String,
    /// The window.
    pub window: u64,
    /// Tokens trained on in it; 0 for a document that only the first moment still carried.
    pub tokens: u64,
    /// Credit in nats per token of the target.
    pub nats: f64,
    /// The same as each half of the target's tokens has it.
    pub halves: Vec<f64>,
}

impl Credited {
    /// The credit that half `h` of the target's tokens gives; that of all where there are no halves.
    pub fn half(&self, h: usize) -> f64 {
        self.halves.get(h).copied().unwrap_or(self.nats)
    }
}

/// One row of the credit table: a contributor, a target and a window. Times the targets' weights the rows add up to the drop.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditRow {
    /// Whose, for what, and how much.
    pub credited: Credited,
    /// Whether it rests on documents' estimates, because the bucket is shared.
    pub estimated: bool,
}

/// One row of the document table: a document, a target and a window in which it has credit, estimated and reconciled to its bucket's.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentRow {
    /// The document's reference.
    pub document: String,
    /// Whose, for what, and how much.
    pub credited: Credited,
}

macro_rules! is_credited {
    ($($row:ty),*) => {$(
        impl std::ops::Deref for $row {
            type Target = Credited;
            fn deref(&self) -> &Credited {
                &self.credited
            }
        }
    )*};
}
is_credited!(CreditRow, DocumentRow);
