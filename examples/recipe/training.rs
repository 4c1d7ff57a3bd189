//! From a network and data to a trained network, its pictures and its results.

use super::{Checkpoints, DataPath, Options, Pictures, Report, Result};
use eventprop::data::{Dataset, Part};
use eventprop::plot::{Confusion, TrainingCurves, TrainingRun};
use eventprop::remedy::SlopeLimiter;
use eventprop::train::{self, History, Metric, Metrics, Observer, Progress, Trainer};
use eventprop::{BackwardOptions, Goal, Network, Optimizer, SpikingNetwork};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// The three parts of a data set, in memory.
pub struct Parts {
    pub train: Dataset,
    pub validation: Dataset,
    pub test: Dataset,
}

impl Parts {
    /// Those that the set came in.
    pub fn of(data: &Dataset) -> Result<Self> {
        let part = |part: Part| data.part(part).in_memory();
        let (train, validation) = (part(Part::Train)?, part(Part::Validation)?);
        Ok(Self { train, validation, test: part(Part::Test)? })
    }

    /// A file in the crate's own format; of a folder, the file of this name in it. If it does not say what samples are for,
    /// 70 % of each class are for training, 10 % for validation and 20 % for the test.
    pub fn open(path: &DataPath, name: &str, seed: u64) -> Result<Self> {
        let path = path.data.as_path();
        let file = if path.is_dir() { path.join(name) } else { path.to_owned() };
        let data = Dataset::open(file)?;
        if data.part(Part::Train).len() < data.len() {
            return Self::of(&data);
        }
        let parts = data.split_stratified(&[0.7, 0.1, 0.2], seed)?;
        let roles = [Part::Train, Part::Validation, Part::Test];
        Self::of(&Dataset::join(&roles.into_iter().zip(&parts).collect::<Vec<_>>())?)
    }

    /// HDF5 files in the layout of SHD and SSC in a folder: `NAME_train.h5`, `NAME_test.h5`, and `NAME_valid.h5`.
    /// Where the last is missing, a tenth of the training samples is for validation. With `held_out` the test is
    /// on this speaker, and the others are for the rest, again a tenth for validation. `change` is what is done to
    /// events.
    pub fn hdf5(
        folder: &Path,
        name: &str,
        (seed, held_out): (u64, Option<u32>),
        change: impl Fn(&Dataset) -> Result<Dataset>,
    ) -> Result<Self> {
        let file = |part: &str| folder.join(format!("{name}_{part}.h5"));
        let read = |part: &str| Dataset::read_shd(file(part));
        let (mut train, mut test) = (read("train")?, read("test")?);
        if let Some(speaker) = held_out {
            let all = Dataset::join(&[(Part::Train, &train), (Part::Train, &test)])?;
            (train, test) = all.leave_group_out(speaker)?;
        }
        let (train, validation) = if held_out.is_none() && file("valid").exists() {
            (train, read("valid")?)
        } else {
            let parts = train.split_stratified(&[0.9, 0.1], seed)?;
            (parts[0].clone(), parts[1].clone())
        };
        let parts = [(Part::Train, &train), (Part::Validation, &validation), (Part::Test, &test)];
        Self::of(&change(&Dataset::join(&parts)?)?)
    }

    /// The first of each part only.
    pub fn quick(self, samples: usize) -> Result<Self> {
        let some = |data: &Dataset| {
            let step = data.len().div_ceil(samples).max(1);
            data.subset(&(0..data.len()).step_by(step).collect::<Vec<_>>())
        };
        let Self { train, validation, test } = self;
        Ok(Self { train: some(&train)?, validation: some(&validation)?, test: some(&test)? })
    }
}

/// What training left behind, beside the network.
pub struct Fitted {
    pub initial: SpikingNetwork,
    pub history: History,
    pub seconds: f64,
}

