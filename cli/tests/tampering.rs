//! What an altered home looks like to the audit.

mod common;

use std::fs;

use common::forge::{forge, rewrite};
use common::{World, files};
use ledger::entry::{Attribution, Entry, RunClose, RunProgress};
use ledger::{Envelope, SecretKey};
use store::{Class, Objects};
use trainer::{read_credit, read_documents, write_credit, write_documents};

#[test]
fn a_changed_byte_in_any_file_of_log_and_objects_is_named() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
    let home = world.path("h");
    let mut tried = 0;
    for folder in ["log", "objects"] {
        for file in files(&home.join(folder)) {
            let original = fs::read(&file).unwrap();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            for offset in [0, original.len() / 3, 2 * original.len() / 3, original.len() - 1] {
                let mut changed = original.clone();
                changed[offset] ^= 0x01;
                fs::write(&file, &changed).unwrap();
                let audit = world.audit("h", "0");
                let place = format!("{} at {offset}", file.display());
                assert_eq!(audit.code, Some(3), "{place}: {} {}", audit.json, audit.stderr);
                let said = format!("{} {}", audit.json, audit.stderr);
                let relative = file.strip_prefix(&home).unwrap().display().to_string();
                assert!(said.contains(&relative) || said.contains(&name) && name.len() == 64, "{place}: {said}");
                tried += 1;
            }
            fs::write(&file, &original).unwrap();
        }
    }
    // Four bytes in each of about fifty files: the log keeps no partial tiles that a wider one replaced.
    assert!(tried > 180, "{tried}");
    // Files that are missing, and files that do not belong.
    let object = files(&home.join("objects/public")).remove(0);
    let kept = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    world.audit("h", "0").fails(3, &["object-there", object.file_name().unwrap().to_str().unwrap()]);
    fs::write(&object, kept).unwrap();
    fs::write(home.join("log/tile/extra"), "x").unwrap();
    world.audit("h", "0").fails(3, &["log/tile/extra"]);
    fs::remove_file(home.join("log/tile/extra")).unwrap();
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
}

#[test]
fn a_consistently_forged_attribution_is_caught_by_replay_alone() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    // A tenth of everybody's credit goes to the first contributor, window by window, and to its first document; all sums stay as they are.
    fn favour(rows: &mut [(u64, u32, &mut f64, &mut Vec<f64>)]) {
        for window in 0..=rows.iter().map(|r| r.0).max().unwrap_or(0) {
            let (mut nats, mut halves) = (0.0, vec![0.0; 2]);
            for row in rows.iter_mut().filter(|r| r.0 == window && r.1 > 0) {
                nats += 0.1 * *row.2;
                *row.2 *= 0.9;
                for (taken, half) in halves.iter_mut().zip(row.3.iter_mut()) {
                    *taken += 0.1 * *half;
                    *half *= 0.9;
                }
            }
            if let Some(row) = rows.iter_mut().find(|r| r.0 == window && r.1 == 0) {
                *row.2 += nats;
                row.3.iter_mut().zip(halves).for_each(|(half, taken)| *half += taken);
            }
        }
    }
    let credit = |objects: &Objects, digest: &corpus::Digest| {
        let mut rows = read_credit(&objects.get(Class::Public, digest).unwrap()).unwrap();
        favour(&mut rows.iter_mut().map(|r| (r.window, r.bucket, &mut r.credited.nats, &mut r.credited.halves)).collect::<Vec<_>>());
        objects.put(Class::Public, &write_credit(&rows).unwrap()).unwrap()
    };
    let documents = |objects: &Objects, digest: &corpus::Digest| {
        let mut rows = read_documents(&objects.get(Class::Public, digest).unwrap()).unwrap();
        favour(&mut rows.iter_mut().map(|r| (r.window, r.bucket, &mut r.credited.nats, &mut r.credited.halves)).collect::<Vec<_>>());
        objects.put(Class::Public, &write_documents(&rows).unwrap()).unwrap()
    };
    forge(&world, |objects, entry| match entry {
        Entry::RunProgress(e) => {
            RunProgress { credit: credit(objects, &e.credit), documents: documents(objects, &e.documents), ..e }.into()
        }
        Entry::Attribution(e) => {
            Attribution { credit: credit(objects, &e.credit), documents: documents(objects, &e.documents), ..e }.into()
        }
        other => other,
    });
    // Every sum is right, and everything is signed: only computing it again shows it.
    let blind = world.audit("h", "0").ok();
    assert_eq!(blind["audit"]["ok"], true, "{blind}");
    world.audit("h", "1").fails(3, &["attribution-replay", "off by"]);
}

#[test]
fn a_checkpoint_that_brings_its_results_along_is_not_compared_with_itself() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    let mut states = Vec::new();
    for bytes in &rewrite(&world.path("h"), 0).2 {
        if let Entry::RunProgress(e) = Entry::from_payload(&Envelope::from_bytes(bytes).unwrap().payload).unwrap() {
            states.push((e.state, e.checkpoint));
        }
    }
    // The last checkpoint has the parameters alone.
    let (state, checkpoint) = states[states.len() - 2];
    forge(&world, |_, entry| match entry {
        Entry::RunProgress(e) => RunProgress { state, checkpoint, ..e }.into(),
        Entry::RunClose(e) => RunClose { checkpoint: Some(checkpoint), ..e }.into(),
        other => other,
    });
    world.audit("h", "9").fails(3, &["attribution-replay", "checkpoint before window"]);
}

