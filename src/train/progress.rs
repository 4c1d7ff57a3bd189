//! A progress bar.

use super::{BatchReport, EpochReport, Observer, Start, Verdict};
use crate::{Network, Real};
use indicatif::{ProgressBar, ProgressStyle};
use std::ops::ControlFlow;

/// Draws a bar on the terminal, of all batches; nothing if the output is no terminal.
#[derive(Debug, Default)]
pub struct Progress {
    bar: Option<ProgressBar>,
    epochs: usize,
    validation: String,
}

impl Progress {
    /// A bar that appears when training starts.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<F: Real> Observer<F> for Progress {
    fn start(&mut self, start: &Start<'_>, _: &dyn Network<F>) -> Verdict {
        let all = start.epochs.saturating_mul(start.batches);
        let bar = ProgressBar::new(all as u64);
        let style =
            ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  {elapsed} of {duration}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(start.history.epochs.len().saturating_mul(start.batches) as u64);
        bar.reset_eta();
        for skipped in start.skipped {
            bar.println(format!("skipped {skipped}"));
        }
        (self.bar, self.epochs) = (Some(bar), start.epochs);
        self.validation.clear();
        Ok(ControlFlow::Continue(()))
    }

    fn batch(&mut self, report: &BatchReport, _: &dyn Network<F>) -> Verdict {
        if let Some(bar) = &self.bar {
            let (epoch, epochs) = (report.epoch + 1, self.epochs);
            bar.set_message(format!(
                "epoch {epoch}/{epochs}  loss {:.4}{}",
                report.loss, self.validation
            ));
            bar.inc(1);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<F>) -> Verdict {
        let (what, metrics) = match &report.validation {
            Some(metrics) => ("validation", metrics),
            None => ("training", &report.train),
        };
        self.validation = match metrics.known_accuracy() {
            Some(accuracy) => format!("  {what} {:.1} %", 100.0 * accuracy),
            None => format!("  {what} loss {:.4}", metrics.loss),
        };
        Ok(ControlFlow::Continue(()))
    }
}
