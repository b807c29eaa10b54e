//! What others ask of a dataset, from what the log says: Croissant metadata, and a draft of the EU's public summary.
//!
//! - `croissant`: JSON-LD of Croissant 1.1 with the RAI vocabulary, for the shards in use; `check_croissant` checks what matters in it
//! - `eu_summary`: Markdown after the template for Article 53(1)(d) of the AI Act, for what an epoch's runs were trained on
//!
//! Rights are what contributors signed. Whether that is true, and what follows from it in law, is left to others.
//!
//! Source: <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>, Croissant RAI 1.0,
//! and the European Commission's template of 24 July 2025.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};
use corpus::{ContributorId, Digest};
use ledger::entry::rights::date_of;
use ledger::entry::{Rights, Shard, Submission};
use ledger::history::At;
use ledger::{Epoch, Run, Submitted, TreeHead, Verifier};
use serde_json::{Map, Value, json};
use store::{Class, LogFiles};

use crate::failure::{Kind, failure};
use crate::home::Archive;
use crate::stages::{epoch, replay};

/// What stands where the log does not know.
const UNKNOWN: &str = "not recorded in the log";
/// The first is what `mlcroissant` reads, the second is registered with IANA.
const PARQUET: [&str; 2] = ["application/x-parquet", "application/vnd.apache.parquet"];
/// Terms of the recommended context that only get the prefix `cr`.
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
    at: u64,
    submission: &'a Submission,
    judged: u64,
    shard: &'a At<Shard>,
}

fn parts<'a>(e: &'a Epoch, shard: impl Fn(&'a Submitted) -> Option<&'a At<Shard>>) -> Result<Vec<Part<'a>>> {
    let number = e.open.1.epoch;
    let waiting = e.submissions.iter().filter(|s| s.acceptance.is_none() || s.left() > 0 && s.shard().is_none()).count();
    if waiting > 0 {
        let text = format!("epoch {number}: {waiting} submissions without verdicts or shard; expected none: close it, then run `assay ingest`");
        return Err(failure(Kind::Check, text));
    }
    let part = |s: &'a Submitted| -> Option<Part<'a>> {
        let judged = s.acceptance.as_ref()?.0;
        Some(Part { at: s.submission.0, submission: &s.submission.1, judged, shard: shard(s)? })
    };
    let found: Vec<Part> = e.submissions.iter().filter_map(part).collect();
    if found.is_empty() { Err(failure(Kind::Check, format!("epoch {number}: no shard is in use; expected at least one"))) } else { Ok(found) }
}

/// The signed tree head that lies beside the objects; it has to be of the entries that were read.
fn tree_head(archive: &Archive) -> Result<TreeHead> {
    // Objects are `objects/<class>/<digest>` below the folder that has `log/`.
    let object = archive.objects.path(Class::Sealed, &Digest([0; 32]));
    let log = object.ancestors().nth(3).context("objects lie two folders below the home")?.join("log");
    let (_, head) = LogFiles::new(&log).head(&Verifier::from_vkey(&archive.genesis().log)?)?.context("the log has no tree head")?;
    if head.size == archive.state.size {
        return Ok(head);
    }
    let text = format!("{}: tree head of {} entries, expected {}", log.display(), head.size, archive.state.size);
    Err(failure(Kind::Verification, text))
}

/// `entry 4`, or `entries 4, 7, 10`.
fn entries(at: impl IntoIterator<Item = u64>) -> String {
    let at: BTreeSet<u64> = at.into_iter().collect();
    let list = at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{} {list}", if at.len() == 1 { "entry" } else { "entries" })
}

fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Text of others in a line of Markdown: a licence or a model's name may hold anything.
fn quoted(text: &str) -> String {
    format!("`{}`", text.replace(|c: char| c.is_control() || c == '`', " "))
}

