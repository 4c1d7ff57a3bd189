//! What read-outs see of a layer.

use super::ReadoutError;
use crate::fast::{Inflows, MOST_RATES};
use crate::layer::Layer;
use crate::network::{Engine, Scratch};
use crate::pool::Loan;
use crate::replay::{Event, Replay};
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork, Trace};
use std::cell::RefCell;

/// What read-outs see: the spikes of one layer, and its potential in closed form.
///
/// Potentials are not stored: they are rebuilt from the spikes when they are asked for, neuron by neuron.
/// So ask for all of one neuron before the next.
#[derive(Debug)]
pub struct Recording<'a, F: Real = f64> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    number: usize,
    layer: &'a dyn Layer<F>,
    spikes: &'a SpikeTrains,
    duration: f64,
    /// Borrowed from the network when potentials are first asked for.
    scratch: RefCell<Option<Loan<'a, Scratch<F>>>>,
}

/// What a recording has worked out so far; kept for its memory.
#[derive(Default)]
pub(crate) struct Memory<F> {
    replay: Replay<F>,
    /// The neuron whose trial this is.
    replayed: Option<usize>,
    peaks: Vec<Option<Peak<F>>>,
    /// Those of the first few rates asked for; the others are left from other trials.
    integrals: Vec<Integrals<F>>,
    rates: usize,
    state: Vec<F>,
    stationary: Vec<F>,
}

/// What the fast engine knows at one rate.
#[derive(Default)]
struct Integrals<F> {
    rate: F,
    /// Whether it can tell.
    found: bool,
    inflows: Inflows<F>,
}

