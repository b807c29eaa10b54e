//! Sources and their kernels.

/// A kernel of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its name in the source.
    pub name: &'static str,
    /// Threads of a block.
    pub threads: u32,
}

/// A CUDA source, whole: it includes nothing.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in compilers' messages.
    pub name: &'static str,
    /// Its text.
    pub text: String,
    /// Its kernels.
    pub kernels: &'static [Kernel],
}
