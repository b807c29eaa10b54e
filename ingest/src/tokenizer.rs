//! Tokenizers: byte-level BPE trained on accepted text, or any Hugging Face `tokenizer.json`.

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerImpl};

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
pub struct TextTokenizer(Tokenizer);

impl TextTokenizer {
    /// Loads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] if it is none.
    pub fn from_json(bytes: &[u8]) -> Result<TextTokenizer, TokenizerError> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
        // A document that mentions a control token has its characters, not the token.
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(TextTokenizer(tokenizer))
    }

    /// Number of tokens, added ones included.
    pub fn vocabulary(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// The tokens of `text`.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.0.encode_fast(text, false).map_err(failed)?.get_ids().to_vec())
    }

    /// The tokens of a document, and the first of its answer if it has one.
    ///
    /// Prompt and answer are cut apart, so that no token is half of each.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer refuses it, or `answer_at` is not between two characters.
    pub fn encode_document(&self, text: &str, answer_at: Option<u64>) -> Result<(Vec<u32>, Option<u32>), TokenizerError> {
        let Some(at) = answer_at else { return Ok((self.encode(text)?, None)) };
        let parts = usize::try_from(at).ok().and_then(|at| text.split_at_checked(at));
        let (prompt, answer) =
            parts.ok_or_else(|| failed(format!("its answer begins at byte {at} of {}, inside a character or beyond", text.len())))?;
        let mut tokens = self.encode(prompt)?;
        let first = tokens.len() as u32;
        tokens.extend(self.encode(answer)?);
        Ok((tokens, Some(first)))
    }

    /// The text of `tokens`.
    ///
    /// # Errors
    /// [`TokenizerError`] if there is no such token.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizerError> {
        self.0.decode(tokens, false).map_err(failed)
    }
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
            assert!(!tokens.contains(&0), "a control token from text");
        }
        assert!(TextTokenizer::from_json(b"{}").is_err());
        assert!(train(["a"].into_iter(), 100).is_err());
    }
}
