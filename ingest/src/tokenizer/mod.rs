//! Tokenizers: byte-level BPE trained on accepted text, or any Hugging Face `tokenizer.json`.
//!
//! - `controls`: which added tokens are control tokens, which letters never become
//! - `config`: the file with which `transformers` reads an exported tokenizer as it was used

mod config;
mod controls;

use std::collections::BTreeMap;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerImpl};

pub use config::transformers_config;
pub use controls::{Beside, PreparedTokenizer, prepare};

/// A tokenizer that cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[error("tokenizer: {0}")]
pub struct TokenizerError(String);

fn failed(e: impl std::fmt::Display) -> TokenizerError {
    TokenizerError(e.to_string())
}

/// The token that ends a text; it has an id and is never produced by encoding.
const END: &str = "<|endoftext|>";

/// Trains byte-level BPE on `texts` and returns its `tokenizer.json`: the same texts, the same bytes.
///
/// Every byte has a token, so that any text has tokens and decodes to itself. Source: Sennrich et al. 2016,
/// <https://arxiv.org/abs/1508.07909>; Radford et al. 2019, section 2.2, for bytes.
///
/// # Errors
/// [`TokenizerError`] if the vocabulary has no room for the 256 bytes.
pub fn train<'a>(texts: impl Iterator<Item = &'a str> + Send, vocabulary: usize) -> Result<Vec<u8>, TokenizerError> {
    if vocabulary < 257 {
        return Err(failed(format!("a vocabulary of {vocabulary}, expected at least 257")));
    }
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocabulary)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from(END, true)])
        .build();
    let byte_level = || ByteLevel::new(false, false, true);
    let mut tokenizer: TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper> =
        TokenizerImpl::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(byte_level())));
    tokenizer.with_decoder(Some(DecoderWrapper::ByteLevel(byte_level())));
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    Ok(tokenizer.to_string(false).map_err(failed)?.into_bytes())
}

/// A loaded tokenizer.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    vocabulary: usize,
    /// Control tokens with their letters.
    controls: BTreeMap<u32, String>,
    /// The token that stands for what the model has no token for.
    unknown: Option<u32>,
    /// The bytes of every token, if tokens are bytes one behind the other.
    bytes: Option<Vec<Vec<u8>>>,
}

/// A document as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// The first of its answer, if it has one.
    pub learned_from: Option<u32>,
}

impl TextTokenizer {
    /// Loads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] if it is none.
    pub fn from_json(bytes: &[u8]) -> Result<TextTokenizer, TokenizerError> {
        // The library takes some files for granted that contradict themselves.
        let read = std::panic::catch_unwind(|| Tokenizer::from_bytes(bytes));
        let mut tokenizer = read.map_err(|_| failed("its parts contradict each other"))?.map_err(failed)?;
        // A document that mentions a control token has its characters, not the token.
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        let added = tokenizer.get_added_tokens_decoder();
        let unknown = unknown_token(bytes).and_then(|token| tokenizer.token_to_id(&token));
        // It marks nothing: any letter that is not known becomes it.
        let controls = added.into_iter().filter(|(id, t)| t.special && Some(*id) != unknown).map(|(id, t)| (id, t.content)).collect();
        let tokens = tokenizer.get_vocab(true);
        // Ids may have gaps.
        let vocabulary = tokens.values().max().map_or(0, |id| *id as usize + 1);
        let bytes = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_))).then(|| {
            let letters = byte_letters();
            let mut table = vec![Vec::new(); vocabulary];
            for (token, id) in tokens {
                let bytes: Option<Vec<u8>> = token.chars().map(|c| letters.get(&c).copied()).collect();
                table[id as usize] = bytes.unwrap_or_else(|| token.into_bytes());
            }
            table
        });
        Ok(TextTokenizer { tokenizer, vocabulary, controls, unknown, bytes })
    }

    /// One more than the largest id of a token, added ones included.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The tokens of `text`; none of them is a control token, whatever the text says.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let plain = |text: &str| {
            // The library may panic where its parts contradict each other; that is of this text alone.
            let encoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.tokenizer.encode_fast(text, false)));
            let encoded = encoded.map_err(|_| failed("its parts contradict each other on this text"))?;
            Ok(encoded.map_err(failed)?.get_ids().to_vec())
        };
        let is_control = |tokens: &[u32]| tokens.iter().any(|t| self.controls.contains_key(t));
        let tokens = plain(text)?;
        if self.controls.is_empty() || !is_control(&tokens) {
            return Ok(tokens);
        }
        // A model that has a control token among its ordinary words meets it in pieces.
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let found = self.controls.values().filter(|c| !c.is_empty()).filter_map(|c| rest.find(c.as_str())).min();
            let end = found.map_or(rest.len(), |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
            tokens.extend(plain(&rest[..end])?);
            rest = &rest[end..];
        }
        match tokens.iter().find_map(|t| self.controls.get(t)) {
            None => Ok(tokens),
            Some(control) => Err(failed(format!("letters become the control token {control:?}"))),
        }
    }

    /// A document's tokens, and the first of its answer if it has one.
    ///
    /// Prompt and answer are cut apart, so that no token is half of each.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer refuses it, or `answer_at` is not between two characters.
    pub fn encode_document(&self, text: &str, answer_at: Option<u64>) -> Result<Encoded, TokenizerError> {
        let Some(at) = answer_at else { return Ok(Encoded { tokens: self.encode(text)?, learned_from: None }) };
        let parts = usize::try_from(at).ok().and_then(|at| text.split_at_checked(at));
        let (prompt, answer) =
            parts.ok_or_else(|| failed(format!("its answer begins at byte {at} of {}, inside a character or beyond", text.len())))?;
        let mut tokens = self.encode(prompt)?;
        let learned_from = Some(tokens.len() as u32);
        tokens.extend(self.encode(answer)?);
        Ok(Encoded { tokens, learned_from })
    }

    /// The text of `tokens`.
    ///
    /// # Errors
    /// [`TokenizerError`] if there is no such token.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizerError> {
        self.tokenizer.decode(tokens, false).map_err(failed)
    }

    /// Whether `tokens` are the text again, letter by letter.
    pub fn gives_back(&self, tokens: &[u32], text: &str) -> bool {
        if self.unknown.is_some_and(|unknown| tokens.contains(&unknown)) {
            return false;
        }
        let Some(table) = &self.bytes else { return self.decode(tokens).is_ok_and(|decoded| decoded == text) };
        let mut rest = text.as_bytes();
        let same = |token: &u32| {
            let after = table.get(*token as usize).and_then(|bytes| rest.strip_prefix(bytes.as_slice()));
            after.map(|after| rest = after).is_some()
        };
        tokens.iter().all(same) && rest.is_empty()
    }
}

