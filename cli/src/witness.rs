//! A witness for other people's logs: over HTTP, or file by file on a machine without a network.
//!
//! Source: C2SP `tlog-witness`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use corpus::Digest;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use ledger::key::Algorithm;
use ledger::witness::{AddCheckpoint, Refusal};
use ledger::{Note, SecretKey, Verifier};
use serde_json::json;
use store::{Witness, files};

use crate::failure::{Kind, failure, usage};
use crate::keys::{self, read as read_key};
use crate::output::{Output, note};
use crate::prove::verifier;

/// Longest request: a tree head and 63 hashes are far below it.
const LONGEST: usize = 65_536;
/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 256;

/// The logs that a witness follows, with its memory of each.
struct Followed {
    logs: BTreeMap<String, (Verifier, Witness)>,
}

impl Followed {
    fn new(key: &Path, logs: &[String], state: &Path) -> Result<(Followed, SecretKey)> {
        let key = read_key(key)?;
        if key.algorithm != Algorithm::CosignatureV1 {
            return Err(failure(Kind::Check, format!("key {}: a witness signs with a key made by `assay witness key`", key.name)));
        }
        let log = |text: &String| -> Result<(String, (Verifier, Witness))> {
            let log = verifier(text).with_context(|| format!("--log {text}"))?;
            // Under the origin's digest: it may hold what no file name may, and another key of it is the same log.
            let memory = state.join(Digest::of(log.name.as_bytes()).to_string());
            Ok((log.name.clone(), (log, Witness::new(key.clone(), &memory))))
        };
        let mut followed = BTreeMap::new();
        for text in logs {
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
pub fn key(name: &str, out: &Path) -> Result<Output> {
    let key = keys::generate(name, Algorithm::CosignatureV1)?;
    keys::write_new(out, &key, false)?;
    Ok(Output::new(key.vkey(), json!({ "vkey": key.vkey(), "key": out.display().to_string() })))
}

/// Answers one request from a file, for a machine without a network.
pub fn cosign(request: &Path, key: &Path, logs: &[String], state: &Path, out: Option<PathBuf>, now: u64) -> Result<Output> {
    let (followed, _) = Followed::new(key, logs, state)?;
    let body = String::from_utf8(files::read(request)?).with_context(|| request.display().to_string())?;
    match followed.add(&body, now)? {
        Ok(line) => {
            let path = out.unwrap_or_else(|| request.with_extension("cosignature"));
            files::write(&path, line.as_bytes(), 0o644)?;
            Ok(Output::new(format!("cosigned; {}", path.display()), json!({ "cosignature": line, "file": path.display().to_string() })))
        }
        Err(refusal) => Err(failure(Kind::Verification, format!("{}: {} {refusal}", request.display(), refusal.status()))),
    }
}

/// Answers `POST /add-checkpoint` until it is stopped.
pub async fn serve(listen: SocketAddr, key: &Path, logs: &[String], state: &Path) -> Result<Output> {
    let (followed, key) = Followed::new(key, logs, state)?;
    let followed = Arc::new(followed);
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("--listen {listen}"))?;
    note(&format!("witness {} at http://{}, follows {} logs", key.vkey(), listener.local_addr()?, followed.logs.len()));
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.expect("never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tokio::signal::ctrl_c() => return Ok(Output::new("stopped", json!({ "stopped": true }))),
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, or a client that went away while it came: the next one may fare better.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let followed = followed.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(followed.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away, or takes for ever, is no fault of ours and no reason to wait.
            let _ = tokio::time::timeout(Duration::from_secs(30), connection).await;
            drop(place);
        });
    }
}

async fn answer(followed: Arc<Followed>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = |status: u16, kind: &str, text: String| {
        let response = Response::builder().status(status).header("content-type", kind).body(Full::new(Bytes::from(text)));
        Ok(response.expect("a status and a plain header"))
    };
    if request.method() != Method::POST || request.uri().path() != "/add-checkpoint" {
        return reply(404, "text/plain", "expected POST /add-checkpoint\n".into());
    }
    let Ok(body) = Limited::new(request.into_body(), LONGEST).collect().await else {
        return reply(413, "text/plain", format!("expected at most {LONGEST} bytes\n"));
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    // Its memory is written and synced: not on the threads that answer others.
    let added = tokio::task::spawn_blocking(move || followed.add(&body, crate::clock())).await;
    match added {
        Ok(Ok(Ok(line))) => reply(200, "text/plain", line),
        Ok(Ok(Err(Refusal::Conflict(size)))) => reply(409, "text/x.tlog.size", format!("{size}\n")),
        Ok(Ok(Err(refusal))) => reply(refusal.status(), "text/plain", format!("{refusal}\n")),
        Ok(Err(_)) | Err(_) => reply(500, "text/plain", "the witness cannot read or write its memory\n".into()),
    }
}
