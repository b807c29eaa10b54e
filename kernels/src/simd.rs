//! Which instruction set the elementwise loops are compiled for, chosen at run time.

use std::sync::OnceLock;

/// Instruction sets that the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// The target's baseline.
    Baseline,
    /// AVX2.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl Isa {
    /// The name that a run records, since products are equal to the last bit only on one instruction set.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Baseline => "baseline",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

/// The widest instruction set of this machine that the loops know, or a narrower one that `ASSAY_ISA` names
/// (`baseline` or `avx2`), to compare results and speeds.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let most = std::env::var("ASSAY_ISA").ok();
        if most.as_deref() == Some(Isa::Baseline.name()) {
            return Isa::Baseline;
        }
        #[cfg(target_arch = "x86_64")]
        {
            if most.as_deref() != Some(Isa::Avx2.name())
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Isa::Avx2;
            }
        }
        Isa::Baseline
    })
}

/// Compiles one body for each instruction set and picks at run time.
///
/// `kernels::vectorised! { fn add(a: &mut [u32], b: &[u32]) { … } }` defines `add`.
/// The bodies hold no fused multiply-add and sum in fixed lanes, so that all versions give the same bits.
#[macro_export]
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$g:ident : $bound:path>)? ($($a:ident : $t:ty),* $(,)?) $(-> $r:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$g: $bound>)? ($($a: $t),*) $(-> $r)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body $(<$g: $bound>)? ($($a: $t),*) $(-> $r)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $(<$g: $bound>)? ($($a: $t),*) $(-> $r)? { body($($a),*) }
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $(<$g: $bound>)? ($($a: $t),*) $(-> $r)? { body($($a),*) }
                match $crate::isa() {
                    // SAFETY: `isa` found these features on this machine.
                    $crate::Isa::Avx512 => return unsafe { avx512($($a),*) },
                    // SAFETY: as above.
                    $crate::Isa::Avx2 => return unsafe { avx2($($a),*) },
                    $crate::Isa::Baseline => {}
                }
            }
            body($($a),*)
        }
    };
}
pub(crate) use vectorised;
