//! Who is told how training goes.

use super::{EpochReport, History};
use crate::{Network, Real};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

/// What an observer answers: go on, or stop after the present epoch; or what went wrong.
pub type Verdict = Result<ControlFlow<()>, Box<dyn Error + Send + Sync>>;

/// Is told how training goes, sees the network as it is then, and may ask to stop. Training depends on nothing that an
/// observer keeps.
///
/// ```
/// use eventprop::train::{EpochReport, Observer, Verdict};
/// use eventprop::{Network, ParameterKind, Real};
/// use std::ops::ControlFlow;
///
/// /// Stops as soon as all training samples are right.
/// struct Perfect;
/// impl<F: Real> Observer<F> for Perfect {
///     fn epoch(&mut self, report: &EpochReport, _: &dyn Network<F>) -> Verdict {
///         let done = report.train.correct == report.train.samples;
///         Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
///     }
/// }
///
/// /// Keeps the longest delay, in ms, after each epoch.
/// #[derive(Default)]
/// struct LongestDelay(Vec<f64>);
/// impl Observer<f64> for LongestDelay {
///     fn epoch(&mut self, _: &EpochReport, network: &dyn Network<f64>) -> Verdict {
///         let parameters = network.parameters().into_iter();
///         let delays = parameters.filter(|(_, p)| p.kind == ParameterKind::Delay);
///         self.0.push(delays.flat_map(|(_, p)| p.values).fold(0.0, |a, b| b.max(a)));
///         Ok(ControlFlow::Continue(()))
///     }
/// }
/// ```
pub trait Observer<F: Real> {
    /// Training starts or resumes, with this network.
    fn start(&mut self, start: &Start<'_>, network: &dyn Network<F>) -> Verdict {
        let _ = (start, network);
        Ok(ControlFlow::Continue(()))
    }

    /// A batch is done, and the network has taken its step.
    fn batch(&mut self, report: &BatchReport, network: &dyn Network<F>) -> Verdict {
        let _ = (report, network);
        Ok(ControlFlow::Continue(()))
    }

    /// An epoch is done; the network is that of its end, whichever epoch is the best. Its checkpoint is written after this:
    /// who is killed between the two is told of the epoch once more when training resumes, and [`Start::history`] tells
    /// which are done.
    fn epoch(&mut self, report: &EpochReport, network: &dyn Network<F>) -> Verdict {
        let _ = (report, network);
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