/// The token of a `tokenizer.json` for what its model does not know.
fn unknown_token(json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(serde::Deserialize)]
    struct Model {
        unk_token: Option<String>,
        unk_id: Option<usize>,
        // A list with pieces in order, or a mapping.
        vocab: serde_json::Value,
    }
    let File { model } = serde_json::from_slice(json).ok()?;
    model.unk_token.or_else(|| Some(model.vocab.get(model.unk_id?)?.get(0)?.as_str()?.to_string()))
}

/// The letters that byte-level tokens write bytes with: printable ones stand for themselves, others for letters from 256 on.
///
/// Source: Radford et al. 2019, `bytes_to_unicode` of its published encoder.
fn byte_letters() -> BTreeMap<char, u8> {
    let mut next = 256u32;
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut letter = |b: u8| {
        if printable(b) {
            return char::from(b);
        }
        next += 1;
        char::from_u32(next - 1).expect("a letter below 512")
    };
    (0..=255).map(|b| (letter(b), b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_is_deterministic_and_encoding_is_reversible() {
        let texts: Vec<String> =
            (0..300).map(|i| format!("fn item_{i}(x: &str) -> usize {{ x.len() + {i} }} // größer, 日本語 {i}\n")).collect();
        let json = train(texts.iter().map(String::as_str), 500).unwrap();
        assert_eq!(train(texts.iter().map(String::as_str), 500).unwrap(), json);
        let tokenizer = TextTokenizer::from_json(&json).unwrap();
        assert_eq!(tokenizer.vocabulary(), 500);
        for text in [texts[7].as_str(), "\u{1f600} never seen \t\r\n", "<|endoftext|> is text here", " ", "x"] {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
            assert!(
                tokenizer.gives_back(&tokens, text) && !tokenizer.gives_back(&tokens[1..], text) && !tokenizer.gives_back(&tokens, "y")
            );
            assert!(!tokens.contains(&0), "a control token from text");
        }
        assert!(TextTokenizer::from_json(b"{}").is_err());
        assert!(train(["a"].into_iter(), 100).is_err());
    }

    #[test]
    fn what_is_unknown_is_not_given_back_and_stops_nothing() {
        let json = r###"{"version":"1.0","truncation":null,"padding":null,
            "added_tokens":[{"id":0,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
            "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":{"type":"WordPiece","prefix":"##","cleanup":false},
            "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"a":1,"b":2}}}"###;
        let tokenizer = TextTokenizer::from_json(json.as_bytes()).unwrap();
        assert_eq!(tokenizer.encode("a \u{1f600} b").unwrap(), [1, 0, 2]);
        assert!(!tokenizer.gives_back(&[1, 0, 2], "a \u{1f600} b") && tokenizer.gives_back(&[1, 2], "a b"));
        assert!(!tokenizer.gives_back(&tokenizer.encode("[UNK]").unwrap(), "[UNK]"));
    }

    /// A tokenizer whose control token is a word of its model too, and that makes letters small.
    #[test]
    fn letters_never_become_a_control_token_and_what_changes_letters_says_so() {
        let json = r#"{"version":"1.0","truncation":null,"padding":null,
            "added_tokens":[{"id":1,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
            "normalizer":{"type":"Lowercase"},"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},
            "model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",-9.0],["<s>",-1.0],["<",-3.0],["s",-3.0],[">",-3.0],["a",-3.0]],"byte_fallback":false}}"#;
        let tokenizer = TextTokenizer::from_json(json.as_bytes()).unwrap();
        let tokens = tokenizer.encode("a<s>a<s>").unwrap();
        assert_eq!(tokens, [5, 2, 3, 4, 5, 2, 3, 4]);
        assert!(tokenizer.gives_back(&tokens, "a<s>a<s>"));
        assert!(!tokenizer.gives_back(&tokenizer.encode("A").unwrap(), "A"));
    }
}
