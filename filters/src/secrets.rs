//! Keys and tokens that open something.

use std::ops::RangeInclusive;

/// Bytes that a secret can begin with.
pub(super) const FIRST: &[u8] = b"-AGSdeghnprswx";

/// Where the secret that begins at `at` ends: a private key with its lines, or a token of a service that marks its tokens.
///
/// Tokens are those of AWS (`AKIA`, `ASIA`), Google (`AIza`), GitHub (`ghp_` and its relatives, `github_pat_`), GitLab (`glpat-`), Slack (`xoxb-` and
/// its relatives), Stripe (`sk_live_`, `rk_live_`), OpenAI and Anthropic (`sk-proj-`, `sk-ant-`), Hugging Face (`hf_`), npm (`npm_`), PyPI (`pypi-`),
/// SendGrid (`SG.`), and signed JSON web tokens (`eyJ`). What only looks random is none.
pub(super) fn secret(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let apart = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    // Most letters are inside of words.
    if rest.first() != Some(&b'-') && !apart {
        return None;
    }
    let token = |prefixes: &[&str], length: RangeInclusive<usize>, of: fn(&u8) -> bool| {
        let prefix = prefixes.iter().find(|prefix| apart && rest.starts_with(prefix.as_bytes()))?;
        let found = rest[prefix.len()..].iter().take(length.end() + 1).take_while(|b| of(b)).count();
        length.contains(&found).then_some(at + prefix.len() + found)
    };
    let in_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    match rest.first()? {
        b'-' if rest.starts_with(b"-----BEGIN ") => private_key(rest).map(|length| at + length),
        b'A' if rest.starts_with(b"AIza") => token(&["AIza"], 35..=35, |b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-'),
        b'A' => {
            let end = token(&["AKIA", "ASIA"], 16..=16, in_name)?;
            bytes[at..end].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).then_some(end)
        }
        b'S' => token(&["SG."], 60..=80, |b| b.is_ascii_alphanumeric() || b"_-.".contains(b)),
        b'e' => web_token(rest).filter(|_| apart).map(|length| at + length),
        b'h' => token(&["hf_"], 34..=40, |b| b.is_ascii_alphanumeric()),
        b'n' => token(&["npm_"], 36..=36, |b| b.is_ascii_alphanumeric()),
        b'p' => token(&["pypi-AgE"], 50..=255, |b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-'),
        b'r' => token(&["rk_live_"], 24..=255, |b| b.is_ascii_alphanumeric()),
        b'G' => token(&["GOCSPX-"], 28..=28, |b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-'),
        b'd' => token(&["dop_v1_"], 64..=64, u8::is_ascii_hexdigit),
        b'w' => token(&["whsec_"], 32..=64, |b| b.is_ascii_alphanumeric() || b"+/=".contains(b)),
        b'x' if rest.starts_with(b"xai-") => token(&["xai-"], 64..=100, |b| b.is_ascii_alphanumeric()),
        b'g' if rest.starts_with(b"gsk_") => token(&["gsk_"], 40..=64, |b| b.is_ascii_alphanumeric()),
        b's' if rest.starts_with(b"shpat_") => token(&["shpat_"], 32..=32, u8::is_ascii_hexdigit),
        // The older form has a mark in its middle.
        b's' if rest.starts_with(b"sk-") && rest.get(23..31) == Some(b"T3BlbkFJ") => {
            token(&["sk-"], 48..=48, |b| b.is_ascii_alphanumeric())
        }
        b's' if rest.starts_with(b"sk-") => token(&["sk-proj-", "sk-ant-", "sk-svcacct-", "sk-admin-", "sk-or-v1-"], 40..=255, |b| {
            b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-'
        }),
        b's' => token(&["sk_live_"], 24..=255, |b| b.is_ascii_alphanumeric()),
        b'g' if rest.starts_with(b"glpat-") => token(&["glpat-"], 20..=64, |b| b.is_ascii_alphanumeric() || b"_-.".contains(b)),
        b'g' => token(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], 36..=255, in_name),
        b'x' => {
            token(&["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"], 20..=255, |b| b.is_ascii_alphanumeric() || *b == b'-')
        }
        _ => None,
    }
}

/// Length of the signed JSON web token that `bytes` begin with: three parts of at least 16 letters, the first and second of which are objects.
///
/// Source: RFC 7519, section 3; RFC 7515, section 7.1.
fn web_token(bytes: &[u8]) -> Option<usize> {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
    let mut length = 0;
    for part in 0..3 {
        let rest = &bytes[length..];
        let letters = rest.iter().take(4096).take_while(|b| is_letter(b)).count();
        if letters < 16 || part < 2 && (!rest.starts_with(b"eyJ") || rest.get(letters) != Some(&b'.')) {
            return None;
        }
        length += letters + usize::from(part < 2);
    }
    Some(length)
}

/// Length of the private key that `bytes` begin with: to its last line or, if that is missing, to the last that looks like a line of a key.
///
/// A block without 40 characters of a key in a row, as documentation has it, is none.
fn private_key(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(b"-----BEGIN ")?;
    let label = rest.iter().take(60).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ').count();
    let (label, rest) = rest.split_at(label);
    let rest = rest.strip_prefix(b"-----")?;
    if !label.ends_with(b"PRIVATE KEY") && !label.ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let header = bytes.len() - rest.len();
    let next = rest.windows(5).position(|w| w == b"-----").unwrap_or(rest.len());
    let body = &rest[..next];
    let (start, end) = key_lines(body)?;
    let last = [b"-----END ", label, b"-----"].concat();
    let closed = rest[next..].starts_with(&last).then(|| header + next + last.len());
    // Without a last line, headers of the key may come before its lines, but nothing longer.
    closed.or_else(|| (start <= 300).then_some(header + end))
}

/// From the first 40 characters of a key in a row to the last character of the lines that directly follow.
///
/// Line feeds may be written as `\n`, whose `n` looks like a character of the key.
fn key_lines(body: &[u8]) -> Option<(usize, usize)> {
    let is_key = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let line = |at: usize| body[at..].iter().take_while(|b| is_key(b)).count();
    let mut start = 0;
    while line(start) < 40 {
        start += line(start) + 1;
        if start >= body.len() {
            return None;
        }
    }
    let mut end = start + line(start);
    loop {
        let gap = body[end..].iter().take(4).take_while(|b| b.is_ascii_whitespace() || **b == b'\\').count();
        match line(end + gap) {
            0 => return Some((start, end)),
            length => end += gap + length,
        }
        if body[..end].iter().rev().take(40).any(|b| !is_key(b)) {
            return Some((start, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::personal::find;

    /// What is found in `text`, which has to be secrets.
    fn secrets(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|(_, range)| &text[range]).collect()
    }

    fn key(label: &str, feed: &str) -> String {
        let lines = [
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
            "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu",
            "Nwb+u3o=",
        ];
        format!("-----BEGIN {label}-----{feed}{}{feed}-----END {label}-----", lines.join(feed))
    }

    #[test]
    fn private_keys_are_found_whole() {
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            for feed in ["\n", "\r\n", "\\n", "\n    "] {
                let key = key(label, feed);
                assert_eq!(secrets(&format!("before {key} after")), [&*key], "{key}");
            }
        }
        let with_headers =
            key("RSA PRIVATE KEY", "\n").replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n", 1);
        assert_eq!(secrets(&with_headers), [&*with_headers]);
    }

    #[test]
    fn private_key_without_its_last_line_ends_with_its_lines() {
        let key = key("PRIVATE KEY", "\n");
        let cut = key.split("\n-----END").next().expect("a key");
        assert_eq!(secrets(&format!("{cut}\n\nThe text goes on.")), [cut]);
    }

    #[test]
    fn headers_of_keys_and_public_keys_are_no_secrets() {
        for text in [
            "The file begins with -----BEGIN PRIVATE KEY----- and goes on with the key.",
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----",
            &key("PUBLIC KEY", "\n"),
            &key("CERTIFICATE", "\n"),
        ] {
            assert_eq!(secrets(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn tokens_are_found_by_their_prefixes() {
        let (classic, fine) = (format!("ghp_{}", "aB3".repeat(12)), format!("github_pat_{}_{}", "11AB".repeat(5), "xY9".repeat(19)));
        let slack = format!("xoxb-{}-{}", "1234567890", "abcDEF123456");
        let tokens = ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", &classic, &fine, &slack];
        assert_eq!(secrets(&format!("a={} b={} c=\"{}\" d:{}, {}.", tokens[0], tokens[1], tokens[2], tokens[3], tokens[4])), tokens);
    }

    #[test]
    fn parts_of_names_are_no_tokens() {
        for text in [
            "AKIAIOSFODNN7EXAMPL",
            "AKIAIOSFODNN7EXAMPLES",
            "XAKIAIOSFODNN7EXAMPLE",
            "AKIAiosfodnn7example",
            "ghp_short",
            "my_ghp_",
            "xoxb-short",
        ] {
            assert_eq!(secrets(text), [""; 0], "{text}");
        }
    }
}
