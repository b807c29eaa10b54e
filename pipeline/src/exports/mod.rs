//! What others ask of a dataset, from what the log says: Croissant metadata, and a draft of the EU's public summary.
//!
//! - `croissant`: JSON-LD of Croissant 1.1 with the RAI vocabulary, for the shards in use; `check_croissant` checks what matters in it
//! - `eu_summary`: Markdown after the template for Article 53(1)(d) of the AI Act, for what an epoch's runs were trained on
//!
//! Rights are what contributors signed. Whether that is true, and what follows from it in law, is left to others.
//!
//! Source: <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>, Croissant RAI 1.0,
//! and the European Commission's template of 24 July 2025.

mod eu_summary;
pub mod hugging_face;

use std::collections::{BTreeMap, BTreeSet};

use corpus::{ContributorId, Digest, EntryIndex};

use crate::error::{Context, Kind, Result, failure};

pub use eu_summary::eu_summary;
use ledger::TreeHead;
use ledger::entry::rights::{Rights, date_of};
use ledger::entry::{CollectionMethod, Shard, Submission};
use ledger::history::{Epoch, Logged, Submitted};
use rules::{Archive, EpochView};
use serde_json::{Map, Value, json};
use store::Class;

/// A log that was audited, with its signed tree head.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Log and objects.
    pub archive: &'a Archive,
    /// The tree head.
    pub head: &'a TreeHead,
}

impl std::ops::Deref for Signed<'_> {
    type Target = Archive;
    fn deref(&self) -> &Archive {
        self.archive
    }
}

/// What stands where the log does not know.
const UNKNOWN: &str = "not recorded in the log";
/// The first is what `mlcroissant` reads, the second is registered with IANA.
const PARQUET: [&str; 2] = ["application/x-parquet", "application/vnd.apache.parquet"];
/// The recommended context without [`CR_TERMS`]. The specification writes http://schema.org/, but `mlcroissant` reads https alone.
const CONTEXT: &str = r#"{
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
    "name": {"@container": "@language"}, "description": {"@container": "@language"}, "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"}
}"#;
/// Terms of the context that only get the prefix `cr`.
const CR_TERMS: &str = "annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileObject \
    fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path readLines recordSet references regex \
    repeated replace samplingRate sdVersion separator source subField transform unArchive value";
/// Columns of a shard with their types, as `docs/shard-format.md` has them; Croissant has no type for bytes.
const COLUMNS: [(&str, &str, &str); 12] = [
    ("doc", "sc:Text", "entry of the submission, a slash, the document's number in it"),
    ("commitment", "sc:Text", "32 bytes: SHA-256 over salt and text"),
    ("submission", "cr:UInt64", "entry of the submission"),
    ("contributor", "sc:Text", "pseudonymous id"),
    ("licence", "sc:Text", "SPDX expression of the document"),
    ("source", "sc:Text", "path in the submitted dataset"),
    ("text", "sc:Text", "text in Unicode NFC"),
    ("answer_at", "cr:UInt64", "byte of the text at which the answer begins, if only that is learned"),
    ("tokens", "cr:UInt32", "what the tokenizer makes of the text"),
    ("learned_from", "cr:UInt32", "first token of the answer, if only that is learned"),
    ("salt", "sc:Text", "32 bytes"),
    ("cluster", "sc:Text", "the document that its near duplicates name"),
];
/// A submission of which documents are used, and the shard that has them.
struct Part<'a> {
    at: EntryIndex,
    submission: &'a Submission,
    judged: EntryIndex,
    shard: &'a Logged<Shard>,
}

/// Shards that `shards` picks of each submission, once the epoch has all of its shards.
fn parts<'a>(e: &'a Epoch, shards: impl Fn(&'a Submitted) -> Vec<&'a Logged<Shard>>) -> Result<Vec<Part<'a>>> {
    let waiting = e.submissions.iter().filter(|s| !s.is_sharded()).count();
    let part = |s: &'a Submitted| -> Vec<Part<'a>> {
        let Some(Logged { index: judged, .. }) = &s.acceptance else { return Vec::new() };
        shards(s)
            .into_iter()
            .map(|shard| Part { at: s.submission.index, submission: &s.submission.entry, judged: *judged, shard })
            .collect()
    };
    let found: Vec<Part> = e.submissions.iter().flat_map(part).collect();
    if waiting == 0 && !found.is_empty() {
        return Ok(found);
    }
    let text = format!("{} shards in use, {waiting} submissions wait for theirs; run `assay ingest`", found.len());
    Err(failure(Kind::Check, format!("epoch {}: {text}", e.open.entry.epoch)))
}

