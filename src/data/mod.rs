//! Data sets: what they are, where they come from, how they are split and changed at random.

mod augment;
mod build;
#[cfg(feature = "files")]
mod container;
mod dataset;
mod error;
mod events;
mod orders;
#[cfg(feature = "hdf5")]
mod shd;
mod split;
mod views;
#[cfg(feature = "files")]
mod write;
mod yin_yang;

pub use augment::Augmentation;
pub use build::{Added, DatasetBuilder};
pub use dataset::{Dataset, Part};
pub use error::DataError;
pub use yin_yang::{YinYang, YinYangPoint};
