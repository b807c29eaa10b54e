//! The speed of a device, without the host's work around it.

use std::slice;
use std::time::Instant;

use super::Dedup;
use super::limits::{Key, check_offsets};
use super::sort::Sort;
use crate::cuda::Device;

/// Copy rates of a device. Bytes are those that were moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throughput {
    /// Bytes a second from page-locked host memory to the device.
    pub upload: f64,
    /// Bytes a second from the device to page-locked host memory.
    pub download: f64,
    /// Bytes a second inside the device, read and written counted.
    pub copy: f64,
}

impl<D: Device> Dedup<D> {
    /// Copy rates, each the median over `repeats` copies of `bytes`.
    pub fn throughput(&mut self, bytes: usize, repeats: usize) -> Result<Throughput, D::Error> {
        self.finish()?;
        let staging = self.device.stage(bytes)?;
        let (from, to) = (self.device.allocate(bytes)?, self.device.allocate(bytes)?);
        // Pages are touched before the clock runs, and not left at zero.
        // SAFETY: as many bytes as were staged, and nothing is under way.
        unsafe { slice::from_raw_parts_mut(D::host_address(&staging), bytes) }
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = (i * 31) as u8);
        let upload = self.median(repeats, |device| device.upload(0, &staging, &from, 0, bytes))?;
        let copied = self.median(repeats, |device| device.copy(0, &from, &to, bytes))?;
        let download = self.median(repeats, |device| device.download(0, &to, 0, &staging, bytes))?;
        Ok(Throughput { upload: bytes as f64 / upload, download: bytes as f64 / download, copy: 2.0 * bytes as f64 / copied })
    }

    /// Seconds of [`Dedup::sign`] on the device alone, all documents in one batch, the median of `repeats`.
    pub fn sign_seconds(&mut self, words: &[u32], offsets: &[u64], seed: u64, mult: u64, repeats: usize) -> Result<f64, D::Error> {
        let documents = check_offsets(words, offsets);
        self.finish()?;
        self.signing.fill(&self.device, &self.limits, 0, words, offsets, 0..documents)?;
        let key = Key { seed, mult };
        let seconds = self.median(repeats, |device| self.signing.launch(device, &self.limits, 0, offsets, key));
        self.finish()?;
        seconds
    }

    /// Seconds of [`Dedup::sort`] on the device alone, the median of `repeats`, each over the same records unsorted.
    pub fn sort_seconds(&mut self, keys: &[u64], ordinals: &[u32], repeats: usize) -> Result<f64, D::Error> {
        assert!(keys.len() > 1 && keys.len() == ordinals.len(), "records to sort");
        self.finish()?;
        let mut sort = Sort::new(&self.device, keys.len())?;
        let mut seconds = Vec::new();
        for _ in 0..repeats.max(1) + 1 {
            sort.current = 0;
            self.upload_records(keys, ordinals, &sort)?;
            let start = Instant::now();
            sort.run(&self.device)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(median(&mut seconds[1..]))
    }

    /// Seconds of [`Dedup::verify`] on the device alone, the median of `repeats`, and the number of pairs in that time: as many
    /// of the first ones as make a batch.
    pub fn verify_seconds(
        &mut self,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        (seed, mult): (u64, u64),
        repeats: usize,
    ) -> Result<(f64, usize), D::Error> {
        check_offsets(words, offsets);
        self.finish()?;
        let key = Key { seed, mult };
        let count = self.verification.start(&self.device, &self.limits, 0, words, offsets, pairs, 0, key)?;
        let seconds = self.median(repeats, |device| self.verification.launch(device, 0, key));
        self.finish()?;
        Ok((seconds?, count))
    }

    /// The median time of `work` in queue 0, once before without a clock.
    fn median(&self, repeats: usize, work: impl Fn(&D) -> Result<(), D::Error>) -> Result<f64, D::Error> {
        let mut seconds = Vec::new();
        for _ in 0..repeats.max(1) + 1 {
            self.device.wait(0)?;
            let start = Instant::now();
            work(&self.device)?;
            self.device.wait(0)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(median(&mut seconds[1..]))
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use crate::cuda::EmulationError;
    use crate::dedup::EmulatedDedup;

    #[test]
    fn measurements_run_the_same_kernels() {
        let mut dedup = match EmulatedDedup::new() {
            Err(error @ EmulationError::NoCompiler { .. }) => {
                skips::skip(skips::Need::Compiler, "measurements of dedup kernels", error);
                return;
            }
            dedup => dedup.unwrap(),
        };
        let words: Vec<u32> = (0..3000u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        let offsets = [0, 1000, 1000, 3000];
        assert!(dedup.throughput(4096, 2).unwrap().upload > 0.0);
        assert!(dedup.sign_seconds(&words, &offsets, 1, 3, 2).unwrap() > 0.0);
        assert!(dedup.sort_seconds(&[3, 1, 2], &[0, 1, 2], 2).unwrap() > 0.0);
        assert_eq!(dedup.verify_seconds(&words, &offsets, &[(0, 2), (1, 1)], (1, 3), 2).unwrap().1, 2);
        // Results that a measurement left behind go nowhere.
        let fresh = EmulatedDedup::new().unwrap().sign(&words, &offsets, 1, 3).unwrap();
        assert_eq!(dedup.sign(&words, &offsets, 1, 3).unwrap(), fresh);
    }
}