#[test]
fn parameters_that_the_run_did_not_lead_to_are_found() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    let mut progress = Vec::new();
    for bytes in &rewrite(&world.path("h"), 0).2 {
        if let Entry::RunProgress(e) = Entry::from_payload(&Envelope::from_bytes(bytes).unwrap().payload).unwrap() {
            progress.push(e);
        }
    }
    let (first, last) = (progress[0].checkpoint, progress.last().unwrap().step);
    // The model that is handed out is another one than was trained; the state that the run led to is in the log all the same.
    forge(&world, |_, entry| match entry {
        Entry::RunProgress(e) if e.step == last => RunProgress { checkpoint: first, ..e }.into(),
        Entry::RunClose(e) => RunClose { checkpoint: Some(first), ..e }.into(),
        other => other,
    });
    world.audit("h", "9").fails(3, &["attribution-replay", "does not hold the parameters that replay leads to"]);
}

#[test]
fn an_altered_statement_names_the_field() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    world.run(&["statement", "verify", "h/statements/run-0/anna.json", "--home", "h"]).ok();
    let bytes = fs::read(world.path("h/statements/run-0/anna.json")).unwrap();
    // Unsigned change.
    let mut changed = bytes.clone();
    let at = changed.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    fs::write(world.path("changed.json"), changed).unwrap();
    assert_eq!(world.run(&["statement", "verify", "changed.json", "--home", "h"]).code, Some(3));
    // Signed by the operator, but not what the log says: whatever is changed is named.
    let operator = SecretKey::from_text(&fs::read_to_string(world.path("h/keys/operator.key")).unwrap()).unwrap();
    let statement = ledger::statement::Statement::verify(&bytes, &operator.public()).unwrap();
    let json = serde_json::to_value(&statement).unwrap();
    let verify = |json: serde_json::Value| {
        let altered: ledger::statement::Statement = serde_json::from_value(json).unwrap();
        fs::write(world.path("signed.json"), altered.sign(&operator).unwrap()).unwrap();
        world.run(&["statement", "verify", "signed.json", "--home", "h"])
    };
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../docs/statement.schema.json")).unwrap();
    keeps_to(&schema, &json, "");
    let (mut all, mut fields) = (json.clone(), Vec::new());
    alter("", &mut all, &mut fields);
    assert!(fields.len() > 45, "{fields:?}");
    let named: Vec<String> = fields.iter().map(|f| format!("{f}: expected")).collect();
    verify(all).fails(3, &named.iter().map(String::as_str).collect::<Vec<_>>());
    for field in ["run", "contributor"] {
        let mut one = json.clone();
        change(&mut one[field]);
        verify(one).fails(3, &[field]);
    }
}

/// Changes every value but those by which the statement is looked up, and lists their fields.
fn alter(at: &str, value: &mut serde_json::Value, fields: &mut Vec<String>) {
    let inside = |name: &str| if at.is_empty() { name.to_string() } else { format!("{at}/{name}") };
    match value {
        serde_json::Value::Object(map) => map.iter_mut().for_each(|(name, v)| alter(&inside(name), v, fields)),
        serde_json::Value::Array(list) => list.iter_mut().enumerate().for_each(|(i, v)| alter(&inside(&i.to_string()), v, fields)),
        other if !["run", "contributor"].contains(&at) => {
            change(other);
            fields.push(at.to_string());
        }
        _ => {}
    }
}

/// Another value of the same form.
fn change(value: &mut serde_json::Value) {
    *value = match value {
        serde_json::Value::Number(n) => (n.as_i64().unwrap() + 1).into(),
        serde_json::Value::String(text) => match text.parse::<i128>() {
            Ok(n) => (n + 1).to_string().into(),
            Err(_) if text.starts_with('a') => format!("b{}", &text[1..]).into(),
            Err(_) => format!("a{}", &text[text.chars().next().map_or(0, char::len_utf8)..]).into(),
        },
        other => panic!("no field of a statement is {other}"),
    };
}

/// A value has the form and exactly the fields that the schema says.
fn keeps_to(schema: &serde_json::Value, value: &serde_json::Value, at: &str) {
    match schema["type"].as_str().unwrap_or_else(|| panic!("{at}: the schema says no type")) {
        "object" => {
            let (properties, map) = (schema["properties"].as_object().unwrap(), value.as_object().unwrap());
            assert!(properties.keys().eq(map.keys()), "{at}: {:?}, the schema has {:?}", map.keys(), properties.keys());
            assert_eq!(schema["required"].as_array().unwrap().len(), properties.len(), "{at}");
            map.iter().for_each(|(name, v)| keeps_to(&properties[name], v, &format!("{at}/{name}")));
        }
        "array" => value.as_array().unwrap().iter().for_each(|v| keeps_to(&schema["items"], v, at)),
        "integer" => assert!(value.is_i64() || value.is_u64(), "{at}: {value}"),
        "string" => assert!(value.is_string(), "{at}: {value}"),
        other => panic!("{at}: {other}"),
    }
}

#[test]
fn a_state_that_is_named_and_not_kept_has_to_come_out_too() {
    let world = World::new();
    world.write("tiny.toml", common::TINY.replace("progress_windows = 2", "progress_windows = 1\nwhole_every = 3"));
    world.quickstart("h", &[]).ok();
    let second = std::cell::Cell::new(0);
    forge(&world, |_, entry| match entry {
        Entry::RunProgress(e) => {
            second.set(second.get() + 1);
            if second.get() == 2 { RunProgress { state: corpus::Digest::of(b"another"), ..e }.into() } else { e.into() }
        }
        other => other,
    });
    world.audit("h", "9").fails(3, &["attribution-replay", "is not the one that replay leads to"]);
}
