//! A statement as a page that prints on A4, with nothing from elsewhere, and as a table.

use std::fmt::Write;

use anyhow::Result;
use ledger::entry::PoolOutcome;
use ledger::entry::rights::date_of;
use ledger::statement::Statement;
use pipeline::Home;
use pipeline::names::file_name;
use pipeline::reward::Settled;
use store::files::write_copy;

use crate::output::{escape, money};

/// Writes copies for the contributors of a settled run below the home's `statements/`: signed, as a page, and as a table.
pub fn write(home: &Home, settled: &Settled) -> Result<()> {
    let (folder, names) = (home.dir.join(format!("statements/run-{}", settled.run)), home.names());
    let bar = home.listener.task("statements written", settled.statements.len() as u64);
    for (statement, envelope) in &settled.statements {
        let name = names.get(&statement.contributor).cloned().unwrap_or_else(|| statement.contributor.to_string());
        let file = file_name(&name);
        write_copy(&folder.join(format!("{file}.json")), envelope, 0o600)?;
        write_copy(&folder.join(format!("{file}.html")), html(statement, &name).as_bytes(), 0o600)?;
        write_copy(&folder.join(format!("{file}.csv")), csv(statement).as_bytes(), 0o600)?;
        bar.advance(1);
    }
    Ok(())
}

/// 10⁻⁹ nats as nats.
fn nats(nano: i64) -> String {
    let sign = if nano < 0 { "−" } else { "+" };
    format!("{sign}{}.{:06}", nano.unsigned_abs() / 1_000_000_000, nano.unsigned_abs() % 1_000_000_000 / 1000)
}

/// Integers in groups of three digits.
fn grouped(n: impl ToString) -> String {
    let text = n.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |d| ("−", d));
    let mut out = String::from(sign);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// A table whose first columns are text, and the others numbers.
fn table(out: &mut String, head: &[&str], texts: usize, rows: &[Vec<String>]) {
    let class = |i: usize| if i < texts { "" } else { " class=n" };
    out.push_str("<table><thead><tr>");
    for (i, name) in head.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(i), escape(name));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(i), escape(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>\n");
}

/// The page of a statement for the contributor `name`.
pub fn html(s: &Statement, name: &str) -> String {
    let amount = |minor: i128| money(minor, s.currency_exponent, &s.currency).replace('-', "−");
    let mut out = String::from("<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n");
    let _ =
        write!(out, "<title>Statement {} for {}</title>\n<style>{}</style></head><body>\n", s.id, escape(name), include_str!("page.css"));
    let _ = write!(
        out,
        "<header><h1>Statement</h1><p class=id>{}</p></header>\n<dl class=facts><dt>Contributor</dt><dd>{}<br><code>{}</code></dd>\
         <dt>Log</dt><dd>{}</dd><dt>Period</dt><dd>epoch {}, run {}, settled {}</dd><dt>Paid to</dt><dd><code>{}</code></dd></dl>\n",
        s.id,
        escape(name),
        s.contributor,
        escape(&s.origin),
        s.epoch,
        s.run,
        date_of(s.time),
        s.payee
    );
    let _ = writeln!(
        out,
        "<section class=sum><div><span>Accrued</span><b>{}</b></div><div><span>Payable</span><b class=main>{}</b></div>\
         <div><span>Paid after</span><b>{} days</b></div></section>",
        amount(s.gross_minor),
        amount(s.net_minor),
        s.balance.hold_days
    );
    if s.outcome != PoolOutcome::Settled {
        let _ = writeln!(out, "<p class=note>{}</p>", escape(&s.outcome.to_string()));
    }
    if s.currency == "XTS" {
        out.push_str("<p class=note>XTS is the currency code for tests: nobody is owed anything.</p>\n");
    }

    out.push_str("<h2>What was submitted</h2>\n");
    let rows: Vec<Vec<String>> = s
        .submissions
        .iter()
        .map(|l| {
            let numbers = [l.documents, l.accepted, l.tokens, l.words, l.novel_words].map(grouped);
            [vec![format!("entry {}", l.submission)], numbers.to_vec()].concat()
        })
        .collect();
    table(&mut out, &["submission", "documents", "trained on", "tokens", "words", "novel words"], 1, &rows);
    if !s.not_payable.is_empty() {
        let rows: Vec<Vec<String>> =
            s.not_payable.iter().map(|n| vec![format!("entry {}", n.submission), n.reason.clone(), grouped(n.documents)]).collect();
        out.push_str("<h3>Not paid</h3>\n");
        table(&mut out, &["submission", "reason", "documents"], 2, &rows);
    }

    out.push_str("<h2>What was measured</h2>\n");
    if s.credit.is_empty() {
        out.push_str("<p>No document of this account was trained on.</p>\n");
    } else {
        let rows: Vec<Vec<String>> = s
            .credit
            .iter()
            .map(|c| {
                let spread = nats(c.spread).replace('+', "±");
                vec![format!("entry {}", c.submission), c.target.clone(), grouped(c.tokens), nats(c.credit), spread]
            })
            .collect();
        table(&mut out, &["submission", "target", "tokens", "credit, nats", "error"], 2, &rows);
        out.push_str("<p class=small>Credit is the drop of the held-out loss that training on these documents accounts for; the error is half of what the two halves of the target's text differ by.</p>\n");
    }

    out.push_str("<h2>From credit to money</h2>\n");
    let rows: Vec<Vec<String>> = s
        .pools
        .iter()
        .map(|p| {
            vec![
                p.stratum.clone(),
                p.follows.clone(),
                amount(p.pool_minor),
                grouped(p.reward.pay_weight),
                grouped(p.pay_weights_sum),
                grouped(p.reward.floor_minor),
                grouped(p.reward.remainder),
                amount(p.reward.accrued_minor),
            ]
        })
        .collect();
    table(&mut out, &["pool of", "follows", "pool", "weight", "sum of weights", "floor", "remainder", "accrued"], 2, &rows);
    for p in s.pools.iter().filter(|p| p.outcome != PoolOutcome::Settled) {
        let _ = writeln!(out, "<p class=note>{}, {}: {}</p>", escape(&p.stratum), escape(&p.follows), escape(&p.outcome.to_string()));
    }
    out.push_str("<p class=small>Weight by attribution = credit × weights of targets and windows, in 10⁻⁹ nats. Accrued = pool × weight ÷ sum of weights, rounded down in minor units; the units that are left go to the largest remainders.</p>\n");

    let a = &s.adjustments;
    out.push_str("<h2>From accrued to payable</h2>\n");
    let line = |what: &str, minor: i128| vec![what.to_string(), amount(minor)];
    let mut rows = vec![line("Accrued by all accounts of the payee", a.net_minor)];
    let others = [
        ("Covered by stake", a.from_stake_minor),
        ("Haircut for what others' negative credit leaves uncovered", -a.haircut_minor),
        ("Taken for offsets of earlier periods", -a.recovered_minor),
        ("Paid back of earlier haircuts", a.repaid_minor),
        ("Kept as stake", -a.to_stake_minor),
    ];
    rows.extend(others.iter().filter(|(_, minor)| *minor != 0).map(|(what, minor)| line(what, *minor)));
    rows.push(line("Payable to the payee", a.payable_minor));
    rows.push(line(&format!("Withheld, rule {}", s.withholding.rule), -s.withholding.amount_minor));
    rows.push(line("Of it for this account", s.net_minor));
    table(&mut out, &["", s.currency.as_str()], 1, &rows);
    let open: Vec<Vec<String>> = [
        ("In the dispute period", s.balance.on_hold_minor),
        ("May be paid", s.balance.payable_minor),
        ("Offset against later earnings", s.balance.offset_minor),
        ("Owed if offsets of others come back", a.receivable_minor),
        ("Stake", s.balance.stake_minor),
        ("Least amount that is paid at once", s.balance.threshold_minor),
    ]
    .iter()
    .map(|(what, minor)| line(what, *minor))
    .collect();
    out.push_str("<h3>Balance</h3>\n");
    table(&mut out, &["", s.currency.as_str()], 1, &open);

    out.push_str("<h2>How to check it</h2>\n<p>Everything here follows from the public log and its tables:</p>\n");
    let inputs = [
        ("policy", s.inputs.policy),
        ("credit", s.inputs.credit),
        ("documents", s.inputs.documents),
        ("windows", s.inputs.windows),
        ("rewards", s.inputs.rewards),
    ];
    let rows: Vec<Vec<String>> = inputs.iter().map(|(what, digest)| vec![what.to_string(), digest.to_string()]).collect();
    table(&mut out, &["table", "SHA-256"], 2, &rows);
    let _ = write!(
        out,
        "<pre>{}</pre>\n<p class=small>This page is for reading; the signed statement is the JSON file beside it.</p>\n",
        escape(&s.check)
    );
    out.push_str("</body></html>\n");
    out
}

