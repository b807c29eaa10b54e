//! An object store by URL: S3, Google Cloud Storage, Azure, behind the few calls that objects need.
//!
//! Credentials and endpoints come from the environment, by the names that each provider uses (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`,
//! `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY` …). Requests go through the HTTP client that witnesses are asked with.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use object_store::client::{
    ClientConfigKey, ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Error, ObjectStore as Client, ObjectStoreExt, ObjectStoreScheme, PutMode, PutOptions, PutPayload, RetryConfig,
};
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;

/// Whether a put stored the bytes, or found others' under the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// They are there now.
    Stored,
    /// Something was there before.
    Present,
}

/// An object store, or a prefix of one. Calls block, on a runtime of its own, so that they may come from anywhere.
pub struct ObjectStore {
    url: String,
    store: PrefixStore<Arc<dyn Client>>,
    /// There until the object store is dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // A runtime that waits for its threads must not be dropped inside of another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

impl ObjectStore {
    /// The object store at `url`: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container@account/prefix`.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`] if the URL is none of these or its settings contradict each other; nothing is asked yet.
    pub fn open(url: &str) -> Result<ObjectStore, StoreError> {
        let failed = |e: &dyn std::fmt::Display| StoreError::ObjectStore { url: url.to_string(), text: e.to_string() };
        let parsed = url::Url::parse(url).map_err(|e| failed(&e))?;
        let (scheme, prefix) = ObjectStoreScheme::parse(&parsed).map_err(|e| failed(&e))?;
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: 6, retry_timeout: Duration::from_secs(60) };
        let store: Arc<dyn Client> = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let builder = object_store::aws::AmazonS3Builder::from_env().with_url(url).with_retry(retry);
                Arc::new(builder.with_http_connector(Connector).build().map_err(|e| failed(&e))?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = object_store::gcp::GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry);
                Arc::new(builder.with_http_connector(Connector).build().map_err(|e| failed(&e))?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = object_store::azure::MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry);
                Arc::new(builder.with_http_connector(Connector).build().map_err(|e| failed(&e))?)
            }
            other => return Err(failed(&format!("expected s3://, gs:// or az://, found {other:?}"))),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("object store").enable_all().build();
        let runtime = runtime.map_err(|e| failed(&e))?;
        Ok(ObjectStore { url: url.to_string(), store: PrefixStore::new(store, prefix), runtime: Some(runtime) })
    }

    fn failed(&self, name: &str, e: &Error) -> StoreError {
        StoreError::ObjectStore { url: format!("{}/{name}", self.url.trim_end_matches('/')), text: e.to_string() }
    }

    /// Waits for an answer. The runtime is not the caller's, so the caller may itself be inside of one.
    fn wait<T: Send + 'static>(&self, answer: impl Future<Output = T> + Send + 'static) -> T {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        self.runtime.as_ref().expect("there until it is dropped").spawn(async move {
            // Who does not wait any more does not miss it.
            let _ = send.send(answer.await);
        });
        receive.recv().expect("the object store's runtime outlives its calls")
    }

    /// Stores bytes under a name that nothing has yet.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`].
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<Put, StoreError> {
        let (store, path) = (self.store.clone(), Path::from(name));
        let put = async move { store.put_opts(&path, PutPayload::from(bytes), PutOptions::from(PutMode::Create)).await };
        match self.wait(put) {
            Ok(_) => Ok(Put::Stored),
            // A put whose answer was lost finds its own bytes when it is tried again.
            Err(Error::AlreadyExists { .. }) => Ok(Put::Present),
            Err(e) => Err(self.failed(name, &e)),
        }
    }

    /// The bytes under a name, if there are any.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`].
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (store, path) = (self.store.clone(), Path::from(name));
        match self.wait(async move { store.get(&path).await?.bytes().await }) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(name, &e)),
        }
    }

    /// The size of what is under a name, if anything is.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`].
    pub fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let (store, path) = (self.store.clone(), Path::from(name));
        match self.wait(async move { store.head(&path).await }) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(name, &e)),
        }
    }

    /// Removes what is under a name; nothing is there afterwards, as before if there was nothing.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`].
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let (store, path) = (self.store.clone(), Path::from(name));
        match self.wait(async move { store.delete(&path).await }) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed(name, &e)),
        }
    }

    /// All names, in order.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`].
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        let store = self.store.clone();
        let all = async move {
            let mut names = Vec::new();
            let mut listed = store.list(None);
            while let Some(meta) = std::future::poll_fn(|context| listed.as_mut().poll_next(context)).await {
                names.push(meta?.location.to_string());
            }
            Ok::<_, Error>(names)
        };
        let mut names = self.wait(all).map_err(|e| self.failed("", &e))?;
        names.sort();
        Ok(names)
    }
}

/// Requests by `ureq`, on the runtime's threads for calls that block.
#[derive(Clone, Copy, Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let config = ureq::Agent::config_builder()
            .https_only(!plain)
            // Statuses are judged by who knows the provider, and a signature is for one URL.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding(ureq::config::AutoHeaderValue::None)
            .timeout_connect(Some(Duration::from_secs(5)))
            .build();
        Ok(HttpClient::new(Service(config.new_agent())))
    }
}

#[derive(Clone, Debug)]
struct Service(ureq::Agent);

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        // It is set again from the body, and no signature covers it.
        parts.headers.remove(http::header::CONTENT_LENGTH);
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let (answer, answered) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let sends = !body.is_empty() || matches!(parts.method, http::Method::PUT | http::Method::POST);
            let sent = if sends {
                agent.run(http::Request::from_parts(parts, &body[..]))
            } else {
                agent.run(http::Request::from_parts(parts, ()))
            };
            let response = match sent {
                Ok(response) => response,
                Err(e) => return drop(answer.send(Err(failed(e)))),
            };
            let (parts, body) = response.into_parts();
            let (send, receive) = mpsc::channel(4);
            if answer.send(Ok(http::Response::from_parts(parts, HttpResponseBody::new(Chunks(receive))))).is_err() {
                return;
            }
            let (mut reader, mut buffer) = (body.into_reader(), vec![0; 1 << 16]);
            loop {
                let frame = match reader.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(n) => Ok(Frame::data(Bytes::copy_from_slice(&buffer[..n]))),
                    Err(e) => Err(HttpError::new(HttpErrorKind::Interrupted, e)),
                };
                let ends = frame.is_err();
                if send.blocking_send(frame).is_err() || ends {
                    return;
                }
            }
        });
        answered.await.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e))?
    }
}

/// A body that comes in pieces.
struct Chunks(mpsc::Receiver<Result<Frame<Bytes>, HttpError>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = HttpError;
    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.0.poll_recv(context)
    }
}

/// What failed, as far as it decides whether the request is tried again.
fn failed(e: ureq::Error) -> HttpError {
    let kind = match &e {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, e)
}
