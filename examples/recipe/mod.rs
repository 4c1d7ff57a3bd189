//! What the recipes have in common: the command line, Ctrl-C, the result line and the pictures at the end.
//!
//! An example takes it in with `#[path = "recipe/mod.rs"] mod recipe;`.

// Not every recipe needs all of it.
#![allow(dead_code, unused_imports)]

mod network;
mod options;
mod pictures;
mod report;
mod stop;
mod training;
mod windows;

pub use network::Shape;
pub use options::{Checkpoints, DataPath, Delays, Options};
pub use pictures::Pictures;
pub use report::Report;
pub use stop::on_ctrl_c;
pub use training::{Fitted, Parts, fit, limited_slopes, trained};
pub use windows::Windows;

/// Whatever went wrong, for people.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How a program ends; if it failed, standard error says why.
pub fn exit(result: Result<()>) -> std::process::ExitCode {
    let Err(error) = result else { return std::process::ExitCode::SUCCESS };
    eprintln!("error: {error}");
    std::process::ExitCode::FAILURE
}