/// A statement's lines as a table, RFC 4180: kind, what, and numbers; amounts in minor units.
pub fn csv(s: &Statement) -> String {
    let mut out = String::from(
        "kind,submission,what,tokens,credit_nano_nats,spread_nano_nats,weight,weights_sum,floor_minor,remainder,amount_minor,currency\r\n",
    );
    let mut row = |cells: [String; 11]| {
        // Names of targets and strata are the operator's.
        let safe = cells.map(|c| if c.contains([',', '"', '\r', '\n']) { format!("\"{}\"", c.replace('"', "\"\"")) } else { c });
        let _ = write!(out, "{},{}\r\n", safe.join(","), s.currency);
    };
    let none = String::new;
    for c in &s.credit {
        let numbers = [c.submission.to_string(), c.target.clone(), c.tokens.to_string(), c.credit.to_string(), c.spread.to_string()];
        let [submission, target, tokens, credit, spread] = numbers;
        row(["credit".into(), submission, target, tokens, credit, spread, none(), none(), none(), none(), none()]);
    }
    for p in &s.pools {
        let (r, what) = (&p.reward, format!("{} {}", p.stratum, p.follows));
        row([
            "pool".into(),
            none(),
            what,
            none(),
            none(),
            none(),
            r.pay_weight.to_string(),
            p.pay_weights_sum.to_string(),
            r.floor_minor.to_string(),
            r.remainder.to_string(),
            r.accrued_minor.to_string(),
        ]);
    }
    for n in &s.not_payable {
        let what = format!("{}: {} documents", n.reason, n.documents);
        row(["not-payable".into(), n.submission.to_string(), what, none(), none(), none(), none(), none(), none(), none(), "0".into()]);
    }
    let a = &s.adjustments;
    let amounts = [
        ("accrued", s.gross_minor),
        ("payee-net", a.net_minor),
        ("from-stake", a.from_stake_minor),
        ("haircut", -a.haircut_minor),
        ("recovered", -a.recovered_minor),
        ("repaid", a.repaid_minor),
        ("to-stake", -a.to_stake_minor),
        ("withheld", -s.withholding.amount_minor),
        ("payable", s.net_minor),
    ];
    for (what, minor) in amounts {
        row(["amount".into(), none(), what.into(), none(), none(), none(), none(), none(), none(), none(), minor.to_string()]);
    }
    out
}
