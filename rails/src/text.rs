//! The characters that banks take in names, references and remittance texts.

/// Text that a payment message may not carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing where something is required.
    #[error("is empty, expected 1 to {max} characters")]
    Empty {
        /// The most that is allowed.
        max: usize,
    },
    /// Too long.
    #[error("has {found} characters, expected at most {max}")]
    Length {
        /// The most that is allowed.
        max: usize,
        /// Its length.
        found: usize,
    },
    /// Outside the set.
    #[error("has character {found:?} at {position}, expected one of {set}")]
    Character {
        /// Counted from 1.
        position: usize,
        /// The character.
        found: char,
        /// The set in words.
        set: &'static str,
    },
    /// Readers trim it, so that two texts could be taken for one.
    #[error("begins or ends with a space")]
    EdgeSpace,
    /// Identifiers hold no slash there, because older formats give it a meaning.
    #[error("begins or ends with a slash or holds two in a row")]
    Slash,
}

const SEPA_SET: &str = "a-z A-Z 0-9 / - ? : ( ) . , ' + and space";

/// Whether `c` is in the set that every SEPA bank takes.
///
/// Source: EPC217-08, SEPA requirements for an extended character set: the basic Latin set.
pub(crate) fn is_sepa(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c)
}

/// Accepts 1 to `max` characters of the SEPA set that neither begin nor end with a space.
///
/// # Errors
/// The first [`TextError`] in the order of its variants.
pub fn check(text: &str, max: usize) -> Result<(), TextError> {
    check_set(text, max, is_sepa, SEPA_SET)?;
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(TextError::EdgeSpace);
    }
    Ok(())
}

/// Accepts the identifier of a message or of its part: 1 to 35 characters of the SEPA set.
///
/// Source: ISO 20022 `Max35Text`; the rule on slashes is of EPC132-08, SEPA credit transfer customer-to-bank guidelines.
///
/// # Errors
/// The first [`TextError`] in the order of its variants.
pub(crate) fn check_identifier(text: &str) -> Result<(), TextError> {
    check(text, 35)?;
    if text.starts_with('/') || text.ends_with('/') || text.contains("//") {
        return Err(TextError::Slash);
    }
    Ok(())
}

/// Accepts a payment's reference: 1 to 35 of `A-Z a-z 0-9 -`, which every rail takes unchanged.
///
/// # Errors
/// [`TextError::Empty`], [`TextError::Length`] or [`TextError::Character`].
pub(crate) fn check_reference(text: &str) -> Result<(), TextError> {
    check_set(text, 35, |c| c.is_ascii_alphanumeric() || c == '-', "A-Z a-z 0-9 -")
}

fn check_set(text: &str, max: usize, allowed: impl Fn(char) -> bool, set: &'static str) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { max });
    }
    // Characters are counted, not bytes, as XML Schema does.
    let found = text.chars().count();
    if found > max {
        return Err(TextError::Length { max, found });
    }
    match text.chars().enumerate().find(|&(_, c)| !allowed(c)) {
        Some((i, found)) => Err(TextError::Character { position: i + 1, found, set }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_sepa_set_pass_and_others_are_named() {
        assert_eq!(check("O'Neill (Bros.) 4+1, No: 7/8?", 70), Ok(()));
        assert_eq!(check("", 70), Err(TextError::Empty { max: 70 }));
        assert_eq!(check(&"a".repeat(71), 70), Err(TextError::Length { max: 70, found: 71 }));
        assert!(matches!(check("Müller", 70), Err(TextError::Character { position: 2, found: 'ü', .. })));
        assert!(matches!(check("a\nb", 70), Err(TextError::Character { position: 2, .. })));
        assert_eq!(check(" a", 70), Err(TextError::EdgeSpace));
        for bad in ["/a", "a/", "a//b"] {
            assert_eq!(check_identifier(bad), Err(TextError::Slash), "{bad}");
        }
        assert_eq!(check_identifier("a/b"), Ok(()));
        assert!(matches!(check_reference("a/b"), Err(TextError::Character { .. })));
        assert_eq!(check_reference("run-7-abc"), Ok(()));
    }
}
