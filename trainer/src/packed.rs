//! Checkpoints as they are stored: safetensors files, packed without loss.
//!
//! ```text
//! "assay packed v1\n"
//! length (u64, little-endian) ‖ zstd frame     of the file's header: its 8 bytes of length and its JSON
//! length (u64, little-endian) ‖ zstd frame     of each tensor, in the order of the file
//! ```
//!
//! A tensor's numbers are taken apart first: all their first bytes, then all their second ones, and so on. The last bytes of a
//! float hold its exponent, which is nearly the same everywhere; the others are noise, which zstd leaves as it is.
//! The same file gives the same bytes, with one version of zstd: level and order are fixed, and one thread compresses.

use std::ops::Range;

use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use crate::error::TrainError;

const MAGIC: &[u8; 16] = b"assay packed v1\n";

/// Higher levels take longer and save nothing: the exponents' entropy is found by every level, and there is nothing else to find.
const LEVEL: i32 = 1;

/// The longest header that a safetensors file may have, by its format.
const LONGEST_HEADER: u64 = 100_000_008;

fn failed(e: impl std::fmt::Display) -> TrainError {
    TrainError::Checkpoint(e.to_string())
}

/// A safetensors file, packed.
///
/// # Errors
/// [`TrainError::Checkpoint`] if it is none.
pub fn pack(plain: &[u8]) -> Result<Vec<u8>, TrainError> {
    let (header_len, metadata) = SafeTensors::read_metadata(plain).map_err(failed)?;
    let (header, data) = plain.split_at(8 + header_len);
    let mut compressor = Compressor::new(LEVEL).map_err(failed)?;
    let mut out = Vec::with_capacity(plain.len());
    out.extend_from_slice(MAGIC);
    let mut put = |bytes: &[u8]| -> Result<(), TrainError> {
        let frame = compressor.compress(bytes).map_err(failed)?;
        out.extend_from_slice(&(frame.len() as u64).to_le_bytes());
        out.extend_from_slice(&frame);
        Ok(())
    };
    put(header)?;
    for (range, width) in places(&metadata) {
        put(&apart(&data[range], width))?;
    }
    Ok(out)
}

/// The inverse of [`pack`]. `check` sees the header before memory is taken for what it announces, and refuses what nobody expects.
pub(crate) fn unpack(packed: &[u8], check: impl FnOnce(&Metadata) -> Result<(), TrainError>) -> Result<Vec<u8>, TrainError> {
    let mut rest = packed.strip_prefix(MAGIC).ok_or_else(|| failed("expected a packed checkpoint, found other bytes"))?;
    let mut frame = || -> Result<&[u8], TrainError> {
        let short = || failed("its packed bytes end early");
        let (len, after) = rest.split_first_chunk().ok_or_else(short)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(failed)?;
        let (frame, after) = after.split_at_checked(len).ok_or_else(short)?;
        rest = after;
        Ok(frame)
    };
    let mut decompressor = Decompressor::new().map_err(failed)?;
    let mut read = |frame: &[u8], expected: usize| -> Result<Vec<u8>, TrainError> {
        let bytes = decompressor.decompress(frame, expected).map_err(failed)?;
        if bytes.len() == expected {
            Ok(bytes)
        } else {
            Err(failed(format!("expected {expected} bytes in a frame, found {}", bytes.len())))
        }
    };
    let header = frame()?;
    let len = get_frame_content_size(header).ok().flatten().unwrap_or(u64::MAX);
    if len > LONGEST_HEADER {
        return Err(failed(format!("a header of {len} bytes, expected at most {LONGEST_HEADER}")));
    }
    let mut plain = read(header, len as usize)?;
    let json = plain.split_first_chunk().filter(|(len, json)| u64::from_le_bytes(**len) == json.len() as u64);
    let (_, json) = json.ok_or_else(|| failed("its header's length is not the one that it says"))?;
    let metadata: Metadata = serde_json::from_slice(json).map_err(failed)?;
    check(&metadata)?;
    plain.reserve_exact(metadata.data_len());
    for (range, width) in places(&metadata) {
        together(&read(frame()?, range.len())?, width, &mut plain);
    }
    if !rest.is_empty() {
        return Err(failed(format!("{} bytes follow its last tensor", rest.len())));
    }
    Ok(plain)
}

/// Where each tensor's bytes are, in order, and how many bytes each of its numbers has. A header that was read says so without gaps.
fn places(metadata: &Metadata) -> Vec<(Range<usize>, usize)> {
    let place = |name: &String| {
        let info = metadata.info(name).expect("a name of this header");
        let (from, to) = info.data_offsets;
        (from..to, (info.dtype.bitsize() / 8).max(1))
    };
    metadata.offset_keys().iter().map(place).collect()
}

/// All numbers' first bytes, then all second ones, and so on.
fn apart(bytes: &[u8], width: usize) -> Vec<u8> {
    let count = bytes.len() / width;
    let mut out = vec![0; bytes.len()];
    for (plane, out) in out.chunks_exact_mut(count.max(1)).enumerate() {
        out.iter_mut().zip(bytes[plane..].iter().step_by(width)).for_each(|(to, from)| *to = *from);
    }
    out
}

/// The inverse of [`apart`], appended to `out`.
fn together(planes: &[u8], width: usize, out: &mut Vec<u8>) {
    let (count, start) = (planes.len() / width, out.len());
    out.resize(start + planes.len(), 0);
    for (plane, from) in planes.chunks_exact(count.max(1)).enumerate() {
        out[start + plane..].iter_mut().step_by(width).zip(from).for_each(|(to, from)| *to = *from);
    }
}
