//! Loops that several operations share: one product on one thread, rows of exponentials, maxima and sums, and pieces of long buffers.

use super::real::Real;
use crate::simd::vectorised;

/// A strided view of a matrix: element `(i, j)` at `i * rs + j * cs`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    pub data: &'a [T],
    pub rs: usize,
    pub cs: usize,
}

/// `dst (m, n, row stride rs) = alpha * dst + lhs (m, k) rhs (k, n)`, `alpha` 0 or 1, scaled by `scale`.
///
/// One thread; every view is checked against its slice first.
#[allow(clippy::too_many_arguments)]
pub(crate) fn product<T: Real>(
    dst: &mut [T],
    rs: usize,
    m: usize,
    n: usize,
    k: usize,
    lhs: View<'_, T>,
    rhs: View<'_, T>,
    accumulate: bool,
    scale: T,
) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |rows: usize, cols: usize, rs: usize, cs: usize| (rows - 1) * rs + (cols - 1) * cs;
    assert!(last(m, n, rs, 1) < dst.len(), "product: destination too small");
    if k > 0 {
        assert!(last(m, k, lhs.rs, lhs.cs) < lhs.data.len(), "product: left side too small");
        assert!(last(k, n, rhs.rs, rhs.cs) < rhs.data.len(), "product: right side too small");
    }
    // SAFETY: the largest index of each of the three views was checked to lie inside its slice.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            rs as isize,
            accumulate,
            lhs.data.as_ptr(),
            lhs.cs as isize,
            lhs.rs as isize,
            rhs.data.as_ptr(),
            rhs.cs as isize,
            rhs.rs as isize,
            T::from_f64(1.0),
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Partial sums that run beside each other; sixteen fill one AVX-512 register in f32.
pub(crate) const LANES: usize = 16;

/// `<a, b>` in fixed lanes.
#[inline(always)]
pub(crate) fn lane_dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut rest = T::default();
    for (&x, &y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        rest += x * y;
    }
    for (x, y) in a_chunks.zip(b_chunks) {
        for l in 0..LANES {
            lanes[l] += x[l] * y[l];
        }
    }
    lanes.into_iter().sum::<T>() + rest
}

vectorised! {
    /// `row = exp(row - shift)`; returns the sum.
    pub(crate) fn exp_row<T: Real>(row: &mut [T], shift: T) -> T {
        let mut lanes = [T::default(); LANES];
        let mut rest = T::default();
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (x, lane) in chunk.iter_mut().zip(&mut lanes) {
                *x = (*x - shift).exp();
                *lane += *x;
            }
        }
        for x in chunks.into_remainder() {
            *x = (*x - shift).exp();
            rest += *x;
        }
        lanes.into_iter().sum::<T>() + rest
    }
}

vectorised! {
    /// The largest element; the row is not empty.
    pub(crate) fn max_row<T: Real>(row: &[T]) -> T {
        let mut lanes = [row[0]; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut max = row[0];
        for &x in chunks.remainder() {
            max = if x > max { x } else { max };
        }
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = if x > *lane { x } else { *lane };
            }
        }
        for x in lanes {
            max = if x > max { x } else { max };
        }
        max
    }
}

vectorised! {
    pub(crate) fn scale_row<T: Real>(row: &mut [T], factor: T) {
        for x in row {
            *x *= factor;
        }
    }
}

/// Elements of one piece of a buffer that is as long as the parameters: with the buffers of a bucket it stays in the second-level cache.
pub(crate) const PIECE: usize = 4096;

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