impl<F: Real> Memory<F> {
    /// What to compute integrals at a rate from; `fill` writes it, or cannot tell. `None` also after many other
    /// rates: for neurons with rates of their own it does not pay.
    fn inflows(
        &mut self,
        rate: F,
        fill: impl FnOnce(&mut Inflows<F>) -> Option<()>,
    ) -> Option<&Inflows<F>> {
        let at = match self.integrals[..self.rates].iter().position(|all| all.rate == rate) {
            Some(at) => at,
            None if self.rates == MOST_RATES => return None,
            None => {
                self.rates += 1;
                if self.integrals.len() < self.rates {
                    self.integrals.push(Integrals::default());
                }
                let all = &mut self.integrals[self.rates - 1];
                all.rate = rate;
                all.found = fill(&mut all.inflows).is_some();
                self.rates - 1
            }
        };
        let all = &self.integrals[at];
        all.found.then_some(&all.inflows)
    }
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
        Self {
            network,
            trace,
            number: layer,
            layer: network.layers[layer].layer.as_ref(),
            spikes: &trace.layers[layer].spikes,
            duration: trace.duration,
            scratch: RefCell::new(None),
        }
    }

    /// The number of neurons.
    pub fn neurons(&self) -> usize {
        self.layer.size()
    }

    fn layer_name(&self) -> String {
        self.network.layers[self.number].name.clone()
    }

    /// Refuses a layer whose neurons never fire.
    pub(crate) fn check_fires(&self) -> Result<(), ReadoutError> {
        if self.layer.fires() {
            return Ok(());
        }
        Err(ReadoutError::NeverFires { layer: self.layer_name() })
    }

    /// The length of the trial in ms.
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// The spikes of the layer.
    pub fn spikes(&self) -> &SpikeTrains {
        self.spikes
    }

    /// Whether the potential at a spike may depend on anything.
    pub(super) fn threshold_moves(&self) -> bool {
        self.layer.linear().is_none_or(|neurons| neurons.learn() || !neurons.are_plain())
    }

    /// int_0^T V exp(-rate t) dt of a neuron; `rate` in 1/ms.
    ///
    /// # Errors
    /// If the model has no closed form of it, or there is no such neuron.
    pub fn integral(&self, neuron: usize, rate: F) -> Result<F, ReadoutError> {
        self.check_neuron(neuron)?;
        self.with_scratch(|Scratch { recording: memory, .. }| {
            let Self { network, trace, number, .. } = *self;
            if network.engine == Engine::Fast {
                let fill = |inflows: &mut Inflows<F>| inflows.fill(network, trace, number, rate);
                if let Some(inflows) = memory.inflows(rate, fill) {
                    return Ok(inflows.integral(network, trace, neuron));
                }
            }
            self.replay(neuron, memory)?;
            let replay = &memory.replay;
            let mut total = F::zero();
            for (k, start, end) in segments(replay, self.duration) {
                let part = self
                    .layer
                    .integral(neuron, replay.segment(k), F::of(end - start), rate)
                    .ok_or_else(|| self.no_closed_form("the integral of the potential"))?;
                total += part * (-rate * F::of(start)).exp();
            }
            Ok(total)
        })
    }

    /// The greatest potential of a neuron; the first one if several are equal.
    ///
    /// # Errors
    /// If the model cannot tell where they are stationary, if the greatest is reached by a jump, or there is no such neuron.
    pub fn peak(&self, neuron: usize) -> Result<Peak<F>, ReadoutError> {
        self.check_neuron(neuron)?;
        self.with_scratch(|Scratch { recording: memory, .. }| {
            if let Some(known) = memory.peaks[neuron] {
                return Ok(known);
            }
            self.replay(neuron, memory)?;
            let Memory { replay, state, stationary, .. } = memory;
            let value = self.layer.potential(neuron, replay.segment(0));
            let mut peak = Peak { time: 0.0, value, kind: PeakKind::Rest };
            let mut jumps_to = value;
            for (k, start, end) in segments(replay, self.duration) {
                let from = replay.segment(k);
                let dt = F::of(end - start);
                stationary.clear();
                self.layer
                    .stationary_points(neuron, from, dt, stationary)
                    .ok_or_else(|| self.no_closed_form("the extrema of the potential"))?;
                let last = match replay.events.get(k) {
                    None => PeakKind::Smooth,
                    Some((_, Event::Spike(_))) => PeakKind::Spike,
                    Some(_) => PeakKind::Arrival,
                };
                let smooth = |&s: &F| (s, start + s.as_f64(), PeakKind::Smooth);
                let inside = stationary.iter().map(smooth);
                for (after, time, kind) in inside.chain([(dt, end, last)]) {
                    state.clear();
                    state.extend_from_slice(from);
                    self.layer.flow(neuron, after, state);
                    let value = self.layer.potential(neuron, state);
                    if value > peak.value {
                        peak = Peak { time, value, kind };
                    }
                }
                if self.layer.linear().is_none() && k < replay.events.len() {
                    jumps_to = jumps_to.max(self.layer.potential(neuron, replay.segment(k + 1)));
                }
            }
            if jumps_to > peak.value {
                let what = "a greatest potential that an arrival or a spike jumps to";
                return Err(self.no_closed_form(what));
            }
            memory.peaks[neuron] = Some(peak);
            Ok(peak)
        })
    }

    /// The potential of a neuron at a time in ms, just before anything that happens then.
    ///
    /// # Errors
    /// A time outside of the trial, [0, T], or no such neuron.
    pub fn potential(&self, neuron: usize, time: f64) -> Result<F, ReadoutError> {
        self.at(neuron, time, |state| self.layer.potential(neuron, state))
    }

    /// The threshold of a neuron at a time in ms, just before anything that happens then; `None` if it never
    /// fires, or if the model does not tell.
    ///
    /// # Errors
    /// See [`Recording::potential`].
    pub fn threshold(&self, neuron: usize, time: f64) -> Result<Option<F>, ReadoutError> {
        self.at(neuron, time, |state| self.layer.threshold(neuron, state))
    }

    /// Reads the state of a neuron at a time.
    fn at<O>(
        &self,
        neuron: usize,
        time: f64,
        read: impl FnOnce(&[F]) -> O,
    ) -> Result<O, ReadoutError> {
        self.check_neuron(neuron)?;
        if !(0.0..=self.duration).contains(&time) {
            return Err(ReadoutError::Time { index: 0, time, duration: self.duration });
        }
        self.with_scratch(|Scratch { recording: memory, .. }| {
            self.replay(neuron, memory)?;
            let Memory { replay, state, .. } = memory;
            let k = replay.events.partition_point(|(t, _)| *t < time);
            state.clear();
            state.extend_from_slice(replay.segment(k));
            self.layer.flow(neuron, F::of(time - replay.segment_start(k)), state);
            Ok(read(state))
        })
    }

    /// Calls `f` with the memory of this recording.
    fn with_scratch<O>(&self, f: impl FnOnce(&mut Scratch<F>) -> O) -> O {
        let mut place = self.scratch.borrow_mut();
        let scratch = place.get_or_insert_with(|| {
            let mut scratch = self.network.scratch.take();
            let Memory { replayed, peaks, rates, .. } = &mut scratch.recording;
            (*replayed, *rates) = (None, 0);
            peaks.clear();
            peaks.resize(self.neurons(), None);
            scratch
        });
        f(scratch)
    }

    /// Rebuilds the trial of a neuron.
    fn replay(&self, neuron: usize, memory: &mut Memory<F>) -> Result<(), SimulationError> {
        if memory.replayed == Some(neuron) {
            return Ok(());
        }
        memory.replayed = None;
        let group = self.network.groups.iter().find(|g| g.contains(&self.number));
        let group = group.map_or(&[] as &[usize], Vec::as_slice);
        memory.replay.run(self.network, self.trace, group, (self.number, neuron), &[])?;
        memory.replayed = Some(neuron);
        Ok(())
    }

    fn check_neuron(&self, neuron: usize) -> Result<(), ReadoutError> {
        if neuron < self.neurons() {
            return Ok(());
        }
        let layer = self.layer_name();
        Err(ReadoutError::NoSuchNeuron { layer, neuron, neurons: self.neurons() })
    }

    fn no_closed_form(&self, what: &'static str) -> ReadoutError {
        ReadoutError::NoClosedForm { layer: self.layer_name(), what }
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
