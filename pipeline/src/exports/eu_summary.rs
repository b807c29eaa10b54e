//! The draft of the EU's public summary of training content.

use std::collections::{BTreeMap, BTreeSet};

use corpus::EntryIndex;
use ledger::TreeHead;
use ledger::entry::rights::{Rights, date_of};
use ledger::entry::{CollectionMethod, RightsBasis};
use ledger::history::{Logged, Run};

use super::{Part, Signed, UNKNOWN, count, entries, parts, quoted, sizes, stated, terms, totals, verdicts, withdrawals};
use crate::error::{Context, Result};

/// Headings of the template's list of sources, with what it asks there and no entry says.
const SOURCES: [(&str, &str); 7] = [
    ("### 2.1. Publicly available datasets", "Names and links of the datasets, and whether the public had them"),
    ("#### 2.2.1. Datasets commercially licensed by rightsholders or their representatives", "The agreements"),
    ("#### 2.2.2. Private datasets obtained from other third parties", "Names of the datasets"),
    ("### 2.3. Data crawled and scraped from online sources", "Crawlers, their purpose and behaviour, for whom they ran, domain names"),
    ("### 2.4. User data", "The services it came from, and whether they are the provider's"),
    ("### 2.5. Synthetic data", "For whom it was made, and what its models were trained on"),
    ("### 2.6. Other sources of data", "A description of these sources"),
];
/// What a line in the list of sources says of a submission.
const SAID: &str = "license_to_use license_statements license_verified_by rights_basis method data_generation_from data_generation_to \
    data_origin_geography generating_model";

/// A draft of the public summary of training content, in Markdown: what the runs of epoch `number` used.
///
/// While there are none, it is about what a run could use now.
pub fn eu_summary(archive: &Signed<'_>, number: u32) -> Result<String> {
    let e = archive.epoch(Some(number))?;
    let runs: Vec<&Run> = archive.state.runs.iter().filter(|r| r.intent.entry.epoch == number).collect();
    // What was taken back after a run stays what that run was trained on.
    let before = if runs.is_empty() { vec![EntryIndex::MAX] } else { runs.iter().rev().map(|r| r.intent.index).collect() };
    let parts = parts(e, |s| before.iter().map(|at| s.shards_before(*at)).find(|shards| !shards.is_empty()).unwrap_or_default())?;
    let TreeHead { origin, size, root } = archive.head.clone();
    let operator = archive.state.operator.context("a log that was read has an operator")?;
    let Logged { index: closed_at, entry: closed } = e.close.as_ref().context("an epoch with shards is closed")?;
    let Logged { index: tokenized, entry: tokenizer } = archive.state.tokenizer.as_ref().context("shards have a tokenizer")?;
    let Logged { index: opened, entry: open } = &e.open;
    let claims = archive.state.claims.iter().flat_map(|c| [Some(c.claim.index), c.resolution.as_ref().map(|Logged { index: at, .. }| *at)]);
    let (claimed, claims) = (archive.state.claims.len(), entries(claims.flatten()));
    let demo = if archive.genesis().demo { "A demonstration: nobody is owed anything (entry 0). " } else { "" };
    let (models, trained) = models(archive, &runs, &parts)?;
    let (sources, verdicts, (withdrawals, _)) = (sources(&parts), verdicts(e), withdrawals(e));
    let (key, since, closed, purpose) = (operator.key, operator.since, date_of(closed.time), open.purpose);
    let (cut, vocabulary, pool) = (&tokenizer.origin, tokenizer.vocabulary, count(open.pool_documents, "document"));
    let said = |field: &str| stated(&parts, field);
    let (from, until, geography) = (said("data_generation_from"), said("data_generation_to"), said("data_origin_geography"));
    let (signals, personal, consents) = (said("opt_out_signals"), said("personal_data"), said("consent_documentation"));
    let shards = entries(parts.iter().map(|p| p.shard.index));
    Ok(format!(
        "# Public summary of training content: {origin}, epoch {number}

Draft from records, not legal advice; template version 24 July 2025; log {origin}, {size} entries, root {root}

{demo}Rights are what contributors signed; the log proves that they stated it, not that it is true.

## 1. General information

### 1.1. Provider identification
- Provider name and contact details: {UNKNOWN}; the log's operator signs with key {key} (entry {since})
- Authorised representative: {UNKNOWN}

### 1.2. Model identification
{models}- Date of placement on the Union market: {UNKNOWN}

### 1.3. Modalities, overall training data size and other characteristics
- Modality: text and no other ({shards})
{trained}- Types of content: {UNKNOWN}
- Latest date of acquisition: nothing was submitted after {closed} (entry {closed_at})
- Made or collected from: {from}
- Made or collected until: {until}
- Geographical origin: {geography}
- Linguistic characteristics: {UNKNOWN}

## 2. List of data sources

Each submission stands under the first of 2.5, 2.3, 2.4, 2.2, 2.1 and 2.6 that fits what it states; the provider has to check that.

{sources}## 3. Data processing aspects

### 3.1. Respect of reservation of rights from text and data mining exception or limitation
- Signatory to the Code of Practice: {UNKNOWN}
- Opt-out signals seen where data was collected: {signals}
- Measures where a signal reserves rights: {UNKNOWN}; verdicts follow the licence and the use that is stated
- Kept out unless these permit {purpose} (entry {opened}); documents by verdict: {verdicts}

### 3.2. Removal of illegal content
- Measures: {UNKNOWN}; no verdict is about illegal content

### 3.3. Other information
- Personal data: {personal}
- Consents, by the digest of their documentation: {consents}
- Tokenizer: {cut}, vocabulary {vocabulary} (entry {tokenized})
- Held out, to price with and not to train on: {pool} (entry {opened})
- Withdrawals, which do not undo trained parameters: {withdrawals}
- Claims to documents of any epoch, with their resolutions: {claimed} ({claims})
",
    ))
}

