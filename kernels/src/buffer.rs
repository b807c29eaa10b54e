//! The CPU backend's memory.

use crate::real::Real;

/// A flat host buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buffer<T>(pub(crate) Vec<T>);

impl<T: Real> Buffer<T> {
    /// Its elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
    /// Its elements, to write.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
    /// A buffer that holds `values`.
    pub fn from_f64(values: &[f64]) -> Buffer<T> {
        Buffer(values.iter().map(|&x| T::from_f64(x)).collect())
    }
}
