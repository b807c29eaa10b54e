//! `assay trace`: from a document, a text, a token or a statement to everything that it came from and that came of it.

use std::collections::BTreeSet;

use anyhow::Result;
use corpus::DocumentRef;
use pipeline::proofs;
use pipeline::trace::{LISTED, Start, trace as traced};

use crate::args::audit::Trace;
use crate::audited;
use crate::failure::usage;
use crate::output::Output;
use crate::place::Place;

/// Traces what is asked for; with a folder for proofs those of the entries that are named are written there.
pub fn trace(place: &Place, a: Trace) -> Result<Output> {
    let shard = a.shard;
    let start = match (a.document, a.text, shard, a.statement) {
        (Some(document), ..) => Start::Document(document),
        (_, Some(text), ..) => Start::Text(text),
        (.., Some(shard), _) => Start::Token { shard, row: a.row.unwrap_or(0), token: a.token },
        (.., Some(contributor)) => Start::Statement { contributor, run: a.run, line: a.line },
        _ => return Err(usage("trace: expected a document, --text, --shard or --statement")),
    };
    let of_text = matches!(start, Start::Text(_));
    let found = traced(&audited::archive(&place.home)?.archive, start)?;
    let mut text = String::new();
    if of_text && found.documents.len() > 1 {
        text = format!("{} documents hold it: {}\n", found.documents.len(), list(&found.documents));
    }
    if let (Some(t), Some(shard)) = (&found.token, shard) {
        let row = a.row.unwrap_or(0);
        text = format!("token {} of shard {shard}, row {row}: …{:?} [{:?}] {:?}…\n", t.token, t.before, t.text, t.after);
    }
    for hop in &found.hops {
        text += &format!("{:<12} entry {:>6}  {}\n", hop.what, hop.entry, hop.text);
    }
    if let Some(folder) = &a.proofs {
        let entries: BTreeSet<_> = found.hops.iter().map(|h| h.entry).collect();
        proofs::write_entries(&place.home, folder, &entries)?;
        text += &format!(
            "{} entries in {}; check one with `assay verify-proof N.tlog-proof --entry N.json --vkey {}`\n",
            entries.len(),
            folder.display(),
            place.home.join("log.vkey").display()
        );
    }
    Output::of(text, &found)
}

fn list(documents: &[DocumentRef]) -> String {
    let mut text = documents.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if documents.len() > LISTED {
        text += ", …";
    }
    text
}