/// `entry 4`, or `entries 4, 7, 10`.
fn entries(at: impl IntoIterator<Item = EntryIndex>) -> String {
    let at: Vec<String> = at.into_iter().collect::<BTreeSet<EntryIndex>>().iter().map(ToString::to_string).collect();
    match &at[..] {
        [] => "no entry".into(),
        [one] => format!("entry {one}"),
        all => format!("entries {}", all.join(", ")),
    }
}

fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Documents and tokens of shards.
fn totals<'a, 'b: 'a>(parts: impl IntoIterator<Item = &'a Part<'b>>) -> (u64, u64) {
    let add = |sum: (u64, u64), p: &Part| (sum.0.saturating_add(p.shard.entry.rows), sum.1.saturating_add(p.shard.entry.tokens));
    parts.into_iter().fold((0, 0), add)
}

fn sizes(totals: (u64, u64)) -> String {
    format!("{}, {}", count(totals.0, "document"), count(totals.1, "token"))
}

/// Others' text in Markdown, as code unless it is plain: a licence or a model's name may hold anything.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "-. ()+".contains(c)) {
        return text.to_string();
    }
    format!("`{}`", text.replace(|c: char| c.is_control() || c == '`', " "))
}

/// What a submission states in a field of its rights.
fn terms(r: &Rights, field: &str) -> Vec<String> {
    let term = |v: &Value| match v {
        Value::String(text) => quoted(text),
        Value::Object(object) => {
            // A signal and what was found, or a source and the licence that it states.
            let of = |name: &str| object.get(name).and_then(Value::as_str).map(quoted);
            let pair = of("signal").zip(of("found")).or_else(|| of("source").zip(of("license")));
            pair.map_or_else(|| v.to_string(), |(what, said)| format!("{what} {said}"))
        }
        other => other.to_string(),
    };
    match &serde_json::to_value(r).expect("rights are plain JSON")[field] {
        Value::Null => vec!["not stated".into()],
        Value::Array(found) if found.is_empty() => vec!["not stated".into()],
        Value::Array(found) => found.iter().map(term).collect(),
        one => vec![term(one)],
    }
}

/// What submissions state in a field, term by term, each with how many do and their entries.
fn stated(parts: &[Part], field: &str) -> String {
    let mut by_term: BTreeMap<String, Vec<EntryIndex>> = BTreeMap::new();
    for part in parts {
        for term in terms(&part.submission.rights, field) {
            by_term.entry(term).or_default().push(part.at);
        }
    }
    let line = |(term, at): (String, Vec<EntryIndex>)| format!("{term}: {} ({})", count(at.len() as u64, "submission"), entries(at));
    by_term.into_iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Documents of the epoch by verdict, and the entries that say so.
fn verdicts(e: &Epoch) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let judged = || e.submissions.iter().filter_map(|s| s.acceptance.as_ref());
    for (verdict, n) in judged().flat_map(|Logged { entry: a, .. }| &a.counts) {
        let sum = counts.entry(verdict).or_default();
        *sum = sum.saturating_add(*n);
    }
    let list = counts.iter().map(|(verdict, n)| format!("{verdict} {n}")).collect::<Vec<_>>().join(", ");
    format!("{list} ({})", entries(judged().map(|Logged { index: at, .. }| *at)))
}

