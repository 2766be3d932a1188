//! What fits into a picture: the share of the cases that hold, by subject, run and version.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::tally::Tally;
use super::{Run, chapter, safe};
use crate::statements::{self, Statements};

/// By run and version.
type Row<'a> = BTreeMap<(usize, &'a str), Tally>;

pub(super) fn write(out: &mut String, runs: &[Run], all: &Statements) {
    // A subject stands where the newest version has it.
    let mut rows: BTreeMap<String, (Vec<u32>, Row<'_>)> = BTreeMap::new();
    let mut sum = Row::new();
    for (column, run) in runs.iter().enumerate() {
        for case in &run.cases {
            let (order, section) = chapter(case, all);
            let subject = match statements::title(&case.version, &section) {
                "" if section.is_empty() => "other".into(),
                "" => section,
                title => title.to_owned(),
            };
            let place = if case.version == "5.0" { 0 } else { 1 };
            let order = [&[place], &order[..]].concat();
            let (first, row) = rows
                .entry(subject)
                .or_insert_with(|| (order.clone(), Row::new()));
            if order < *first {
                *first = order;
            }
            let key = (column, &case.version[..]);
            row.entry(key).or_default().add(case.result, None);
            sum.entry(key).or_default().add(case.result, None);
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(_, one), (_, other)| one.0.cmp(&other.0));
    let columns: Vec<_> = sum.keys().copied().collect();

    out.push_str(
        "<figure id=\"overview\"><figcaption>Percent of the cases that hold, of those that were put</figcaption>\n\
         <table><thead><tr><th></th>",
    );
    for (number, run) in runs.iter().enumerate() {
        let many = columns
            .iter()
            .filter(|(column, _)| *column == number)
            .count();
        if many > 0 {
            let _ = write!(out, "<th colspan=\"{many}\">{}</th>", safe(&run.name));
        }
    }
    out.push_str("</tr><tr><th></th>");
    for (_, version) in &columns {
        let _ = write!(out, "<th>{}</th>", safe(version));
    }
    out.push_str("</tr></thead><tbody>\n");
    for (subject, (_, row)) in &rows {
        line(out, subject, row, &columns);
    }
    line(out, "all", &sum, &columns);
    out.push_str("</tbody></table></figure>\n");
}

fn line(out: &mut String, subject: &str, row: &Row<'_>, columns: &[(usize, &str)]) {
    let _ = write!(out, "<tr><th>{}</th>", safe(subject));
    for column in columns {
        match row.get(column).filter(|tally| tally.put() > 0) {
            // One that fails is not rounded away.
            Some(tally) => {
                let share = tally.kept() * 100 / tally.put();
                let hue = share.saturating_sub(40) * 2;
                let title = tally.text();
                let _ = write!(
                    out,
                    "<td style=\"--h:{hue}\" title=\"{title}\">{share}</td>"
                );
            }
            None => out.push_str("<td></td>"),
        }
    }
    out.push_str("</tr>\n");
}
