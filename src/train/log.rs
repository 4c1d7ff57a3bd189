//! Logs of epochs, in files.

use super::{EpochReport, History, Metrics, Observer, Start, Verdict};
use crate::beside;
use crate::{Network, Real};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// How an epoch is written.
type Line = fn(&EpochReport) -> io::Result<String>;

/// Writes a line for each epoch, to a file of its own.
///
/// When training starts, the file is written anew from the history so far, beside the old one and then put in its
/// place. So a log of training that was resumed has each epoch once, whatever was lost.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    header: Option<&'static str>,
    line: Line,
    file: Option<File>,
}

impl Log {
    /// Comma-separated values: loss, accuracy, and spikes per neuron, in training and validation; the factors of the rates;
    /// lost arrivals and lifted neurons of training. Spikes are a mean over all layers, those that never fire included.
    pub fn csv(path: impl Into<PathBuf>) -> Self {
        let header = "epoch,train_loss,train_accuracy,train_spikes_per_neuron,validation_loss,validation_accuracy,\
            validation_spikes_per_neuron,weight_rate_factor,delay_rate_factor,constant_rate_factor,lost_arrivals,lifted";
        Self { path: path.into(), header: Some(header), line: csv, file: None }
    }

    /// The whole [`EpochReport`] as one line of JSON.
    #[cfg(feature = "files")]
    pub fn json_lines(path: impl Into<PathBuf>) -> Self {
        let line = |report: &EpochReport| serde_json::to_string(report).map_err(io::Error::from);
        Self { path: path.into(), header: None, line, file: None }
    }

    fn begin(&mut self, history: &History) -> io::Result<()> {
        let write = |file: &mut dyn Write| {
            if let Some(header) = self.header {
                writeln!(file, "{header}")?;
            }
            history.epochs.iter().try_for_each(|report| writeln!(file, "{}", (self.line)(report)?))
        };
        let is_stream = beside::is_stream(&self.path);
        if !is_stream {
            beside::write(&self.path, |file| write(file))?;
        }
        let mut file = File::options().append(true).open(&self.path)?;
        if is_stream {
            // Opened once: whoever reads a pipe sees its end when it is closed.
            write(&mut file)?;
        }
        self.file = Some(file);
        Ok(())
    }

    fn append(&mut self, report: &EpochReport) -> io::Result<()> {
        let line = format!("{}\n", (self.line)(report)?);
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }

    fn named(&self, result: io::Result<()>) -> Verdict {
        match result {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) => Err(format!("{}: {error}", self.path.display()).into()),
        }
    }
}

impl<F: Real> Observer<F> for Log {
    fn start(&mut self, start: &Start<'_>, _: &dyn Network<F>) -> Verdict {
        let result = self.begin(start.history);
        self.named(result)
    }

    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<F>) -> Verdict {
        let result = self.append(report);
        self.named(result)
    }
}

#[allow(clippy::unnecessary_wraps)] // As JSON has it.
fn csv(report: &EpochReport) -> io::Result<String> {
    let columns = |m: &Metrics| {
        let neurons: usize = m.spikes.iter().map(Vec::len).sum();
        let spikes: u64 = m.spikes.iter().flatten().sum();
        let mean = spikes as f64 / (neurons.max(1) as f64 * m.samples.max(1) as f64);
        format!("{},{},{mean}", m.loss, m.accuracy())
    };
    let EpochReport { epoch, factors: [weights, delays, constants], train, validation } = report;
    let validation = validation.as_ref().map_or_else(|| ",,".to_owned(), columns);
    let (lost, lifted) = (train.health.lost_arrivals, train.health.lifted);
    Ok(format!(
        "{epoch},{},{validation},{weights},{delays},{constants},{lost},{lifted}",
        columns(train)
    ))
}
