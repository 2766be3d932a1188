pub(crate) fn page(_runs: &[serde_json::Value], _all: &crate::statements::Statements) -> String { String::new() }
pub(crate) fn report(_html: &std::path::Path, _runs: &[std::path::PathBuf], _all: &crate::statements::Statements) -> Result<(), String> { Ok(()) }
