//! What becomes of a case.

use std::time::Duration;

/// One case, in one version of the protocol.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// That of the vector or the trace, stable for ever.
    pub(crate) id: String,
    pub(crate) comment: String,
    /// `3.1`, `3.1.1` or `5.0`.
    pub(crate) version: String,
    /// Of that version; the first is the one that the case is about.
    pub(crate) statements: Vec<String>,
    /// The side under test: `codec`, `server` or `client`.
    pub(crate) role: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Pass,
    /// A reading that the standard allows and that is not the best one: the key of the ambiguity, or what was seen.
    NonStrict(String),
    Fail(Failure),
    /// Why it was not run: what it needs is not there.
    Skipped(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    /// What was expected, readable.
    pub(crate) expected: String,
    /// What was seen instead, readable.
    pub(crate) seen: String,
    /// All that went over the wire, in order.
    pub(crate) log: Vec<Line>,
    /// The target could not be reached, closed at once or hung: nothing is known of the statement.
    pub(crate) is_dead: bool,
}

/// A packet, or what became of a transport.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Milliseconds since the case began.
    pub(crate) at: u64,
    /// The name of the connection in the trace; empty for a codec.
    pub(crate) connection: String,
    /// Whether it went to the side under test.
    pub(crate) is_sent: bool,
    /// A packet on one line, or "opened", "closed".
    pub(crate) text: String,
    /// Its bytes, in hex, cut where there are very many.
    pub(crate) hex: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}