/// Lines on each run, how it ended and what it starts from; and lines on sizes, in the template's ranges.
fn models(archive: &Signed<'_>, runs: &[&Run], parts: &[Part]) -> Result<(String, String)> {
    let size = |what: &str, totals: (u64, u64), at: String| {
        let range = match totals.1 {
            0..1_000_000_000 => "less than 1 billion tokens",
            1_000_000_000..=10_000_000_000_000 => "1 billion to 10 trillion tokens",
            _ => "more than 10 trillion tokens",
        };
        format!("- Training data size{what}: {range}; {} ({at})\n", sizes(totals))
    };
    let mut models = format!("- Versioned model name(s): {UNKNOWN}; runs of the epoch: {}\n", runs.len());
    let mut trained = String::new();
    for run in runs {
        let Logged { index: at, entry: intent } = &run.intent;
        let end = match &run.close {
            Some(Logged { index: at, entry: c }) => {
                format!("{}, state {} (entry {at})", quoted(&c.outcome.to_string()), c.checkpoint.map_or("none".into(), |c| c.to_string()))
            }
            None => "not closed".into(),
        };
        let start = rules::replay::config(archive, run)?.start;
        let start = start.map_or("none, its parameters follow from the seed".into(), |s| format!("parameters {}", quoted(&s.parameters)));
        let number = intent.run;
        models += &format!("- Run {number} (entry {at}): {end}\n- Model dependencies of run {number}: {start} (entry {at})\n");
        trained += &size(&format!(" of run {number}"), (intent.documents, intent.tokens), entries([*at]));
    }
    if runs.is_empty() {
        trained = size(" that a run could use now", totals(parts), entries(parts.iter().map(|p| p.shard.index)));
    }
    Ok((models, trained))
}

/// The place in [`SOURCES`] of a submission, by what its contributor states.
fn heading(r: &Rights) -> usize {
    use CollectionMethod::{PrimaryUserSource, Published, WebScrapingCrawling};
    match (r.method, r.rights_basis) {
        _ if r.synthetic => 5,
        (WebScrapingCrawling, _) => 3,
        (PrimaryUserSource, _) => 4,
        (_, RightsBasis::Contract | RightsBasis::OwnWork) => 1,
        (_, RightsBasis::Consent) => 2,
        (_, RightsBasis::License) if r.license_to_use.contains("LicenseRef-") => 2,
        (Published, _) | (_, RightsBasis::License | RightsBasis::PublicDomain) => 0,
        _ => 6,
    }
}

/// The template's list of sources; submissions that state the same share a line.
fn sources(parts: &[Part]) -> String {
    let mut text = String::new();
    for (place, (title, asked)) in SOURCES.iter().enumerate() {
        let mut alike: BTreeMap<String, Vec<&Part>> = BTreeMap::new();
        for p in parts.iter().filter(|p| heading(&p.submission.rights) == place) {
            let said = SAID.split_whitespace().map(|field| format!("{field} {}", terms(&p.submission.rights, field).join(" ")));
            alike.entry(said.collect::<Vec<_>>().join(", ")).or_default().push(p);
        }
        let above = if place == 1 { "### 2.2. Private non-publicly available datasets obtained from third parties\n" } else { "" };
        text += &format!("{above}{title}\n");
        for (said, group) in &alike {
            let by = group.iter().map(|p| p.submission.contributor).collect::<BTreeSet<_>>().len();
            let (of, by) = (count(group.len() as u64, "submission"), count(by as u64, "contributor"));
            let at = entries(group.iter().flat_map(|p| [p.at, p.shard.index]));
            text += &format!("- Text: {of} of {by}, {}; {said} ({at})\n", sizes(totals(group.iter().copied())));
        }
        let rest = if alike.is_empty() { "No submission that was used states this.".into() } else { format!("{asked}: {UNKNOWN}") };
        text += &format!("- {rest}\n\n");
    }
    text
}
