//! Puts the vectors and traces of `spec-vectors/` to a codec, a broker or a client.

mod data;
mod mode;
mod output;
mod trace;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use data::Data;

#[derive(Parser)]
#[command(version, about)]
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
    Vectors(mode::vectors::Options),
    /// Put the traces to a broker
    Broker(mode::broker::Options),
    /// Put the traces to a client, behind a program
    Client(mode::client::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let data = match Data::load(arguments.vectors.as_deref()) {
        Ok(data) => data,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let result = match &arguments.command {
        Command::Vectors(options) => {
            let cases = mode::vectors::cases(&data);
            mode::vectors::run(options, &data, &cases, &mut |_| ())
        }
        Command::Broker(options) => {
            let cases = mode::broker::cases(&data);
            mode::broker::run(options, &data, &cases, &mut |_| ())
        }
        Command::Client(options) => {
            let cases = mode::client::cases(&data);
            mode::client::run(options, &data, &cases, &mut |_| ())
        }
    };
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}
