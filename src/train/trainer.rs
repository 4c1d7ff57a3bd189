//! What training is to do.

use super::remedies::Placed;
use super::{Every, History, Metric, Raise, Schedule, Schedules, TrainError};
use crate::data::{Augmentation, Dataset};
use crate::{BackwardOptions, DelayPenalty, Optimizer, Real, real};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains a network by epochs of mini-batches. Made once and used for any number of runs: [`Trainer::fit`].
///
/// The order of an epoch is a function of the seed and the epoch, a sample's augmentation of these and its
/// index. So a run gives the same bits on any number of threads, resumed or not.
///
/// ```
/// use eventprop::data::Dataset;
/// use eventprop::train::{Metric, Schedule, Trainer};
/// use eventprop::{
///     Adam, CrossEntropy, Dense, FirstSpikeTime, Lif, NetworkBuilder, Objective, SpikeTrains,
/// };
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use rand_distr::Uniform;
///
/// // Two channels; the class is the one that fires first.
/// let mut data = Dataset::builder(2, 30.0).class_names(["left", "right"]);
/// for k in 0..20 {
///     let (early, late) = (1.0 + 0.1 * k as f64, 5.0 + 0.1 * k as f64);
///     let events = [(early, k % 2), (late, 1 - k % 2)];
///     data.push(&SpikeTrains::from_events(2, events)?, k % 2)?;
/// }
/// let data = data.build()?;
///
/// let mut net = NetworkBuilder::new();
/// let input = net.input("input", 2);
/// let output = net.layer("output", Lif::new(2).tau_mem(10.0).tau_syn(5.0));
/// net.connect(input, output, Dense::weights(Uniform::new(2.0, 3.0)?).delays(1.0));
/// let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(3))?;
///
/// let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
/// let trainer = Trainer::new(objective, Adam::new(0.02).delay_rate(0.1))
///     .epochs(30)
///     .batch(5)
///     .seed(1)
///     .schedule(Schedule::Exponential { factor: 0.97 })
///     .keep_best(Metric::TrainLoss);
/// let history = trainer.fit(&mut net, &data, None, &mut [])?;
/// assert_eq!(history.epochs[29].train.accuracy(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Trainer<G, O> {
    pub(super) goal: G,
    pub(super) optimizer: O,
    pub(super) settings: Settings,
}

/// By what it is seen whether two sets are the same.
pub(super) fn hash(set: &Dataset) -> String {
    format!("{:016x}", set.fingerprint())
}

/// What a trainer knows besides its goal and its optimiser.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub epochs: usize,
    pub batch: usize,
    pub seed: u64,
    pub duration: Option<f64>,
    pub schedules: Schedules,
    pub augmentation: Augmentation,
    pub backward: BackwardOptions,
    pub penalty: Option<DelayPenalty>,
    pub remedies: Vec<Placed>,
    pub early_stop: Option<(Metric, usize)>,
    pub best: Option<Metric>,
    pub stop: Option<Arc<AtomicBool>>,
    #[cfg(feature = "files")]
    pub checkpoints: Option<super::Checkpoints>,
}

impl<G, O> Trainer<G, O> {
    /// Minimises a goal: 10 epochs in batches of 32, constant rates, seed 0.
    pub fn new(goal: G, optimizer: O) -> Self {
        let settings = Settings {
            epochs: 10,
            batch: 32,
            seed: 0,
            duration: None,
            schedules: Schedule::Constant.into(),
            augmentation: Augmentation::default(),
            backward: BackwardOptions::new(),
            penalty: None,
            remedies: Vec::new(),
            early_stop: None,
            best: None,
            stop: None,
            #[cfg(feature = "files")]
            checkpoints: None,
        };
        Self { goal, optimizer, settings }
    }

    /// What is minimised.
    pub fn goal(&self) -> &G {
        &self.goal
    }

    /// How many epochs there are, those before a resume included: if there were as many already, none is run.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.settings.epochs = epochs;
        self
    }

    /// Samples in a batch; the last of an epoch may have fewer. No more than these are in memory as spike trains in
    /// training.
    pub fn batch(mut self, samples: usize) -> Self {
        self.settings.batch = samples;
        self
    }

    /// The seed of the order of samples and of augmentation.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The length of a trial in ms, in training and validation; by default [`Dataset::duration`] of the training
    /// samples, and then no validation sample may be longer. What comes then or later in a sample is not heard.
    pub fn duration(mut self, duration: f64) -> Self {
        self.settings.duration = Some(duration);
        self
    }

    /// The schedule of the learning rates: one for all, or [`Schedules`].
    pub fn schedule(mut self, schedules: impl Into<Schedules>) -> Self {
        self.settings.schedules = schedules.into();
        self
    }

    /// How training samples are varied.
    pub fn augment(mut self, augmentation: Augmentation) -> Self {
        self.settings.augmentation = augmentation;
        self
    }

    /// What backward passes do besides the exact gradient.
    pub fn backward(mut self, options: BackwardOptions) -> Self {
        self.settings.backward = options;
        self
    }

    /// Adds the gradients of a penalty on delays to those of each batch, after what backward passes do. The losses that
    /// are reported are without it.
    pub fn delay_penalty(mut self, penalty: DelayPenalty) -> Self {
        self.settings.penalty = Some(penalty);
        self
    }

    /// Raises weights onto silent neurons of a layer, with a [`SilentNeuronLift`](crate::remedy::SilentNeuronLift)
    /// or a [`WeightBump`](crate::remedy::WeightBump); those that are added first act first.
    pub fn raise(mut self, every: Every, layer: usize, remedy: impl Into<Raise>) -> Self {
        self.settings.remedies.push(Placed { every, layer, raise: remedy.into() });
        self
    }

    /// Stops when a metric has not become better, by however little, for so many epochs.
    pub fn stop_early(mut self, metric: Metric, patience: usize) -> Self {
        self.settings.early_stop = Some((metric, patience));
        self
    }

    /// Leaves the network with the parameters of the epoch that was best by this metric, even if a later epoch fails.
    /// Without it, those of the last epoch remain. Metrics of training samples are taken while the epoch trains, so before its
    /// last steps: prefer those of validation samples.
    pub fn keep_best(mut self, metric: Metric) -> Self {
        self.settings.best = Some(metric);
        self
    }

    /// Stops after the present epoch once this flag is true, as a handler of Ctrl-C may set it; if it is at the start, no epoch
    /// is run.
    pub fn stop_flag(mut self, flag: Arc<AtomicBool>) -> Self {
        self.settings.stop = Some(flag);
        self
    }

    /// Writes checkpoints, and resumes from them if that is asked for.
    #[cfg(feature = "files")]
    pub fn checkpoints(mut self, checkpoints: super::Checkpoints) -> Self {
        self.settings.checkpoints = Some(checkpoints);
        self
    }
}

