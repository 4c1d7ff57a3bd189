//! Read-outs of spikes.

use super::{Reading, Readout, ReadoutError, Recording};
use crate::{LayerSensitivity, PotentialSensitivity, Real};

/// The time of each neuron's first spike in ms; a silent neuron reads the length of the trial, and
/// has no gradient.
///
/// Less is earlier: to have the first to fire win, take
/// [`CrossEntropy::first_to_fire`](crate::CrossEntropy::first_to_fire) or [`TimeInvariant`](crate::TimeInvariant). With
/// [`CrossEntropy::new`](crate::CrossEntropy::new) the last one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstSpikeTime;

impl<F: Real> Readout<F> for FirstSpikeTime {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        recording.check_fires()?;
        for train in recording.spikes().iter() {
            y.push(F::of(train.first().copied().unwrap_or(recording.duration())));
        }
        Ok(())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        for (w, &g) in recording.spikes().offsets().windows(2).zip(gradient) {
            if w[0] < w[1] {
                sensitivity.spike_times[w[0]] += g;
            }
        }
        Ok(())
    }
}

/// The times of all spikes in ms: a row per neuron, empty if it is silent.
///
/// For losses of spike trains: [`VanRossum`](crate::VanRossum) and
/// [`SpikeTimeSquares`](crate::SpikeTimeSquares).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpikeTimes;

impl<F: Real> Readout<F> for SpikeTimes {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        recording.check_fires()?;
        for train in recording.spikes().iter() {
            y.push_row(train.iter().map(|&time| F::of(time)));
        }
        Ok(())
    }

    fn pull_back(
        &self,
        _: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        sensitivity.spike_times.iter_mut().zip(gradient).for_each(|(sum, &g)| *sum += g);
        Ok(())
    }
}

/// How often each neuron fires.
///
/// A count is a whole number: its derivative is zero wherever it has one. So [`SpikeCount::new`] reads
/// counts and passes no gradient back, which is exact, and good for metrics. To train by counts, ask for the
/// heuristic, [`SpikeCount::voltage_heuristic`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[must_use]
pub struct SpikeCount {
    gain: Option<f64>,
}

impl SpikeCount {
    /// Counts with their exact gradient, which is zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// **Not a gradient.** Pretends that the count grows with the potential just before each of the
    /// neuron's spikes: dy/dV(t_k) = `gain`, in spikes per unit of potential, for every spike k.
    ///
    /// In terms of EventProp, lambda_V jumps at each own spike in proportion to dL/dy; this is how Nowotny et
    /// al. (2022) and Mészáros et al. (2025) regularise spike counts. No finite difference agrees with it, and
    /// a silent neuron gets nothing. In recurrent layers it leaves the backward pass to the plain engine.
    pub fn voltage_heuristic(mut self, gain: f64) -> Self {
        self.gain = Some(gain);
        self
    }
}

impl<F: Real> Readout<F> for SpikeCount {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        recording.check_fires()?;
        if let Some(gain) = self.gain.filter(|gain| !gain.is_finite()) {
            return Err(ReadoutError::Gain { gain });
        }
        recording.spikes().iter().for_each(|train| y.push(F::of(train.len() as f64)));
        Ok(())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        let Some(gain) = self.gain else { return Ok(()) };
        for (neuron, (train, &g)) in recording.spikes().iter().zip(gradient).enumerate() {
            let gradient = g * F::of(gain);
            sensitivity.potentials.extend(train.iter().map(|&time| PotentialSensitivity::At {
                neuron,
                time,
                gradient,
            }));
        }
        Ok(())
    }
}