/// Withdrawals of the epoch that took effect, with their entries; and the times of those that took a shard out of use.
fn withdrawals(e: &Epoch) -> (String, Vec<u64>) {
    let effects = || e.submissions.iter().flat_map(|s| &s.withdrawals).filter_map(|w| w.effect.as_ref());
    let documents = count(effects().map(|Logged { entry: f, .. }| f.accepted).fold(0, u64::saturating_add), "accepted document");
    let text = format!("{}, of {documents} ({})", effects().count(), entries(effects().map(|Logged { index: at, .. }| *at)));
    (text, effects().filter(|Logged { entry: f, .. }| f.accepted > 0).map(|Logged { entry: f, .. }| f.time).collect())
}

/// An SPDX id as its URL; an expression as a work that has its licences as parts, since a list would not say whether all or any hold.
fn licence(expression: &str) -> Value {
    let is_id = |id: &&str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) && !id.starts_with("LicenseRef-");
    let url = |id: &str| format!("https://spdx.org/licenses/{id}");
    if is_id(&expression) {
        return Value::String(url(expression));
    }
    let words = expression.split(|c: char| c.is_whitespace() || "()+".contains(c));
    let ids: Vec<String> = words.filter(|w| !["", "AND", "OR", "WITH"].contains(w)).filter(is_id).map(url).collect();
    json!({ "@type": "sc:CreativeWork", "name": expression, "hasPart": ids })
}

/// Croissant 1.1 metadata of the shards of epoch `number` that are in use, from log and objects alone.
pub fn croissant(archive: &Signed<'_>, number: u32) -> Result<Value> {
    let view = archive.view(Some(number))?;
    let e = view.epoch;
    let parts = parts(e, Submitted::live_shards)?;
    let mut dataset = Map::new();
    for object in [about(archive, e, &parts)?, responsible(archive, &view, &parts)?, files(archive, &parts)] {
        dataset.extend(object.as_object().cloned().unwrap_or_default());
    }
    Ok(Value::Object(dataset))
}

/// What every dataset has: name, licence, creators, dates, version, citation.
fn about(archive: &Signed<'_>, e: &Epoch, parts: &[Part]) -> Result<Value> {
    let TreeHead { origin, size, root } = archive.head.clone();
    let Logged { index: closed_at, entry: closed } = e.close.as_ref().context("an epoch with shards is closed")?;
    let operator = archive.state.operator.context("a log that was read has an operator")?;
    let contributors: BTreeSet<ContributorId> = parts.iter().map(|p| p.submission.contributor).collect();
    let licences: BTreeSet<&str> = parts.iter().map(|p| p.submission.rights.license_to_use.as_str()).collect();
    let (_, retired) = withdrawals(e);
    let mut context: Map<String, Value> = serde_json::from_str(CONTEXT)?;
    context.extend(CR_TERMS.split_whitespace().map(|t| (t.to_string(), format!("cr:{t}").into())));
    let creator = |id: &ContributorId| {
        let registered = entries(archive.state.contributors.get(id).map(|c| c.registration.index));
        let description = format!("A pseudonymous id, of the first key; the log names no person ({registered})");
        json!({ "@type": "sc:Organization", "@id": format!("contributor-{id}"), "name": format!("contributor {id}"), "description": description })
    };
    let name = format!("{origin} epoch {}", e.open.entry.epoch);
    let key: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let url = if origin.contains("://") { origin.clone() } else { format!("https://{origin}") };
    let published = date_of(closed.time);
    let description = format!(
        "Accepted documents of epoch {} of the transparency log {origin}: {} of {}. The epoch was opened in entry {} and closed in \
        entry {closed_at}. Submissions: {}. Verdicts: {}. Shards: {}. The log has {size} entries, root hash {root}; `assay audit` checks \
        all of this. Shards are sealed, for operator and auditors; their paths begin at a home. The url is the log's name.{}",
        e.open.entry.epoch,
        sizes(totals(parts)),
        count(contributors.len() as u64, "contributor"),
        e.open.index,
        entries(parts.iter().map(|p| p.at)),
        entries(parts.iter().map(|p| p.judged)),
        entries(parts.iter().map(|p| p.shard.index)),
        if archive.genesis().demo { " It is a demonstration: nobody is owed anything." } else { "" },
    );
    let cite = format!("title={{{name}}}, author={{{{Contributors of the log {origin}}}}}, year={{{}}}, url={{{url}}}", &published[..4]);
    Ok(json!({
        "@context": context,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": name,
        "description": description,
        "url": url,
        "license": licences.into_iter().map(licence).collect::<Vec<_>>(),
        "creator": contributors.iter().map(creator).collect::<Vec<_>>(),
        "publisher": { "@type": "sc:Organization", "name": format!("operator of {origin}, key {}", operator.key) },
        "dateCreated": date_of(e.open.entry.time),
        "datePublished": published,
        "dateModified": date_of(retired.iter().copied().max().unwrap_or(closed.time)),
        // What changes a closed epoch's data is a shard that goes out of use.
        "version": format!("{}.0.0", 1 + retired.len()),
        "citeAs": format!("@misc{{{key}, {cite}, note={{{size} entries, root hash {root}}}}}"),
    }))
}

