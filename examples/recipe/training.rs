//! From a network and data to a trained network, its pictures and its results.

use super::{Checkpoints, DataPath, Options, Pictures, Report, Result};
use eventprop::data::{Dataset, Part};
use eventprop::plot::{Confusion, TrainingCurves, TrainingRun};
use eventprop::train::{self, Metric, Observer, Progress, Trainer};
use eventprop::{Goal, Network, Optimizer, SpikeTrains, SpikingNetwork};
use std::path::Path;
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

    /// A file in the crate's own format; of a folder, the file of this name in it.
    pub fn open(path: &DataPath, name: &str) -> Result<Self> {
        let path = path.data.as_path();
        let file = if path.is_dir() { path.join(name) } else { path.to_owned() };
        Self::of(&Dataset::open(file)?)
    }

    /// HDF5 files in the layout of SHD and SSC in a folder: `NAME_train.h5`, `NAME_test.h5`, and `NAME_valid.h5`.
    /// Where the last is missing, a tenth of the training samples is for validation. `change` is what is done
    /// to events.
    pub fn hdf5(
        folder: &Path,
        name: &str,
        seed: u64,
        change: impl Fn(&Dataset) -> Result<Dataset>,
    ) -> Result<Self> {
        let file = |part: &str| folder.join(format!("{name}_{part}.h5"));
        let read = |part: &str| Dataset::read_shd(file(part));
        let (train, test) = (read("train")?, read("test")?);
        let (train, validation) = if file("valid").exists() {
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

/// The network that `build` makes for that scale of its weights at which the neurons of layer 0 fire `count` times per
/// trial, on average over the first samples.
pub fn calibrated(
    data: &Dataset,
    duration: f64,
    count: f64,
    build: impl Fn(f64) -> Result<SpikingNetwork>,
) -> Result<SpikingNetwork> {
    let some: Vec<usize> = (0..data.len().min(32)).collect();
    let inputs: Vec<SpikeTrains> =
        some.iter().map(|&k| data.spikes(k)).collect::<std::result::Result<_, _>>()?;
    let (mut low, mut high) = (1e-3_f64, 1e3_f64);
    for _ in 0..16 {
        let scale = (low * high).sqrt();
        let net = build(scale)?;
        let mut spikes = 0;
        for input in &inputs {
            spikes += net.forward(input, duration)?.spikes(0).len();
        }
        let mean = spikes as f64 / net.layer_info(0).1 as f64 / inputs.len() as f64;
        if mean > count { high = scale } else { low = scale }
    }
    build((low * high).sqrt())
}

/// Trains by what the trainer says and the command line adds, draws the pictures, and adds the results to the report.
/// The network of the best validation epoch is judged by the test set, once.
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
    let mut trainer = trainer
        .duration(duration)
        .seed(options.seed)
        .keep_best(Metric::ValidationAccuracy)
        .stop_flag(super::on_ctrl_c()?);
    if let Some(folder) = &checkpoints.checkpoint {
        let folder = train::Checkpoints::new(folder).resume(checkpoints.resume);
        trainer = trainer.checkpoints(folder);
    }
    let initial = net.clone();
    let mut bar = Progress::new();
    let folder = options.folder(name)?;
    let mut log = train::Log::csv(folder.join("epochs.csv"));
    let mut observers: [&mut dyn Observer; 2] = [&mut bar, &mut log];
    let start = Instant::now();
    let history = trainer.fit(net, &parts.train, Some(&parts.validation), &mut observers)?;
    let seconds = start.elapsed().as_secs_f64();

    let test = train::evaluate(net, &parts.test, &goal, duration)?;
    let best = history.best(Metric::ValidationAccuracy);
    let validation = best.and_then(|best| best.validation.as_ref().map(train::Metrics::accuracy));
    report.add_accuracy("test accuracy", test.accuracy());
    report.add_accuracy("validation accuracy", validation.unwrap_or(f64::NAN));
    report.add("delays", options.delays().name());
    report.add("parameters", net.layout().iter().map(|block| block.len).sum::<usize>());
    report.add("epochs", history.epochs.len());
    report.add(
        "seconds per epoch",
        format_args!("{:.2}", seconds / history.epochs.len().max(1) as f64),
    );
    report.add("spikes per neuron", format_args!("{:.1}", test.spikes_per_neuron(0)));

    let mut pictures = Pictures::new(folder);
    pictures.parameters(&initial, net)?;
    let curve = |of: Metric| {
        history.epochs.iter().map(|e| of.of(e).unwrap_or(f64::NAN)).collect::<Vec<_>>()
    };
    let run = TrainingRun::new(options.delays().name())
        .train_loss(curve(Metric::TrainLoss))
        .validation_loss(curve(Metric::ValidationLoss))
        .train_accuracy(curve(Metric::TrainAccuracy))
        .validation_accuracy(curve(Metric::ValidationAccuracy));
    pictures.save("curves", TrainingCurves::new().run(run).draw())?;
    let names: Vec<&str> = parts.test.class_names().iter().map(String::as_str).collect();
    let counts = test.confusion.counts.iter();
    let counts: Vec<Vec<usize>> =
        counts.map(|row| row.iter().map(|&n| n as usize).collect()).collect();
    pictures.save("confusion", Confusion::new(&names, &counts)?.draw())?;
    if !parts.test.is_empty() {
        let label = &parts.test.class_names()[parts.test.label(0)];
        let samples = [(format!("a test sample of `{label}`"), &parts.test.spikes(0)?, duration)];
        pictures.trials(net, &samples, |raster| raster)?;
    }
    pictures.announce();
    Ok(())
}
