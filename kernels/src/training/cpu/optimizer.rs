//! The optimizer on the CPU: AdamW whose first moment is kept per bucket, and sums of gradients.
//!
//! Everything is cut into pieces of [`PIECE`] elements; partial sums are f64 and are added in the order
//! of the pieces.

use std::ops::Range;

use rayon::prelude::*;

use super::loops::{PIECE, dot_piece};
use super::memory::{Buffer, Cpu};
use super::real::Real;
use crate::simd::vectorised;
use crate::training::optimizer::{AdamW, OptimizerOperations};

vectorised! {
    fn add_into<T: Real>(total: &mut [T], part: &[T]) {
        for (t, &p) in total.iter_mut().zip(part) {
            *t += p;
        }
    }
}

/// `total = sum of parts`; returns `<total, total>`.
fn sum<T: Real>(total: &mut [T], parts: &[&[T]]) -> f64 {
    let squares: Vec<f64> = total
        .par_chunks_mut(PIECE)
        .enumerate()
        .map(|(i, total)| {
            let range = i * PIECE..i * PIECE + total.len();
            total.fill(T::default());
            for part in parts {
                add_into(total, &part[range.clone()]);
            }
            dot_piece(total, total)
        })
        .collect();
    squares.iter().sum()
}

struct Scalars<T> {
    clip: T,
    beta1: T,
    one_minus_beta1: T,
    beta2: T,
    one_minus_beta2: T,
    inverse_bias2: T,
    eps: T,
    step_size: T,
    decay: T,
}

vectorised! {
    /// The second moment after this step, and `step_size` times the preconditioner that follows from it.
    fn precondition<T: Real>(rate: &mut [T], second: &mut [T], total: &[T], s: &Scalars<T>) {
        for ((rate, v), &g) in rate.iter_mut().zip(second).zip(total) {
            let g = g * s.clip;
            *v = s.beta2 * *v + s.one_minus_beta2 * g * g;
            *rate = s.step_size / ((*v * s.inverse_bias2).sqrt() + s.eps);
        }
    }
}

vectorised! {
    fn bucket_step<T: Real>(step: &mut [T], moment: &mut [T], part: &mut [T], gradient: &[T], rate: &[T], s: &Scalars<T>) {
        let k = s.one_minus_beta1 * s.clip;
        for ((((step, m), part), &g), &rate) in step.iter_mut().zip(moment).zip(part).zip(gradient).zip(rate) {
            *m = s.beta1 * *m + k * g;
            let moved = rate * *m;
            *part += moved;
            *step += moved;
        }
    }
}

vectorised! {
    fn bucket_coast<T: Real>(step: &mut [T], moment: &mut [T], part: &mut [T], rate: &[T], s: &Scalars<T>) {
        for (((step, m), part), &rate) in step.iter_mut().zip(moment).zip(part).zip(rate) {
            *m = s.beta1 * *m;
            let moved = rate * *m;
            *part += moved;
            *step += moved;
        }
    }
}

vectorised! {
    fn apply<T: Real>(theta: &mut [T], decay_part: &mut [T], step: &[T], decay: T) {
        for ((theta, part), &step) in theta.iter_mut().zip(decay_part).zip(step) {
            let shrink = decay * *theta;
            *part += shrink;
            *theta = *theta - step - shrink;
        }
    }
}

/// A pointer that pieces on several threads share.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: every user takes a different range of the buffer behind it.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// `range` lies inside the buffer and no other thread touches it.
    unsafe fn slice<'a>(self, range: &Range<usize>) -> &'a mut [T] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// Pieces of `[0, len)` that do not straddle the border of a decayed range, with whether they are decayed.
fn pieces(len: usize, decayed: &[Range<usize>]) -> Vec<(Range<usize>, bool)> {
    let cut = |range: Range<usize>, decay: bool, out: &mut Vec<(Range<usize>, bool)>| {
        for start in range.clone().step_by(PIECE) {
            out.push((start..(start + PIECE).min(range.end), decay));
        }
    };
    let (mut out, mut at) = (Vec::new(), 0);
    for range in decayed {
        assert!(range.start >= at && range.end <= len, "adamw: decayed ranges overlap or are out of order");
        cut(at..range.start, false, &mut out);
        cut(range.clone(), true, &mut out);
        at = range.end;
    }
    cut(at..len, false, &mut out);
    out
}

