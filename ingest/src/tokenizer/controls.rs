//! Which added tokens are control tokens, and a `tokenizer.json` that says so of each.
//!
//! A control token steers a model: it begins a turn, or ends an answer. Letters of a document must never become one. Some files mark theirs as
//! special; others name them in their configuration or write them in their chat template alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{TokenizerError, failed};

/// What lies beside a `tokenizer.json`.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// `tokenizer_config.json` and `special_tokens_map.json`.
    pub configs: Vec<Value>,
    /// Chat templates in Jinja.
    pub templates: Vec<String>,
}

impl Beside {
    /// What lies in the folder of a tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError`] if a file is there and cannot be read.
    pub fn read(folder: &std::path::Path) -> Result<Beside, TokenizerError> {
        let mut beside = Beside::default();
        let text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(format!("{}: {e}", folder.join(name).display()))),
        };
        let json = |name: &str| -> Result<Option<Value>, TokenizerError> {
            let parse = |text: String| serde_json::from_str(&text).map_err(|e| failed(format!("{}: {e}", folder.join(name).display())));
            text(name)?.map(parse).transpose()
        };
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            beside.configs.extend(json(name)?);
        }
        beside.templates.extend(text("chat_template.jinja")?);
        let stated = beside.configs.iter().filter_map(|c| c.get("chat_template")).flat_map(texts).collect::<Vec<_>>();
        beside.templates.extend(stated);
        beside.templates.extend(json("chat_template.json")?.iter().filter_map(|c| c.get("chat_template")).flat_map(texts));
        Ok(beside)
    }
}

/// A `tokenizer.json` as it is used, and what was changed.
#[derive(Clone, Debug)]
pub struct PreparedTokenizer {
    /// The file.
    pub json: Vec<u8>,
    /// What was changed, for people.
    pub changes: Vec<String>,
}

/// The `tokenizer.json` with truncation and padding switched off and every control token marked as special; as it came if that is so already.
///
/// # Errors
/// [`TokenizerError`] if it is no JSON.
pub fn prepare(json: &[u8], beside: &Beside) -> Result<PreparedTokenizer, TokenizerError> {
    let mut file: Value = serde_json::from_slice(json).map_err(|e| failed(format!("expected tokenizer.json, found {e}")))?;
    let mut changes = Vec::new();
    for (field, what) in [("truncation", "truncation"), ("padding", "padding")] {
        if let Some(set) = file.get_mut(field).filter(|v| !v.is_null()) {
            *set = Value::Null;
            changes.push(format!("{what} is set in tokenizer.json and is switched off: documents are cut into tokens whole"));
        }
    }
    let named: BTreeSet<String> = beside.configs.iter().flat_map(named).collect();
    let literals: Vec<String> = beside.templates.iter().flat_map(|t| literals(t)).collect();
    let mut marked = Vec::new();
    for token in file.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(content) = token.get("content").and_then(Value::as_str).map(str::to_string) else { continue };
        let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
        if !special && is_control(&content, &named, &literals) {
            token["special"] = Value::Bool(true);
            marked.push(content);
        }
    }
    if !marked.is_empty() {
        let names = marked.iter().take(8).map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", ");
        let more = if marked.len() > 8 { format!(" and {} more", marked.len() - 8) } else { String::new() };
        changes.push(format!("added tokens that steer a model become control tokens, which no text is cut into: {names}{more}"));
    }
    let json = if changes.is_empty() { json.to_vec() } else { serde_json::to_vec(&file).map_err(failed)? };
    Ok(PreparedTokenizer { json, changes })
}

/// White space, and the sign that stands for it.
fn is_white(c: char) -> bool {
    c.is_whitespace() || c == '▁'
}

/// Whether an added token that is not marked as special is a control token.
fn is_control(content: &str, named: &BTreeSet<String>, literals: &[String]) -> bool {
    if content.trim_matches(is_white).is_empty() {
        return false;
    }
    let shaped =
        |open: &str, close: &str| content.len() > open.len() + close.len() && content.starts_with(open) && content.ends_with(close);
    // Templates put the names of such tokens together from a role.
    named.contains(content)
        || shaped("<|", "|>")
        || shaped("<｜", "｜>")
        || is_marker(content) && literals.iter().any(|l| l.contains(content))
}

/// Whether a token that a template has in its text is a marker, and no word: `[INST]`, but not `user`, `###` or a line feed.
fn is_marker(content: &str) -> bool {
    let trimmed = content.trim_matches(is_white);
    let ends = [trimmed.chars().next(), trimmed.chars().next_back()];
    trimmed.chars().count() >= 3 && trimmed.chars().any(char::is_alphanumeric) && !ends.iter().flatten().all(|c| c.is_alphanumeric())
}

