//! Ed25519 keys, and the two text forms of the signed-note format.
//!
//! Source: RFC 8032; C2SP `signed-note`, section "Signatures".

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corpus::Digest;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A key that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not in the form that is documented for it.
    #[error("{thing}: expected {expected}, found {found:?}")]
    Malformed {
        /// Which key.
        thing: &'static str,
        /// The form.
        expected: &'static str,
        /// What was there; never a secret.
        found: String,
    },
    /// A point of small order, or not the canonical encoding of a point.
    #[error("public key {0}: a weak or non-canonical point")]
    Weak(String),
}

/// The y-coordinates of the points of small order, in canonical encoding; each but the first two has two points.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
        0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
        0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// A public key that is neither weak nor encoded in a non-canonical way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks and takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`KeyError::Weak`] if they are no point, a small-order point, or not its canonical encoding.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let weak = || KeyError::Weak(Digest(*bytes).to_string());
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| weak())?;
        // Compressing again finds encodings whose y is not reduced.
        if key.is_weak() || key.to_edwards().compress().to_bytes() != *bytes {
            return Err(weak());
        }
        Ok(PublicKey(key))
    }

    /// Its 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The name under which envelopes refer to it: its SHA-256.
    pub fn key_id(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// Whether `signature` is one of `message`: strict, so that every verifier agrees.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        // `verify_strict` decompresses R only to see whether its order is small, a sixth of its time. The equation is decided by comparing
        // R's bytes with a canonical encoding, so R need only not be one of the eight of small order; the key was looked at when it was read.
        let mut y = *signature.r_bytes();
        y[31] &= 0x7f;
        !SMALL_ORDER.contains(&y) && self.0.verify(message, &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digest(self.to_bytes()).fmt(f)
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let digest = Digest::deserialize(deserializer)?;
        PublicKey::from_bytes(&digest.0).map_err(serde::de::Error::custom)
    }
}

/// The kind byte of a key's text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Signs the note's text.
    Ed25519 = 1,
    /// Signs `cosignature/v1`, the time and the text.
    CosignatureV1 = 4,
}

/// The first four bytes of `SHA-256(name || 0x0A || algorithm || public key)`.
pub(crate) fn note_key_hash(name: &str, algorithm: Algorithm, public: &PublicKey) -> [u8; 4] {
    let digest = Digest::of_parts(&[name.as_bytes(), b"\n", &[algorithm as u8], &public.to_bytes()]);
    digest.0[..4].try_into().expect("four bytes")
}

/// A named secret key; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey {
    /// The key's name in notes.
    pub name: String,
    /// What it signs.
    pub algorithm: Algorithm,
    key: SigningKey,
}

impl SecretKey {
    /// A key from 32 secret bytes.
    pub fn from_seed(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> SecretKey {
        SecretKey { name: name.to_string(), algorithm, key: SigningKey::from_bytes(seed) }
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// A signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The file form, `PRIVATE+KEY+<name>+<hash>+<base64>`.
    pub fn to_text(&self) -> String {
        let hash = hex4(note_key_hash(&self.name, self.algorithm, &self.public()));
        let data = [&[self.algorithm as u8], &self.key.as_bytes()[..]].concat();
        format!("PRIVATE+KEY+{}+{hash}+{}", self.name, STANDARD.encode(data))
    }

    /// Reads the file form.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]; the text is not repeated in it.
    pub fn from_text(text: &str) -> Result<SecretKey, KeyError> {
        let error =
            || KeyError::Malformed { thing: "private key", expected: "PRIVATE+KEY+<name>+<hash>+<base64>", found: "something else".into() };
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or_else(error)?;
        let mut parts = rest.splitn(3, '+');
        let (name, hash, data) = (parts.next().ok_or_else(error)?, parts.next().ok_or_else(error)?, parts.next().ok_or_else(error)?);
        let data = STANDARD.decode(data).map_err(|_| error())?;
        let (algorithm, seed) = data.split_first().ok_or_else(error)?;
        let algorithm = algorithm_of(*algorithm).ok_or_else(error)?;
        let key = SecretKey::from_seed(name, algorithm, seed.try_into().map_err(|_| error())?);
        if hex4(note_key_hash(name, algorithm, &key.public())) != hash {
            return Err(error());
        }
        Ok(key)
    }

    /// The verifier form of its public half.
    pub fn vkey(&self) -> String {
        vkey(&self.name, self.algorithm, &self.public())
    }
}

pub(crate) fn algorithm_of(byte: u8) -> Option<Algorithm> {
    [Algorithm::Ed25519, Algorithm::CosignatureV1].into_iter().find(|a| *a as u8 == byte)
}

pub(crate) fn hex4(bytes: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(bytes))
}

/// The verifier key text `<name>+<hash>+<base64>`.
pub fn vkey(name: &str, algorithm: Algorithm, public: &PublicKey) -> String {
    let data = [&[algorithm as u8], &public.to_bytes()[..]].concat();
    format!("{name}+{}+{}", hex4(note_key_hash(name, algorithm, public)), STANDARD.encode(data))
}
