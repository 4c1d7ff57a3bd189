//! A phantom spike for silent outputs.

use super::{RemedyError, check};
use crate::{
    FirstSpikeTime, LayerSensitivity, PotentialSensitivity, Reading, Readout, ReadoutError, Real,
    Recording,
};

/// The time of each neuron's first spike in ms; a silent neuron is read as if it had fired.
///
/// A heuristic that takes the place of [`FirstSpikeTime`]. The loss sees a spike of a silent neuron at
/// `time`, or at the end of the trial. Where a spike of this slope would have been moved by the potential,
/// the phantom is:
///
/// ```text
/// dL/dV(then) = -(dL/dt) / slope
/// ```
///
/// so a loss that wants an earlier spike raises the potential then, which can bring one about. That is
/// the exact gradient of -(dL/dt) V(then) / slope with dL/dt held constant. If `time` is after the end of
/// the trial, V is taken at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct PhantomSpikeTime {
    slope: f64,
    time: Option<f64>,
}

impl PhantomSpikeTime {
    /// Phantoms of this slope in 1/ms, at the end of the trial.
    pub fn new(slope: f64) -> Self {
        Self { slope, time: None }
    }

    /// Phantoms at this time in ms; one after the end of the trial tells silence from a late spike.
    pub fn at(mut self, time: f64) -> Self {
        self.time = Some(time);
        self
    }

    fn check<F: Real>(&self) -> Result<(), RemedyError> {
        check::<F>("the slope of phantoms", self.slope, |s| s > 0.0, "finite and above 0")?;
        let time = self.time.unwrap_or(0.0);
        check::<f64>("the time of phantoms", time, |t| t >= 0.0, "finite and not negative")
    }

    fn time(&self, duration: f64) -> f64 {
        self.time.unwrap_or(duration)
    }
}

impl<F: Real> Readout<F> for PhantomSpikeTime {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        self.check::<F>()?;
        recording.check_fires()?;
        let silent = self.time(recording.duration());
        let first = |train: &[f64]| F::of(train.first().copied().unwrap_or(silent));
        recording.spikes().iter().for_each(|train| y.push(first(train)));
        Ok(())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        self.check::<F>()?;
        FirstSpikeTime.pull_back(recording, gradient, sensitivity)?;
        let time = self.time(recording.duration()).min(recording.duration());
        for (neuron, (train, &g)) in recording.spikes().iter().zip(gradient).enumerate() {
            if train.is_empty() && g != F::zero() {
                let gradient = -g / F::of(self.slope);
                sensitivity.potentials.push(PotentialSensitivity::At { neuron, time, gradient });
                sensitivity.phantom_spikes += 1;
            }
        }
        Ok(())
    }
}
