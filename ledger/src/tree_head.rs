//! Tree heads: origin, size and root of the log, in the text that the log and its witnesses sign.
//!
//! Source: C2SP `tlog-checkpoint`; the file is called `checkpoint` there and in a home.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corpus::Digest;

use crate::note::{Note, NoteError, Verifier};
use crate::witness_policy::WitnessPolicy;

/// Size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: Digest,
}

impl TreeHead {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads the text of a tree head; extension lines are not used by this log and not accepted.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn from_text(text: &str) -> Result<TreeHead, NoteError> {
        let malformed = NoteError::Malformed;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, ""] = lines[..] else { return Err(malformed("a tree head has three lines")) };
        let number: u64 = size.parse().map_err(|_| malformed("a tree size that is not a number"))?;
        if number.to_string() != size || origin.is_empty() {
            return Err(malformed("a tree size with leading zeros, or no origin"));
        }
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|b| b.try_into().ok())
            .map(Digest)
            .ok_or(malformed("a root that is not 32 bytes of base64"))?;
        Ok(TreeHead { origin: origin.to_string(), size: number, root })
    }

    /// Reads a signed tree head and checks the log's signature.
    ///
    /// # Errors
    /// [`NoteError`] if it is malformed, unsigned or wrongly signed.
    pub fn verify(note: &Note, log: &Verifier) -> Result<TreeHead, NoteError> {
        note.signature_by(log)?;
        let head = TreeHead::from_text(&note.text)?;
        if head.origin == log.name { Ok(head) } else { Err(NoteError::Malformed("the origin is not the log's name")) }
    }
}

/// The seed that the cosignatures of all who draw give, in the order of the policy.
///
/// # Errors
/// [`NoteError`] if one of them is missing or does not verify, or if there is none.
pub fn draw_seed(note: &Note, policy: &WitnessPolicy) -> Result<Digest, NoteError> {
    if policy.witnesses.is_empty() {
        return Err(NoteError::Unsigned("any witness".into()));
    }
    let mut bytes = b"assay draw v1".to_vec();
    for witness in policy.drawing() {
        bytes.extend(&note.signature_by(witness)?.signature);
    }
    Ok(Digest::of(&bytes))
}
