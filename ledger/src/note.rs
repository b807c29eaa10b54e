//! Signed notes: a text, an empty line, and signature lines.
//!
//! Source: C2SP `signed-note` and `tlog-cosignature` (Ed25519, `cosignature/v1`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{Algorithm, KeyError, PublicKey, SecretKey, algorithm_of, hex4, note_key_hash, vkey};

/// A note that does not say what it should.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoteError {
    /// Not in the form of a note.
    #[error("signed note: {0}")]
    Malformed(&'static str),
    /// No signature by a key that was asked for.
    #[error("signed note: no signature by {0}")]
    Unsigned(String),
    /// A signature by a known key that does not verify.
    #[error("signed note: the signature by {0} does not verify")]
    BadSignature(String),
}

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's hash.
    pub hash: [u8; 4],
    /// What follows the hash.
    pub signature: Vec<u8>,
}

/// A text with signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends with a newline.
    pub text: String,
    /// In the order of their lines.
    pub signatures: Vec<NoteSignature>,
}

/// A key that notes are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// The key's name.
    pub name: String,
    /// What it signs.
    pub algorithm: Algorithm,
    /// The key.
    pub public: PublicKey,
}

impl Verifier {
    /// Reads `<name>+<hash>+<base64>`.
    ///
    /// # Errors
    /// [`KeyError`] if it is not one, its hash is another key's, or its key is weak.
    pub fn from_vkey(text: &str) -> Result<Verifier, KeyError> {
        let error = || KeyError::Malformed { thing: "verifier key", expected: "<name>+<hash>+<base64>", found: text.to_string() };
        let mut parts = text.trim_end().splitn(3, '+');
        let (name, hash, data) = (parts.next().ok_or_else(error)?, parts.next().ok_or_else(error)?, parts.next().ok_or_else(error)?);
        let data = STANDARD.decode(data).map_err(|_| error())?;
        let (algorithm, bytes) = data.split_first().ok_or_else(error)?;
        let algorithm = algorithm_of(*algorithm).ok_or_else(error)?;
        let public = PublicKey::from_bytes(bytes.try_into().map_err(|_| error())?)?;
        if hex4(note_key_hash(name, algorithm, &public)) != hash || name.is_empty() || name.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Verifier { name: name.to_string(), algorithm, public })
    }

    /// Its text form.
    pub fn to_vkey(&self) -> String {
        vkey(&self.name, self.algorithm, &self.public)
    }

    /// What checks the notes that `key` signs.
    pub fn of(key: &SecretKey) -> Verifier {
        Verifier { name: key.name.clone(), algorithm: key.algorithm, public: key.public() }
    }

    fn hash(&self) -> [u8; 4] {
        note_key_hash(&self.name, self.algorithm, &self.public)
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => self.public.verifies(text.as_bytes(), signature),
            Algorithm::CosignatureV1 => match signature.split_first_chunk::<8>() {
                Some((time, signature)) => self.public.verifies(&cosigned(u64::from_be_bytes(*time), text), signature),
                None => false,
            },
        }
    }
}

