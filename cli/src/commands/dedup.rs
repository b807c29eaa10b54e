//! `assay dedup`: the duplicates in files, for people who have no home.

use anyhow::Result;
use corpus::Digest;
use dedup::{Key, Threshold};
use pipeline::duplicates::{Request, find};
use serde_json::json;

use crate::args::dedup::Dedup;
use crate::failure::usage;
use crate::output::{Bars, Output};

/// The key of people who fear nobody: anybody can find edits that slip through it.
fn default_key() -> Key {
    Digest::of(b"assay dedup default key v1").0
}

/// A decimal as a fraction.
fn threshold_of(text: &str) -> Result<Threshold> {
    let wrong = || usage(format!("--threshold {text}: expected a decimal above 0 and at most 1, with at most nine places"));
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{places}");
    if places.len() > 9 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let (numerator, denominator) = (digits.parse().map_err(|_| wrong())?, 10u64.pow(places.len() as u32));
    if numerator == 0 || numerator > denominator { Err(wrong()) } else { Ok(Threshold { numerator, denominator }) }
}

/// Finds duplicates and writes what was asked for.
pub fn run(a: Dedup) -> Result<Output> {
    let key = match &a.key {
        None => default_key(),
        Some(text) => text.parse::<Digest>().map_err(|e| usage(format!("--key: {e}")))?.0,
    };
    let request = Request {
        reading: a.columned.options(false),
        input: a.input,
        clusters: a.clusters,
        verdicts: a.verdicts,
        held_out: a.held_out,
        threshold: threshold_of(&a.threshold)?,
        verify: !a.no_verify,
        spans: !a.no_spans,
        key,
    };
    let (device, device_name) = a.device.open()?;
    let found = find(&request, device, &Bars)?;
    let k = found.kinds;
    let mut text = format!("{} documents, {} words, {} bytes of text; on {device_name}\n", found.documents, found.words, found.bytes);
    let kinds = [
        ("kept", k.kept),
        ("exact", k.exact),
        ("formatting-only", k.formatting_only),
        ("near", k.near),
        ("contained", k.contained),
        ("held-out", k.held_out),
    ];
    for (kind, n) in kinds.into_iter().filter(|(_, n)| *n > 0) {
        text += &format!("{n:>12}  {kind}\n");
    }
    if let Some(novel) = found.novel_words {
        text += &format!("{novel:>12}  words of kept documents that no earlier one has\n");
    }
    for problem in &found.problems {
        text += &format!("left out: {}: {}\n", problem.place, problem.reason);
    }
    let json = json!({
        "documents": found.documents, "bytes": found.bytes, "words": found.words, "novel_words": found.novel_words, "kinds": k,
        "device": device_name, "threshold": a.threshold, "verified": request.verify, "problems": found.problems,
    });
    Ok(Output::new(text, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_decimals() {
        let t = threshold_of("0.8").unwrap();
        assert_eq!((t.numerator, t.denominator), (8, 10));
        assert_eq!(threshold_of("1").unwrap(), Threshold { numerator: 1, denominator: 1 });
        for wrong in ["", ".", "0", "0.0", "1.1", "-0.5", "8e-1", "nan", "0.1234567891", "2"] {
            assert!(threshold_of(wrong).is_err(), "{wrong} was taken");
        }
    }
}
