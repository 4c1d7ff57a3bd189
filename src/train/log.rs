//! Logs of epochs, in files.

use super::{EpochReport, History, Metrics, Observer, Start, Verdict};
use crate::beside;
use crate::{Network, Real};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Number and name of a layer that can fire.
type Layer = (usize, String);
/// How an epoch is written.
type Line = fn(&[Layer], &EpochReport) -> io::Result<String>;

/// Writes a line for each epoch, to a file of its own.
///
/// When training starts, the file is written anew from the history so far, beside the old one and then put in its
/// place. So a log of training that was resumed has each epoch once, whatever was lost.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    header: Option<fn(&[Layer]) -> String>,
    line: Line,
    layers: Vec<Layer>,
    file: Option<File>,
}

impl Log {
    /// Comma-separated values: loss, accuracy, and spikes per neuron and trial of each layer that can fire, in training and
    /// validation; the factors of the rates; lost arrivals and lifted neurons of training. The accuracy is empty where no
    /// sample got a prediction.
    pub fn csv(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), Some(header), csv)
    }

    /// The whole [`EpochReport`] as one line of JSON.
    #[cfg(feature = "files")]
    pub fn json_lines(path: impl Into<PathBuf>) -> Self {
        let line: Line = |_, report| serde_json::to_string(report).map_err(io::Error::from);
        Self::new(path.into(), None, line)
    }

    fn new(path: PathBuf, header: Option<fn(&[Layer]) -> String>, line: Line) -> Self {
        Self { path, header, line, layers: Vec::new(), file: None }
    }

    fn begin(&mut self, history: &History) -> io::Result<()> {
        let write = |file: &mut dyn Write| {
            if let Some(header) = self.header {
                writeln!(file, "{}", header(&self.layers))?;
            }
            let mut lines = history.epochs.iter().map(|report| (self.line)(&self.layers, report));
            lines.try_for_each(|line| writeln!(file, "{}", line?))
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
        let line = format!("{}\n", (self.line)(&self.layers, report)?);
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
    fn start(&mut self, start: &Start<'_>, network: &dyn Network<F>) -> Verdict {
        let fires = (0..network.layers()).filter(|&layer| network.fires(layer));
        self.layers = fires.map(|layer| (layer, network.layer_info(layer).0.to_owned())).collect();
        let result = self.begin(start.history);
        self.named(result)
    }

    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<F>) -> Verdict {
        let result = self.append(report);
        self.named(result)
    }
}

fn header(layers: &[Layer]) -> String {
    let part = |part: &str| {
        let spikes = layers.iter().map(|(_, name)| quoted(format!("{part}_spikes_{name}")));
        let columns = ["loss", "accuracy"].map(|column| format!("{part}_{column}"));
        columns.into_iter().chain(spikes).collect::<Vec<_>>().join(",")
    };
    let (train, validation) = (part("train"), part("validation"));
    let factors = "weight_rate_factor,delay_rate_factor,constant_rate_factor";
    format!("epoch,{train},{validation},{factors},lost_arrivals,lifted")
}

/// A field that means itself whatever is in it.
fn quoted(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[allow(clippy::unnecessary_wraps)] // As JSON has it.
fn csv(layers: &[Layer], report: &EpochReport) -> io::Result<String> {
    let columns = |m: &Metrics| {
        let accuracy = m.known_accuracy().map_or_else(String::new, |accuracy| accuracy.to_string());
        let spikes = layers.iter().map(|(layer, _)| m.spikes_per_neuron(*layer).to_string());
        [m.loss.to_string(), accuracy].into_iter().chain(spikes).collect::<Vec<_>>().join(",")
    };
    let EpochReport { epoch, factors: [weights, delays, constants], train, validation } = report;
    let validation = validation.as_ref().map_or_else(|| ",".repeat(layers.len() + 1), columns);
    let (lost, lifted) = (train.health.lost_arrivals, train.health.lifted);
    let train = columns(train);
    Ok(format!("{epoch},{train},{validation},{weights},{delays},{constants},{lost},{lifted}"))
}
