//! What a recipe prints at its end.

#[path = "../throughput/memory.rs"]
mod memory;

use memory::Memory;
use std::fmt::{Display, Write};
use std::time::Instant;

/// Gathers results, and prints them as a table and as one line that begins with `result:`.
pub struct Report {
    start: Instant,
    memory: Memory,
    results: Vec<(String, String)>,
}

impl Report {
    /// Time and memory are counted from now on.
    pub fn new() -> Self {
        Self { start: Instant::now(), memory: Memory::now(), results: Vec::new() }
    }

    /// One more result. Of `name` (in words) the line has `name_in_words`.
    pub fn add(&mut self, name: &str, value: impl Display) {
        self.results.push((name.into(), value.to_string()));
    }

    /// One more accuracy, from 0 to 1.
    pub fn add_accuracy(&mut self, name: &str, value: f64) {
        self.add(name, format_args!("{value:.4}"));
    }

    /// Prints all results, the seconds since the start and the greatest growth of memory.
    pub fn print(mut self) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.add("seconds", format_args!("{seconds:.1}"));
        let peak = self.memory.peak_mib();
        if peak.is_finite() {
            self.add("peak mib", format_args!("{peak:.1}"));
        }
        let wide = self.results.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut line = String::from("result:");
        for (name, value) in &self.results {
            println!("  {name:wide$}  {value:>10}");
            let key = name.replace(' ', "_");
            // Writing to a string cannot fail. Spaces would break the line in the wrong place.
            let _ = write!(line, " {key}={}", value.replace(' ', "_"));
        }
        println!("{line}");
    }
}
