//! Which language a document is in.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use whatlang::Lang;

use super::words::count;
use super::{Measure, PPM};

/// Languages that may stay; as it stands, any.
///
/// Source: trigrams and alphabets of whatlang 0.18, after Cavnar and Trenkle 1994; it takes 0.15 ms for a text, however long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Language {
    /// ISO 639-3 codes of the languages that whatlang 0.18 knows, such as `eng`, `deu` and `cmn`; if there are none, any language may stay.
    #[serde(deserialize_with = "known")]
    pub allowed: Vec<String>,
    /// Least confidence in millionths; whatlang calls a result reliable above 900,000.
    ///
    /// It is the lead over the second most likely language, and so is low where two are close, such as Danish and Norwegian.
    pub confidence_min_ppm: u64,
}

/// The codes, if whatlang knows all of them.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let codes = Vec::<String>::deserialize(from)?;
    match codes.iter().find(|code| Lang::from_code(code.as_str()).is_none()) {
        Some(code) => Err(D::Error::custom(format!("language {code:?}: expected an ISO 639-3 code that whatlang knows, such as \"eng\""))),
        None => Ok(codes),
    }
}

impl Language {
    /// The rule that `text` does not keep.
    ///
    /// A text in no language that is known has confidence 0, and is kept if any may stay and 0 is enough.
    pub fn check(&self, text: &str) -> Option<Measure> {
        let detected = detect(text);
        let measured = detected.map_or(0, |(_, confidence)| confidence);
        let allowed = |code: &str| self.allowed.is_empty() || self.allowed.iter().any(|a| a == code);
        let kept = detected.map_or(self.allowed.is_empty(), |(code, _)| allowed(code));
        let leaves = |rule: &str| Some(Measure { rule: rule.to_string(), measured, limit: self.confidence_min_ppm });
        match kept {
            false => leaves("language/not-allowed"),
            true if measured < self.confidence_min_ppm => leaves("language/confidence"),
            true => None,
        }
    }
}

/// Whether `text` is in English beyond doubt.
pub(crate) fn is_english(text: &str) -> bool {
    detect(text).is_some_and(|(code, confidence)| code == Lang::Eng.code() && confidence > 900_000)
}

/// Characters of each of the three parts that are looked at.
///
/// Time grows with their number, from 0.1 ms for none. With three times 256, 98 of 100 text files in crates are in the language
/// that the whole file is in.
const PART: usize = 256;

/// The language of `text` and the confidence in millionths, from its beginning, middle and end.
fn detect(text: &str) -> Option<(&'static str, u64)> {
    let sampled = sample(text);
    let info = whatlang::detect(sampled.as_deref().unwrap_or(text))?;
    // Additions, multiplications and divisions of doubles: the same on every machine.
    Some((info.lang().code(), (info.confidence() * PPM as f64).round() as u64))
}

/// The first, middle and last characters of a text that is longer than these together.
fn sample(text: &str) -> Option<String> {
    if text.len() <= 3 * PART {
        return None;
    }
    let all = count(text) as usize;
    let part = |from: usize| text.chars().skip(from).take(PART);
    (all > 3 * PART).then(|| part(0).chain([' ']).chain(part((all - PART) / 2)).chain([' ']).chain(part(all - PART)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "The train to the coast takes four hours, and for most of that time there is little to see.";
    const GERMAN: &str = "Der Zug nach Norden fährt jeden Morgen um sechs Uhr ab, und wer ihn erreichen will, muss früh aufstehen.";

    #[test]
    fn any_language_stays_by_default() {
        for text in [ENGLISH, GERMAN, "", "1234", "ᎠᏂᎦᏚᏬᏅ"] {
            assert_eq!(Language::default().check(text), None, "{text}");
        }
    }

    #[test]
    fn languages_that_are_not_allowed_are_left_out() {
        let only = Language { allowed: vec!["eng".into()], confidence_min_ppm: 500_000 };
        assert_eq!(only.check(ENGLISH), None);
        assert_eq!(only.check(GERMAN).map(|m| m.rule).as_deref(), Some("language/not-allowed"));
        let m = only.check("1234").expect("no language");
        assert_eq!((&*m.rule, m.measured, m.limit), ("language/not-allowed", 0, 500_000));
        let sure = Language { confidence_min_ppm: 1_000_001, ..only };
        assert_eq!(sure.check(ENGLISH).map(|m| m.rule).as_deref(), Some("language/confidence"));
    }

    #[test]
    fn unknown_codes_are_refused() {
        let read = |text: &str| serde_json::from_str::<Language>(text).map_err(|e| e.to_string());
        assert!(read(r#"{"allowed": ["eng", "tha"]}"#).is_ok());
        assert!(read(r#"{"allowed": ["en"]}"#).unwrap_err().starts_with("language \"en\": expected"));
    }

    #[test]
    fn long_texts_are_looked_at_in_three_places() {
        let text = format!("{}{}{}", "a".repeat(1000), "é".repeat(1000), "z".repeat(1000));
        let sampled = sample(&text).expect("long");
        assert_eq!(sampled, format!("{} {} {}", "a".repeat(256), "é".repeat(256), "z".repeat(256)));
        assert_eq!(sample(&text[..768]), None);
    }

    #[test]
    fn english_is_told_from_other_languages() {
        assert!(is_english(ENGLISH));
        assert!(is_english(&ENGLISH.to_uppercase()));
        assert!(!is_english(GERMAN));
        assert!(!is_english(""));
    }
}
