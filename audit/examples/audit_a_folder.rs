//! Audits a home, or a copy of its `log/`, `objects/` and `log.vkey`, with no key, database or network.
//!
//! `cargo run --release -p audit --example audit_a_folder -- assay-home`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use audit::{Files, Options};
use rules::listener::Silent;
use store::Objects;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("expected the folder of a home")?);
    let files = Files { objects: Objects::new(&dir.join("objects")), dir };
    // The library asks no clock: whoever audits says what time it is.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let report = audit::run(&files, &Options::new(now), &Silent)?;
    println!("{}", report.level);
    for check in &report.checks {
        println!("  {:<12} {:>3} findings  {}", check.name, check.findings, check.looked_at);
    }
    for finding in &report.findings {
        println!("FINDING [{}] entry {:?}: {}", finding.rule, finding.index, finding.text);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