#[allow(clippy::too_many_arguments)]
fn adamw<T: Real>(
    hyper: AdamW,
    theta: &mut Buffer<T>,
    second: &mut Buffer<T>,
    total: &Buffer<T>,
    gradients: &[Option<&Buffer<T>>],
    moments: &mut [Buffer<T>],
    parts: &mut [Buffer<T>],
    decay_part: &mut Buffer<T>,
    decayed: &[Range<usize>],
) {
    let len = theta.0.len();
    assert!(gradients.len() == moments.len() && parts.len() == moments.len(), "adamw: one gradient, moment and part a bucket");
    let lengths = [second.0.len(), total.0.len(), decay_part.0.len()];
    assert!(lengths.iter().all(|&l| l == len), "adamw: buffers of {lengths:?} elements for {len} parameters");
    for buffer in moments.iter().chain(parts.iter()).chain(gradients.iter().flatten().copied()) {
        assert_eq!(buffer.0.len(), len, "adamw: a bucket's buffer has another size than the parameters");
    }
    let t = i32::try_from(hyper.step + 1).expect("fewer than 2^31 steps");
    let scalars = Scalars {
        clip: T::from_f64(hyper.clip_factor),
        beta1: T::from_f64(hyper.beta1),
        one_minus_beta1: T::from_f64(1.0 - hyper.beta1),
        beta2: T::from_f64(hyper.beta2),
        one_minus_beta2: T::from_f64(1.0 - hyper.beta2),
        inverse_bias2: T::from_f64(1.0 / (1.0 - hyper.beta2.powi(t))),
        eps: T::from_f64(hyper.eps),
        step_size: T::from_f64(hyper.lr / (1.0 - hyper.beta1.powi(t))),
        decay: T::from_f64(hyper.lr * hyper.weight_decay),
    };
    let share = |b: &mut Buffer<T>| Shared(b.0.as_mut_ptr());
    let (theta, second, decay_part) = (share(theta), share(second), share(decay_part));
    let moments: Vec<Shared<T>> = moments.iter_mut().map(share).collect();
    let parts: Vec<Shared<T>> = parts.iter_mut().map(share).collect();
    pieces(len, decayed).into_par_iter().for_each(|(range, decay)| {
        let mut step = vec![T::default(); range.len()];
        let mut rate = vec![T::default(); range.len()];
        // SAFETY: the pieces are disjoint, so each range of each buffer has one user, and all buffers have `len` elements.
        let (theta, second, decay_part) = unsafe { (theta.slice(&range), second.slice(&range), decay_part.slice(&range)) };
        precondition(&mut rate, second, &total.0[range.clone()], &scalars);
        for ((gradient, moment), part) in gradients.iter().zip(&moments).zip(&parts) {
            // SAFETY: as above.
            let (moment, part) = unsafe { (moment.slice(&range), part.slice(&range)) };
            match gradient {
                Some(g) => bucket_step(&mut step, moment, part, &g.0[range.clone()], &rate, &scalars),
                None => bucket_coast(&mut step, moment, part, &rate, &scalars),
            }
        }
        apply(theta, decay_part, &step, if decay { scalars.decay } else { T::default() });
    });
}

impl<T: Real> OptimizerOperations for Cpu<T> {
    fn sum_gradients(&self, total: &mut Buffer<T>, parts: &[&Buffer<T>]) -> f64 {
        let parts: Vec<&[T]> = parts.iter().map(|p| p.0.as_slice()).collect();
        sum(&mut total.0, &parts)
    }
    fn adamw(
        &self,
        hyper: AdamW,
        theta: &mut Buffer<T>,
        second: &mut Buffer<T>,
        total: &Buffer<T>,
        gradients: &[Option<&Buffer<T>>],
        moments: &mut [Buffer<T>],
        parts: &mut [Buffer<T>],
        decay_part: &mut Buffer<T>,
        decayed: &[Range<usize>],
    ) {
        adamw(hyper, theta, second, total, gradients, moments, parts, decay_part, decayed);
    }
    fn mix(&self, out: &mut Buffer<T>, a: &Buffer<T>, b: &Buffer<T>, t: f64) {
        let (one_minus, t) = (T::from_f64(1.0 - t), T::from_f64(t));
        for ((out, &a), &b) in out.0.iter_mut().zip(&a.0).zip(&b.0) {
            *out = one_minus * a + t * b;
        }
    }
    fn mean(&self, out: &mut Buffer<T>, parts: &[(f64, &Buffer<T>)]) {
        self.combine(out, parts);
    }
    fn scale_add(&self, out: &mut Buffer<T>, factor: f64, x: &Buffer<T>, by: f64) {
        let (factor, by) = (T::from_f64(factor), T::from_f64(by));
        out.0.par_chunks_mut(PIECE).zip(x.0.par_chunks(PIECE)).for_each(|(out, x)| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = factor * *out + by * x;
            }
        });
    }
    fn combine(&self, out: &mut Buffer<T>, parts: &[(f64, &Buffer<T>)]) {
        out.0.fill(T::default());
        for (factor, part) in parts {
            let factor = T::from_f64(*factor);
            for (out, &x) in out.0.iter_mut().zip(&part.0) {
                *out += factor * x;
            }
        }
    }
}