/// What submissions state, term by term, each with how many do and their entries.
fn stated(parts: &[Part], terms: impl Fn(&Rights) -> Vec<String>) -> String {
    let mut by_term: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for part in parts {
        for term in terms(&part.submission.rights) {
            by_term.entry(term).or_default().push(part.at);
        }
    }
    let line = |(term, at): (String, Vec<u64>)| format!("{term}: {} ({})", count(at.len() as u64, "submission"), entries(at));
    by_term.into_iter().map(line).collect::<Vec<_>>().join("; ")
}

fn one_or(terms: impl Iterator<Item = String>, none: &str) -> Vec<String> {
    let terms: Vec<String> = terms.collect();
    if terms.is_empty() { vec![none.to_string()] } else { terms }
}

fn geography(r: &Rights) -> Vec<String> {
    one_or(r.data_origin_geography.iter().cloned(), "not stated")
}

fn signals(r: &Rights) -> Vec<String> {
    one_or(r.opt_out_signals.iter().map(|s| format!("{} {}", s.signal, s.found)), "no signal stated")
}

fn personal(r: &Rights) -> Vec<String> {
    vec![format!("personal data {}{}", r.personal_data, if r.consent_documentation.is_some() { ", consent documented" } else { "" })]
}

fn synthetic(r: &Rights) -> Vec<String> {
    let model = || r.generating_model.as_deref().map_or("a model that is not named".to_string(), quoted);
    vec![if r.synthetic { format!("synthetic, by {}", model()) } else { "not synthetic".to_string() }]
}

fn period(r: &Rights) -> String {
    let day = |d: &Option<String>| d.clone().unwrap_or_else(|| "not stated".into());
    format!("{} to {}", day(&r.data_generation_from), day(&r.data_generation_to))
}

/// Documents of the epoch by verdict, and the entries that say so.
fn verdicts(e: &Epoch) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let accepted = || e.submissions.iter().filter_map(|s| s.acceptance.as_ref());
    for (verdict, n) in accepted().flat_map(|(_, a)| &a.counts) {
        *counts.entry(verdict).or_default() += n;
    }
    let list = counts.iter().map(|(verdict, n)| format!("{verdict} {n}")).collect::<Vec<_>>().join(", ");
    format!("{list} ({})", entries(accepted().map(|(at, _)| *at)))
}

/// Withdrawals of the epoch that took effect: entries, accepted documents, whether a shard went out of use, when.
fn withdrawn(e: &Epoch) -> Vec<(u64, u64, bool, u64)> {
    let effects = e.submissions.iter().flat_map(|s| &s.withdrawals).filter_map(|w| w.effect.as_ref());
    effects.map(|(at, f)| (*at, f.accepted, f.shard.is_some(), f.time)).collect()
}

/// Documents and tokens of shards.
fn sizes(parts: &[Part]) -> (u64, u64) {
    parts.iter().fold((0, 0), |(rows, tokens), p| (rows + p.shard.1.rows, tokens + p.shard.1.tokens))
}

/// An SPDX id as its URL; an expression as a work that has its licences as parts, since a list would not say whether all or any hold.
fn licence(expression: &str) -> Value {
    let is_id = |id: &&str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) && !id.starts_with("LicenseRef-");
    let url = |id: &str| format!("https://spdx.org/licenses/{id}");
    if is_id(&expression) && !expression.is_empty() {
        return Value::String(url(expression));
    }
    let words = expression.split(|c: char| c.is_whitespace() || "()+".contains(c));
    let ids: BTreeSet<String> = words.filter(|w| !["", "AND", "OR", "WITH"].contains(w)).filter(is_id).map(url).collect();
    let mut work = json!({ "@type": "sc:CreativeWork", "name": expression });
    if !ids.is_empty() {
        work["hasPart"] = json!(ids);
    }
    work
}

/// Croissant 1.1 metadata of the shards of epoch `number` that are in use; nothing in it comes from elsewhere than log and objects.
pub fn croissant(archive: &Archive, number: u32) -> Result<Value> {
    let e = epoch::find(archive, Some(number))?;
    let parts = parts(e, Submitted::shard)?;
    let mut dataset = Map::new();
    for object in [about(archive, e, &parts)?, responsible(archive, e, &parts)?, files(archive, &parts)] {
        dataset.extend(object.as_object().cloned().unwrap_or_default());
    }
    Ok(Value::Object(dataset))
}

