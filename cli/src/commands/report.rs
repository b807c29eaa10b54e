//! `report.html`: one self-contained page for people.

use std::fmt::Write;

use anyhow::{Context, Result};
use audit::Report;
use corpus::RunNumber;
use ledger::history::Logged;
use pipeline::Snapshot;
use pipeline::status::{ContributorRow, contributors, run_facts};
use serde_json::json;
use store::{Class, files};
use trainer::Accounts;

use crate::args::audit::Report as Args;
use crate::audited;
use crate::output::{Bars, Output, escape, money};
use crate::place::Place;

const STYLE: &str = include_str!("report.css");

/// Writes the page of a run, with an audit of the home.
pub fn report(place: &Place, a: Args) -> Result<Output> {
    let (home, run) = (place.look()?, a.run);
    let this = home.state.run(run)?;
    let rows = contributors(&home, this.intent.entry.epoch, Some(run), |id| home.name_of(id))?;
    let path = a.out.unwrap_or_else(|| home.dir.join(PAGE));
    let audited = audit::run(&audited::files(&place.home)?, &audit::Options::new(place.now), &Bars)?;
    files::write_to(&path, page(&home, run, &rows, &audited)?.as_bytes(), 0o644)?;
    Ok(Output::new(path.display().to_string(), json!({ "report": path.display().to_string() })).beside(&path))
}

/// The page's name in a home.
pub const PAGE: &str = "report.html";

/// The page of a run.
pub fn page(home: &Snapshot, run: RunNumber, rows: &[ContributorRow], audited: &Report) -> Result<String> {
    let this = &home.state.runs[run.0 as usize];
    let accounts = rules::run_tables::of_run(home, this)?.accounts;
    let facts = run_facts(home, run)?.context("an attributed run has facts")?;
    let genesis = home.genesis();
    let view = home.view_of(this);
    let policy = view.policy()?;
    let amount = |minor: i128| money(minor, genesis.currency_exponent, &genesis.currency);
    let mut sorted: Vec<&ContributorRow> = rows.iter().collect();
    sorted.sort_by_key(|r| (std::cmp::Reverse(r.pay_weight), r.name.clone()));

    let mut page = String::new();
    let notice = if genesis.demo || genesis.currency == "XTS" {
        "<p class=notice>A demonstration: keys are held by the operator, no person is named, the currency is the one for tests, and nobody is owed anything.</p>"
    } else {
        ""
    };
    let total = |f: fn(&ContributorRow) -> u64| rows.iter().map(f).sum::<u64>();
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'><title>Assay report: run {run}</title><style>{STYLE}</style>\n<main><h1>Run {run}: who accounts for what</h1>{notice}\n"
    )?;
    let settled = policy.settle_limit_ppm as f64 / 1e4;
    let cards = [
        ("held-out loss", format!("{:.2} → {:.2}", facts.loss_start, facts.loss_end), "nats a token, on documents that priced".to_string()),
        ("control loss fell by", format!("{:.2}", facts.control_drop), "nats a token, on documents never used for pricing".to_string()),
        (
            "unexplained",
            format!("{:.2} %", 100.0 * facts.residual),
            format!("of the drop, summed over windows without signs; settled up to {settled} %"),
        ),
        (
            "pool",
            amount(policy.pool_minor),
            this.statements.as_ref().map_or("not settled".into(), |Logged { entry: s, .. }| s.outcome.to_string()),
        ),
        ("audit", if audited.ok { "no findings".into() } else { format!("{} findings", audited.findings.len()) }, audited.level.clone()),
    ];
    page += "<section class=facts>";
    for (name, value, what) in cards {
        write!(page, "<div><small>{name}</small><b>{}</b><span>{}</span></div>", escape(&value), escape(&what))?;
    }
    page += "</section>\n<h2>From submission to amount</h2>";
    page += &flow(&[
        (format!("{} contributors", rows.len()), format!("{} documents", total(|r| r.documents))),
        (
            "verdicts".into(),
            format!("{} accepted, {} duplicates, {} kept out", total(|r| r.accepted), total(|r| r.duplicates), total(|r| r.rejected)),
        ),
        ("shards".into(), format!("{} tokens", total(|r| r.tokens))),
        ("run".into(), format!("{} steps, {} windows", this.intent.entry.steps, accounts.windows.len())),
        ("credit".into(), format!("{:.2} nats", accounts.drop())),
        ("statements".into(), format!("{} of {}", rows.len(), amount(policy.pool_minor))),
    ])?;
    page += "<h2>Held-out loss</h2><p>Each point is the end of a window of steps. What a window's steps moved is priced by the gradient of this loss along the way.</p>";
    page += &loss_curve(&accounts)?;
    page += "<h2>Credit by contributor</h2><p>Nats of held-out loss that each contributor's documents account for in this run, with half the difference between the two halves of the pricing documents. Amounts follow the weights, in which later windows count for more.</p>";
    page += &bars(&sorted)?;
    page += &sampled(home, run)?;
    page += "<h2>Contributors</h2><section class=cards>";
    for row in &sorted {
        page += &card(home, row, run, &amount)?;
    }
    page += "</section>\n<h2>Check it</h2><p>Everything here is computed again from <code>log/</code>, <code>objects/</code> and <code>log.vkey</code>, on any machine, without this operator:</p>";
    write!(
        page,
        "<pre>assay audit --home {dir}\nassay replay --home {dir} --run {run} --window 0\nassay statement verify {dir}/statements/run-{run}/NAME.json --home {dir}</pre>",
        dir = escape(&home.dir.display().to_string())
    )?;
    writeln!(
        page,
        "<p>Log <code>{}</code>, {} entries, root <code>{}</code>.</p></main></html>",
        escape(&genesis.origin),
        home.state.size,
        home.root()
    )?;
    Ok(page)
}

