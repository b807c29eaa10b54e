//! Four kinds of errors, which every crate above tells apart in the same way.

/// What kind of error it is: what a caller does about it, and a program's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that was asked for does not hold, or is not possible now.
    Check = 1,
    /// What was asked for, or an input, is not what it should be.
    Usage = 2,
    /// A digest, signature or proof does not verify.
    Verification = 3,
    /// The operating system, a server or an object store refused.
    Io = 4,
}
