//! AdamW whose first moment is kept per bucket, and the sums that price its steps.
//!
//! Everything is cut into pieces of [`PIECE`] elements; partial sums are f64 and are added in the order
//! of the pieces.

use std::ops::Range;

use rayon::prelude::*;

use crate::backend::AdamW;
use crate::buffer::Buffer;
use crate::real::Real;
use crate::simd::vectorised;

/// Elements of one piece: with the buffers of a bucket it stays in the second-level cache.
pub(crate) const PIECE: usize = 4096;

vectorised! {
    fn add_into<T: Real>(total: &mut [T], part: &[T]) {
        for (t, &p) in total.iter_mut().zip(part) {
            *t += p;
        }
    }
}

vectorised! {
    /// `<a, b>` in f64.
    pub(crate) fn dot_piece<T: Real>(a: &[T], b: &[T]) -> f64 {
        let mut lanes = [0.0f64; 16];
        let (a_chunks, b_chunks) = (a.chunks_exact(16), b.chunks_exact(16));
        let mut rest = 0.0;
        for (x, y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
            rest += x.to_f64() * y.to_f64();
        }
        for (x, y) in a_chunks.zip(b_chunks) {
            for l in 0..16 {
                lanes[l] += x[l].to_f64() * y[l].to_f64();
            }
        }
        lanes.iter().sum::<f64>() + rest
    }
}

/// `total = sum of parts`; returns `<total, total>`.
pub(crate) fn sum<T: Real>(total: &mut [T], parts: &[&[T]]) -> f64 {
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

/// `<a, b>`.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let pieces: Vec<f64> = a.par_chunks(PIECE).zip(b.par_chunks(PIECE)).map(|(a, b)| dot_piece(a, b)).collect();
    pieces.iter().sum()
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
pub(crate) fn adamw<T: Real>(
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
