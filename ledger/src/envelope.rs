//! Envelopes: an in-toto statement and its signatures, in one canonical form.
//!
//! Source: DSSE 1.0 (`protocol.md`), in-toto Statement v1, RFC 8785.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corpus::{Digest, canonical};
use serde::{Deserialize, Serialize};

use crate::key::{PublicKey, SecretKey};

/// Longest envelope: its length has two bytes in a bundle of entries.
pub const MAX_BYTES: usize = 65_535;
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope that cannot be an entry.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than an entry can be.
    #[error("envelope: {0} bytes, at most {MAX_BYTES}")]
    TooLong(usize),
    /// Not canonical JSON of an envelope.
    #[error("envelope: {0}")]
    Canonical(#[from] canonical::CanonicalError),
    /// Another payload type, or a payload that is not base64.
    #[error("envelope: {0}")]
    Payload(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: Digest,
    sig: String,
}

/// A payload and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Canonical JSON of the statement.
    pub payload: Vec<u8>,
    /// Key id and signature, in the order of signing.
    pub signatures: Vec<(Digest, Vec<u8>)>,
}

/// The bytes that are signed: `DSSEv1 <len> <type> <len> <payload>`.
pub(crate) fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope signed by `keys`, in this order.
    pub fn sign(payload: Vec<u8>, keys: &[&SecretKey]) -> Envelope {
        let message = pre_authentication_encoding(&payload);
        let signatures = keys.iter().map(|k| (k.public().key_id(), k.sign(&message).to_vec())).collect();
        Envelope { payload, signatures }
    }

    /// Whether `key` signed it.
    pub fn signed_by(&self, key: &PublicKey) -> bool {
        let message = pre_authentication_encoding(&self.payload);
        self.signatures.iter().any(|(id, signature)| *id == key.key_id() && key.verifies(&message, signature))
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        let signatures = self.signatures.iter().map(|(keyid, sig)| WireSignature { keyid: *keyid, sig: STANDARD.encode(sig) }).collect();
        let bytes = canonical::to_vec(&Wire { payload: STANDARD.encode(&self.payload), payload_type: PAYLOAD_TYPE.into(), signatures })?;
        if bytes.len() > MAX_BYTES { Err(EnvelopeError::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads canonical bytes; signatures are not verified.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that [`Envelope::to_bytes`] would not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::TooLong(bytes.len()));
        }
        let wire: Wire = canonical::from_slice(bytes)?;
        if wire.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::Payload(format!("payload type {:?}, expected {PAYLOAD_TYPE:?}", wire.payload_type)));
        }
        let decode = |text: &str, what: &str| STANDARD.decode(text).map_err(|_| EnvelopeError::Payload(format!("{what} is not base64")));
        let signatures =
            wire.signatures.iter().map(|s| Ok((s.keyid, decode(&s.sig, "a signature")?))).collect::<Result<_, EnvelopeError>>()?;
        Ok(Envelope { payload: decode(&wire.payload, "the payload")?, signatures })
    }
}
