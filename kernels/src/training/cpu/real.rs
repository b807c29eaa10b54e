//! The scalar types that the CPU computes in.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point type: `f32` for work, `f64` for the reference that tests compare with.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + 'static
{
    /// The name in checkpoints and run entries.
    const NAME: &'static str;
    /// Nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// The same value, exactly.
    fn to_f64(self) -> f64;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Natural exponential; vectorises when inlined into a loop.
    fn exp(self) -> Self;
}

impl Real for f64 {
    const NAME: &'static str = "f64";
    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }
}

impl Real for f32 {
    const NAME: &'static str = "f32";
    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    /// Reduction to `[-ln2/2, ln2/2]` in two parts and a polynomial of degree 6; relative error below 2e-7.
    ///
    /// Source: Cephes `expf` (Moshier 1989), without its branches so that loops vectorise.
    #[inline(always)]
    fn exp(self) -> f32 {
        const LOG2_E: f32 = std::f32::consts::LOG2_E;
        // Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
        const SHIFT: f32 = 12_582_912.0;
        // Below -87.3 the result leaves the normal range; it is zero for every purpose here.
        let x = self.clamp(-87.3, 88.7);
        let shifted = x * LOG2_E + SHIFT;
        let n = shifted - SHIFT;
        let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
        let p = 1.987_569_1e-4;
        let p = p * r + 1.398_199_9e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 5e-1;
        let y = p * (r * r) + r + 1.0;
        let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
        let y = y * scale;
        if self < -87.3 { 0.0 } else { y }
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn exponential_in_f32_has_a_relative_error_below_2e_7() {
        let mut worst = 0.0f64;
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(Real::exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2e-7, "relative error {worst:e}");
        assert_eq!(Real::exp(-200.0f32), 0.0);
        assert_eq!(Real::exp(0.0f32), 1.0);
    }
}
