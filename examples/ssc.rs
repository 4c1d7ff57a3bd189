//! Spoken commands: the Spiking Speech Commands (Cramer et al. 2020), or any set in files of that layout.
//!
//! ```text
//! cargo run --release --example ssc -- --data FOLDER
//! ```
//!
//! with `ssc_train.h5`, `ssc_valid.h5` and `ssc_test.h5` in FOLDER.

#[path = "recipe/mod.rs"]
mod recipe;
#[path = "recipe/speech.rs"]
mod speech;

fn main() -> std::process::ExitCode {
    recipe::exit(speech::run("ssc"))
}
