//! A stable sort of records by key.

use super::buffers::Pair;
use super::source::{DIGITS, RADIX_HISTOGRAM, RADIX_SCAN, RADIX_SCATTER, RADIX_TILE, RADIX_VARYING};
use crate::cuda::{Argument, Device};

/// Device memory of a sort: records before and after a pass, and the counts of its digits.
pub(super) struct Sort<D: Device> {
    pub(super) keys: [D::Memory; 2],
    pub(super) ordinals: [D::Memory; 2],
    counts: D::Memory,
    totals: D::Memory,
    varying: Pair<D>,
    count: usize,
    /// Which half holds the records.
    pub(super) current: usize,
}

impl<D: Device> Sort<D> {
    pub(super) fn new(device: &D, count: usize) -> Result<Self, D::Error> {
        let (keys, ordinals) = (count * size_of::<u64>(), count * size_of::<u32>());
        let mut varying = Pair::new();
        varying.reserve::<u64>(device, 1)?;
        Ok(Sort {
            keys: [device.allocate(keys)?, device.allocate(keys)?],
            ordinals: [device.allocate(ordinals)?, device.allocate(ordinals)?],
            counts: device.allocate(count.div_ceil(RADIX_TILE) * DIGITS * size_of::<u32>())?,
            totals: device.allocate(DIGITS * size_of::<u32>())?,
            varying,
            count,
            current: 0,
        })
    }

    /// Sorts what the current half of the memory holds, into the half that is current afterwards.
    pub(super) fn run(&mut self, device: &D) -> Result<(), D::Error> {
        let count = self.count;
        let n = Argument::U32(count as u32);
        let address = |memory: &D::Memory| Argument::U64(D::address(memory));
        let tiles = count.div_ceil(RADIX_TILE) as u32;
        let varying = &mut self.varying;
        varying.host::<u64>(1)[0] = 0;
        varying.upload::<u64>(device, 0, 1)?;
        let arguments = [address(&self.keys[self.current]), n, varying.address()];
        device.launch(0, RADIX_VARYING, tiles.min(1024), &arguments)?;
        varying.download::<u64>(device, 0, 1)?;
        device.wait(0)?;
        let varying = varying.host::<u64>(1)[0];
        for shift in (0..64).step_by(8).filter(|shift| (varying >> shift) as u8 != 0) {
            let (from, to) = (self.current, 1 - self.current);
            let (shift, counts, totals) = (Argument::U32(shift), address(&self.counts), address(&self.totals));
            device.launch(0, RADIX_HISTOGRAM, tiles, &[address(&self.keys[from]), n, shift, counts])?;
            device.launch(0, RADIX_SCAN, DIGITS as u32, &[counts, Argument::U32(tiles), totals])?;
            let (keys_in, ordinals_in) = (address(&self.keys[from]), address(&self.ordinals[from]));
            let (keys_out, ordinals_out) = (address(&self.keys[to]), address(&self.ordinals[to]));
            let arguments = [keys_in, ordinals_in, n, shift, counts, totals, keys_out, ordinals_out];
            device.launch(0, RADIX_SCATTER, tiles, &arguments)?;
            self.current = to;
        }
        device.wait(0)
    }
}
