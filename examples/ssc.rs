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
    let recipe =
        speech::Recipe { name: "ssc", tau_mem: 20.0, tau_syn: 10.0, delay_rate: 1.0, batch: 16 };
    recipe::exit(speech::run(&recipe))
}
