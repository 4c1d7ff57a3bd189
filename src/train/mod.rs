//! Training: epochs of mini-batches, schedules, metrics, observers, checkpoints.
//!
//! [`Trainer`] says what is to be done and [`Trainer::fit`] does it. There is a [guide](crate::guide::training).
//!
//! | to | use |
//! |---|---|
//! | train | [`Trainer`] |
//! | change learning rates in the course of it | [`Schedule`], [`Schedules`] |
//! | measure | [`evaluate`], [`Metrics`], [`History`] |
//! | watch and log | [`Observer`], [`Log`], `Progress` (feature `progress`) |
//! | stop early, keep the best | [`Metric`] |
//! | train by several processes | `Trainer::fit_on` (feature `distributed`) |
//! | resume, or load what was trained | `Checkpoints`, `Checkpoint` (feature `files`) |

mod batches;
#[cfg(feature = "files")]
mod checkpoint;
mod error;
mod fit;
mod history;
mod log;
mod metrics;
mod observer;
mod processes;
#[cfg(feature = "progress")]
mod progress;
mod remedies;
mod schedule;
mod trainer;

#[cfg(feature = "files")]
pub use checkpoint::{Checkpoint, CheckpointError, Checkpoints, Latest};
pub use error::TrainError;
pub use history::{EpochReport, History, Metric};
pub use log::Log;
pub use metrics::{Confusion, Metrics, evaluate, predict};
pub use observer::{BatchReport, Observer, Start, Verdict};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use remedies::{Every, Raise};
pub use schedule::{Schedule, Schedules};
pub use trainer::Trainer;