fn context() -> Value {
    let mut context: Map<String, Value> = CR_TERMS.split_whitespace().map(|t| (t.to_string(), format!("cr:{t}").into())).collect();
    // The specification writes http://schema.org/; its validator knows the terms below https alone.
    for (term, value) in [
        ("@language", json!("en")),
        ("@vocab", json!("https://schema.org/")),
        ("sc", json!("https://schema.org/")),
        ("cr", json!("http://mlcommons.org/croissant/")),
        ("rai", json!("http://mlcommons.org/croissant/RAI/")),
        ("dct", json!("http://purl.org/dc/terms/")),
        ("conformsTo", json!("dct:conformsTo")),
        ("name", json!({ "@container": "@language" })),
        ("description", json!({ "@container": "@language" })),
        ("data", json!({ "@id": "cr:data", "@type": "@json" })),
        ("examples", json!({ "@id": "cr:examples", "@type": "@json" })),
        ("dataType", json!({ "@id": "cr:dataType", "@type": "@vocab" })),
    ] {
        context.insert(term.to_string(), value);
    }
    Value::Object(context)
}

/// What every dataset has: name, licence, creators, dates, version, citation.
fn about(archive: &Archive, e: &Epoch, parts: &[Part]) -> Result<Value> {
    let (head, number) = (tree_head(archive)?, e.open.1.epoch);
    let origin = &head.origin;
    let (closed_at, closed) = e.close.as_ref().context("an epoch with shards is closed")?;
    let operator = archive.state.operator.context("a log that was read has an operator")?;
    let contributors: BTreeSet<ContributorId> = parts.iter().map(|p| p.submission.contributor).collect();
    let licences: BTreeSet<&str> = parts.iter().map(|p| p.submission.rights.license_to_use.as_str()).collect();
    let retired: Vec<u64> = withdrawn(e).iter().filter(|w| w.2).map(|w| w.3).collect();
    let modified = retired.iter().copied().max().unwrap_or(closed.time);
    let (rows, tokens) = sizes(parts);
    let creator = |id: &ContributorId| {
        let registration = archive.state.contributors.get(id).map(|c| c.registration.0);
        let description = format!("Pseudonymous id of a contributor, who is not named ({})", entries(registration));
        json!({ "@type": "sc:Organization", "@id": format!("contributor-{id}"), "name": format!("contributor {id}"), "description": description })
    };
    let demo = if archive.genesis().demo { "A demonstration: the operator holds all keys, and nobody is owed anything. " } else { "" };
    let name = format!("{origin} epoch {number}");
    let key: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let url = if origin.contains("://") { origin.clone() } else { format!("https://{origin}") };
    let (year, root) = (date_of(closed.time)[..4].to_string(), head.root);
    let description = format!(
        "{demo}Accepted documents of epoch {number} of the transparency log {origin}: {}, {}, from {}. The epoch was opened in entry {}, \
        closed in entry {closed_at}. Submissions: {}. Verdicts: {}. Shards: {}. The log has {} entries, root hash {root}; `assay audit` checks \
        all of this against it. Shards are sealed, for operator and auditors; their paths are relative to a home. The url is the log's name.",
        count(rows, "document"),
        count(tokens, "token"),
        count(contributors.len() as u64, "contributor"),
        e.open.0,
        entries(parts.iter().map(|p| p.at)),
        entries(parts.iter().map(|p| p.judged)),
        entries(parts.iter().map(|p| p.shard.0)),
        head.size,
    );
    let mut about = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": name,
        "description": description,
        "url": url,
        "license": licences.into_iter().map(licence).collect::<Vec<_>>(),
        "creator": contributors.iter().map(creator).collect::<Vec<_>>(),
    });
    about["publisher"] = json!({
        "@type": "sc:Organization",
        "name": format!("operator of the log {origin}"),
        "description": format!("Key {} (entry {})", operator.key, operator.since),
    });
    about["datePublished"] = date_of(closed.time).into();
    about["dateCreated"] = date_of(e.open.1.time).into();
    about["dateModified"] = date_of(modified).into();
    // A major version for every shard that went out of use: nothing else changes a closed epoch's data.
    about["version"] = format!("{}.0.0", 1 + retired.len()).into();
    about["citeAs"] = format!(
        "@misc{{{key}, title = {{{name}}}, author = {{{{Contributors of the log {origin}}}}}, year = {{{year}}}, howpublished = {{{url}}}, \
        note = {{{} entries, root hash {root}}}}}",
        head.size
    )
    .into();
    Ok(about)
}

