//! Tables for people: built with polars, printed plainly.

use anyhow::Result;
use corpus::{ContributorId, DocumentRef};
use ledger::history::Logged;
use polars::prelude::*;
use rules::Archive;

use crate::output::money;

/// What one contributor is told at any time.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ContributorRow {
    /// Its id.
    pub id: ContributorId,
    /// Its name in this home.
    pub name: String,
    /// Licences of its submissions.
    pub licence: String,
    /// Documents submitted.
    pub documents: u64,
    /// Documents accepted.
    pub accepted: u64,
    /// Documents that duplicate earlier ones.
    pub duplicates: u64,
    /// Documents kept out for other reasons.
    pub rejected: u64,
    /// Whose documents they duplicate, with their number.
    pub duplicate_of: Vec<(String, u64)>,
    /// Tokens in its shards.
    pub tokens: u64,
    /// Credit in nats, before window weights.
    pub credit_nats: f64,
    /// Half the difference of the two halves' attributions: how far credit may be off.
    pub credit_spread_nats: f64,
    /// Integer weight, in 10⁻⁹ nats.
    #[serde(serialize_with = "number")]
    pub weight: i128,
    /// Share of the pools, signed.
    #[serde(serialize_with = "number")]
    pub accrued_minor: i128,
    /// What is payable of it.
    #[serde(serialize_with = "number")]
    pub payable_minor: i128,
}

/// A number where every JSON reader keeps it exactly, and decimal text where not.
pub fn number<S: serde::Serializer>(n: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    match i64::try_from(*n) {
        Ok(small) if small.abs() <= corpus::canonical::MAX_INTEGER => serializer.serialize_i64(small),
        _ => serializer.collect_str(n),
    }
}

/// [`number`] as a value.
pub fn number_value(n: i128) -> serde_json::Value {
    number(&n, serde_json::value::Serializer).unwrap_or_default()
}

