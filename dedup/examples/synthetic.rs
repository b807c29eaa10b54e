//! Synthetic documents as JSON lines, about 2 KB each: `synthetic COUNT`. One in ten is an edited or reformatted copy of an earlier one.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let count: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    // Words as frequent as in prose: the rank's logarithm is even.
    let vocabulary: Vec<String> = (0..50_000u64)
        .map(|i| {
            let letters = 2 + (i + 2).ilog(6) as u64 + next() % 4;
            (0..letters).map(|_| char::from(b'a' + (next() % 26) as u8)).collect()
        })
        .collect();
    let out = std::io::stdout().lock();
    let mut out = std::io::BufWriter::with_capacity(1 << 20, out);
    // A copy is of one of the last documents that are still at hand.
    let mut recent: Vec<Vec<u32>> = Vec::new();
    for i in 0..count {
        let mut words: Vec<u32> = if i % 10 == 9 {
            let mut copy = recent[(next() % recent.len() as u64) as usize].clone();
            for _ in 0..next() % 6 {
                let at = (next() % copy.len() as u64) as usize;
                copy[at] = (next() % 50_000) as u32;
            }
            copy
        } else {
            let n = 200 + next() % 260;
            (0..n).map(|_| (50_000f64.powf(next() as f64 / u64::MAX as f64) - 1.0) as u32).collect()
        };
        words.iter_mut().for_each(|w| *w = (*w).min(49_999));
        write!(out, "{{\"id\":\"{i}\",\"text\":\"")?;
        for (j, w) in words.iter().enumerate() {
            out.write_all(vocabulary[*w as usize].as_bytes())?;
            out.write_all(if j % 17 == 16 { b".\\n" } else { b" " })?;
        }
        out.write_all(b"\"}\n")?;
        if recent.len() < 2000 {
            recent.push(words);
        } else {
            let at = (next() % 2000) as usize;
            recent[at] = words;
        }
    }
    out.flush()
}
