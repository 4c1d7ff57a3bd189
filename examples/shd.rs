//! Spoken digits: the Spiking Heidelberg Digits (Cramer et al. 2020), or any set in files of that layout.
//!
//! ```text
//! cargo run --release --example shd -- --data FOLDER
//! ```
//!
//! with `shd_train.h5` and `shd_test.h5` in FOLDER.

#[path = "recipe/mod.rs"]
mod recipe;
#[path = "recipe/speech.rs"]
mod speech;

fn main() -> std::process::ExitCode {
    recipe::exit(speech::run("shd"))
}
