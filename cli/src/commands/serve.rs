//! A home over HTTP: its log and public objects for anybody to read, and entries that contributors signed themselves.
//!
//! `POST /add-entry` takes an envelope and answers with the C2SP `tlog-proof` that it is in the log: entries wait in a bounded queue, and one
//! writer appends those that wait together under one tree head. Everything else is a file below the home, as any file server gives it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use corpus::{Digest, EntryIndex, merkle};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use ledger::envelope::MAX_BYTES;
use ledger::{EntryProof, Violation};
use pipeline::Home;
use serde_json::json;
use store::admission::Admitted;
use store::{Class, LogFiles, Objects, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::args::home::Serve;
use crate::http::{body, interrupted, listen, reply, serve};
use crate::output::{Output, note};
use crate::place::Place;

/// Entries that may wait; more are told to come again.
const QUEUE: usize = 32_768;
/// Entries under one tree head, at most.
const BATCH: usize = 16_384;

/// What a waiting caller is told.
enum Told {
    Proof(EntryProof),
    Refused(Violation),
    Failed(String),
}

struct Waiting {
    bytes: Vec<u8>,
    tell: oneshot::Sender<Told>,
}

/// What the files of a home are given to.
#[derive(Clone)]
struct Served {
    home: PathBuf,
    objects: Objects,
    sealed: bool,
    queue: mpsc::Sender<Waiting>,
}

/// Serves the home in `dir` until it is interrupted.
pub async fn run(place: &Place, a: Serve) -> Result<Output> {
    let (dir, now) = (&place.home, place.dated);
    let home = Home::open(dir, place.now).await?;
    let (listener, address) = listen(a.listen).await?;
    note(&format!("log {} at http://{address}, {} entries", home.genesis().origin, home.state.size));
    let (queue, waiting) = mpsc::channel(QUEUE);
    let served = Arc::new(Served { home: dir.clone(), objects: home.objects.clone(), sealed: a.sealed, queue });
    let writer = tokio::spawn(write(home, waiting, now));
    let mut writer = std::pin::pin!(writer);
    let answers = serve(listener, Duration::from_secs(60), interrupted(), move |request| answer(served.clone(), request));
    tokio::select! {
        // The queue goes with the last connection, and the writer ends what it began.
        () = answers => {
            if let Ok(ended) = tokio::time::timeout(Duration::from_secs(60), &mut writer).await {
                ended??;
            }
        }
        ended = &mut writer => ended??,
    }
    Ok(Output::new("stopped", json!({ "stopped": true })))
}

/// Appends what waits, batch by batch; an append that fails ends it, and the process with it.
///
/// While one batch is appended, the next is admitted.
async fn write(mut home: Home, mut waiting: mpsc::Receiver<Waiting>, now: Option<u64>) -> Result<()> {
    let mut known: HashMap<Digest, EntryIndex> = home.leaves().iter().copied().zip((0..).map(EntryIndex)).collect();
    let mut batch: Vec<Waiting> = Vec::new();
    let mut ready: Option<(Vec<Waiting>, Admitted)> = None;
    loop {
        if batch.is_empty() && ready.is_none() && waiting.recv_many(&mut batch, BATCH).await == 0 {
            return Ok(());
        }
        while batch.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        home.now = now.unwrap_or_else(crate::clock);
        let bytes: Vec<Vec<u8>> = batch.iter().map(|w| w.bytes.clone()).collect();
        match home.advance(ready.as_ref().map(|(_, admitted)| admitted), &known, &bytes) {
            Ok((first, admitted)) => {
                let appended = ready.take();
                let taken: Vec<Waiting> = batch.drain(..admitted.outcomes.len()).collect();
                if !taken.is_empty() {
                    let at = taken.iter().zip(&admitted.outcomes);
                    known.extend(at.filter_map(|(w, o)| o.as_ref().ok().map(|index| (merkle::leaf_hash(&w.bytes), *index))));
                    ready = Some((taken, admitted));
                }
                if let (Some((told, admitted)), Some(first)) = (appended, first) {
                    tell(&home, told, &admitted);
                    // After the answers: the catalog is a cache, and the next start would bring it up to date.
                    home.catalog_admitted(first, admitted).await?;
                }
            }
            Err(e) => {
                for waiting in ready.take().into_iter().flat_map(|(w, _)| w).chain(batch.drain(..)) {
                    let _ = waiting.tell.send(Told::Failed(e.to_string()));
                }
                // A witness that does not answer too: the next start asks it again, and publishes what it cosigns.
                return Err(e.into());
            }
        }
    }
}

fn tell(home: &Home, waiting: Vec<Waiting>, admitted: &Admitted) {
    for (waiting, outcome) in waiting.into_iter().zip(&admitted.outcomes) {
        let told = match outcome {
            Ok(index) => Told::Proof(home.proof(*index)),
            Err(violation) => Told::Refused(violation.clone()),
        };
        // Whoever asked may have gone.
        let _ = waiting.tell.send(told);
    }
}

async fn answer(served: Arc<Served>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/add-entry") => add(&served, request).await,
        (&Method::GET, path) => {
            let path = path.to_string();
            // Files are read off the threads that answer others.
            let given = tokio::task::spawn_blocking(move || file(&served, &path)).await;
            given.unwrap_or_else(|_| reply(500, "text/plain", "cannot read it\n"))
        }
        _ => reply(404, "text/plain", "expected GET of a file of the log, or POST /add-entry\n"),
    }
}

