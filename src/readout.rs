//! Read-outs: from what a layer did to a vector.

use crate::fast::voltage_integrals;
use crate::layer::Layer;
use crate::network::Engine;
use crate::replay::{Event, Replay};
use crate::{
    LayerSensitivity, PotentialSensitivity, Real, SimulationError, SpikeTrains, SpikingNetwork,
    Trace,
};
use std::cell::OnceCell;
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

/// What read-outs see: the spikes of one layer, and its potential in closed form.
///
/// Potentials are not stored: they are rebuilt from the spikes when they are first asked for.
#[derive(Debug)]
pub struct Recording<'a, F: Real = f64> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    number: usize,
    layer: &'a dyn Layer<F>,
    spikes: &'a SpikeTrains,
    duration: f64,
    /// One per neuron.
    replays: Vec<OnceCell<Replay<F>>>,
    /// The integrals at one rate of all neurons, where the fast engine has them.
    integrals: OnceCell<Option<(F, Vec<F>)>>,
}

/// The greatest potential of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak<F = f64> {
    /// When, in ms.
    pub time: f64,
    /// The potential there.
    pub value: F,
    /// What it is due to.
    pub kind: PeakKind,
}

/// Where a potential can be greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeakKind {
    /// At the start of the trial, at rest.
    Rest,
    /// At a smooth maximum, or at the end of the trial.
    Smooth,
    /// At an arrival that turns the potential down.
    Arrival,
    /// At the threshold.
    Spike,
}

impl<'a, F: Real> Recording<'a, F> {
    pub(crate) fn new(network: &'a SpikingNetwork<F>, trace: &'a Trace<F>, layer: usize) -> Self {
        let model = network.layers[layer].layer.as_ref();
        Self {
            network,
            trace,
            number: layer,
            layer: model,
            spikes: &trace.layers[layer].spikes,
            duration: trace.duration,
            replays: vec![OnceCell::new(); model.size()],
            integrals: OnceCell::new(),
        }
    }

    /// The number of neurons.
    pub fn neurons(&self) -> usize {
        self.layer.size()
    }

    /// The length of the trial in ms.
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// The spikes of the layer.
    pub fn spikes(&self) -> &SpikeTrains {
        self.spikes
    }

    /// int_0^T V exp(-rate t) dt of a neuron; `rate` in 1/ms.
    ///
    /// # Errors
    /// If the model has no closed form of it.
    pub fn integral(&self, neuron: usize, rate: F) -> Result<F, ReadoutError> {
        if self.network.engine == Engine::Fast {
            let Self { network, trace, number, .. } = *self;
            let all = || Some((rate, voltage_integrals(network, trace, number, rate)?));
            match self.integrals.get_or_init(all) {
                Some((known, values)) if *known == rate => return Ok(values[neuron]),
                _ => {}
            }
        }
        let replay = self.replay(neuron)?;
        let mut total = F::zero();
        for (k, start, end) in segments(replay, self.duration) {
            let part = self
                .layer
                .integral(neuron, replay.segment(k), F::of(end - start), rate)
                .ok_or_else(|| self.no_closed_form("the integral of the potential"))?;
            total += part * (-rate * F::of(start)).exp();
        }
        Ok(total)
    }

    /// The greatest potential of a neuron; the first one if several are equal.
    ///
    /// # Errors
    /// If the model cannot tell where they are stationary.
    pub fn peak(&self, neuron: usize) -> Result<Peak<F>, ReadoutError> {
        let replay = self.replay(neuron)?;
        let value = self.layer.potential(neuron, replay.segment(0));
        let mut peak = Peak { time: 0.0, value, kind: PeakKind::Rest };
        let mut state = Vec::new();
        for (k, start, end) in segments(replay, self.duration) {
            let from = replay.segment(k);
            let dt = F::of(end - start);
            let interior = self
                .layer
                .stationary_points(neuron, from, dt)
                .ok_or_else(|| self.no_closed_form("the extrema of the potential"))?;
            let last = match replay.events.get(k) {
                None => PeakKind::Smooth,
                Some((_, Event::Spike(_))) => PeakKind::Spike,
                Some(_) => PeakKind::Arrival,
            };
            let inside = interior.into_iter().map(|s| (s, start + s.as_f64(), PeakKind::Smooth));
            for (after, time, kind) in inside.chain([(dt, end, last)]) {
                state.clear();
                state.extend_from_slice(from);
                self.layer.flow(neuron, after, &mut state);
                let value = self.layer.potential(neuron, &state);
                if value > peak.value {
                    peak = Peak { time, value, kind };
                }
            }
        }
        Ok(peak)
    }

