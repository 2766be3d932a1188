//! Puts the vectors and traces of `spec-vectors/` to a codec, a broker or a client.

mod coverage;
mod data;
mod mode;
mod output;
mod run;
mod select;
mod show;
mod spell;
mod statements;
mod table;
mod trace;
mod verdict;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use data::Data;
use run::Running;
use select::Selection;
use statements::Statements;

const EXITS: &str =
    "Exit codes: 0 conforming, 1 not conforming, 2 usage, 3 the target cannot be reached";

#[derive(Parser)]
#[command(version, about, after_help = EXITS)]
struct Arguments {
    /// Take the vectors and traces of this directory instead of those in the program
    #[arg(long, global = true, value_name = "DIR")]
    vectors: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put the vectors to a codec, behind an adapter
    #[command(after_help = EXITS)]
    Vectors {
        #[command(flatten)]
        options: mode::vectors::Options,
        #[command(flatten)]
        running: Running,
    },
    /// Put the traces to a broker
    #[command(after_help = EXITS)]
    Broker {
        #[command(flatten)]
        options: mode::broker::Options,
        #[command(flatten)]
        running: Running,
    },
    /// Put the traces to a client, behind a program
    #[command(after_help = EXITS)]
    Client {
        #[command(flatten)]
        options: mode::client::Options,
        #[command(flatten)]
        running: Running,
    },
    /// The cases: id, version, role and statements, with tabs between
    List {
        #[command(flatten)]
        selection: Selection,
        /// Only those for a codec, a server or a client
        #[arg(long, value_parser = ["codec", "server", "client"])]
        role: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One vector or trace
    Show {
        id: String,
        /// As JSON, as it stands in its file
        #[arg(long)]
        json: bool,
    },
    /// What a statement says, and the cases that show it
    Explain {
        /// MQTT-3.3.1-5, or 5.0:MQTT-3.3.1-5
        statement: String,
        /// The same number is another statement in another version
        #[arg(long, value_parser = ["3.1", "3.1.1", "5.0"])]
        spec: Option<String>,
    },
    /// What shows each statement to a codec, a server and a client, or why nothing does, and the sums
    Statements {
        /// Only for a codec, a server or a client
        #[arg(long, value_parser = ["codec", "server", "client"])]
        role: Option<String>,
        /// Only those of this version
        #[arg(long, value_parser = ["3.1", "3.1.1", "5.0"])]
        spec: Option<String>,
        /// As JSON
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
        /// As tables
        #[arg(long)]
        markdown: bool,
    },
    /// A page that compares several runs
    Report {
        /// The page to write
        #[arg(long, value_name = "FILE")]
        html: PathBuf,
        /// What --json or --json-brief has written
        #[arg(required = true, value_name = "RUN.json")]
        runs: Vec<PathBuf>,
    },
}

/// Why there is no answer: wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match command(Arguments::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("mqtt-conformance: {error}");
            ExitCode::from(USAGE)
        }
    }
}

fn command(arguments: Arguments) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let data = Data::load(arguments.vectors.as_deref())?;
    let all = Statements::of(&data);
    let text = match arguments.command {
        Command::Vectors {
            mut options,
            running,
        } => {
            options.strict = running.strict;
            let target = options.adapter.clone();
            let cases = mode::vectors::cases(&data);
            return run::run(&running, &all, "vectors", &target, cases, |chosen, done| {
                mode::vectors::run(&options, &data, chosen, done)
            });
        }
        Command::Broker { options, running } => {
            mode::broker::check(&options)?;
            let target = options.target.clone();
            let cases = mode::broker::cases(&data);
            return run::run(&running, &all, "broker", &target, cases, |chosen, done| {
                mode::broker::run(&options, &data, chosen, done)
            });
        }
        Command::Client { options, running } => {
            let target = options.exec.clone();
            let cases = mode::client::cases(&data);
            return run::run(&running, &all, "client", &target, cases, |chosen, done| {
                mode::client::run(&options, &data, chosen, done)
            });
        }
        Command::List {
            selection,
            role,
            json,
        } => {
            let mut cases = all.cases().to_vec();
            cases.retain(|case| role.as_ref().is_none_or(|role| role == case.role));
            let cases = selection.of(cases, &all)?;
            if json {
                show::list_json(&cases)
            } else {
                show::list(&cases)
            }
        }
        Command::Show { id, json } => show::show(&data, &all, &id, json)
            .ok_or_else(|| format!("there is no vector and no trace {id}"))?,
        Command::Explain { statement, spec } => show::explain(&all, &statement, spec.as_deref())
            .ok_or_else(|| format!("there is no statement {statement}"))?,
        Command::Statements {
            role,
            spec,
            json,
            markdown,
        } => {
            let table = table::Table::new(&all, role.as_deref(), spec.as_deref());
            match (json, markdown) {
                (true, _) => table.json(),
                (_, true) => table.markdown(),
                _ => table.text(),
            }
        }
        Command::Report { html, runs } => {
            output::html::report(&html, &runs, &all)?;
            String::new()
        }
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => Ok(other.map(|()| 0)?),
    }
}