/// The RAI vocabulary.
fn responsible(archive: &Archive, e: &Epoch, parts: &[Part]) -> Result<Value> {
    let policy = epoch::policy(archive, e)?;
    let (tokenizer_at, tokenizer) = archive.state.tokenizer.as_ref().context("shards have a tokenizer")?;
    let (opened, purpose) = (e.open.0, e.open.1.purpose);
    let kind = |method: &str| match method {
        "web-scraping-crawling" => "Web Scraping".to_string(),
        "primary-user-source" => "User-generated content data".to_string(),
        other => format!("Others ({other})"),
    };
    let rights = || parts.iter().map(|p| &p.submission.rights);
    let kinds: BTreeSet<String> = rights().map(|r| kind(&r.method)).collect();
    let days = [rights().filter_map(|r| r.data_generation_from.as_ref()).min(), rights().filter_map(|r| r.data_generation_to.as_ref()).max()];
    let uses = |r: &Rights| match &r.intended_data_use {
        Some(purposes) => purposes.iter().map(ToString::to_string).collect(),
        None => vec!["whatever the licence permits".to_string()],
    };
    let gone = withdrawn(e);
    let mut object = json!({
        "rai:dataCollection": format!(
            "Contributors commit to datasets, then submit them with a signed manifest. Method, {}. Rights, {}. Origin, {}. Generation, {}. \
            Opt-out signals, {}.",
            stated(parts, |r| vec![r.method.clone()]),
            stated(parts, |r| vec![r.rights_basis.clone()]),
            stated(parts, geography),
            stated(parts, synthetic),
            stated(parts, signals)
        ),
        "rai:dataCollectionType": kinds,
        "rai:dataCollectionMissingData": format!("Documents of the epoch by verdict: {}", verdicts(e)),
        "rai:dataCollectionRawData": "Bundles as they were submitted, sealed; every submission's entry has its bundle's digest",
        "rai:dataPreprocessingProtocol": [
            "Texts are brought to Unicode NFC",
            format!("Kept out: documents whose licence does not permit {purpose}, and those found in the held-out pool (entry {opened})"),
            format!(
                "Kept out: exact, formatting-only and near duplicates of earlier documents; near is a Jaccard index of {}/{} (entry {opened})",
                policy.jaccard_numerator, policy.jaccard_denominator
            ),
            format!("Tokenizer {}, {}, vocabulary {} (entry {tokenizer_at})", tokenizer.tokenizer, tokenizer.origin, tokenizer.vocabulary),
        ],
        "rai:personalSensitiveInformation": [stated(parts, personal)],
        "rai:dataUseCases": [format!("Training for the purpose {purpose} (entry {opened})"), format!("Intended use, {}", stated(parts, uses))],
        "rai:dataLimitations": [
            format!("Rights are stated, not proven; the licence was verified by, {}", stated(parts, |r| vec![r.license_verified_by.clone()])),
            format!("Languages, biases and social impact: {UNKNOWN}"),
        ],
        "rai:dataReleaseMaintenancePlan": format!(
            "Nothing is added to a closed epoch. Withdrawals take documents out, and the major version grows; so far {}{}",
            count(gone.len() as u64, "withdrawal"),
            if gone.is_empty() { String::new() } else { format!(" ({})", entries(gone.iter().map(|w| w.0))) }
        ),
    });
    let days: Vec<&String> = days.into_iter().flatten().collect();
    if !days.is_empty() {
        object["rai:dataCollectionTimeframe"] = json!(days);
    }
    Ok(object)
}

