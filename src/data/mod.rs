//! Data sets.

mod augment;
mod builder;
mod dataset;
mod error;
mod events;
mod yin_yang;

pub use augment::Augmentation;
pub use builder::DatasetBuilder;
pub use dataset::{Dataset, Part};
pub use error::DataError;
pub use yin_yang::{YinYang, YinYangPoint};