    /// The potential of a neuron at a time in ms, just before anything that happens then.
    ///
    /// # Errors
    /// If the trial cannot be rebuilt.
    pub fn potential(&self, neuron: usize, time: f64) -> Result<F, ReadoutError> {
        let replay = self.replay(neuron)?;
        let k = replay.events.partition_point(|(t, _)| *t < time);
        let mut state = replay.segment(k).to_vec();
        self.layer.flow(neuron, F::of(time - replay.segment_start(k)), &mut state);
        Ok(self.layer.potential(neuron, &state))
    }

    fn replay(&self, neuron: usize) -> Result<&Replay<F>, ReadoutError> {
        let cell = &self.replays[neuron];
        if let Some(replay) = cell.get() {
            return Ok(replay);
        }
        let group = self.network.groups.iter().find(|g| g.contains(&self.number));
        let group = group.map_or(&[] as &[usize], Vec::as_slice);
        let mut replay = Replay::default();
        replay.run(self.network, self.trace, group, (self.number, neuron), &[])?;
        Ok(cell.get_or_init(|| replay))
    }

    fn no_closed_form(&self, what: &'static str) -> ReadoutError {
        ReadoutError::NoClosedForm { layer: self.network.layers[self.number].name.clone(), what }
    }
}

/// (number, start, end) of the segments between events.
fn segments<F: Real>(
    replay: &Replay<F>,
    duration: f64,
) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
    (0..=replay.events.len()).map(move |k| {
        let end = replay.events.get(k).map_or(duration, |(time, _)| *time);
        (k, replay.segment_start(k), end)
    })
}

/// Turns what a layer did into a vector y, one number per neuron, and dL/dy back into the
/// sensitivity of the loss to the layer's spikes and potentials.
pub trait Readout<F: Real>: Send + Sync {
    /// The vector y.
    ///
    /// # Errors
    /// If the layer lacks what is read.
    fn read(&self, recording: &Recording<'_, F>) -> Result<Vec<F>, ReadoutError>;

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
    fn read(&self, recording: &Recording<'_, F>) -> Result<Vec<F>, ReadoutError> {
        let first = |train: &[f64]| F::of(train.first().copied().unwrap_or(recording.duration));
        Ok(recording.spikes.iter().map(first).collect())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        for (w, &g) in recording.spikes.offsets().windows(2).zip(gradient) {
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

fn read_mean<F: Real>(recording: &Recording<'_, F>, rate: F) -> Result<Vec<F>, ReadoutError> {
    let duration = F::of(recording.duration);
    (0..recording.neurons()).map(|n| Ok(recording.integral(n, rate)? / duration)).collect()
}

fn pull_back_mean<F: Real>(
    recording: &Recording<'_, F>,
    rate: F,
    gradient: &[F],
    sensitivity: &mut LayerSensitivity<F>,
) {
    let duration = F::of(recording.duration);
    sensitivity.potentials.extend(gradient.iter().enumerate().map(|(neuron, &g)| {
        PotentialSensitivity::Integral { neuron, rate, gradient: g / duration }
    }));
}

impl<F: Real> Readout<F> for MeanVoltage {
    fn read(&self, recording: &Recording<'_, F>) -> Result<Vec<F>, ReadoutError> {
        read_mean(recording, F::zero())
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
    fn read(&self, recording: &Recording<'_, F>) -> Result<Vec<F>, ReadoutError> {
        read_mean(recording, F::of(recording.duration).recip())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        pull_back_mean(recording, F::of(recording.duration).recip(), gradient, sensitivity);
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
    fn read(&self, recording: &Recording<'_, F>) -> Result<Vec<F>, ReadoutError> {
        (0..recording.neurons()).map(|n| Ok(recording.peak(n)?.value)).collect()
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