/// Texts of a value that is one, or has some: a list of named templates, a mapping.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(|item| texts(item.get("template").unwrap_or(item))).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Tokens that a configuration names as special.
fn named(config: &Value) -> Vec<String> {
    fn add(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::String(text) => names.push(text.clone()),
            Value::Object(map) => match map.get("content").and_then(Value::as_str) {
                Some(content) => names.push(content.to_string()),
                None => map.values().for_each(|v| add(v, names)),
            },
            Value::Array(list) => list.iter().for_each(|v| add(v, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        let lists = ["additional_special_tokens", "extra_special_tokens", "chat_control_tokens"].contains(&key.as_str());
        if lists || key.ends_with("_token") {
            add(value, &mut names);
        }
    }
    let added = config.get("added_tokens_decoder").and_then(Value::as_object);
    let special = added.into_iter().flat_map(|m| m.values()).filter(|t| t.get("special").and_then(Value::as_bool) == Some(true));
    special.for_each(|t| add(t, &mut names));
    names
}

/// The text of a Jinja template outside of its tags, and the string constants in them, each by itself.
///
/// Source: <https://jinja.palletsprojects.com/en/stable/templates/>.
fn literals(template: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.find(['{']) {
        let (text, tag) = rest.split_at(at);
        let close = match tag.as_bytes() {
            [b'{', b'{', ..] => "}}",
            [b'{', b'%', ..] => "%}",
            [b'{', b'#', ..] => "#}",
            _ => {
                // A brace of the text.
                found.push(rest[..=at].to_string());
                rest = &rest[at + 1..];
                continue;
            }
        };
        found.push(text.to_string());
        let inside = &tag[2..];
        if close == "#}" {
            rest = inside.find(close).map_or("", |end| &inside[end + 2..]);
            continue;
        }
        let (length, constants) = constants(inside, close);
        found.extend(constants);
        let word = inside[..length].trim_matches(|c: char| c.is_whitespace() || "-+%}".contains(c));
        rest = &inside[length..];
        if word == "raw"
            && let Some(end) = rest.find("{%").and_then(|_| rest.find("endraw"))
        {
            found.push(rest[..end].to_string());
        }
    }
    found.push(rest.to_string());
    found.retain(|text| !text.is_empty());
    found
}

/// Bytes of a tag up to behind its end, and its string constants.
fn constants(tag: &str, close: &str) -> (usize, Vec<String>) {
    let mut found = Vec::new();
    let mut letters = tag.char_indices();
    while let Some((at, c)) = letters.next() {
        if tag[at..].starts_with(close) {
            return (at + close.len(), found);
        }
        if c != '"' && c != '\'' {
            continue;
        }
        let mut text = String::new();
        while let Some((_, letter)) = letters.next() {
            match letter {
                letter if letter == c => break,
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        found.push(text);
    }
    (tag.len(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls(added: &[&str], template: &str) -> Vec<String> {
        let tokens: Vec<Value> =
            added.iter().enumerate().map(|(id, t)| serde_json::json!({"id": id, "content": t, "special": false})).collect();
        let file = serde_json::json!({ "added_tokens": tokens, "truncation": null, "padding": null }).to_string();
        let beside = Beside { templates: vec![template.to_string()], ..Beside::default() };
        let prepared = prepare(file.as_bytes(), &beside).unwrap();
        let file: Value = serde_json::from_slice(&prepared.json).unwrap();
        let special = file["added_tokens"].as_array().unwrap().iter().filter(|t| t["special"] == true);
        special.map(|t| t["content"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn markers_of_templates_are_control_tokens_and_words_are_not() {
        let zephyr = "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|user|>\n' + m.content + eos_token }}{% endif %}{% endfor %}";
        assert_eq!(controls(&["<|user|>", "<|assistant|>", "user", "\n"], zephyr), ["<|user|>", "<|assistant|>"]);
        let llama = "{# [SYS] #}{{ bos_token }}[INST] {{ messages[0].content }} [/INST]";
        assert_eq!(controls(&["[INST]", "[/INST]", "[SYS]", " ", "\n\n"], llama), ["[INST]", "[/INST]"]);
        let spaces: Vec<String> = (2..25).map(|n| " ".repeat(n)).collect();
        let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
        assert!(controls(&spaces, "  {{ x }}    y").is_empty(), "runs of spaces stay words");
        assert_eq!(controls(&["<think>", "###", "assistant", "**"], "{{ \"<think>\\n\" }}### assistant **"), ["<think>"]);
    }

    #[test]
    fn configs_name_tokens_and_what_is_left_on_is_switched_off() {
        let json = r#"{"truncation":{"max_length":8},"padding":{"length":16},"added_tokens":[{"id":0,"content":"END","special":false}]}"#;
        let config = serde_json::json!({ "eos_token": { "content": "END" } });
        let prepared = prepare(json.as_bytes(), &Beside { configs: vec![config], ..Beside::default() }).unwrap();
        assert_eq!(prepared.changes.len(), 3, "{:?}", prepared.changes);
        let again = prepare(&prepared.json, &Beside::default()).unwrap();
        assert_eq!((again.json, again.changes.len()), (prepared.json, 0));
        assert!(prepare(b"[", &Beside::default()).is_err());
    }
}
