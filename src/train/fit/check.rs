//! What is refused before the first step, not after hours; and what after a step.

use super::Fit;
use crate::data::Dataset;
use crate::train::TrainError;
use crate::{Assessment, Error, LossError, Network, Optimizer, Parameter, Real, SpikeTrains};

impl<F: Real> Fit<'_, F> {
    /// Refuses settings without meaning, and samples that fit neither the network nor each other. Returns whether
    /// the goal classifies, as far as it says so.
    pub(super) fn check(
        &self,
        optimizer: &mut dyn Optimizer<F>,
        network: &dyn Network<F>,
    ) -> Result<bool, TrainError> {
        self.settings.check(optimizer, self.train, self.validation.is_some())?;
        let sets = std::iter::once(("training samples", self.train));
        for (what, set) in sets.chain(self.validation.map(|set| ("validation samples", set))) {
            let (found, expected) = (set.channels(), network.channels());
            if found != expected {
                return Err(TrainError::Channels { what, found, expected });
            }
        }
        let validation = self.validation.map_or(0.0, Dataset::duration);
        if validation > self.settings.trial(self.train) && self.settings.duration.is_none() {
            let what = "the duration of the validation samples in ms";
            let rule = "at most that of the training samples, unless `Trainer::duration` says how long trials are";
            return Err(TrainError::Setting { what, value: validation.to_string(), rule });
        }
        self.settings.backward.check(network)?;
        self.settings.remedies.iter().try_for_each(|remedy| remedy.check(network))?;
        self.check_classes()?;
        self.check_labels(network)
    }

    /// Refuses validation samples whose classes have other names, or another order, as far as both have them.
    fn check_classes(&self) -> Result<(), TrainError> {
        let validation = self.validation.map_or(&[][..], Dataset::class_names);
        let mut names = validation.iter().zip(self.train.class_names());
        let other = names.position(|(found, expected)| found != expected);
        other.map_or(Ok(()), |class| {
            let (found, expected) = (&validation[class], &self.train.class_names()[class]);
            Err(TrainError::Classes { class, found: found.clone(), expected: expected.clone() })
        })
    }

    /// Refuses labels that the goal does not know, by a trial without input: not when their samples come. What
    /// else the goal may have against the trial tells nothing of the samples. Returns whether it classifies.
    fn check_labels(&self, network: &dyn Network<F>) -> Result<bool, TrainError> {
        let silent = SpikeTrains::silent(network.channels());
        let Ok(trace) = network.forward(&silent, self.settings.trial(self.train)) else {
            return Ok(true);
        };
        let mut assessment = Assessment::default();
        let mut check = |data: &Dataset| {
            let largest = data.labels().enumerate().max_by_key(|&(_, label)| label);
            let Some((index, label)) = largest else { return Ok(true) };
            match assessment.judge(network, &trace, self.goal, &label) {
                Err(error) if is_of_label(&error) => {
                    Err(TrainError::Sample { index, cause: Box::new(error) })
                }
                Err(_) => Ok(true),
                Ok(()) => Ok(assessment.classifies()),
            }
        };
        let classifies = check(self.train)?;
        let validation = self.validation.map_or(Ok(true), check);
        validation.map_err(|cause| TrainError::Validation { cause: Box::new(cause) })?;
        Ok(classifies)
    }
}

/// Refuses parameters that a step made too large: the trial that comes next would, but a checkpoint might come first.
pub(super) fn finite<F: Real>(network: &dyn Network<F>) -> Result<(), TrainError> {
    for (owner, Parameter { kind, values, .. }) in network.parameters() {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let (owner, value) = (owner.into(), values[index].as_f64());
            return Err(TrainError::Diverged { owner, kind, index, value });
        }
    }
    Ok(())
}

fn is_of_label(error: &Error) -> bool {
    match error {
        Error::Loss(LossError::Label { .. } | LossError::MissingClass { .. }) => true,
        Error::Part { cause, .. } => is_of_label(cause),
        _ => false,
    }
}