/// One file a shard, the set of them, and the table in it.
fn files(archive: &Archive, parts: &[Part]) -> Value {
    let url = |p: &Part| format!("objects/{}/{}", Class::Sealed.name(), p.shard.1.file);
    let file = |p: &Part| {
        let (at, s) = p.shard;
        let mut file = json!({
            "@type": "cr:FileObject",
            "@id": format!("shard-{at}"),
            "name": s.file,
            "description": format!("{}, {}: {}", count(s.rows, "document"), count(s.tokens, "token"), entries([p.at, p.judged, *at])),
            "contentUrl": url(p),
            "encodingFormat": PARQUET,
            "sha256": s.file,
            "license": licence(&p.submission.rights.license_to_use),
            "creator": { "@id": format!("contributor-{}", p.submission.contributor) },
        });
        if let Ok(found) = std::fs::metadata(archive.objects.path(Class::Sealed, &s.file)) {
            file["contentSize"] = format!("{} B", found.len()).into();
        }
        file
    };
    let field = |(name, kind, description): &(&str, &str, &str)| {
        let mut field = json!({
            "@type": "cr:Field",
            "@id": format!("documents/{name}"),
            "name": name,
            "description": description,
            "dataType": kind,
            "source": { "fileSet": { "@id": "shards" }, "extract": { "column": name } },
        });
        if *name == "tokens" {
            field["isArray"] = true.into();
            field["arrayShape"] = "-1".into();
        }
        field
    };
    let set = json!({
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "The shards in use, below a home",
        "encodingFormat": PARQUET,
        "includes": parts.iter().map(url).collect::<Vec<_>>(),
    });
    let documents = json!({
        "@type": "cr:RecordSet",
        "@id": "documents",
        "name": "documents",
        "description": "One row a document",
        "key": { "@id": "documents/doc" },
        "field": COLUMNS.iter().map(field).collect::<Vec<_>>(),
    });
    json!({ "distribution": parts.iter().map(file).chain([set]).collect::<Vec<_>>(), "recordSet": [documents] })
}

/// What is missing of licence, creators and digests; `mlcroissant` asks for none of the first two.
pub fn check_croissant(value: &Value) -> Vec<String> {
    let list = |key: &str| match &value[key] {
        Value::Array(found) => found.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let mut missing = Vec::new();
    let mut expect = |holds: bool, text: String| if !holds { missing.push(text) };
    let named = |v: &Value| v["name"].as_str().is_some_and(|n| !n.is_empty());
    let (licences, creators) = (list("license"), list("creator"));
    expect(!licences.is_empty(), "license: expected at least one, found none".into());
    for l in &licences {
        let known = l.as_str().is_some_and(|u| u.len() > 26 && u.starts_with("https://spdx.org/licenses/"));
        expect(known || named(l), format!("license {l}: expected a URL of spdx.org or a work with a name"));
    }
    expect(!creators.is_empty(), "creator: expected at least one, found none".into());
    for c in &creators {
        expect(c["@type"] == "sc:Organization" && named(c), format!("creator {c}: expected an sc:Organization with a name"));
    }
    let files: Vec<Value> = list("distribution").into_iter().filter(|f| f["@type"] == "cr:FileObject").collect();
    expect(!files.is_empty(), "distribution: expected at least one cr:FileObject, found none".into());
    for f in &files {
        let digest = f["sha256"].as_str().is_some_and(|d| d.parse::<Digest>().is_ok());
        expect(digest, format!("file {}: sha256 {}, expected 64 hexadecimal characters", f["@id"], f["sha256"]));
    }
    missing
}

/// Headings of the template's list of sources, with what it asks there and no entry says.
const SOURCES: [(&str, &str, &str); 7] = [
    ("2.1", "Publicly available datasets", "Names and links of the datasets, and whether the public had them"),
    ("2.2.1", "Datasets commercially licensed by rightsholders or their representatives", "The agreements"),
    ("2.2.2", "Private datasets obtained from other third parties", "Names of the datasets"),
    ("2.3", "Data crawled and scraped from online sources", "Crawlers' names, purposes and behaviour, for whom they ran, domain names"),
    ("2.4", "User data", "Services that the data came from, and whether they are the provider's"),
    ("2.5", "Synthetic data", "For whom it was made, and what its models were trained on"),
    ("2.6", "Other sources of data", "A description of these sources"),
];

/// The heading that a submission stands under: the first that fits what its contributor states.
fn heading(r: &Rights) -> &'static str {
    match (r.method.as_str(), r.rights_basis.as_str()) {
        _ if r.synthetic => "2.5",
        ("web-scraping-crawling", _) => "2.3",
        ("primary-user-source", _) => "2.4",
        (_, "contract" | "own-work") => "2.2.1",
        (_, "consent") => "2.2.2",
        (_, "license") if r.license_to_use.contains("LicenseRef-") => "2.2.2",
        ("published", _) | (_, "license" | "public-domain") => "2.1",
        _ => "2.6",
    }
}