/// Boxes with arrows between them.
fn flow(steps: &[(String, String)]) -> Result<String> {
    let mut out = String::from("<ol class=flow>");
    for (name, what) in steps {
        write!(out, "<li><b>{}</b><span>{}</span></li>", escape(name), escape(what))?;
    }
    Ok(out + "</ol>")
}

fn loss_curve(accounts: &Accounts) -> Result<String> {
    let value = |losses: &[f64]| losses.iter().zip(&accounts.parts).map(|(l, p)| l * p.factor()).sum::<f64>();
    let mut points: Vec<(f64, f64)> = accounts.windows.first().map(|w| (0.0, value(&w.loss_before))).into_iter().collect();
    points.extend(accounts.windows.iter().map(|w| (w.end_step as f64, value(&w.loss_after))));
    let (width, height, left, bottom) = (860.0, 260.0, 46.0, 30.0);
    let last = points.last().map_or(1.0, |p| p.0).max(1.0);
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min).floor();
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let x = |step: f64| left + step / last * (width - left - 10.0);
    let y = |loss: f64| 10.0 + (high - loss) / (high - low) * (height - bottom - 10.0);
    let mut out = format!("<svg viewBox='0 0 {width} {height}' role=img aria-label='held-out loss by step'>");
    let mut tick = low;
    while tick <= high {
        write!(
            out,
            "<line class=grid x1='{left}' x2='{}' y1='{y:.1}' y2='{y:.1}'/><text x='{}' y='{:.1}' text-anchor=end>{tick}</text>",
            width - 10.0,
            left - 8.0,
            y(tick) + 4.0,
            y = y(tick)
        )?;
        tick += 1.0;
    }
    for i in 0..=5 {
        let step = (last * f64::from(i) / 5.0).round();
        write!(out, "<text x='{:.1}' y='{}' text-anchor=middle>{step}</text>", x(step), height - 8.0)?;
    }
    let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
    write!(out, "<polyline class=curve points='{}'/>", path.join(" "))?;
    for p in &points {
        write!(out, "<circle cx='{:.1}' cy='{:.1}' r=2.5><title>step {}: {:.3} nats a token</title></circle>", x(p.0), y(p.1), p.0, p.1)?;
    }
    Ok(out + "</svg><p class=axis>steps; nats a token</p>")
}

/// How often strata were sampled; nothing if there is only one.
fn sampled(home: &Snapshot, run: RunNumber) -> Result<String> {
    let sampled: Vec<_> =
        rules::earned::sampled(home, &home.state.runs[run.0 as usize])?.into_iter().filter(|d| d.corpus_tokens > 0).collect();
    if sampled.len() < 2 {
        return Ok(String::new());
    }
    let mut out = String::from(
        "<h2>Sampling by stratum</h2><p>Strata were declared before anybody submitted. Planned is the share of the run's tokens that their sampling shares ask for, sampled is what the order log has.</p><table><tr><th>stratum<th>tokens in the corpus<th>planned<th>sampled",
    );
    for d in sampled {
        let (name, planned, share) = (escape(&d.stratum), 100.0 * d.planned, 100.0 * d.sampled);
        write!(out, "<tr><td>{name}<td>{}<td>{planned:.1} %<td>{share:.1} %", d.corpus_tokens)?;
    }
    Ok(out + "</table>")
}

