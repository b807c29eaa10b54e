//! The kernels of near-duplicate removal: `cuda/dedup.cu`, behind the numbers that the host knows too.

use super::signature::{BAND_MULTIPLIER, BANDS, EMPTY, KEY_BITS, MIX_FACTORS, MIX_SHIFT, ROTATION, ROWS, SHINGLE, SLOTS};
use crate::cuda::{Kernel, Source};

/// Signatures, a warp a document.
pub(super) const SIGN: Kernel = Kernel { name: "sign", threads: 256 };
/// Signatures, a block a document.
pub(super) const SIGN_LONG: Kernel = Kernel { name: "sign_long", threads: 512 };
/// Bits in which the keys of a sort differ.
pub(super) const RADIX_VARYING: Kernel = Kernel { name: "radix_varying", threads: RADIX_THREADS };
/// Digits of each tile of a sort.
pub(super) const RADIX_HISTOGRAM: Kernel = Kernel { name: "radix_histogram", threads: RADIX_THREADS };
/// Where each digit of each tile begins.
pub(super) const RADIX_SCAN: Kernel = Kernel { name: "radix_scan", threads: RADIX_THREADS };
/// Moves the records of each tile.
pub(super) const RADIX_SCATTER: Kernel = Kernel { name: "radix_scatter", threads: RADIX_THREADS };
/// Shingles of pairs of documents.
pub(super) const VERIFY: Kernel = Kernel { name: "verify", threads: 256 };

const KERNELS: [Kernel; 7] = [SIGN, SIGN_LONG, RADIX_VARYING, RADIX_HISTOGRAM, RADIX_SCAN, RADIX_SCATTER, VERIFY];

/// Threads of a warp.
const WARP: u32 = 32;
/// Threads of a block of the sort: one per digit.
const RADIX_THREADS: u32 = 256;
/// Records of a thread of the sort.
const RADIX_ITEMS: u32 = 16;

/// Documents of a block of `sign`: a warp each.
pub(super) const SIGN_DOCUMENTS: usize = (SIGN.threads / WARP) as usize;
/// Digits of a pass of the sort.
pub(super) const DIGITS: usize = RADIX_THREADS as usize;
/// Records of a block of the sort.
pub(super) const RADIX_TILE: usize = (RADIX_THREADS * RADIX_ITEMS) as usize;
/// Table entries of a pair that stay in shared memory: 32 KB.
pub(super) const VERIFY_SHARED: u64 = 4096;

/// The source, with its numbers ahead of it; lines are counted from the file's own first one.
pub fn source() -> Source {
    let small = [
        ("SLOTS", SLOTS as u64),
        ("BANDS", BANDS as u64),
        ("ROWS", ROWS as u64),
        ("SHINGLE", SHINGLE as u64),
        ("EMPTY", EMPTY.into()),
        ("KEY_BITS", KEY_BITS.into()),
        ("ROTATION", ROTATION.into()),
        ("MIX_SHIFT", MIX_SHIFT.into()),
        ("WARP", WARP.into()),
        ("SIGN_THREADS", SIGN.threads.into()),
        ("SIGN_LONG_THREADS", SIGN_LONG.threads.into()),
        ("RADIX_THREADS", RADIX_THREADS.into()),
        ("RADIX_ITEMS", RADIX_ITEMS.into()),
        ("DIGITS", DIGITS as u64),
        ("VERIFY_THREADS", VERIFY.threads.into()),
        ("VERIFY_SHARED", VERIFY_SHARED),
    ];
    let large = [("BAND_MULTIPLIER", BAND_MULTIPLIER), ("MIX_FIRST", MIX_FACTORS[0]), ("MIX_SECOND", MIX_FACTORS[1])];
    let small = small.iter().map(|(name, value)| format!("static constexpr unsigned int {name} = {value}u;\n"));
    let large = large.iter().map(|(name, value)| format!("static constexpr unsigned long long {name} = {value}ull;\n"));
    let name = "dedup.cu";
    let numbers: String = small.chain(large).collect();
    let text = format!("{numbers}#line 1 \"{name}\"\n{}", include_str!("../../cuda/dedup.cu"));
    Source { name, text, kernels: &KERNELS }
}
