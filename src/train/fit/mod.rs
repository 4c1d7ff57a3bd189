//! The loop.

mod check;

use super::batches::{self, Batch};
use super::metrics::evaluate_by;
use super::processes::Processes;
use super::remedies::Placed;
use super::schedule::scale;
use super::trainer::{Settings, hash};
use super::{
    BatchReport, EpochReport, Every, History, Metrics, Observer, Start, TrainError, Trainer,
    Verdict,
};
use crate::data::Dataset;
use crate::{BatchSummary, Goal, Gradients, Network, OptimizeError, Optimizer, Real};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The checkpoint that training goes on from, and newer ones that were skipped with what is wrong with them.
pub(super) type Resumed = (Option<PathBuf>, Vec<String>);

/// All that changes in the course of training, but for the parameters.
pub(super) struct Run<'a, F> {
    pub optimizer: &'a mut dyn Optimizer<F>,
    pub remedies: Vec<Placed>,
    /// The batches so far.
    pub batches: u64,
    pub history: History,
    /// All parameters after the best epoch, block after block.
    pub best: Option<Vec<F>>,
}

impl<G, O> Trainer<G, O> {
    /// Trains a network, and returns the reports of all epochs. The trainer and its optimiser stay as they are.
    ///
    /// A second call is another run: from epoch 0 on, with the optimiser as it was given, and the same order and augmentation of
    /// samples unless the seed is another.
    ///
    /// Validation samples decide on early stop, plateaus and the best epoch, and are never learned from. A stop that is
    /// asked for takes effect after the present epoch.
    ///
    /// # Errors
    /// Settings without meaning, samples, steps, observers and checkpoints that fail. The network keeps the
    /// parameters it has by then; with [`Trainer::keep_best`] those of the best epoch so far. What was reported of
    /// epochs that are done has gone to the observers. An accuracy to go by that no epoch had is an error: after
    /// the first one if the loss does not say that it [classifies](crate::Loss::classifies), else at the end. To fit values in place of classes, see
    /// [`ClassTargets`](crate::ClassTargets).
    pub fn fit<F: Real>(
        &self,
        network: &mut dyn Network<F>,
        train: &Dataset,
        validation: Option<&Dataset>,
        observers: &mut [&mut dyn Observer<F>],
    ) -> Result<History, TrainError>
    where
        G: Goal<F, Target = usize>,
        O: Optimizer<F> + Clone,
    {
        self.fit_by(&Processes::one(), network, train, validation, observers)
    }

    /// Trains a network by several processes, and returns the reports of all epochs: the same bits as
    /// [`Trainer::fit`], on all ranks, whatever their number.
    ///
    /// All ranks call it with the same trainer, network and data; each has all samples and simulates its share of every
    /// batch. Rank 0 writes checkpoints, and all resume from them, so they need to see the same folder. Observers are
    /// those of the rank that has them. A stop that one asks for stops all.
    ///
    /// # Errors
    /// As [`Trainer::fit`]. When one rank fails, all do: the others with an error that names it and its reason. The last
    /// checkpoint remains.
    #[cfg(feature = "distributed")]
    pub fn fit_on<F: Real>(
        &self,
        ranks: &dyn crate::distributed::Communicator,
        network: &mut dyn Network<F>,
        train: &Dataset,
        validation: Option<&Dataset>,
        observers: &mut [&mut dyn Observer<F>],
    ) -> Result<History, TrainError>
    where
        G: Goal<F, Target = usize>,
        O: Optimizer<F> + Clone,
    {
        let processes = Processes::of(ranks);
        let result = self.fit_by(&processes, network, train, validation, observers);
        if let Err(error) = &result {
            processes.fail(error);
        }
        result
    }

    fn fit_by<F: Real>(
        &self,
        processes: &Processes<'_>,
        network: &mut dyn Network<F>,
        train: &Dataset,
        validation: Option<&Dataset>,
        observers: &mut [&mut dyn Observer<F>],
    ) -> Result<History, TrainError>
    where
        G: Goal<F, Target = usize>,
        O: Optimizer<F> + Clone,
    {
        let Self { goal, optimizer, settings } = self;
        let validation = validation.filter(|data| !data.is_empty());
        let mut optimizer = optimizer.clone();
        let named = settings.named(&mut optimizer, train, validation);
        let fit = Fit { settings, named, goal, processes, train, validation };
        fit.run(&mut optimizer, network, observers)
    }
}