fn bars(rows: &[&ContributorRow]) -> Result<String> {
    let largest = rows.iter().map(|r| r.credit_nats.abs() + r.credit_spread_nats).fold(1e-9, f64::max);
    let smallest = rows.iter().map(|r| r.credit_nats - r.credit_spread_nats).fold(0.0, f64::min);
    let (width, label, row_height) = (860.0, 190.0, 26.0);
    let scale = (width - label - 130.0) / (largest - smallest);
    let zero = label - smallest * scale;
    let mut out =
        format!("<svg viewBox='0 0 {width} {}' role=img aria-label='credit by contributor'>", row_height * rows.len() as f64 + 8.0);
    for (i, row) in rows.iter().enumerate() {
        let y = row_height * i as f64 + 4.0;
        let (from, to) = (zero.min(zero + row.credit_nats * scale), zero.max(zero + row.credit_nats * scale));
        let (low, high) =
            (zero + (row.credit_nats - row.credit_spread_nats) * scale, zero + (row.credit_nats + row.credit_spread_nats) * scale);
        let middle = y + 9.0;
        write!(
            out,
            "<text x='{}' y='{:.1}' text-anchor=end>{}</text><rect class='{}' x='{from:.1}' y='{y:.1}' width='{:.1}' height=18 rx=2 /><line class=spread x1='{low:.1}' x2='{high:.1}' y1='{middle:.1}' y2='{middle:.1}'/><text x='{:.1}' y='{:.1}'>{:+.3} ±{:.3}</text>",
            label - 10.0,
            y + 14.0,
            escape(&row.name),
            if row.credit_nats < 0.0 { "negative" } else { "positive" },
            (to - from).max(1.0),
            to.max(high) + 8.0,
            y + 14.0,
            row.credit_nats,
            row.credit_spread_nats
        )?;
    }
    write!(out, "<line class=zero x1='{zero:.1}' x2='{zero:.1}' y1=0 y2='{:.1}'/>", row_height * rows.len() as f64 + 4.0)?;
    Ok(out + "</svg>")
}

fn card(home: &Snapshot, row: &ContributorRow, run: RunNumber, amount: &dyn Fn(i128) -> String) -> Result<String> {
    let mut of = String::from("none");
    if !row.duplicate_of.is_empty() {
        of = row.duplicate_of.iter().map(|(name, n)| format!("{n} of {}", escape(name))).collect::<Vec<_>>().join(", ");
    }
    let shards: Vec<String> = home
        .state
        .epochs
        .iter()
        .flat_map(|e| &e.submissions)
        .filter(|s| s.submission.entry.contributor == row.id)
        .flat_map(|s| s.live_shards())
        .map(|Logged { index: at, entry: s }| {
            format!("entry {at}, <code>objects/{}/{}…</code>", Class::Sealed.name(), &s.file.to_string()[..12])
        })
        .collect();
    let mut out = format!("<article><h3>{}</h3><p class=id>{} · {}</p><dl>", escape(&row.name), row.id, escape(&row.licence));
    let mut line = |name: &str, value: String| write!(out, "<dt>{name}</dt><dd>{value}</dd>");
    line("accepted", format!("{} of {} documents, {} tokens", row.accepted, row.documents, row.tokens))?;
    line("duplicate of", of)?;
    line("kept out", format!("{} documents", row.rejected))?;
    line("used in", if shards.is_empty() { "nothing".into() } else { format!("run {run}: {}", shards.join("; ")) })?;
    line("accounts for", format!("{:+.4} ±{:.4} nats", row.credit_nats, row.credit_spread_nats))?;
    line("amount", format!("<b>{}</b> (accrued {})", amount(row.payable_minor), amount(row.accrued_minor)))?;
    line(
        "how to check",
        format!(
            "<code>assay statement verify {}/statements/run-{run}/{}.json --home {}</code>",
            escape(&home.dir.display().to_string()),
            escape(&row.name),
            escape(&home.dir.display().to_string())
        ),
    )?;
    Ok(out + "</dl></article>")
}
