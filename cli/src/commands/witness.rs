//! A witness for other people's logs: over HTTP, or file by file on a machine without a network.
//!
//! Source: C2SP `tlog-witness`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use corpus::Digest;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use ledger::key::Algorithm;
use ledger::witness::{AddCheckpoint, Refusal};
use ledger::{Note, SecretKey, Verifier};
use pipeline::keys::{self as key_files, read as read_key};
use pipeline::notices;
use serde_json::json;
use store::{Witness, files};

use super::proof::verifier;
use crate::args::witness::{Change, Cosign, Key, Serve, Witnessing};
use crate::failure::{Kind, failure, usage};
use crate::http::{self, reply};
use crate::output::{Output, note};
use crate::place::Place;

/// Longest request: a tree head and 63 hashes are far below it.
const LONGEST: usize = 65_536;

/// The logs that a witness follows, with its memory of each.
struct Followed {
    logs: BTreeMap<String, (Verifier, Witness)>,
}

impl Followed {
    fn new(what: &Witnessing) -> Result<(Followed, SecretKey)> {
        let key = read_key(&what.key)?;
        if key.algorithm != Algorithm::CosignatureV1 {
            return Err(failure(Kind::Check, format!("key {}: a witness signs with a key made by `assay witness key`", key.name)));
        }
        let log = |text: &String| -> Result<(String, (Verifier, Witness))> {
            let log = verifier(text).with_context(|| format!("--log {text}"))?;
            // Under the origin's digest: it may hold what no file name may, and another key of it is the same log.
            let memory = what.state.join(Digest::of(log.name.as_bytes()).to_string());
            Ok((log.name.clone(), (log, Witness::new(key.clone(), &memory))))
        };
        let mut followed = BTreeMap::new();
        for text in &what.log {
            let (origin, log) = log(text)?;
            if followed.insert(origin.clone(), log).is_some() {
                return Err(usage(format!("--log: {origin} is given twice")));
            }
        }
        Ok((Followed { logs: followed }, key))
    }

    /// The cosignature line for a request.
    fn add(&self, body: &str, time: u64) -> Result<Result<String, Refusal>> {
        let request = match AddCheckpoint::from_text(body) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some((log, witness)) = self.logs.get(request.origin()) else {
            return Ok(Err(Refusal::Unknown(request.origin().to_string())));
        };
        Ok(witness.add(log, &request, time)?.map(|signature| {
            let text = Note { text: "\n".into(), signatures: vec![signature] }.to_text();
            text.trim_start().to_string()
        }))
    }
}

/// Makes a witness' key.
pub fn key(a: Key) -> Result<Output> {
    let (key, out) = (key_files::generate(&a.name, Algorithm::CosignatureV1)?, &a.out);
    key_files::write_new(out, &key, false)?;
    Ok(Output::new(key.vkey(), json!({ "vkey": key.vkey(), "key": out.display().to_string() })))
}

/// Lets other witnesses cosign a home's log.
pub async fn change(place: &Place, a: Change) -> Result<Output> {
    let at = notices::change_witnesses(&mut place.open().await?, &files::read_text(&a.policy)?).await?;
    Ok(Output::new(format!("other witnesses from entry {} on", at + 1), json!({ "witness_change": at })))
}

/// Answers one request from a file, for a machine without a network.
pub fn cosign(place: &Place, a: Cosign) -> Result<Output> {
    let (request, (followed, _)) = (&a.request, Followed::new(&a.what)?);
    let body = files::read_text(request)?;
    match followed.add(&body, place.now)? {
        Ok(line) => {
            let path = a.out.unwrap_or_else(|| request.with_extension("cosignature"));
            files::write(&path, line.as_bytes(), 0o644)?;
            Ok(Output::new(format!("cosigned; {}", path.display()), json!({ "cosignature": line, "file": path.display().to_string() })))
        }
        Err(refusal) => Err(failure(Kind::Verification, format!("{}: {} {refusal}", request.display(), refusal.status()))),
    }
}

/// Answers `POST /add-checkpoint` until it is stopped.
pub async fn serve(a: Serve) -> Result<Output> {
    let (followed, key) = Followed::new(&a.what)?;
    let followed = Arc::new(followed);
    let (listener, address) = http::listen(a.listen).await?;
    note(&format!("witness {} at http://{address}, follows {} logs", key.vkey(), followed.logs.len()));
    http::serve(listener, Duration::from_secs(30), http::interrupted(), move |request| answer(followed.clone(), request)).await;
    Ok(Output::new("stopped", json!({ "stopped": true })))
}

async fn answer(followed: Arc<Followed>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST || request.uri().path() != "/add-checkpoint" {
        return reply(404, "text/plain", "expected POST /add-checkpoint\n");
    }
    let body = match http::body(request, LONGEST).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(too_long) => return too_long,
    };
    // Its memory is written and synced: not on the threads that answer others.
    let added = tokio::task::spawn_blocking(move || followed.add(&body, crate::clock())).await;
    match added {
        Ok(Ok(Ok(line))) => reply(200, "text/plain", line),
        Ok(Ok(Err(Refusal::Conflict(size)))) => reply(409, "text/x.tlog.size", format!("{size}\n")),
        Ok(Ok(Err(refusal))) => reply(refusal.status(), "text/plain", format!("{refusal}\n")),
        Ok(Err(_)) | Err(_) => reply(500, "text/plain", "the witness cannot read or write its memory\n"),
    }
}
