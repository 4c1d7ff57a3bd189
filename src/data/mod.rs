//! Data sets: what they are, where they come from, how they are split and changed at random.
//!
//! | from | by |
//! |---|---|
//! | spike trains in memory | [`Dataset::from_samples`], [`Dataset::builder`] |
//! | the own format, written by `Dataset::write` or from Python ([data](crate::guide::data)) | `Dataset::open`, `Dataset::read` (feature `files`) |
//! | SHD, SSC | `Dataset::open_shd`, `Dataset::read_shd` (feature `hdf5`) |
//! | N-MNIST and the like | [`Dataset::open_n_mnist`] |
//! | text | [`Dataset::read_csv`] |
//! | a task that is made | [`YinYang::dataset`], [`Dataset::sequences`], [`Dataset::long_delays`] |

mod augment;
mod build;
#[cfg(feature = "files")]
mod container;
mod csv;
mod dataset;
mod error;
mod events;
mod folders;
mod folds;
mod orders;
mod scan;
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