/// A draft of the public summary of training content, in Markdown: what the runs of epoch `number` used, or what is in use if there are none.
pub fn eu_summary(archive: &Archive, number: u32) -> Result<String> {
    let e = epoch::find(archive, Some(number))?;
    let runs: Vec<&Run> = archive.state.runs.iter().filter(|r| r.intent.1.epoch == number).collect();
    // What was taken back after a run stays what that run was trained on.
    let used = |s: &'_ Submitted| -> Option<u64> { runs.iter().rev().map(|r| r.intent.0).find(|at| s.shard_before(*at).is_some()) };
    let parts = parts(e, |s| if runs.is_empty() { s.shard() } else { s.shard_before(used(s)?) })?;
    let head = tree_head(archive)?;
    let mut page = format!("# Public summary of training content: {}, epoch {number}\n\n", quoted(&head.origin));
    let (size, root) = (head.size, head.root);
    writeln!(page, "Draft from records, not legal advice; template version 24 July 2025; log {}, {size} entries, root {root}\n", head.origin)?;
    if archive.genesis().demo {
        writeln!(page, "A demonstration: the operator holds all keys, and nobody is owed anything (entry 0).\n")?;
    }
    writeln!(page, "Rights are what contributors signed; the log proves that they stated it, not that it is true.\n")?;
    general(archive, e, &runs, &parts, &mut page)?;
    writeln!(page, "## 2. List of data sources\n")?;
    writeln!(page, "A submission stands under the first of 2.5, 2.3, 2.4, 2.2, 2.1 and 2.6 that fits what it states; the provider checks that.\n")?;
    for (section, title, asked) in SOURCES {
        if section == "2.2.1" {
            writeln!(page, "### 2.2. Private non-publicly available datasets obtained from third parties\n")?;
        }
        writeln!(page, "{} {section}. {title}\n", if section.len() > 3 { "####" } else { "###" })?;
        sources(parts.iter().filter(|p| heading(&p.submission.rights) == section), asked, &mut page)?;
    }
    processing(archive, e, &parts, &mut page)?;
    Ok(page)
}