async fn add(served: &Served, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let bytes = match body(request, MAX_BYTES).await {
        Ok(bytes) => bytes.to_vec(),
        Err(too_long) => return too_long,
    };
    // Before it waits: an entry that points at nothing must not be admitted.
    if let Some(missing) = missing(served, &bytes) {
        return reply(409, "text/plain", format!("{missing}: expected among the objects before an entry names it [object-there]\n"));
    }
    let (tell, told) = oneshot::channel();
    if served.queue.try_send(Waiting { bytes, tell }).is_err() {
        let mut busy = reply(503, "text/plain", format!("{QUEUE} entries wait already; come again\n"));
        busy.headers_mut().insert("retry-after", "1".parse().expect("a number"));
        return busy;
    }
    match told.await {
        Ok(Told::Proof(proof)) => reply(200, "text/plain", proof.to_text()),
        Ok(Told::Refused(v)) => reply(if v.rule == "signature" { 403 } else { 409 }, "text/plain", format!("{} [{}]\n", v.text, v.rule)),
        Ok(Told::Failed(text)) => reply(503, "text/plain", format!("{text}\n")),
        Err(_) => reply(500, "text/plain", "the log's writer has ended\n"),
    }
}

/// The first object that an entry names and the home does not have.
fn missing(served: &Served, bytes: &[u8]) -> Option<String> {
    // What is no entry is refused where rules are looked at.
    let (_, entry) = store::follow::parse(EntryIndex(0), bytes).ok()?;
    let objects = &served.objects;
    let there = |name: &str, digest: &Digest| {
        let class = name.split('/').next().unwrap_or(name);
        Class::ALL.into_iter().any(|c| c.name() == class && objects.has(c, digest))
    };
    entry.objects().into_iter().find(|(name, digest)| !there(name, digest)).map(|(name, digest)| format!("{name} {digest}"))
}

/// A file that anybody may read, by its path in the home.
fn file(served: &Served, path: &str) -> Response<Full<Bytes>> {
    let path = path.trim_start_matches('/');
    let none = || reply(404, "text/plain", "no such file\n");
    let log = LogFiles::new(&served.home.join("log"));
    let open = |class: Class| class == Class::Public || served.sealed;
    if let Some(object) = path.strip_prefix("objects/").filter(|o| *o != "party/index") {
        let named = object.split_once('/').and_then(|(class, digest)| {
            let class = Class::ALL.into_iter().find(|c| c.name() == class && open(*c))?;
            Some((class, digest.parse().ok()?))
        });
        let Some((class, digest)) = named else { return none() };
        return match served.objects.get(class, &digest) {
            Ok(bytes) => reply(200, "application/octet-stream", bytes),
            Err(StoreError::Absent(_)) => none(),
            Err(e) => reply(500, "text/plain", format!("{e}\n")),
        };
    }
    let found = match path {
        "log.vkey" | "witness-policy" => Some(served.home.join(path)),
        "log/checkpoint" => Some(log.root().join("checkpoint")),
        "objects/party/index" if served.sealed => {
            let listed = served.objects.list().unwrap_or_default();
            let own = listed.iter().filter_map(|p| p.strip_prefix("party").ok());
            return reply(200, "text/plain", own.map(|p| format!("{}\n", p.display())).collect::<String>());
        }
        _ => {
            let Some(tile) = path.strip_prefix("log/").and_then(ledger::tile::from_path) else { return none() };
            // Whoever has an older tree head asks for partial tiles that are removed by now: wider ones begin with them.
            return match log.tile(tile) {
                Ok(Some(bytes)) => reply(200, "text/plain", bytes),
                Ok(None) => none(),
                Err(e) => reply(500, "text/plain", format!("{e}\n")),
            };
        }
    };
    let Some(found) = found else { return none() };
    match store::files::read_if_present(&found) {
        Ok(Some(bytes)) => reply(200, "text/plain", bytes),
        Ok(None) => none(),
        Err(e) => reply(500, "text/plain", format!("{e}\n")),
    }
}
