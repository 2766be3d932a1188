//! `vectors`: a codec in any language, behind lines of JSON.

use clap::Args;

use crate::data::Data;
use crate::verdict::{Case, Outcome};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args)]
pub(crate) struct Options {
    /// The command of the adapter, run by the shell
    #[arg(long, value_name = "COMMAND")]
    pub(crate) adapter: String,
}

/// All that there are for this mode, in order.
pub(crate) fn cases(_data: &Data) -> Vec<Case> {
    Vec::new()
}

/// Runs those that are chosen; `done` is told of each outcome as it comes. An error: the target cannot be reached at all.
pub(crate) fn run(
    _options: &Options,
    _data: &Data,
    _chosen: &[Case],
    _done: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, Error> {
    Ok(Vec::new())
}