fn general(archive: &Archive, e: &Epoch, runs: &[&Run], parts: &[Part], page: &mut String) -> Result<()> {
    let operator = archive.state.operator.context("a log that was read has an operator")?;
    writeln!(page, "## 1. General information\n\n### 1.1. Provider identification\n")?;
    writeln!(page, "- Provider name and contact details: {UNKNOWN}; its operator signs with key {} (entry {})", operator.key, operator.since)?;
    writeln!(page, "- Authorised representative: {UNKNOWN}\n\n### 1.2. Model identification\n")?;
    for run in runs {
        let (at, intent) = &run.intent;
        let end = run.close.as_ref().map_or("not closed".to_string(), |(at, c)| format!("{}, {} steps, entry {at}", c.outcome, c.steps));
        let weights = run.close.as_ref().and_then(|(_, c)| c.checkpoint).map_or(UNKNOWN.to_string(), |c| c.to_string());
        let kind = if intent.pilot { "pilot run" } else { "run" };
        writeln!(page, "- Versioned model name: {UNKNOWN}; {kind} {} (entry {at}; {end}), state {weights}", intent.run)?;
        let start = replay::config(archive, run)?.start;
        let start = start.map_or("none, it starts from weights drawn by seed".into(), |s| format!("it starts from weights {}", quoted(&s.weights)));
        writeln!(page, "- Model dependencies of run {}: {start} (entry {at})", intent.run)?;
    }
    if runs.is_empty() {
        writeln!(page, "- Versioned model name: {UNKNOWN}; the epoch has no run yet, so what follows is what a run could use now")?;
    }
    writeln!(page, "- Date of placement on the Union market: {UNKNOWN}")?;
    writeln!(page, "\n### 1.3. Modalities, overall training data size and other characteristics\n")?;
    let shards = entries(parts.iter().map(|p| p.shard.0));
    writeln!(page, "- Modality: text, and no other ({shards})")?;
    let range = |tokens: u64| match tokens {
        0..1_000_000_000 => "less than 1 billion tokens",
        1_000_000_000..=10_000_000_000_000 => "1 billion to 10 trillion tokens",
        _ => "more than 10 trillion tokens",
    };
    let mut line = |what: String, documents: u64, tokens: u64, cited: String| {
        let (documents, found) = (count(documents, "document"), count(tokens, "token"));
        writeln!(page, "- Training data size{what}, after pre-processing: {}; {documents}, {found} ({cited})", range(tokens))
    };
    for run in runs {
        let (at, intent) = &run.intent;
        line(format!(" of run {}", intent.run), intent.documents, intent.tokens, entries([*at]))?;
    }
    if runs.is_empty() {
        let (rows, tokens) = sizes(parts);
        line(String::new(), rows, tokens, shards)?;
    }
    writeln!(page, "- Types of content: {UNKNOWN}")?;
    writeln!(page, "- Dates of making or collection: {}", stated(parts, |r| vec![period(r)]))?;
    if let Some((at, closed)) = &e.close {
        writeln!(page, "- Latest date of acquisition: nothing was submitted after {} (entry {at})", date_of(closed.time))?;
    }
    writeln!(page, "- Linguistic characteristics: {UNKNOWN}")?;
    writeln!(page, "- Geographical origin: {}\n", stated(parts, geography))?;
    Ok(())
}

/// Submissions under one heading; those that state the same share a line.
fn sources<'a>(parts: impl Iterator<Item = &'a Part<'a>>, asked: &str, page: &mut String) -> Result<()> {
    let mut alike: BTreeMap<String, Vec<&Part>> = BTreeMap::new();
    for p in parts {
        let r = &p.submission.rights;
        let (licence, basis, method, evidence) = (quoted(&r.license_to_use), &r.rights_basis, &r.method, &r.license_evidence);
        let (made, from, model) = (period(r), geography(r).join(" "), synthetic(r).concat());
        let said = format!("licence {licence} ({evidence}, by {}), basis {basis}, method {method}, {made}, from {from}", r.license_verified_by);
        alike.entry(format!("{said}, {model}")).or_default().push(p);
    }
    for (said, group) in &alike {
        let contributors: BTreeSet<ContributorId> = group.iter().map(|p| p.submission.contributor).collect();
        let (rows, tokens) = group.iter().fold((0, 0), |(r, t), p| (r + p.shard.1.rows, t + p.shard.1.tokens));
        let (of, by) = (count(group.len() as u64, "submission"), count(contributors.len() as u64, "contributor"));
        let at = entries(group.iter().flat_map(|p| [p.at, p.shard.0]));
        writeln!(page, "- Text: {of} of {by}, {}, {}; {said} ({at})", count(rows, "document"), count(tokens, "token"))?;
    }
    match alike.is_empty() {
        true => writeln!(page, "- No submission that was used states this.\n")?,
        false => writeln!(page, "- {asked}: {UNKNOWN}\n")?,
    }
    Ok(())
}

