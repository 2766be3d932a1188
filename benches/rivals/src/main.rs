//! This crate's codec beside those of others, in one process and on the same bytes.
//!
//! ```console
//! $ cargo run --release --manifest-path benches/rivals/Cargo.toml
//! ```

mod alloc;
mod chart;
mod engines;
mod inputs;
mod measure;
mod peer;
mod peers;
mod strict;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use measure::CASES;
use peer::Peer;
use peers::for_each_peer;

/// Times the codec beside its rivals and prints the ratios.
///
/// What counts are the ratios of one run, not the times. All copies of a packet are the same, so branches are predicted
/// perfectly; the mixed stream is what a broker sees. The crates do not check the same: most take illegal packets.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Hidden>,
    /// Only cases whose name has this in it, such as `decode` or `puback`.
    #[arg(long, default_value = "")]
    case: String,
    /// Only crates whose name has this in it, besides ours and what is written by hand.
    #[arg(long = "crate", default_value = "")]
    name: String,
    /// How often all of it is done; the best batch of all rounds counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Count instructions, too, with valgrind (some minutes).
    #[arg(long)]
    instructions: bool,
    /// Instead of timing, count what each crate gets wrong of the vectors in this folder, such as `spec-vectors/codec`.
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// Instead of packets, time whole exchanges through the state machines.
    #[arg(long)]
    engines: bool,
    /// Draw the comparison into this SVG file.
    #[arg(long)]
    chart: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Hidden {
    /// One case of one crate, for callgrind.
    #[command(hide = true)]
    Count {
        name: String,
        version: u8,
        case: String,
    },
}

/// What is known of one case of one crate.
pub(crate) struct Entry {
    pub(crate) nanoseconds: Vec<f64>,
    pub(crate) allocations: f64,
    pub(crate) instructions: Option<u64>,
}

impl Entry {
    pub(crate) fn best(&self) -> f64 {
        self.nanoseconds
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min)
    }
}

/// By version, case and crate.
pub(crate) type Results = BTreeMap<(u8, usize, &'static str), Entry>;

fn main() {
    let arguments = Arguments::parse();
    // A crate that panics on a packet cannot do it, and is left out.
    if !arguments.engines {
        std::panic::set_hook(Box::new(|_| {}));
    }
    if let Some(Hidden::Count {
        name,
        version,
        case,
    }) = arguments.command
    {
        count(&name, version, &case);
        return;
    }
    if let Some(folder) = arguments.vectors {
        match strict::table(&folder) {
            Ok(table) => print!("{table}"),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
        return;
    }
    if arguments.engines {
        print!("{}", engines::table(arguments.rounds));
        return;
    }
    let chosen = |name: &str| {
        name == peers::hand::P::<5>::NAME
            || name == peers::sansio_mqtt::P::<5>::NAME
            || name.contains(&arguments.name)
    };
    let cases: Vec<usize> = (0..CASES.len())
        .filter(|&case| CASES[case].2.contains(&arguments.case))
        .collect();

    let mut results = Results::new();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        macro_rules! measure {
            ($P:ty) => {
                for &case in cases.iter().filter(|_| chosen(<$P>::NAME)) {
                    if let Some(sample) = measure::sample::<$P>(case, None) {
                        results
                            .entry((<$P>::VERSION, case, <$P>::NAME))
                            .or_insert_with(|| Entry {
                                nanoseconds: vec![],
                                allocations: sample.allocations,
                                instructions: None,
                            })
                            .nanoseconds
                            .extend(sample.nanoseconds);
                    }
                }
            };
        }
        for_each_peer!(measure);
    }
    if arguments.instructions {
        for (&(version, case, name), entry) in &mut results {
            eprintln!("counting {name}, {}", CASES[case].2);
            entry.instructions = measure::instructions(name, version, CASES[case].2);
        }
    }
    print!("{}", table::all(&results));
    if let Some(path) = arguments.chart
        && let Err(error) = chart::draw(&results, &path)
    {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
}

/// Does one case once, and says how many packets that were.
fn count(name: &str, version: u8, case: &str) {
    let Some(case) = CASES.iter().position(|&(_, _, short)| short == case) else {
        return;
    };
    macro_rules! count {
        ($P:ty) => {
            if (<$P>::NAME, <$P>::VERSION) == (name, version) {
                if let Some(sample) = measure::sample::<$P>(case, Some(1)) {
                    println!("packets {}", sample.packets);
                }
            }
        };
    }
    for_each_peer!(count);
}
