//! The loop of a small HTTP server: bounded connections, bounded time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 256;

/// A listener, and the address that it has.
pub async fn listen(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr)> {
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| format!("--listen {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Answers requests with `answer` until `stop` is there; a connection is closed after `patience`.
pub async fn serve<A, F>(listener: tokio::net::TcpListener, patience: Duration, stop: impl Future<Output = ()>, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = places.clone().acquire_owned().await.expect("never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, or a client that went away while it came: the next one may fare better.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away, or takes for ever, is no fault of ours and no reason to wait.
            let _ = tokio::time::timeout(patience, connection).await;
            drop(place);
        });
    }
}

/// A response.
pub fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("content-type", kind).body(Full::new(body.into())).expect("a status and a plain header")
}

/// The body of a request, or the reply that it is longer than `longest` bytes.
pub async fn body(request: Request<Incoming>, longest: usize) -> Result<Bytes, Response<Full<Bytes>>> {
    match Limited::new(request.into_body(), longest).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(reply(413, "text/plain", format!("expected at most {longest} bytes\n"))),
    }
}

/// Ends with the first interrupt.
pub async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
