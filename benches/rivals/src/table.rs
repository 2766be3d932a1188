//! The results as Markdown.

use std::fmt::Write as _;

use crate::measure::{CASES, Kind};
use crate::peer::Peer;
use crate::peers;
use crate::{Entry, Results};

pub(crate) const HAND: &str = peers::hand::P::<5>::NAME;
pub(crate) const OURS: &str = peers::sansio_mqtt::P::<5>::NAME;

pub(crate) fn version_name(version: u8) -> &'static str {
    if version == 5 { "5.0" } else { "3.1.1" }
}

/// All of one case, the fastest first.
pub(crate) fn of_case(results: &Results, version: u8, case: usize) -> Vec<(&'static str, &Entry)> {
    let mut rows: Vec<_> = results
        .iter()
        .filter(|&(&(v, c, _), _)| (v, c) == (version, case))
        .map(|(&(_, _, name), entry)| (name, entry))
        .collect();
    rows.sort_by(|(_, a), (_, b)| a.best().total_cmp(&b.best()));
    rows
}

/// First what is to be seen at a glance: us, the bound and the best of the others. Then every crate.
pub(crate) fn all(results: &Results) -> String {
    let mut out = String::new();
    summary(results, &mut out);
    for version in [4, 5] {
        for case in 0..CASES.len() {
            details(results, version, case, &mut out);
        }
    }
    out
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Decode => "decode",
        Kind::Encode => "encode",
        Kind::Build => "build and encode",
    }
}

fn summary(results: &Results, out: &mut String) {
    out.push_str("| version | case | ns | × by hand | best rival | ns | × ours |\n|---|---|---|---|---|---|---|\n");
    for version in [4, 5] {
        for (case, &(what, name, _)) in CASES.iter().enumerate() {
            let rows = of_case(results, version, case);
            let find = |wanted| rows.iter().find(|&&(name, _)| name == wanted);
            let Some((_, ours)) = find(OURS) else {
                continue;
            };
            let ours = ours.best();
            let _ = write!(
                out,
                "| {} | {} {name} | {ours:.1} | ",
                version_name(version),
                kind(what)
            );
            match find(HAND) {
                Some((_, hand)) => _ = write!(out, "{:.2} | ", ours / hand.best()),
                None => out.push_str("| "),
            }
            match rows.iter().find(|&&(name, _)| name != HAND && name != OURS) {
                Some((name, rival)) => {
                    let rival = rival.best();
                    let _ = writeln!(out, "{name} | {rival:.1} | {:.1} |", rival / ours);
                }
                None => out.push_str("| | |\n"),
            }
        }
    }
}

fn details(results: &Results, version: u8, case: usize, out: &mut String) {
    let rows = of_case(results, version, case);
    let Some((_, ours)) = rows.iter().find(|&&(name, _)| name == OURS) else {
        return;
    };
    let (what, name, _) = CASES[case];
    let _ = write!(
        out,
        "\n### {} {name}, {}\n\n| crate | ns | × ours | allocations | instructions |\n|---|---|---|---|---|\n",
        kind(what),
        version_name(version),
    );
    for (name, entry) in &rows {
        let _ = write!(
            out,
            "| {name} | {:.1} | {:.2} | {:.2} | ",
            entry.best(),
            entry.best() / ours.best(),
            entry.allocations,
        );
        match entry.instructions {
            Some(instructions) => _ = writeln!(out, "{instructions} |"),
            None => out.push_str("|\n"),
        }
    }
}
