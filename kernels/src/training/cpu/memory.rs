//! The CPU and its memory.

use std::marker::PhantomData;
use std::ops::Range;

use super::real::Real;
use crate::training::memory::Memory;

/// A flat host buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buffer<T>(pub(crate) Vec<T>);

impl<T: Real> Buffer<T> {
    /// Its elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
    fn from_f64(values: &[f64]) -> Buffer<T> {
        Buffer(values.iter().map(|&x| T::from_f64(x)).collect())
    }
}

/// The reference backend, on all threads of the current rayon pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu<T>(PhantomData<T>);

impl<T> Cpu<T> {
    /// A backend; it holds no state.
    pub fn new() -> Cpu<T> {
        Cpu(PhantomData)
    }
}

impl<T: Real> Memory for Cpu<T> {
    type Activation = Buffer<T>;
    type Gradient = Buffer<T>;
    type Master = Buffer<T>;

    fn activation(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn gradient(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn master(&self, values: &[f64]) -> Buffer<T> {
        Buffer::from_f64(values)
    }
    fn master_zeros(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn clear_activation(&self, dst: &mut Buffer<T>) {
        dst.0.fill(T::default());
    }
    fn master_to_bytes(&self, src: &Buffer<T>) -> Vec<u8> {
        if T::NAME == "f32" {
            src.0.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect()
        } else {
            src.0.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect()
        }
    }
    fn master_from_bytes(&self, bytes: &[u8]) -> Buffer<T> {
        if T::NAME == "f32" {
            Buffer(bytes.chunks_exact(4).map(|b| T::from_f64(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))).collect())
        } else {
            Buffer(
                bytes.chunks_exact(8).map(|b| T::from_f64(f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))).collect(),
            )
        }
    }
    fn gradient_to_host(&self, src: &Buffer<T>) -> Vec<f64> {
        src.0.iter().map(|x| x.to_f64()).collect()
    }
    fn dtype(&self) -> &'static str {
        T::NAME
    }

    fn activation_from(&self, values: &[f64]) -> Buffer<T> {
        Buffer::from_f64(values)
    }
    fn activation_to_host(&self, src: &Buffer<T>) -> Vec<f64> {
        src.0.iter().map(|x| x.to_f64()).collect()
    }
    fn clear_gradient(&self, dst: &mut Buffer<T>, range: Range<usize>) {
        dst.0[range].fill(T::default());
    }
    fn gradient_to_bytes(&self, src: &Buffer<T>) -> Vec<u8> {
        self.master_to_bytes(src)
    }
    fn gradient_from_bytes(&self, bytes: &[u8]) -> Buffer<T> {
        self.master_from_bytes(bytes)
    }
}
