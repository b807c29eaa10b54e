//! A statement computed again by somebody who has the log and what is public: what is altered in it is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use corpus::objects::{Class, MemoryObjects, ReadObjects};
use ledger::statement::Statement;
use pipeline::statements::verify;
use rules::Archive;
use rules::strata::of_sources;
use serde_json::Value;
use testkit::World;

fn settled() -> World {
    World::settled(&[("anna", 0.3), ("bert", 0.1)])
}

/// Anna's statement, signed.
fn of_anna(world: &World) -> Vec<u8> {
    let all = world.statements(world.last_run());
    all.iter().find(|s| s.contributor == world.id("anna")).unwrap().sign(world.operator()).unwrap()
}

/// What the verification of altered statement says, signed by the operator as if it were true.
fn refused(world: &World, json: Value) -> String {
    let altered: Statement = serde_json::from_value(json).unwrap();
    let refused = verify(&world.archive, &altered.sign(world.operator()).unwrap(), "signed.json");
    refused.expect_err("a statement that the log does not give").to_string()
}

fn json_of_anna(world: &World) -> Value {
    let statement = Statement::verify(&of_anna(world), &world.operator().public()).unwrap();
    serde_json::to_value(&statement).unwrap()
}

#[test]
fn a_statement_that_the_log_gives_is_verified() {
    let world = settled();
    verify(&world.archive, &of_anna(&world), "anna.json").unwrap();
}

#[test]
fn a_statement_that_was_altered_after_it_was_signed_is_refused() {
    let world = settled();
    let mut bytes = of_anna(&world);
    let at = bytes.len() / 2;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    assert!(verify(&world.archive, &bytes, "changed.json").is_err());
}

#[test]
fn every_altered_field_of_a_signed_statement_is_named() {
    let world = settled();
    let (mut all, mut fields) = (json_of_anna(&world), Vec::new());
    alter("", &mut all, &mut fields);
    assert!(fields.len() > 45, "{fields:?}");
    let said = refused(&world, all);
    for field in fields {
        assert!(said.contains(&format!("{field}: expected")), "{field} is not in: {said}");
    }
}

#[test]
fn a_statement_about_another_run_is_refused() {
    let world = settled();
    let mut json = json_of_anna(&world);
    change(&mut json["run"]);
    assert!(refused(&world, json).contains("run"));
}

#[test]
fn a_statement_of_somebody_else_is_refused() {
    let world = settled();
    let mut json = json_of_anna(&world);
    change(&mut json["contributor"]);
    assert!(refused(&world, json).contains("contributor"));
}

#[test]
fn a_statement_keeps_to_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/statement.schema.json")).unwrap();
    keeps_to(&schema, &json_of_anna(&settled()), "");
}

#[test]
fn a_statement_about_a_stratums_pool_is_verified_without_anything_that_is_not_public() {
    let mut world = World::new();
    let anna = world.register("anna");
    let mut songs = of_sources("songs", &[]);
    songs.contributors = vec![anna];
    songs.pool_minor = Some(6_000);
    songs.target_weights = Some(BTreeMap::from([("east".to_string(), 1)]));
    world.policy.strata = vec![songs];
    let world = world.settled_with(&[("anna", 0.2), ("bert", 0.1)]);
    let mut public = MemoryObjects::default();
    for digest in world.objects.list(Class::Public).unwrap() {
        public.put(Class::Public, world.objects.bytes(Class::Public, &digest));
    }
    let archive = Archive { objects: Arc::new(public), state: world.state().clone() };
    for statement in world.statements(world.last_run()) {
        verify(&archive, &statement.sign(world.operator()).unwrap(), "statement.json").unwrap();
    }
}

/// Changes every value but those by which the statement is looked up, and lists their fields.
fn alter(at: &str, value: &mut Value, fields: &mut Vec<String>) {
    let inside = |name: &str| if at.is_empty() { name.to_string() } else { format!("{at}/{name}") };
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(name, v)| alter(&inside(name), v, fields)),
        Value::Array(list) => list.iter_mut().enumerate().for_each(|(i, v)| alter(&inside(&i.to_string()), v, fields)),
        other if !["run", "contributor"].contains(&at) => {
            change(other);
            fields.push(at.to_string());
        }
        _ => {}
    }
}

/// Another value of the same form.
fn change(value: &mut Value) {
    *value = match value {
        Value::Number(n) => (n.as_i64().unwrap() + 1).into(),
        Value::String(text) => match text.parse::<i128>() {
            Ok(n) => (n + 1).to_string().into(),
            Err(_) if text.starts_with('a') => format!("b{}", &text[1..]).into(),
            Err(_) => format!("a{}", &text[text.chars().next().map_or(0, char::len_utf8)..]).into(),
        },
        other => panic!("no field of a statement is {other}"),
    };
}

/// A value has the form and exactly the fields that the schema says.
fn keeps_to(schema: &Value, value: &Value, at: &str) {
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
