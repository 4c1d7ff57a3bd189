//! Data sets.

mod yin_yang;

pub use yin_yang::{YinYang, YinYangPoint};
