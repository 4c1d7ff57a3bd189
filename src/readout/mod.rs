//! Read-outs: from what a layer did to a vector.

mod recording;

pub(crate) use recording::Memory;
pub use recording::{Peak, PeakKind, Recording};

use crate::{LayerSensitivity, PotentialSensitivity, Real, SimulationError};
use thiserror::Error;

/// Why a layer could not be read out.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ReadoutError {
    /// The network has no such layer.
    #[error("the objective reads layer {layer}, but the network has {layers} (0-based)")]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// The number of layers.
        layers: usize,
    },
    /// The layer's model lacks a closed form that the read-out needs.
    #[error("the model of layer `{layer}` has no closed form for {what}")]
    NoClosedForm {
        /// The layer.
        layer: String,
        /// What is missing.
        what: &'static str,
    },
    /// The trial could not be rebuilt.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
}

/// Turns what a layer did into a vector y, one number per neuron, and dL/dy back into the
/// sensitivity of the loss to the layer's spikes and potentials.
pub trait Readout<F: Real>: Send + Sync {
    /// Writes the vector y to `y`, which is empty.
    ///
    /// # Errors
    /// If the layer lacks what is read.
    fn read(&self, recording: &Recording<'_, F>, y: &mut Vec<F>) -> Result<(), ReadoutError>;

    /// Adds to `sensitivity` what `gradient` = dL/dy means for spikes and potentials.
    ///
    /// # Errors
    /// If the layer lacks what is read.
    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError>;
}

/// The time of each neuron's first spike in ms; a silent neuron reads the length of the trial, and
/// has no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstSpikeTime;

impl<F: Real> Readout<F> for FirstSpikeTime {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Vec<F>) -> Result<(), ReadoutError> {
        let first = |train: &[f64]| F::of(train.first().copied().unwrap_or(recording.duration()));
        y.extend(recording.spikes().iter().map(first));
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

/// The mean potential of each neuron, (1/T) int_0^T V dt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanVoltage;

/// The exponentially weighted mean potential, (1/T) int_0^T exp(-t/T) V dt: early evidence counts
/// more (Nowotny et al. 2022; Mészáros et al. 2025, eq. 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpWeightedMeanVoltage;

fn read_mean<F: Real>(
    recording: &Recording<'_, F>,
    rate: F,
    y: &mut Vec<F>,
) -> Result<(), ReadoutError> {
    let duration = F::of(recording.duration());
    for neuron in 0..recording.neurons() {
        y.push(recording.integral(neuron, rate)? / duration);
    }
    Ok(())
}

fn pull_back_mean<F: Real>(
    recording: &Recording<'_, F>,
    rate: F,
    gradient: &[F],
    sensitivity: &mut LayerSensitivity<F>,
) {
    let duration = F::of(recording.duration());
    sensitivity.potentials.extend(gradient.iter().enumerate().map(|(neuron, &g)| {
        PotentialSensitivity::Integral { neuron, rate, gradient: g / duration }
    }));
}

impl<F: Real> Readout<F> for MeanVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Vec<F>) -> Result<(), ReadoutError> {
        read_mean(recording, F::zero(), y)
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        pull_back_mean(recording, F::zero(), gradient, sensitivity);
        Ok(())
    }
}

impl<F: Real> Readout<F> for ExpWeightedMeanVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Vec<F>) -> Result<(), ReadoutError> {
        read_mean(recording, F::of(recording.duration()).recip(), y)
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        pull_back_mean(recording, F::of(recording.duration()).recip(), gradient, sensitivity);
        Ok(())
    }
}

/// The greatest potential of each neuron over the trial.
///
/// At a smooth maximum only the potential there counts (envelope theorem). At an arrival that turns
/// the potential down, the maximum also moves with the arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxVoltage;

impl<F: Real> Readout<F> for MaxVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Vec<F>) -> Result<(), ReadoutError> {
        for neuron in 0..recording.neurons() {
            y.push(recording.peak(neuron)?.value);
        }
        Ok(())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        for (neuron, &gradient) in gradient.iter().enumerate() {
            let Peak { time, kind, .. } = recording.peak(neuron)?;
            sensitivity.potentials.extend(match kind {
                // The potential at rest and the threshold do not depend on anything.
                PeakKind::Rest | PeakKind::Spike => None,
                PeakKind::Smooth => Some(PotentialSensitivity::At { neuron, time, gradient }),
                PeakKind::Arrival => {
                    Some(PotentialSensitivity::AtArrival { neuron, time, gradient })
                }
            });
        }
        Ok(())
    }
}
