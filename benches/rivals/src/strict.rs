//! What each crate makes of the test vectors: the other half of the comparison, for it is easy to be fast with fewer
//! questions asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;

use crate::peer::Peer;
use crate::peers::{self, for_each_peer};
use crate::table::version_name;

/// A packet whose verdict every reading of the standard shares, and both directions.
struct Vector {
    bytes: Vec<u8>,
    legal: bool,
}

#[derive(Default)]
struct Score {
    accepted: usize,
    refused: usize,
    panics: usize,
}

/// What is there of each version, and what each crate did, as a table.
pub(crate) fn table(folder: &Path) -> Result<String, String> {
    let mut out = String::from(
        "| version | crate | illegal, taken | legal, not taken | panics |\n|---|---|---|---|---|\n",
    );
    for version in [4, 5] {
        let vectors = read(&folder.join(version_name(version)))?;
        let legal = vectors.iter().filter(|vector| vector.legal).count();
        let illegal = vectors.len() - legal;
        macro_rules! score {
            ($P:ty) => {
                // What is written by hand has two packets only.
                if <$P>::VERSION == version && <$P>::NAME != peers::hand::P::<5>::NAME {
                    let score = score::<$P>(&vectors);
                    let _ = writeln!(
                        out,
                        "| {} | {} | {} of {illegal} | {} of {legal} | {} |",
                        version_name(version),
                        <$P>::NAME,
                        score.accepted,
                        score.refused,
                        score.panics,
                    );
                }
            };
        }
        for_each_peer!(score);
    }
    Ok(out)
}

fn score<P: Peer>(vectors: &[Vector]) -> Score {
    let mut score = Score::default();
    for vector in vectors {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            P::new().decode(&mut P::load(&vector.bytes))
        }));
        match decoded {
            Err(_) => score.panics += 1,
            Ok(Ok(true)) if !vector.legal => score.accepted += 1,
            Ok(Ok(false) | Err(_)) if vector.legal => score.refused += 1,
            Ok(_) => {}
        }
    }
    score
}

/// The vectors that a decoder can be held to that is told nothing but the version.
fn read(folder: &Path) -> Result<Vec<Vector>, String> {
    let mut verdicts = BTreeMap::<Vec<u8>, BTreeSet<bool>>::new();
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for path in files {
        let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| problem(&error))?;
        let file: Value = serde_json::from_str(&text).map_err(|error| problem(&error))?;
        let vectors = file["vectors"]
            .as_array()
            .ok_or_else(|| problem(&"no vectors"))?;
        for vector in vectors {
            let legal = match vector["verdict"].as_str() {
                Some("valid") => true,
                Some("malformed" | "protocol-error") => false,
                _ => continue,
            };
            // One packet and nothing behind it; where a reading differs or a receiver may choose, no one is wrong. A
            // CONNECT of another version tells of the crate's choice of versions.
            let open = ["alternatives", "rest", "runs"]
                .iter()
                .any(|field| vector.get(*field).is_some());
            let other_version = vector["reasons"][0] == "0x84";
            let Some(hex) = vector["hex"].as_str().filter(|_| !open && !other_version) else {
                continue;
            };
            let bytes = bytes(hex);
            // What goes both ways may be wrong from one side only, which these decoders are not told.
            let both_ways = matches!(bytes[0] >> 4, 3..=7 | 14 | 15);
            if legal || !both_ways || vector["direction"] == "any" {
                verdicts.entry(bytes).or_default().insert(legal);
            }
        }
    }
    // What is legal from one side only has both verdicts.
    Ok(verdicts
        .into_iter()
        .filter(|(_, verdicts)| verdicts.len() == 1)
        .map(|(bytes, verdicts)| Vector {
            bytes,
            legal: verdicts.contains(&true),
        })
        .collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}
