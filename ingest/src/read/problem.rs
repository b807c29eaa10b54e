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
    /// A licence that is no SPDX expression.
    BadLicence,
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
    /// What the operating system says.
    Io,
}

impl Code {
    /// All codes.
    pub const ALL: [Code; 16] = [
        Code::Damaged,
        Code::Encoding,
        Code::Nul,
        Code::Empty,
        Code::TooLong,
        Code::NoText,
        Code::BadField,
        Code::BadLicence,
        Code::Hidden,
        Code::Link,
        Code::BadName,
        Code::TooDeep,
        Code::Bomb,
        Code::TooMany,
        Code::Unsupported,
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
            Code::Hidden => "hidden",
            Code::Link => "link",
            Code::BadName => "bad-name",
            Code::TooDeep => "too-deep",
            Code::Bomb => "bomb",
            Code::TooMany => "too-many",
            Code::Unsupported => "unsupported",
            Code::Io => "io",
        }
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
    pub fn of_io(error: &std::io::Error) -> Refusal {
        if let Some(carried) = error.get_ref().and_then(|e| e.downcast_ref::<super::limits::Exceeded>()) {
            return Refusal::new(Code::Bomb, carried.0.clone());
        }
        use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
        // Decoders say "other" where they mean that the bytes are wrong.
        let code = if matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other) { Code::Damaged } else { Code::Io };
        Refusal::new(code, error.to_string())
    }
}
