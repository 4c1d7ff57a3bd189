//! Who is told how training goes.

use super::{EpochReport, History};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

/// What an observer answers: go on, or stop after the present epoch; or what went wrong.
pub type Verdict = Result<ControlFlow<()>, Box<dyn Error + Send + Sync>>;

/// Is told how training goes, and may ask it to stop. Training depends on nothing that an observer keeps.
///
/// ```
/// use eventprop::train::{EpochReport, Observer, Verdict};
/// use std::ops::ControlFlow;
///
/// /// Stops as soon as all training samples are right.
/// struct Perfect;
/// impl Observer for Perfect {
///     fn epoch(&mut self, report: &EpochReport) -> Verdict {
///         let done = report.train.correct == report.train.samples;
///         Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
///     }
/// }
/// ```
pub trait Observer {
    /// Training starts or resumes.
    fn start(&mut self, start: &Start<'_>) -> Verdict {
        let _ = start;
        Ok(ControlFlow::Continue(()))
    }

    /// A batch is done.
    fn batch(&mut self, report: &BatchReport) -> Verdict {
        let _ = report;
        Ok(ControlFlow::Continue(()))
    }

    /// An epoch is done.
    fn epoch(&mut self, report: &EpochReport) -> Verdict {
        let _ = report;
        Ok(ControlFlow::Continue(()))
    }
}

/// Where training starts.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Start<'a> {
    /// The number of epochs that there will be, those that are done included.
    pub epochs: usize,
    /// The batches of an epoch.
    pub batches: usize,
    /// The epochs that are done.
    pub history: &'a History,
    /// The checkpoint that training resumes from.
    pub resumed: Option<&'a Path>,
    /// Newer checkpoints that could not be used, and why.
    pub skipped: &'a [String],
}

/// What came out of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BatchReport {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The batch in the epoch, from 0.
    pub batch: usize,
    /// The samples in it.
    pub samples: usize,
    /// The mean loss before the step.
    pub loss: f64,
    /// How many predictions were right.
    pub correct: usize,
    /// The factors of the learning rates of weights, delays and constants.
    pub factors: [f64; 3],
}
