//! Solves a test case: reads a network, an input and a loss as JSON, prints spikes, loss and
//! gradients as JSON. A language-neutral way to check another simulator against this one.
//!
//! ```text
//! cargo run --release --example evaluate -- tests/oracle/ttfs_ce-ff-4.json
//! ```
//!
//! Exit code 2 and a message on stderr if the case cannot be read or represented.

mod case;

use case::Case;
use clap::Parser;
use eventprop::Engine;
use serde_json::Value;
use std::error::Error;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Solves a test case in JSON and prints the answer in JSON.
#[derive(Parser)]
struct Args {
    /// The file: a case, or an object with the field `case`. Standard input without it.
    file: Option<PathBuf>,
}

fn solve(args: &Args) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    match &args.file {
        Some(path) => {
            text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    let mut value: Value = serde_json::from_str(&text)?;
    if let Some(case) = value.get_mut("case") {
        value = case.take();
    }
    let case: Case = serde_json::from_value(value)?;
    Ok(serde_json::to_string(&case.answer(Engine::Fast)?)?)
}

fn main() -> ExitCode {
    match solve(&Args::parse()) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("evaluate: {error}");
            ExitCode::from(2)
        }
    }
}
