//! The traces of a role as cases.

use serde_json::Value;

use super::list;
use crate::data::Data;
use crate::verdict::Case;

/// Every trace of the role, with each of its versions.
pub(crate) fn traces<'d>(
    data: &'d Data,
    role: &'static str,
) -> impl Iterator<Item = (&'d Value, &'d str)> {
    let traces = data.traces.iter().flat_map(|file| list(&file["traces"]));
    traces
        .filter(move |trace| trace["role"] == role)
        .flat_map(|trace| {
            let versions = list(&trace["versions"]).iter();
            versions.filter_map(move |version| Some((trace, version.as_str()?)))
        })
}

pub(crate) fn cases(data: &Data, role: &'static str) -> Vec<Case> {
    traces(data, role)
        .map(|(trace, version)| {
            let text = |name: &str| trace[name].as_str().unwrap_or_default().to_owned();
            let statements = list(&trace["statements"][version]).iter();
            Case {
                id: text("id"),
                comment: text("comment"),
                version: version.to_owned(),
                statements: statements
                    .filter_map(|one| one.as_str().map(ToOwned::to_owned))
                    .collect(),
                role,
            }
        })
        .collect()
}