/// The RAI vocabulary.
fn responsible(archive: &Signed<'_>, view: &EpochView<'_>, parts: &[Part]) -> Result<Value> {
    let (e, policy) = (view.epoch, view.policy()?);
    let Logged { index: tokenized, entry: tokenizer } = archive.state.tokenizer.as_ref().context("shards have a tokenizer")?;
    let (opened, purpose) = (e.open.index, e.open.entry.purpose);
    let rights = || parts.iter().map(|p| &p.submission.rights);
    let first = rights().filter_map(|r| r.data_generation_from.as_ref()).min();
    let days: Vec<&String> = first.into_iter().chain(rights().filter_map(|r| r.data_generation_to.as_ref()).max()).collect();
    let kind = |r: &Rights| match r.method {
        CollectionMethod::WebScrapingCrawling => "Web Scraping".to_string(),
        CollectionMethod::PrimaryUserSource => "User-generated content data".to_string(),
        other => format!("Others ({other})"),
    };
    let said = |what: &str, field: &str| format!("{what}: {}", stated(parts, field));
    let collection = [("Method", "method"), ("Rights", "rights_basis"), ("Origin", "data_origin_geography"), ("Synthetic", "synthetic")]
        .map(|(what, field)| said(what, field))
        .join(". ");
    Ok(json!({
        "rai:dataCollection": format!("Contributors submit datasets with signed manifests. {collection}"),
        "rai:dataCollectionType": rights().map(kind).collect::<BTreeSet<_>>(),
        "rai:dataCollectionTimeframe": days,
        "rai:dataCollectionMissingData": format!("Documents of the epoch by verdict: {}", verdicts(e)),
        "rai:dataPreprocessingProtocol": [
            "Texts are brought to Unicode NFC",
            format!("Kept out: documents whose licence does not permit {purpose}, and those found in the held-out pool (entry {opened})"),
            format!(
                "Kept out: exact, formatting-only and near duplicates of earlier documents; near is a Jaccard index of {}/{} (entry {opened})",
                policy.jaccard_numerator, policy.jaccard_denominator
            ),
            format!("Tokenizer {}, {}, vocabulary {} (entry {tokenized})", tokenizer.tokenizer, tokenizer.origin, tokenizer.vocabulary),
        ],
        "rai:personalSensitiveInformation": [said("Personal data", "personal_data"), said("Consents", "consent_documentation")],
        "rai:dataUseCases": [format!("Training; purpose: {purpose} (entry {opened})"), said("Use within the licence", "intended_data_use")],
        "rai:dataLimitations": [
            said("Rights are stated, not proven; the licence was verified by", "license_verified_by"),
            said("Opt-out signals seen where data was collected", "opt_out_signals"),
            format!("Languages, biases and social impact: {UNKNOWN}"),
        ],
        "rai:dataReleaseMaintenancePlan": format!(
            "Nothing is added to a closed epoch. Withdrawals take documents out, and the major version grows; so far: {}", withdrawals(e).0
        ),
    }))
}

