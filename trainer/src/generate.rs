//! Text from a model, token by token; for a look at a result, not for serving.

use corpus::random::SplitMix64;
use kernels::ModelOperations;

use crate::batch::Batch;
use crate::engine::Engine;

/// How tokens are chosen.
#[derive(Clone, Copy, Debug)]
pub struct Decoding {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are chosen from; 0 for all.
    pub top: usize,
    /// What the choices derive from.
    pub seed: u64,
}

/// `count` tokens after `prompt`; the model sees at most `context` tokens at a time.
pub fn generate<B: ModelOperations>(
    engine: &mut Engine<'_, B>,
    theta: &B::Master,
    prompt: &[u32],
    count: usize,
    context: usize,
    decoding: Decoding,
) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    let mut random = SplitMix64(decoding.seed);
    for _ in 0..count {
        let seen = &tokens[tokens.len().saturating_sub(context)..];
        let mut batch = Batch::default();
        batch.push(0, 0, seen, seen.iter().map(|_| -1), 0..seen.len() as u32);
        tokens.push(decode(&engine.last_logits(theta, &batch), decoding, &mut random));
    }
    tokens.split_off(prompt.len())
}

fn decode(logits: &[f64], decoding: Decoding, random: &mut SplitMix64) -> u32 {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    if decoding.temperature <= 0.0 {
        return order[0] as u32;
    }
    order.truncate(if decoding.top == 0 { order.len() } else { decoding.top });
    let weights: Vec<f64> = order.iter().map(|&i| ((logits[i] - logits[order[0]]) / decoding.temperature).exp()).collect();
    let mut left = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * weights.iter().sum::<f64>();
    for (i, weight) in order.iter().zip(&weights) {
        left -= weight;
        if left < 0.0 {
            return *i as u32;
        }
    }
    order[order.len() - 1] as u32
}