/// One run of a trainer, whatever its goal and its optimiser.
struct Fit<'a, F> {
    settings: &'a Settings,
    /// See [`Settings::named`].
    named: BTreeMap<String, String>,
    goal: &'a dyn Goal<F, Target = usize>,
    processes: &'a Processes<'a>,
    train: &'a Dataset,
    /// Not empty.
    validation: Option<&'a Dataset>,
}

impl<F: Real> Fit<'_, F> {
    fn run(
        &self,
        optimizer: &mut dyn Optimizer<F>,
        network: &mut dyn Network<F>,
        observers: &mut [&mut dyn Observer<F>],
    ) -> Result<History, TrainError> {
        let classifies = self.check(optimizer, network)?;
        let mut run = Run {
            optimizer,
            remedies: self.settings.remedies.clone(),
            batches: 0,
            history: History::default(),
            best: None,
        };
        #[cfg(feature = "files")]
        let resumed = self.settings.resume(network, &mut run, &self.named)?;
        #[cfg(not(feature = "files"))]
        let resumed = Resumed::default();
        #[cfg(feature = "files")]
        if self.processes.leads() && run.history.epochs.len() < self.settings.epochs {
            self.settings.check_folder()?;
        }
        let done = self.begin(network, &mut run, observers, &resumed);
        let done =
            done.and_then(|stop| self.all_epochs(network, &mut run, observers, stop, classifies));
        if let Some(best) = &run.best {
            set_parameters(network, best);
        }
        done.map(|()| run.history)
    }

    /// Tells all that training starts; returns whether one wants to stop.
    fn begin(
        &self,
        network: &dyn Network<F>,
        run: &mut Run<'_, F>,
        observers: &mut [&mut dyn Observer<F>],
        (resumed, skipped): &Resumed,
    ) -> Result<bool, TrainError> {
        let Self { settings, named, processes, train, validation, .. } = self;
        let done = run.history.epochs.len();
        let mut named = named.clone();
        // What a resumed run may change, but no process by itself.
        named.insert("early stop".into(), format!("{:?}", settings.early_stop));
        let judges = validation.map(hash).unwrap_or_default();
        named.insert("validation samples by hash".into(), judges);
        let validated = validation.map_or(0, Dataset::len);
        processes.same(network, &named, &[settings.epochs, done, validated])?;
        let start = Start {
            epochs: settings.epochs,
            batches: settings.augmentation.epoch_len(train).div_ceil(settings.batch),
            history: &run.history,
            resumed: resumed.as_deref(),
            skipped,
        };
        let stop = tell(observers, |o| o.start(&start, network))?;
        processes.any(stop | settings.is_stopped())
    }

    /// Runs the epochs that are left, unless that is to `stop`.
    fn all_epochs(
        &self,
        network: &mut dyn Network<F>,
        run: &mut Run<'_, F>,
        observers: &mut [&mut dyn Observer<F>],
        mut stop: bool,
        classifies: bool,
    ) -> Result<(), TrainError> {
        let Self { settings, processes, .. } = self;
        while run.history.epochs.len() < settings.epochs && !stop && !self.is_over(&run.history) {
            let epoch = run.history.epochs.len();
            if !classifies {
                settings.check_metrics(&run.history)?;
            }
            stop = self
                .epoch(network, run, observers)
                .map_err(|cause| TrainError::Epoch { epoch, cause: Box::new(cause) })?;
            stop = processes.any(stop | settings.is_stopped())?;
            #[cfg(feature = "files")]
            if processes.leads() {
                let last = stop || epoch + 1 == settings.epochs || self.is_over(&run.history);
                settings.checkpoint(network, run, &self.named, last)?;
            }
            // So that none goes on, or ends well, when the checkpoint could not be written.
            processes.any(false)?;
        }
        if stop { Ok(()) } else { settings.check_metrics(&run.history) }
    }

    /// Whether the metric of the early stop has been no better for too long.
    fn is_over(&self, history: &History) -> bool {
        self.settings
            .early_stop
            .is_some_and(|(metric, patience)| history.since_best(metric) >= patience)
    }

    /// Runs one epoch; returns whether an observer wants to stop.
    fn epoch(
        &self,
        network: &mut dyn Network<F>,
        run: &mut Run<'_, F>,
        observers: &mut [&mut dyn Observer<F>],
    ) -> Result<bool, TrainError> {
        let Self { settings, goal, processes, train, validation, .. } = *self;
        let epoch = run.history.epochs.len();
        let (duration, seed) = (settings.trial(train), settings.seed);
        let order = batches::order(settings.augmentation.epoch_len(train), seed, epoch);
        let mut labels = Vec::with_capacity(order.len());
        let (mut whole, mut factors, mut stop) = (None::<BatchSummary<F>>, [1.0; 3], false);
        for (number, indices) in order.chunks(settings.batch).enumerate() {
            let batch = Batch::take(train, &settings.augmentation, seed, epoch, indices)?;
            let (mut summary, mut gradients) = processes
                .backward(network, &batch.samples(), duration, goal, &settings.backward)
                .map_err(|error| batches::in_sample(error, indices))?;
            summary.health.renumber(indices);
            if let Some(penalty) = settings.penalty {
                penalty
                    .add_to(network, &mut gradients)
                    .map_err(|error| TrainError::Batch { cause: Box::new(error.into()) })?;
            }
            factors = settings.schedules.factors(run.batches, &run.history);
            step(run.optimizer, network, &gradients, factors)?;
            check::finite(network)?;
            run.batches += 1;
            raise(run, Every::Batch, network, &mut summary)?;
            let start = labels.len();
            labels.extend(batch.labels());
            let report = BatchReport {
                epoch,
                batch: number,
                samples: summary.samples,
                loss: summary.loss.as_f64(),
                correct: summary.correct(&labels[start..]),
                factors,
            };
            match &mut whole {
                Some(whole) => whole.merge(&summary),
                None => whole = Some(summary),
            }
            stop |= tell(observers, |o| o.batch(&report, network))?;
        }
        let mut whole = whole.ok_or(TrainError::NoSamples)?;
        raise(run, Every::Epoch, network, &mut whole)?;
        let validation = match validation {
            Some(data) => Some(
                evaluate_by(processes, network, data, duration, goal)
                    .map_err(|cause| TrainError::Validation { cause: Box::new(cause) })?,
            ),
            None => None,
        };
        let train = Metrics::new(&whole, &labels);
        let report = EpochReport { epoch, factors, train, validation };
        run.history.epochs.push(report.clone());
        if settings
            .best
            .and_then(|metric| run.history.best(metric))
            .is_some_and(|b| b.epoch == epoch)
        {
            run.best = Some(parameters(network));
        }
        stop |= tell(observers, |o| o.epoch(&report, network))?;
        Ok(stop)
    }
}