/// One file a shard, the set of them, and the table in it.
fn files(archive: &Signed<'_>, parts: &[Part]) -> Value {
    let url = |p: &Part| format!("objects/{}/{}", Class::Sealed.name(), p.shard.entry.file);
    let file = |p: &Part| {
        let Logged { index: at, entry: s } = p.shard;
        let mut file = json!({
            "@type": "cr:FileObject",
            "@id": format!("shard-{at}"),
            "name": s.file,
            "description": format!("{} ({})", sizes(totals([p])), entries([p.at, p.judged, *at])),
            "contentUrl": url(p),
            "encodingFormat": PARQUET,
            "sha256": s.file,
            "license": licence(&p.submission.rights.license_to_use),
            "creator": { "@id": format!("contributor-{}", p.submission.contributor) },
        });
        if let Some(size) = archive.objects.size(Class::Sealed, &s.file) {
            file["contentSize"] = format!("{size} B").into();
        }
        file
    };
    let field = |(name, kind, description): &(&str, &str, &str)| {
        let source = json!({ "fileSet": { "@id": "shards" }, "extract": { "column": name } });
        let (id, list) = (format!("documents/{name}"), *name == "tokens");
        json!({
            "@type": "cr:Field", "@id": id, "name": name, "description": description, "dataType": kind, "isArray": list, "source": source
        })
    };
    let includes: Vec<String> = parts.iter().map(url).collect();
    let set = json!({ "@type": "cr:FileSet", "@id": "shards", "name": "shards", "encodingFormat": PARQUET, "includes": includes });
    let (key, fields) = (json!({ "@id": "documents/doc" }), COLUMNS.iter().map(field).collect::<Vec<_>>());
    json!({
        "distribution": parts.iter().map(file).chain([set]).collect::<Vec<_>>(),
        "recordSet": [{ "@type": "cr:RecordSet", "@id": "documents", "name": "documents", "key": key, "field": fields }],
    })
}

/// What is missing of licence, creators and digests; the official validator takes metadata without the first two.
pub fn check_croissant(value: &Value) -> Vec<String> {
    let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    let named = |v: &Value| v["name"].as_str().is_some_and(|n| !n.is_empty());
    let spdx = |u: &str| u.strip_prefix("https://spdx.org/licenses/").is_some_and(|id| !id.is_empty());
    let files = list("distribution").into_iter().filter(|f| f["@type"] == "cr:FileObject").collect();
    let mut missing = Vec::new();
    for (key, found) in [("license", list("license")), ("creator", list("creator")), ("distribution", files)] {
        if found.is_empty() {
            missing.push(format!("{key}: expected at least one, found none"));
        }
        for v in found {
            let (holds, expected) = match key {
                "license" => (v.as_str().is_some_and(spdx) || named(&v), "a URL of spdx.org or a work with a name"),
                "creator" => (v["@type"] == "sc:Organization" && named(&v), "an sc:Organization with a name"),
                _ => (v["sha256"].as_str().is_some_and(|d| d.parse::<Digest>().is_ok()), "a file with its sha256"),
            };
            if !holds {
                missing.push(format!("{key}: expected {expected}, found {v}"));
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_without_licence_creator_or_digest_is_found_out() {
        let whole = json!({
            "license": [licence("MIT"), licence("(MIT OR LicenseRef-Mine) AND Zlib")],
            "creator": [{ "@type": "sc:Organization", "name": "contributor 00" }],
            "distribution": [{ "@type": "cr:FileObject", "sha256": Digest::of(b"x") }, { "@type": "cr:FileSet" }],
        });
        assert_eq!(whole["license"][0], "https://spdx.org/licenses/MIT");
        assert_eq!(whole["license"][1]["hasPart"], json!(["https://spdx.org/licenses/MIT", "https://spdx.org/licenses/Zlib"]));
        assert_eq!(check_croissant(&whole), Vec::<String>::new());
        for place in
            ["/license", "/license/0", "/creator", "/creator/0/@type", "/creator/0/name", "/distribution", "/distribution/0/sha256"]
        {
            let mut damaged = whole.clone();
            *damaged.pointer_mut(place).expect("a place that is there") =
                if place.ends_with("name") { json!("") } else { json!("sc:Person") };
            let missing = check_croissant(&damaged);
            assert!(missing.len() == 1 && place[1..].starts_with(missing[0].split(':').next().unwrap()), "{place}: {missing:?}");
        }
    }
}
