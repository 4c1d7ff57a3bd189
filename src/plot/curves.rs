//! How training went.

use super::style::{INK, Mark, pale, series_colour};
use super::{Axis, Chart, Line, Panel, Picture, PlotError};
use crate::train::{History, Metric};

/// What a run of training reported, epoch by epoch. All of it may be left out.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct TrainingRun {
    name: String,
    accuracy: [Vec<f64>; 2],
    loss: [Vec<f64>; 2],
}

impl TrainingRun {
    /// With a name for the legend.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// All that training reported.
    pub fn of(name: impl Into<String>, history: &History) -> Self {
        let curve = |metric: Metric| {
            let values = history.epochs.iter().map(|epoch| metric.of(epoch).unwrap_or(f64::NAN));
            let values: Vec<f64> = values.collect();
            if values.iter().all(|value| value.is_nan()) { Vec::new() } else { values }
        };
        Self {
            name: name.into(),
            accuracy: [Metric::TrainAccuracy, Metric::ValidationAccuracy].map(curve),
            loss: [Metric::TrainLoss, Metric::ValidationLoss].map(curve),
        }
    }

    /// Accuracy on the training set, 0 to 1.
    pub fn train_accuracy(mut self, values: impl Into<Vec<f64>>) -> Self {
        self.accuracy[0] = values.into();
        self
    }

    /// Accuracy on the validation set, 0 to 1.
    pub fn validation_accuracy(mut self, values: impl Into<Vec<f64>>) -> Self {
        self.accuracy[1] = values.into();
        self
    }

    /// Mean loss on the training set.
    pub fn train_loss(mut self, values: impl Into<Vec<f64>>) -> Self {
        self.loss[0] = values.into();
        self
    }

    /// Mean loss on the validation set.
    pub fn validation_loss(mut self, values: impl Into<Vec<f64>>) -> Self {
        self.loss[1] = values.into();
        self
    }

    fn legend(&self) -> String {
        match self.accuracy[1].last().filter(|last| !last.is_nan()) {
            Some(last) => format!("{} (validation {:.1} % at the end)", self.name, 100.0 * last),
            None => self.name.clone(),
        }
    }
}

/// Error and loss by epoch, on logarithmic axes: late progress shows as much as early progress. An error or a loss of 0 is drawn a
/// bit below the smallest other.
///
/// ```
/// use eventprop::plot::{TrainingCurves, TrainingRun};
/// let run = TrainingRun::new("with delays")
///     .train_accuracy([0.6, 0.8, 0.9])
///     .validation_accuracy([0.55, 0.75, 0.83])
///     .train_loss([1.1, 0.5, 0.3]);
/// let picture = TrainingCurves::new().run(run).draw()?;
/// # Ok::<(), eventprop::plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct TrainingCurves {
    runs: Vec<TrainingRun>,
}

impl TrainingCurves {
    /// Without runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more run.
    pub fn run(mut self, run: TrainingRun) -> Self {
        self.runs.push(run);
        self
    }

    /// Draws them.
    ///
    /// # Errors
    /// If no run reported anything.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let mut chart = Chart::new();
        let error = |run: &TrainingRun| {
            let percent = |values: &Vec<f64>| values.iter().map(|a| 100.0 * (1.0 - a)).collect();
            run.accuracy.each_ref().map(percent)
        };
        chart = self.add_panel(chart, "error (%)", error);
        chart = self.add_panel(chart, "loss", |run| run.loss.clone());
        if chart.is_empty() {
            return Err(PlotError::Empty { picture: "training curves", what: "epoch" });
        }
        let runs = self.runs.iter().enumerate();
        let mut entries: Vec<_> =
            runs.map(|(k, run)| (Mark::Line(6), series_colour(k), run.legend())).collect();
        if self.runs.iter().any(|run| both(&run.accuracy) || both(&run.loss)) {
            let colour = if self.runs.len() == 1 { series_colour(0) } else { INK };
            entries.push((Mark::Line(4), colour, "validation".into()));
            entries.push((Mark::Line(3), pale(colour, 0.5), "training".into()));
        }
        chart.legend(entries).draw()
    }

    /// A panel of what `values` finds in the runs, of training and of validation, if it finds anything.
    fn add_panel(
        &self,
        chart: Chart,
        name: &str,
        values: impl Fn(&TrainingRun) -> [Vec<f64>; 2],
    ) -> Chart {
        let mut lines = Vec::new();
        for (number, run) in self.runs.iter().enumerate() {
            let parts = values(run);
            let faint = both(&parts);
            let [train, validation] = parts.map(|values| {
                let epochs = values.into_iter().enumerate();
                let points: Vec<_> = epochs.map(|(k, v)| ((k + 1) as f64, v)).collect();
                (!points.is_empty()).then(|| Line::new("", points).colour(number))
            });
            lines.extend(train.map(|line| if faint { line.pale() } else { line }));
            lines.extend(validation);
        }
        if lines.is_empty() {
            return chart;
        }
        let panel = Panel::new(Axis::linear("epoch"), Axis::log(name));
        chart.panel(lines.into_iter().fold(panel, Panel::line))
    }
}

/// Whether training and validation reported something.
fn both(parts: &[Vec<f64>; 2]) -> bool {
    parts.iter().all(|values| !values.is_empty())
}