impl Fitted {
    /// The validation accuracy of the best epoch.
    pub fn validation_accuracy(&self) -> f64 {
        let best = self.history.best(Metric::ValidationAccuracy);
        let metrics = best.and_then(|best| best.validation.as_ref());
        metrics.map_or(f64::NAN, Metrics::accuracy)
    }
}

/// A heuristic: gradients through spikes that graze the threshold are limited.
pub fn limited_slopes() -> BackwardOptions {
    BackwardOptions::new().limit_slopes(SlopeLimiter::Relative(3.0))
}

/// Trains by what the trainer says and the command line adds, and leaves the network of the best validation epoch.
/// Writes the epochs to a table at `log`.
pub fn fit<G, O>(
    net: &mut SpikingNetwork,
    trainer: Trainer<G, O>,
    (parts, duration): (&Parts, f64),
    (seed, checkpoints, stop): (u64, &Checkpoints, Arc<AtomicBool>),
    log: &Path,
) -> Result<Fitted>
where
    G: Goal<f64, Target = usize> + Clone,
    O: Optimizer<f64> + Clone,
{
    let mut trainer =
        trainer.duration(duration).seed(seed).keep_best(Metric::ValidationAccuracy).stop_flag(stop);
    if let Some(folder) = &checkpoints.checkpoint {
        let folder = train::Checkpoints::new(folder).resume(checkpoints.resume);
        trainer = trainer.checkpoints(folder);
    }
    let initial = net.clone();
    let mut bar = Progress::new();
    let mut log = train::Log::csv(log);
    let mut observers: [&mut dyn Observer<f64>; 2] = [&mut bar, &mut log];
    let start = Instant::now();
    let history = trainer.fit(net, &parts.train, Some(&parts.validation), &mut observers)?;
    Ok(Fitted { initial, history, seconds: start.elapsed().as_secs_f64() })
}

/// Trains, draws the pictures, and adds the results to the report. The network of the best validation epoch is judged
/// by the test set, once.
pub fn trained<G, O>(
    name: &str,
    net: &mut SpikingNetwork,
    trainer: Trainer<G, O>,
    (parts, duration): (&Parts, f64),
    (options, checkpoints): (&Options, &Checkpoints),
    report: &mut Report,
) -> Result<()>
where
    G: Goal<f64, Target = usize> + Clone,
    O: Optimizer<f64> + Clone,
{
    let goal = trainer.goal().clone();
    let folder = options.folder(name)?;
    let given = (options.seed, checkpoints, super::on_ctrl_c()?);
    let fitted = fit(net, trainer, (parts, duration), given, &folder.join("epochs.csv"))?;

    let test = train::evaluate(net, &parts.test, duration, &goal)?;
    let (epochs, way) = (fitted.history.epochs.len(), options.delays().name());
    report.add_accuracy("test accuracy", test.accuracy());
    report.add_accuracy("validation accuracy", fitted.validation_accuracy());
    report.add("delays", way);
    report.add("parameters", net.layout().iter().map(|block| block.len).sum::<usize>());
    report.add("epochs", epochs);
    report.add("seconds per epoch", format_args!("{:.2}", fitted.seconds / epochs.max(1) as f64));
    report.add("spikes per neuron", format_args!("{:.1}", test.spikes_per_neuron(0)));

    let mut pictures = Pictures::new(folder);
    pictures.parameters(&fitted.initial, net)?;
    pictures
        .save("curves", TrainingCurves::new().run(TrainingRun::of(way, &fitted.history)).draw())?;
    let names: Vec<&str> = parts.test.class_names().iter().map(String::as_str).collect();
    match Confusion::new(&names, &test.confusion) {
        Ok(confusion) => pictures.save("confusion", confusion.draw())?,
        Err(error) => eprintln!("no picture of the confusion matrix: {error}"),
    }
    if !parts.test.is_empty() {
        let label = &parts.test.class_names()[parts.test.label(0)];
        let samples = [(format!("a test sample of `{label}`"), &parts.test.spikes(0)?, duration)];
        pictures.trials(net, &samples, |raster| raster)?;
    }
    pictures.announce();
    Ok(())
}
