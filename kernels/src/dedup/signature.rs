//! The constants of signatures, which the CPU's code (`dedup`) and the kernels share.
//!
//! This is their one definition: the kernels get them as text ahead of `cuda/dedup.cu`. Another value is another procedure, with other
//! verdicts; `docs/dedup.md` pins them.

/// Words of a shingle.
pub const SHINGLE: usize = 5;
/// Slots of a signature.
pub const SLOTS: usize = 112;
/// Bands of a signature.
pub const BANDS: usize = 14;
/// Slots of a band.
pub const ROWS: usize = SLOTS / BANDS;
/// A slot that no shingle chose; values have 31 bits.
pub const EMPTY: u32 = u32::MAX;
/// Bits of a band's key: the upper ones of its hash.
pub const KEY_BITS: u32 = 48;
/// The multiplier of band keys, which need no key of their own: slots are keyed.
pub const BAND_MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits by which a hash turns after each word.
pub const ROTATION: u32 = 29;
/// The shift of the finalizer of MurmurHash3 with 64 bits (Appleby 2011).
pub const MIX_SHIFT: u32 = 33;
/// Its factors, first and second.
pub const MIX_FACTORS: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53];
