//! Which statement is shown by what.

use std::path::Path;

pub fn run(_root: &Path) {}