fn cosigned(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl Note {
    /// A note without signatures.
    ///
    /// # Panics
    /// If `text` does not end with a newline.
    pub fn new(text: String) -> Note {
        assert!(text.ends_with('\n'), "a note's text ends with a newline");
        Note { text, signatures: Vec::new() }
    }

    /// Adds a signature; a cosignature carries `time` in seconds since 1970.
    pub fn sign(&mut self, key: &SecretKey, time: u64) {
        let signature = match key.algorithm {
            Algorithm::Ed25519 => key.sign(self.text.as_bytes()).to_vec(),
            Algorithm::CosignatureV1 => [&time.to_be_bytes()[..], &key.sign(&cosigned(time, &self.text))].concat(),
        };
        let hash = note_key_hash(&key.name, key.algorithm, &key.public());
        self.signatures.push(NoteSignature { name: key.name.clone(), hash, signature });
    }

    /// The note as it is stored and sent.
    pub fn to_text(&self) -> String {
        let lines =
            self.signatures.iter().map(|s| format!("\u{2014} {} {}\n", s.name, STANDARD.encode([&s.hash[..], &s.signature].concat())));
        format!("{}\n{}", self.text, lines.collect::<String>())
    }

    /// The same text with the signature of `verifier` alone.
    ///
    /// # Errors
    /// As [`Note::signature_by`].
    pub fn signed_only_by(&self, verifier: &Verifier) -> Result<Note, NoteError> {
        Ok(Note { text: self.text.clone(), signatures: vec![self.signature_by(verifier)?.clone()] })
    }

    /// Reads a note; signatures are not verified.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn from_text(text: &str) -> Result<Note, NoteError> {
        let malformed = NoteError::Malformed;
        if text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(malformed("a control character"));
        }
        let split = text.rfind("\n\n").ok_or(malformed("no empty line before the signatures"))?;
        let (body, lines) = (&text[..=split], &text[split + 2..]);
        if lines.is_empty() || !lines.ends_with('\n') {
            return Err(malformed("no signature line that ends with a newline"));
        }
        let mut signatures = Vec::new();
        for line in lines.lines() {
            let rest = line.strip_prefix("\u{2014} ").ok_or(malformed("a signature line without its dash"))?;
            let (name, data) = rest.split_once(' ').ok_or(malformed("a signature line without a name"))?;
            let data = STANDARD.decode(data).map_err(|_| malformed("a signature that is not base64"))?;
            let (hash, signature) = data.split_first_chunk::<4>().ok_or(malformed("a signature without a key hash"))?;
            if name.is_empty() || signature.is_empty() {
                return Err(malformed("an empty name or signature"));
            }
            signatures.push(NoteSignature { name: name.to_string(), hash: *hash, signature: signature.to_vec() });
        }
        Ok(Note { text: body.to_string(), signatures })
    }

    /// The signature by `verifier`, verified.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] if there is none, [`NoteError::BadSignature`] if there is a wrong one.
    pub fn signature_by(&self, verifier: &Verifier) -> Result<&NoteSignature, NoteError> {
        let hash = verifier.hash();
        let found = self
            .signatures
            .iter()
            .find(|s| s.name == verifier.name && s.hash == hash)
            .ok_or_else(|| NoteError::Unsigned(verifier.name.clone()))?;
        if verifier.verifies(&self.text, &found.signature) { Ok(found) } else { Err(NoteError::BadSignature(verifier.name.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_of_the_format_s_reference_implementation_verifies() {
        // The example of golang.org/x/mod/sumdb/note, whose format this is.
        let verifier = Verifier::from_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let note = Note::from_text(text).unwrap();
        assert!(note.signature_by(&verifier).is_ok());
        assert_eq!(note.to_text(), text);
        let changed = Note::from_text(&text.replace("answer", "Answer")).unwrap();
        assert_eq!(changed.signature_by(&verifier), Err(NoteError::BadSignature("PeterNeumann".into())));
    }

    #[test]
    fn cosignatures_bind_time_and_text() {
        let witness = SecretKey::from_seed("w.example", Algorithm::CosignatureV1, &[3; 32]);
        let verifier = Verifier::from_vkey(&witness.vkey()).unwrap();
        let mut note = Note::new("log\n5\nroot\n".into());
        note.sign(&witness, 1_700_000_000);
        assert_eq!(note.signature_by(&verifier).unwrap().signature.len(), 72);
        let mut later = note.clone();
        later.signatures[0].signature[7] ^= 1;
        assert!(later.signature_by(&verifier).is_err());
    }

    #[test]
    fn private_keys_survive_their_text_and_weak_keys_are_refused() {
        let key = SecretKey::from_seed("op+x", Algorithm::Ed25519, &[9; 32]);
        // A '+' in a name would move the fields.
        assert!(SecretKey::from_text(&key.to_text()).is_err());
        let key = SecretKey::from_seed("op", Algorithm::Ed25519, &[9; 32]);
        assert_eq!(SecretKey::from_text(&key.to_text()).unwrap().public(), key.public());
        let mut small_order = [0; 32];
        small_order[0] = 1;
        assert!(PublicKey::from_bytes(&small_order).is_err());
        let non_canonical = [&[0xee][..], &[0xff; 30], &[0x7f]].concat();
        assert!(PublicKey::from_bytes(&non_canonical.try_into().unwrap()).is_err());
    }

    #[test]
    fn cut_notes_are_errors() {
        let mut note = Note::new("a\n".into());
        note.sign(&SecretKey::from_seed("k", Algorithm::Ed25519, &[1; 32]), 0);
        let text = note.to_text();
        for cut in 0..text.len() {
            if text.is_char_boundary(cut) {
                assert!(Note::from_text(&text[..cut]).is_err(), "{cut} bytes were accepted");
            }
        }
    }
}