/// Takes a step with rates that are scaled for its length.
fn step<F: Real>(
    optimizer: &mut dyn Optimizer<F>,
    network: &mut dyn Network<F>,
    gradients: &Gradients<F>,
    factors: [f64; 3],
) -> Result<(), OptimizeError> {
    let Some(rates) = optimizer.state().rates else {
        return optimizer.step(network, gradients);
    };
    let base = rates.clone();
    scale(rates, factors);
    let result = optimizer.step(network, gradients);
    if let Some(rates) = optimizer.state().rates {
        *rates = base;
    }
    result
}

fn raise<F: Real>(
    run: &mut Run<'_, F>,
    when: Every,
    network: &mut dyn Network<F>,
    summary: &mut BatchSummary<F>,
) -> Result<(), TrainError> {
    for remedy in run.remedies.iter_mut().filter(|r| r.every == when) {
        remedy.apply(network, summary)?;
    }
    Ok(())
}

/// Tells all observers; returns whether one wants to stop.
fn tell<F: Real>(
    observers: &mut [&mut dyn Observer<F>],
    mut what: impl FnMut(&mut dyn Observer<F>) -> Verdict,
) -> Result<bool, TrainError> {
    let mut stop = false;
    for observer in observers {
        stop |= what(*observer).map_err(TrainError::Observer)? == ControlFlow::Break(());
    }
    Ok(stop)
}

/// All parameters, block after block.
pub(super) fn parameters<F: Real>(network: &dyn Network<F>) -> Vec<F> {
    network.parameters().iter().flat_map(|(_, p)| p.values.iter().copied()).collect()
}

/// Gives a network these parameters, of which there are enough.
pub(super) fn set_parameters<F: Real>(network: &mut dyn Network<F>, values: &[F]) {
    let mut rest = values.iter();
    for (_, parameter) in network.parameters_mut() {
        parameter.values.iter_mut().zip(&mut rest).for_each(|(value, new)| *value = *new);
    }
    network.update();
}
