//! `broker`: a server, over its network connections.

use clap::Args;

use crate::data::Data;
use crate::verdict::{Case, Outcome};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args)]
pub(crate) struct Options {
    /// mqtt://, mqtts://, ws:// or wss:// with host and port
    #[arg(long, value_name = "URL")]
    pub(crate) target: String,
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