fn processing(archive: &Archive, e: &Epoch, parts: &[Part], page: &mut String) -> Result<()> {
    let (opened, open) = &e.open;
    writeln!(page, "## 3. Data processing aspects\n\n### 3.1. Respect of reservation of rights from text and data mining exception or limitation\n")?;
    writeln!(page, "- Signatory to the Code of Practice: {UNKNOWN}")?;
    writeln!(page, "- Opt-out signals seen where data was collected: {}", stated(parts, signals))?;
    writeln!(page, "- Measures on a signal that reserves rights: {UNKNOWN}; verdicts follow licences and intended use alone")?;
    writeln!(page, "- Kept out unless licence and stated use permit {} (entry {opened}); documents by verdict: {}", open.purpose, verdicts(e))?;
    writeln!(page, "\n### 3.2. Removal of illegal content\n\n- Measures: {UNKNOWN}; no verdict is about illegal content")?;
    writeln!(page, "\n### 3.3. Other information\n\n- Personal data and consent: {}", stated(parts, personal))?;
    writeln!(page, "- Held out, to price with and not to train on: {} (entry {opened})", count(open.pool_documents, "document"))?;
    if let Some((at, t)) = &archive.state.tokenizer {
        writeln!(page, "- Tokenizer: {}, vocabulary {} (entry {at})", quoted(&t.origin), t.vocabulary)?;
    }
    for (at, accepted, _, time) in withdrawn(e) {
        let what = count(accepted, "accepted document");
        writeln!(page, "- Taken back on {}: {what}; weights that are trained are not undone (entry {at})", date_of(time))?;
    }
    for c in &archive.state.claims {
        let at = entries([c.claim.0].into_iter().chain(c.resolution.as_ref().map(|r| r.0)));
        let outcome = c.resolution.as_ref().map_or("open", |(_, r)| r.outcome.as_str());
        writeln!(page, "- Claim to {} of any epoch: {outcome} ({at})", count(c.claim.1.documents, "document"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_without_licence_creator_or_digest_is_found_out() {
        let whole = json!({
            "license": [licence("MIT"), licence("MIT OR Apache-2.0")],
            "creator": [{ "@type": "sc:Organization", "name": "contributor 00" }],
            "distribution": [{ "@type": "cr:FileObject", "@id": "shard-4", "sha256": Digest::of(b"x") }, { "@type": "cr:FileSet" }],
        });
        assert_eq!(check_croissant(&whole), Vec::<String>::new());
        let cases = [
            ("/license", json!(null), "license"),
            ("/license/0", json!("MIT"), "license"),
            ("/creator", json!([]), "creator"),
            ("/creator/0/@type", json!("sc:Person"), "creator"),
            ("/distribution", json!([]), "distribution"),
            ("/distribution/0/sha256", json!(null), "file \"shard-4\""),
            ("/distribution/0/sha256", json!("00ff"), "file \"shard-4\""),
        ];
        for (place, other, about) in cases {
            let mut damaged = whole.clone();
            *damaged.pointer_mut(place).unwrap() = other;
            let missing = check_croissant(&damaged);
            assert!(missing.len() == 1 && missing[0].starts_with(about), "{place}: {missing:?}");
        }
    }

    #[test]
    fn an_expression_is_a_work_of_its_licences() {
        assert_eq!(licence("CC0-1.0"), "https://spdx.org/licenses/CC0-1.0");
        let parts = &licence("(MIT OR LicenseRef-Mine) AND Zlib")["hasPart"];
        assert_eq!(parts, &json!(["https://spdx.org/licenses/MIT", "https://spdx.org/licenses/Zlib"]));
        assert_eq!(licence("LicenseRef-Mine"), json!({ "@type": "sc:CreativeWork", "name": "LicenseRef-Mine" }));
    }
}