impl Settings {
    /// Checks them, and that the optimiser can do what they say.
    pub fn check<F: Real>(
        &self,
        optimizer: &mut dyn Optimizer<F>,
        train: &Dataset,
        validation: bool,
    ) -> Result<(), TrainError> {
        let count = |what, value: usize| match value {
            0 => Err(TrainError::Setting { what, value: "0".into(), rule: "at least 1" }),
            _ => Ok(()),
        };
        count("the batch size", self.batch)?;
        if let Some((_, patience)) = self.early_stop {
            count("the patience of the early stop", patience)?;
        }
        let duration = self.trial(train);
        if !(duration.is_finite() && duration > 0.0) {
            let (what, rule) = ("the duration of trials in ms", "finite and more than 0");
            return Err(TrainError::Setting { what, value: duration.to_string(), rule });
        }
        if let Some(DelayPenalty { l1, l2 }) = self.penalty {
            for (what, value) in [("l1 of the delay penalty", l1), ("l2 of the delay penalty", l2)]
            {
                real::check::<F>(value, |_| true, "finite")
                    .map_err(|rule| TrainError::Setting { what, value: value.to_string(), rule })?;
            }
        }
        self.schedules.check()?;
        self.augmentation.check().map_err(TrainError::Augmentation)?;
        if let Some(metric) = self.metrics().find(|m| m.needs_validation() && !validation) {
            return Err(TrainError::NoValidation { metric });
        }
        if self.schedules.vary() && optimizer.state().rates.is_none() {
            return Err(TrainError::NoRates);
        }
        let samples = self.augmentation.epoch_len(train);
        if Vec::<usize>::new().try_reserve_exact(samples).is_err() {
            let (what, rule) = ("the number of samples of an epoch", "few enough to be in memory");
            return Err(TrainError::Setting { what, value: samples.to_string(), rule });
        }
        if train.is_empty() { Err(TrainError::NoSamples) } else { Ok(()) }
    }

    /// The metrics that training goes by from the first epoch on.
    fn lasting_metrics(&self) -> impl Iterator<Item = Metric> {
        self.schedules.metrics().into_iter().chain(self.best)
    }

    /// All metrics that training goes by.
    fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.lasting_metrics().chain(self.early_stop.map(|(metric, _)| metric))
    }

    /// Refuses an accuracy that no epoch has, of those in which it could be.
    pub fn check_metrics(&self, history: &History) -> Result<(), TrainError> {
        for metric in self.metrics() {
            let epochs = history.epochs.iter().filter(|epoch| metric.could_be_of(epoch)).count();
            if epochs > 0 && history.best(metric).is_none() {
                return Err(TrainError::NoPrediction { metric, epochs });
            }
        }
        Ok(())
    }

    /// Whether the flag says so.
    pub fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// The settings that a resumed run must share with the one before, and a process with the others, with their names.
    pub fn named<F: Real>(
        &self,
        optimizer: &mut dyn Optimizer<F>,
        train: &Dataset,
        validation: Option<&Dataset>,
    ) -> BTreeMap<String, String> {
        // What the best epoch and schedules go by must not change; the early stop may.
        let judge = validation.filter(|_| self.lasting_metrics().any(Metric::needs_validation));
        let rates = optimizer.state().rates.map(|rates| format!("{rates:?}"));
        [
            ("seed", format!("{}", self.seed)),
            ("batch size", format!("{}", self.batch)),
            ("duration of trials in ms", format!("{:?}", self.trial(train))),
            ("number of training samples", format!("{}", train.len())),
            ("training samples by hash", hash(train)),
            ("validation samples by hash", judge.map(hash).unwrap_or_default()),
            ("learning rates", rates.unwrap_or_default()),
            ("schedules", format!("{:?}", self.schedules)),
            ("augmentation", format!("{:?}", self.augmentation)),
            ("backward options", format!("{:?}", self.backward)),
            ("delay penalty", format!("{:?}", self.penalty)),
            ("remedies", format!("{:?}", self.remedies)),
            ("metric of the best epoch", format!("{:?}", self.best)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The length of a trial in ms.
    pub fn trial(&self, train: &Dataset) -> f64 {
        self.duration.unwrap_or_else(|| train.duration())
    }
}
