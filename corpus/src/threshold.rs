//! When two documents are near duplicates of each other.

/// What decides whether two documents are near duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// A pair is one if `denominator * |A ∩ B| >= numerator * |A ∪ B|`.
    pub numerator: u64,
    /// See `numerator`.
    pub denominator: u64,
}

impl Default for Threshold {
    /// Jaccard 0.8.
    fn default() -> Threshold {
        Threshold { numerator: 4, denominator: 5 }
    }
}

impl Threshold {
    /// Whether `part` of `whole` reaches the threshold.
    #[inline]
    pub fn reached(&self, part: u64, whole: u64) -> bool {
        u128::from(self.denominator) * u128::from(part) >= u128::from(self.numerator) * u128::from(whole)
    }

    /// The fewest of `slots` that agree in a pair worth proving: four standard deviations below the threshold.
    ///
    /// Of pairs that lie exactly at the threshold and share a band, one in 30,000 is lost by it; above it, fewer.
    pub fn least_matches(&self, slots: usize) -> u32 {
        let t = self.numerator as f64 / self.denominator as f64;
        let deviation = (slots as f64 * t * (1.0 - t)).max(0.0).sqrt();
        (slots as f64 * t - 4.0 * deviation).max(0.0).ceil() as u32
    }
}
