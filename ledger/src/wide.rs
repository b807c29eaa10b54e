//! Products of 256 bits: a pool of a currency with 24 decimals times a weight does not fit 128.

/// `a * b` as its upper and lower 128 bits.
fn product(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = u64::MAX as u128;
    let (a_high, a_low, b_high, b_low) = (a >> 64, a & HALF, b >> 64, b & HALF);
    let (low, cross) = (a_low * b_low, a_low * b_high);
    // None of these sums exceeds 128 bits: (2⁶⁴ - 1)² + 2 (2⁶⁴ - 1) = 2¹²⁸ - 1.
    let middle = a_high * b_low + (low >> 64);
    let carried = cross + (middle & HALF);
    (a_high * b_high + (middle >> 64) + (carried >> 64), (carried << 64) | (low & HALF))
}

/// `a * b / divisor`, rounded down, and the remainder; none if the quotient does not fit or `divisor` is 0.
///
/// Source: Knuth, TAOCP volume 2, section 4.3.1, for the product; the division is by shifts and subtractions.
pub(crate) fn mul_div(a: u128, b: u128, divisor: u128) -> Option<(u128, u128)> {
    if let Some(product) = a.checked_mul(b) {
        return Some((product.checked_div(divisor)?, product % divisor));
    }
    let (mut rest, mut low) = product(a, b);
    if rest >= divisor {
        return None;
    }
    let mut quotient = 0;
    for _ in 0..128 {
        // The rest is below the divisor before each step: a bit that is shifted out makes it larger than that.
        let carry = rest >> 127 == 1;
        rest = (rest << 1) | (low >> 127);
        low <<= 1;
        quotient <<= 1;
        if carry || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    Some((quotient, rest))
}

/// `a * b / divisor` for signed `b`, rounded towards minus infinity, and the remainder, which is at least 0.
pub(crate) fn mul_div_floor(a: u128, b: i128, divisor: u128) -> Option<(i128, u128)> {
    let (quotient, rest) = mul_div(a, b.unsigned_abs(), divisor)?;
    let quotient = i128::try_from(quotient).ok()?;
    match (b < 0, rest) {
        (false, _) => Some((quotient, rest)),
        (true, 0) => Some((-quotient, 0)),
        (true, _) => Some((-quotient - 1, divisor - rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_that_fit_are_those_of_the_machine_and_larger_ones_divide_back() {
        let mut state = 1u128;
        let mut next = || {
            state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f);
            state >> (state >> 121)
        };
        for _ in 0..20_000 {
            let (a, b, d) = (next(), next(), next().max(1));
            let (high, low) = product(a, b);
            assert_eq!(low, a.wrapping_mul(b));
            let Some((q, r)) = mul_div(a, b, d) else {
                assert!(high >= d);
                continue;
            };
            assert!(r < d);
            // q * d + r is the product again.
            let (back_high, back_low) = product(q, d);
            let (sum, carry) = back_low.overflowing_add(r);
            assert_eq!((back_high + u128::from(carry), sum), (high, low), "{a} * {b} / {d}");
        }
        assert_eq!(mul_div(u128::MAX, u128::MAX, u128::MAX), Some((u128::MAX, 0)));
        assert_eq!(mul_div(u128::MAX, 2, 1), None);
        assert_eq!(mul_div(1, 1, 0), None);
    }

    #[test]
    fn negative_quotients_are_rounded_down() {
        assert_eq!(mul_div_floor(10, -1, 3), Some((-4, 2)));
        assert_eq!(mul_div_floor(9, -1, 3), Some((-3, 0)));
        assert_eq!(mul_div_floor(10, 1, 3), Some((3, 1)));
        assert_eq!(
            mul_div_floor(10u128.pow(30), -(10i128.pow(30)), 7 * 10u128.pow(29)),
            Some((-1_428_571_428_571_428_571_428_571_428_572, 400_000_000_000_000_000_000_000_000_000))
        );
    }
}
