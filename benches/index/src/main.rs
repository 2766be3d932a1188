//! The topic index beside a textbook's trie and the matchers of other crates, in one process and on the same workloads.
//!
//! ```console
//! $ cargo bench --bench index
//! $ cargo bench --bench index -- --quick --only w2
//! $ cargo bench --bench index -- --ten-million --charts charts
//! ```

mod alloc;
mod by_size;
mod chart;
mod concurrency;
mod matcher;
mod measure;
mod pairs;
mod retained;
mod special;
mod table;
mod textbook;
mod workloads;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use matcher::{Matcher, Ours};
use table::Section;

pub(crate) const OURS: &str = Ours::<false>::NAME;
pub(crate) const OURS_WITH_LISTS: &str = Ours::<true>::NAME;

/// Times the topic index beside a textbook's trie and the matchers of other crates, and prints the ratios.
///
/// What counts are the ratios of one run, not the times: in parentheses, how many times ours it takes. A `!` stands before
/// the numbers of one whose answers are not those of the others. A goal that is met says `ok`. Topics and filters are given as
/// a broker has them, borrowed from a packet and checked; what a crate makes of them for itself is in its time.
#[derive(Parser)]
#[command(name = "index")]
struct Arguments {
    /// At 100,000 subscriptions at most.
    #[arg(long, conflicts_with_all = ["ten_million", "size"])]
    quick: bool,
    /// At ten million, too: takes some minutes and 16 GB more.
    #[arg(long, conflicts_with = "size")]
    ten_million: bool,
    /// At these numbers of subscriptions, in ascending order, instead.
    #[arg(long, value_delimiter = ',')]
    size: Vec<usize>,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Draw throughput and memory into this folder.
    #[arg(long, value_name = "FOLDER")]
    charts: Option<PathBuf>,
    /// What cargo says to a bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Copy, Clone, Eq, PartialEq, ValueEnum)]

enum Part {
    /// One filter with one topic.
    Pairs,
    /// Exact filters.
    W1,
    /// Mixed filters.
    W2,
    /// Adversarial filters.
    W3,
    /// One topic to 10,000.
    W4,
    /// Retained topics.
    W5,
    /// 100,000 on one filter.
    W6,
    /// Subscribers who go.
    Subscribers,
    /// Readers on threads of their own.
    Concurrency,
}

fn main() {
    // `cargo test --benches` runs this too.
    if !std::env::args().any(|argument| ["--bench", "--help", "-h"].contains(&&*argument)) {
        println!("times nothing without `--bench`, which `cargo bench` gives");
        return;
    }
    let arguments = Arguments::parse();
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut sizes = arguments.size;
    if sizes.is_empty() {
        sizes.extend([1_000, 10_000, 100_000]);
        if !arguments.quick {
            sizes.push(1_000_000);
        }
        if arguments.ten_million {
            sizes.push(10_000_000);
        }
    }
    let large = sizes.iter().copied().filter(|&size| size <= 1_000_000);
    let large = large.max().unwrap_or(1_000_000);

    let mut points = Vec::new();
    let print = |section: &Section| print!("{section}");
    if wanted(Part::Pairs) {
        pairs::sections().iter().for_each(print);
    }
    for (part, generate) in [
        (Part::W1, workloads::w1 as fn(usize) -> _),
        (Part::W2, workloads::w2),
    ] {
        if wanted(part) {
            let sections = by_size::by_size(generate, &sizes, &mut points, print);
            by_size::growth(&sizes, &sections).iter().for_each(print);
        }
    }
    if wanted(Part::Subscribers) {
        print(&special::subscribers(large));
    }
    if wanted(Part::W3) {
        print(&special::adversarial());
    }
    if wanted(Part::W4) {
        print(&special::fan_out());
    }
    if wanted(Part::W5) {
        print(&retained::retained(large));
    }
    if wanted(Part::W6) {
        print(&special::one_filter());
    }
    if wanted(Part::Concurrency) {
        print(&concurrency::section(large.min(100_000)));
    }
    if let Some(folder) = arguments.charts
        && let Err(error) = chart::draw(&points, &folder)
    {
        eprintln!("{}: {error}", folder.display());
        std::process::exit(1);
    }
}

/// What goes on, beside the tables.
pub(crate) fn say(what: &str) {
    eprintln!("{what}");
}