/// One row a contributor of `number`'s epoch, by id; amounts are there once run `run` is settled.
pub fn contributors(
    archive: &Archive,
    number: u32,
    run: Option<u32>,
    name: impl Fn(&ContributorId) -> String,
) -> Result<Vec<ContributorRow>> {
    let e = archive.epoch(Some(number))?;
    let owner = |d: &DocumentRef| {
        archive
            .state
            .epochs
            .iter()
            .flat_map(|e| &e.submissions)
            .find(|s| s.submission.index == d.submission)
            .map(|s| s.submission.entry.contributor)
    };
    let computed = match run.filter(|r| archive.state.runs[*r as usize].attribution.is_some()) {
        Some(run) => Some(rules::settlement::compute(archive, run)?),
        None => None,
    };
    let settled = run.is_some_and(|r| archive.state.runs[r as usize].statements.is_some());
    let mut rows = Vec::new();
    for id in e.contributors() {
        let own: Vec<_> = e.submissions.iter().filter(|s| s.submission.entry.contributor == id).collect();
        let mut originals = Vec::new();
        for s in own.iter().filter(|s| s.acceptance.is_some()) {
            let table = rules::bundles::verdicts(&*archive.objects, s)?;
            originals.extend(table.rows.iter().filter_map(|r| r.of.as_ref().and_then(&owner)).map(|o| name(&o)));
        }
        let documents: u64 = own.iter().map(|s| s.submission.entry.documents).sum();
        let (accepted, duplicates) = (own.iter().map(|s| s.accepted()).sum::<u64>(), originals.len() as u64);
        let judged = own.iter().all(|s| s.acceptance.is_some());
        let mut licences: Vec<&str> = own.iter().map(|s| s.submission.entry.rights.license_to_use.as_str()).collect();
        licences.sort_unstable();
        licences.dedup();
        let mut row = ContributorRow {
            id,
            name: name(&id),
            licence: licences.join("; "),
            documents,
            accepted,
            duplicates,
            rejected: if judged { documents - accepted - duplicates } else { 0 },
            duplicate_of: count(originals)?,
            tokens: own.iter().map(|s| s.tokens()).sum(),
            credit_nats: 0.0,
            credit_spread_nats: 0.0,
            weight: 0,
            accrued_minor: 0,
            payable_minor: 0,
        };
        if let Some(computed) = &computed {
            row.credit_nats = computed.tables.credit_of(&id);
            row.credit_spread_nats = computed.tables.spread_of(&id);
            row.weight = computed.weight_of(&id);
            // Commons have credit and no account.
            let account = computed.rewards.settlement.accounts.iter().find(|a| a.contributor == id);
            if let Some(account) = account.filter(|_| settled) {
                (row.accrued_minor, row.payable_minor) = (account.accrued_minor, account.payable_minor);
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// How often each name occurs, most frequent first.
fn count(names: Vec<String>) -> Result<Vec<(String, u64)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let frame = df!("name" => names)?;
    let grouped = frame.group_by(["name"])?;
    let lengths: Vec<u64> = grouped.get_groups().iter().map(|group| group.len() as u64).collect();
    let mut counted = DataFrame::new_infer_height(grouped.keys())?;
    counted.with_column(Column::new("n".into(), lengths))?;
    let counted = counted.sort(["n", "name"], SortMultipleOptions::default().with_order_descending_multi([true, false]))?;
    let (name, n) = (counted.column("name")?.str()?, counted.column("n")?.u64()?);
    Ok(name.iter().flatten().map(str::to_string).zip(n.iter().flatten()).collect())
}

/// The contributors' table, largest amount first, with a line of sums.
pub fn contributor_table(rows: &[ContributorRow], currency: &str, exponent: u8) -> Result<String> {
    let column = |f: &dyn Fn(&ContributorRow) -> String| rows.iter().map(f).collect::<Vec<String>>();
    let total_weight: i128 = rows.iter().map(|r| r.weight).sum();
    let frame = df!(
        "contributor" => column(&|r| r.name.clone()),
        "documents" => rows.iter().map(|r| r.documents).collect::<Vec<_>>(),
        "accepted" => rows.iter().map(|r| r.accepted).collect::<Vec<_>>(),
        "duplicates" => rows.iter().map(|r| r.duplicates).collect::<Vec<_>>(),
        "of" => column(&|r| r.duplicate_of.first().map_or(String::new(), |(n, k)| if r.duplicate_of.len() > 1 { format!("{n} {k}, +{}", r.duplicate_of.len() - 1) } else { format!("{n} {k}") })),
        "tokens" => rows.iter().map(|r| r.tokens).collect::<Vec<_>>(),
        "credit nats" => column(&|r| format!("{:+.4} ±{:.4}", r.credit_nats, r.credit_spread_nats)),
        "share" => column(&|r| format!("{:.2} %", 100.0 * r.weight as f64 / total_weight.max(1) as f64)),
        "amount" => column(&|r| money(r.payable_minor, exponent, currency)),
        // Only to sort by.
        "weight" => rows.iter().map(|r| r.weight as f64).collect::<Vec<_>>(),
    )?;
    let frame =
        frame.sort(["weight", "contributor"], SortMultipleOptions::default().with_order_descending_multi([true, false]))?.drop("weight")?;
    let sum = |name: &str| -> Result<String> { Ok(frame.column(name)?.as_materialized_series().sum::<u64>()?.to_string()) };
    let mut total = vec![String::new(); frame.width()];
    total[0] = "total".into();
    for (i, name) in ["documents", "accepted", "duplicates"].into_iter().enumerate() {
        total[i + 1] = sum(name)?;
    }
    total[5] = sum("tokens")?;
    total[6] = format!("{:+.4}", rows.iter().map(|r| r.credit_nats).sum::<f64>());
    total[8] = money(rows.iter().map(|r| r.payable_minor).sum(), exponent, currency);
    render(&frame, Some(total))
}

/// A frame as aligned text: numbers to the right, text to the left.
pub fn render(frame: &DataFrame, last: Option<Vec<String>>) -> Result<String> {
    let mut cells: Vec<Vec<String>> = vec![frame.get_column_names().iter().map(ToString::to_string).collect()];
    for i in 0..frame.height() {
        let cell = |c: &Column| -> PolarsResult<String> { Ok(corpus::text::shown(&c.get(i)?.str_value()).into_owned()) };
        cells.push(frame.columns().iter().map(cell).collect::<PolarsResult<_>>()?);
    }
    cells.extend(last);
    let numeric: Vec<bool> = frame
        .columns()
        .iter()
        .map(|c| c.dtype().is_numeric() || ["credit nats", "nats per million tokens", "share", "amount"].contains(&c.name().as_str()))
        .collect();
    let widths: Vec<usize> = (0..frame.width()).map(|j| cells.iter().map(|r| r[j].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| -> String {
        let fields = row
            .iter()
            .enumerate()
            .map(|(j, c)| if numeric[j] { format!("{c:>width$}", width = widths[j]) } else { format!("{c:<width$}", width = widths[j]) });
        fields.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    Ok(cells.iter().map(line).collect::<Vec<_>>().join("\n") + "\n")
}

/// Loss before and after, residual and control of a run, from its entries.
pub fn run_facts(archive: &Archive, run: u32) -> Result<Option<RunFacts>> {
    let run = &archive.state.runs[run as usize];
    let (Some(Logged { entry: close, .. }), Some(_)) = (&run.close, &run.attribution) else { return Ok(None) };
    let accounts = rules::run_tables::of_run(archive, run)?.accounts;
    let nats = |nano: i64| nano as f64 / 1e9;
    Ok(Some(RunFacts {
        loss_start: nats(close.loss_start),
        loss_end: nats(close.loss_end),
        control_drop: nats(close.control_start) - nats(close.control_end),
        residual: accounts.residual_share(),
    }))
}

/// The numbers of a completed run.
pub struct RunFacts {
    /// Pricing loss before the first step, in nats a token.
    pub loss_start: f64,
    /// After the last.
    pub loss_end: f64,
    /// Drop of the control targets' loss.
    pub control_drop: f64,
    /// Sum over windows of the residual's size, as a share of the drop.
    pub residual: f64,
}
