//! Two contributors submit; the second has a copy of the first's text. The judge says which documents are whose.
//!
//! `cargo run --release -p pipeline --example submit_and_judge`

use corpus::bundle::Submitted;
use corpus::licence::Purpose;
use dedup::Device;
use pipeline::Home;
use pipeline::gather::Source;
use pipeline::witnesses::WitnessChoice;
use pipeline::{epoch, ingest, submit};
use rules::Policy;
use rules::bundles::verdicts;

const RIVER: &str = "The river rose in the night. By morning the lower road was under water, and the ferryman carried people for nothing.";
const BREAD: &str = "Knead the dough until it springs back, cover it, and leave it in a warm place until it has twice its size.";

fn held_out(text: &str) -> Submitted {
    Submitted { source: format!("pool/{}", text.len()), licence: "CC0-1.0".into(), text: text.into(), answer_at: None, reservation: None }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("home");
    // Keys from a seed that everybody knows: a demonstration.
    let witnesses = WitnessChoice::All(Vec::new());
    let mut home = Home::init(&dir, "example.invalid/log", (None, None), ("XTS", None), Some(1), &witnesses, 1_800_000_000).await?;

    let pool = vec![held_out("Snow lay on the pass well into May."), held_out("A good knife is sharpened before it is needed, not after.")];
    epoch::open(&mut home, &Policy::new(100_000, "XTS", 2), Purpose::Research, pool).await?;
    let mut each = Vec::new();
    for (name, texts) in [("ada", vec![RIVER]), ("ben", vec![BREAD, RIVER])] {
        let path = folder.path().join(name);
        std::fs::create_dir(&path)?;
        for (i, text) in texts.iter().enumerate() {
            std::fs::write(path.join(format!("{i}.txt")), text)?;
        }
        each.push((name.to_string(), Source { path, declared: Some("CC0-1.0".into()), ..Source::default() }));
    }
    submit::submit_each(&mut home, &each).await?;
    let seed = epoch::close(&mut home).await?;
    println!("the witnesses' cosignatures drew the seed {seed}");
    ingest::run(&mut home, None, 300, Device::Cpu).await?;

    for s in &home.epoch(None)?.submissions {
        let name = home.name_of(&s.submission.entry.contributor);
        for row in verdicts(&home.objects, s)?.rows {
            let of = row.of.map_or(String::new(), |of| format!(" of document {of}"));
            println!("{name}: document {}/{}: {}{of}", s.submission.index, row.number, row.verdict.code());
        }
    }
    println!("{} entries in the log, root {}", home.state.size, home.root());
    Ok(())
}
