//! Tables for people: built with polars, printed plainly.

use anyhow::Result;
use pipeline::status::{ContributorRow, number};
use polars::prelude::*;

use crate::output::money;

/// [`number`] as a value.
pub fn number_value(n: i128) -> serde_json::Value {
    number(&n, serde_json::value::Serializer).unwrap_or_default()
}

/// The contributors' table, largest amount first, with a line of sums.
pub fn contributor_table(rows: &[ContributorRow], currency: &str, exponent: u8) -> Result<String> {
    let column = |f: &dyn Fn(&ContributorRow) -> String| rows.iter().map(f).collect::<Vec<String>>();
    let total_weight: i128 = rows.iter().map(|r| r.pay_weight).sum();
    let frame = df!(
        "contributor" => column(&|r| r.name.clone()),
        "documents" => rows.iter().map(|r| r.documents).collect::<Vec<_>>(),
        "accepted" => rows.iter().map(|r| r.accepted).collect::<Vec<_>>(),
        "duplicates" => rows.iter().map(|r| r.duplicates).collect::<Vec<_>>(),
        "of" => column(&|r| r.duplicate_of.first().map_or(String::new(), |(n, k)| if r.duplicate_of.len() > 1 { format!("{n} {k}, +{}", r.duplicate_of.len() - 1) } else { format!("{n} {k}") })),
        "tokens" => rows.iter().map(|r| r.tokens).collect::<Vec<_>>(),
        "credit nats" => column(&|r| format!("{:+.4} ±{:.4}", r.credit_nats, r.credit_spread_nats)),
        "share" => column(&|r| format!("{:.2} %", 100.0 * r.pay_weight as f64 / total_weight.max(1) as f64)),
        "amount" => column(&|r| money(r.payable_minor, exponent, currency)),
        // Only to sort by.
        "weight" => rows.iter().map(|r| r.pay_weight as f64).collect::<Vec<_>>(),
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
