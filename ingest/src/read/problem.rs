//! What was not read, and why.

use serde::{Deserialize, Serialize};

/// Why something is no row, as a code that is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Bytes that are not of the form that the name says, or that end too soon.
    Damaged,
    /// Text that is not UTF-8, or not in the encoding that it names.
    Encoding,
    /// A NUL byte in a text.
    Nul,
    /// Nothing, or white space alone.
    Empty,
    /// Longer than a document may be.
    TooLong,
    /// No field or column with a text.
    NoText,
    /// A field of another kind than it has to be.
    BadField,
    /// A licence that is no text.
    BadLicence,
    /// A key or a token that opens something.
    Secret,
    /// Personal data that the epoch's policy leaves out.
    PersonalData,
    /// A name that begins with a dot.
    Hidden,
    /// A link or a special file.
    Link,
    /// A name that is no UTF-8, or leads out of its archive.
    BadName,
    /// Folders that are too deep.
    TooDeep,
    /// More bytes than compressed input may become.
    Bomb,
    /// More records than there may be.
    TooMany,
    /// A form that is not read.
    Unsupported,
    /// A file that the dataset does not use, or that was not asked for.
    NotSelected,
    /// What the operating system says.
    Io,
}

impl Code {
    /// All codes.
    pub const ALL: [Code; 19] = [
        Code::Damaged,
        Code::Encoding,
        Code::Nul,
        Code::Empty,
        Code::TooLong,
        Code::NoText,
        Code::BadField,
        Code::BadLicence,
        Code::Secret,
        Code::PersonalData,
        Code::Hidden,
        Code::Link,
        Code::BadName,
        Code::TooDeep,
        Code::Bomb,
        Code::TooMany,
        Code::Unsupported,
        Code::NotSelected,
        Code::Io,
    ];

    /// The code in tables and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Code::Damaged => "damaged",
            Code::Encoding => "encoding",
            Code::Nul => "nul",
            Code::Empty => "empty",
            Code::TooLong => "too-long",
            Code::NoText => "no-text",
            Code::BadField => "bad-field",
            Code::BadLicence => "bad-licence",
            Code::Secret => "secret",
            Code::PersonalData => "personal-data",
            Code::Hidden => "hidden",
            Code::Link => "link",
            Code::BadName => "bad-name",
            Code::TooDeep => "too-deep",
            Code::Bomb => "bomb",
            Code::TooMany => "too-many",
            Code::Unsupported => "unsupported",
            Code::NotSelected => "not-selected",
            Code::Io => "io",
        }
    }
}

impl Problem {
    /// A problem, whose texts show no personal data and no control characters, whatever the dataset has.
    pub fn new(place: &str, code: Code, reason: &str) -> Problem {
        let shown = |text: &str| corpus::text::shown(&filters::shown(text)).into_owned();
        Problem { place: shown(place), code, reason: shown(reason) }
    }
}

/// Something that is in the dataset and did not become a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path in the dataset, with `:line` for a line of a file and `#row` for a row of a table.
    pub place: String,
    /// What kind of problem.
    pub code: Code,
    /// The expected and the found.
    pub reason: String,
}

/// A refusal, carried through an error of the standard library.
#[derive(Debug, thiserror::Error)]
#[error("{1}")]
pub(super) struct Carried(pub Code, pub String);

impl From<Carried> for std::io::Error {
    fn from(carried: Carried) -> std::io::Error {
        std::io::Error::other(carried)
    }
}

/// Why something is no row, before its place is known.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: Code,
    pub reason: String,
}

impl Refusal {
    pub fn new(code: Code, reason: impl Into<String>) -> Refusal {
        Refusal { code, reason: reason.into() }
    }

    pub fn damaged(reason: impl std::fmt::Display) -> Refusal {
        Refusal::new(Code::Damaged, reason.to_string())
    }

    /// The refusal that a reader carried through an error of the standard library, or what the system says.
    pub(crate) fn of_io(error: &std::io::Error) -> Refusal {
        if let Some(Carried(code, reason)) = error.get_ref().and_then(|e| e.downcast_ref::<Carried>()) {
            return Refusal::new(*code, reason.clone());
        }
        // What the decoder of zstd says of a frame that needs more memory than it was given.
        if error.to_string().contains("too much memory") {
            let text = "a zstd frame whose window is larger than 128 MiB; allow up to 2 GiB of memory for it with --long-window";
            return Refusal::new(Code::TooLong, text);
        }
        use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
        // Decoders say "other" where they mean that the bytes are wrong.
        let code = if matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other) { Code::Damaged } else { Code::Io };
        Refusal::new(code, error.to_string())
    }
}
