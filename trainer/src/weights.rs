//! How often sources are seen, after what they are credited with.
//!
//! Weights follow credit *a token*, so a source that is split in two has the same weight in both halves.

/// Weights from a pilot: each source's credit a token over the mean of all, between `floor` and `cap`.
///
/// Sources without tokens have weight 1. The mean weighs by tokens; if it is not positive nothing is known and all weights are 1.
pub fn fixed(credit: &[f64], tokens: &[u64], floor: f64, cap: f64) -> Vec<f64> {
    let all: u64 = tokens.iter().sum();
    let mean = credit.iter().sum::<f64>() / all.max(1) as f64;
    let weight = |(credit, &tokens): (&f64, &u64)| {
        if tokens == 0 || mean <= 0.0 { 1.0 } else { (credit / tokens as f64 / mean).clamp(floor, cap) }
    };
    credit.iter().zip(tokens).map(weight).collect()
}

/// The next weights of an online run: each times `exp(rate (credit a token / mean - 1))`, then scaled to a mean of 1 by
/// `corpus_tokens` and kept between `floor` and `cap`.
///
/// Source: the multiplicative update of Kivinen and Warmuth 1997 (exponentiated gradient).
pub fn multiply(weights: &[f64], credit: &[f64], tokens: &[u64], corpus_tokens: &[u64], rate: f64, floor: f64, cap: f64) -> Vec<f64> {
    let ratios = fixed(credit, tokens, -3.0, 3.0);
    let mut next: Vec<f64> = weights.iter().zip(ratios).map(|(w, r)| w * (rate * (r - 1.0)).exp()).collect();
    let all: u64 = corpus_tokens.iter().sum();
    let mean = next.iter().zip(corpus_tokens).map(|(w, t)| w * *t as f64).sum::<f64>() / all.max(1) as f64;
    next.iter_mut().for_each(|w| *w = (*w / mean).clamp(floor, cap));
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_source_has_the_weight_of_the_whole() {
        let whole = fixed(&[6.0, 1.0, -1.0], &[300, 100, 100], 0.1, 4.0);
        let split = fixed(&[2.0, 4.0, 1.0, -1.0], &[100, 200, 100, 100], 0.1, 4.0);
        assert_eq!(whole[0], split[0]);
        assert_eq!((whole[1], whole[2]), (split[2], split[3]));
        assert_eq!(whole[2], 0.1);
        assert_eq!(fixed(&[-1.0, 0.5], &[10, 10], 0.1, 4.0), [1.0, 1.0]);
    }

    #[test]
    fn online_weights_keep_their_mean_and_follow_credit() {
        let next = multiply(&[1.0, 1.0], &[3.0, 1.0], &[100, 100], &[100, 100], 0.5, 0.05, 4.0);
        assert!((next[0] + next[1] - 2.0).abs() < 1e-12 && next[0] > next[1]);
    }
}
