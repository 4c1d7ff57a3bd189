//! The adjoint of a layer.

use super::arrivals::Inbox;
use super::dynamics::Dynamics;
use super::reads::{Integral, Probe};
use super::{Scratch, State, quick, rest, with_dynamics};
use crate::adjoint::{Gathered, Neuron};
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::trace::LayerTrace;
use crate::{PotentialSensitivity, Real, SpikingNetwork, Trace};
use std::ops::Range;

/// Differentiates a layer without recurrence, or leaves it to another engine. Slopes have been checked.
pub(crate) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    potentials: &[PotentialSensitivity<F>],
    gathered: &mut Gathered<'_, F>,
    scratch: &mut Scratch<F>,
) -> Option<()> {
    let neurons = network.layers[layer].layer.linear()?;
    scratch.reads.fill(potentials);
    let fired = &trace.layers[layer];
    let mut run = Run { network, trace, layer, fired, gathered };
    let quick = quick(neurons).filter(|_| !neurons.learn());
    macro_rules! run {
        ($dynamics:expr) => {
            run.layer(neurons.banks(), $dynamics, scratch)
        };
    }
    with_dynamics!(quick, run)
}

/// What reaches a neuron, and what of it the loss reads.
struct Trial<'a, F> {
    neuron: usize,
    /// Those of its spikes that count.
    spikes: Range<usize>,
    inbox: &'a Inbox<F>,
    probes: &'a [Probe<F>],
    integrals: &'a [Integral<F>],
}

/// A neuron that can be taken back through a trial.
trait Back<F: Real> {
    fn back(&self, run: &mut Run<'_, '_, F>, trial: &Trial<'_, F>, memory: &mut Memory<F>);
}

/// The memory of a neuron on its way back.
#[derive(Debug, Default)]
pub(super) struct Memory<F> {
    /// What arrivals get from probes that move with them.
    kinks: Vec<(usize, F)>,
    neuron: Neuron<F>,
}

struct Run<'a, 'g, F: Real> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    layer: usize,
    fired: &'a LayerTrace<F>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real> Run<'_, '_, F> {
    fn layer<'b, B: Back<F>>(
        &mut self,
        banks: &'b [ModeBank<F>],
        dynamics: impl Fn(&'b ModeBank<F>) -> B,
        scratch: &mut Scratch<F>,
    ) -> Option<()> {
        let Scratch { inbox, reads, memory, .. } = scratch;
        let mut model = dynamics(&banks[0]);
        let (trace, fired) = (self.trace, self.fired);
        let trains = |p: &Projection<F>| trace.sources(p.origin);
        let offsets = fired.spikes.offsets();
        for neuron in 0..fired.spikes.channels() {
            let (probes, integrals) = reads.of(neuron);
            let mut spikes = offsets[neuron]..offsets[neuron + 1];
            let mut until = trace.duration;
            let is_read = !(probes.is_empty() && integrals.is_empty());
            if !is_read {
                // Nothing after the last spike that counts has a gradient.
                let given = &self.gathered.times.layers[self.layer];
                let counts = |&s: &usize| given[s] != F::zero();
                let Some(last) = spikes.clone().rev().find(counts) else { continue };
                spikes.end = last + 1;
                // Right after it: arrivals may act at its time and before it.
                until = f64::from_bits(fired.spikes.times()[last].to_bits() + 1);
            }
            // A network that made a trace has no synapses without meaning.
            inbox.fill(self.network, (self.layer, neuron), until, trains).ok()?;
            if let (Some(last), false) = (spikes.clone().next_back(), is_read) {
                inbox.arrivals.truncate(fired.arrivals[last] as usize);
            }
            if banks.len() > 1 {
                model = dynamics(&banks[neuron]);
            }
            let trial = Trial { neuron, spikes, inbox, probes, integrals };
            model.back(self, &trial, memory);
        }
        Some(())
    }
}

/// Any linear neuron takes the steps of the plain engine.
impl<F: Real> Back<F> for &ModeBank<F> {
    fn back(&self, run: &mut Run<'_, '_, F>, trial: &Trial<'_, F>, memory: &mut Memory<F>) {
        let (network, trace, layer) = (run.network, run.trace, run.layer);
        let neuron = &mut memory.neuron;
        (neuron.layer, neuron.index) = (layer, trial.neuron);
        let probes = trial.probes.iter().map(|p| (p.time, p.gradient, p.moves));
        neuron.listen(probes, trial.integrals.iter().map(|i| (i.rate, i.gradient)));
        neuron.replay.arrivals.clear();
        neuron.replay.arrivals.extend(trial.inbox.arrivals.iter().map(|arrival| {
            let cause = trial.inbox.cause(arrival);
            crate::arrivals::Arrival {
                time: arrival.time,
                rank: 0,
                projection: cause.projection,
                synapse: cause.synapse,
                spike: cause.spike,
                receptor: arrival.receptor,
                weight: arrival.weight,
            }
        }));
        neuron.replay.rebuild(network, trace, (layer, trial.neuron), &neuron.probe_times);
        neuron.start(network, trace.duration, &mut run.gathered.constants[layer]);
        while neuron.left > 0 {
            neuron.step(network, trace, run.gathered);
        }
    }
}

impl<F: Real, const R: usize> Back<F> for Dynamics<'_, F, R> {
    fn back(&self, run: &mut Run<'_, '_, F>, trial: &Trial<'_, F>, memory: &mut Memory<F>) {
        memory.kinks.clear();
        let mut moving = trial.probes.iter().filter(|p| p.moves).peekable();
        if moving.peek().is_some() {
            // What moves with a spike is read seldom.
            let spikes = &run.fired.spikes.times()[trial.spikes.clone()];
            if moving.any(|p| spikes.binary_search_by(|t| t.total_cmp(&p.time)).is_ok()) {
                return self.bank.back(run, trial, memory);
            }
            self.kinks(run.fired, trial, &mut memory.kinks);
        }
        self.neuron(run, trial, &memory.kinks);
    }
}

impl<F: Real, const R: usize> Dynamics<'_, F, R> {
    /// What arrivals get from probes that move with them: dL/dV times the slope of V before the arrival,
    /// if that is the first event of its time. Ascending.
    fn kinks(&self, fired: &LayerTrace<F>, trial: &Trial<'_, F>, kinks: &mut Vec<(usize, F)>) {
        let mut moving = trial.probes.iter().filter(|p| p.moves).peekable();
        let mut spikes = trial.spikes.clone().peekable();
        let mut state: State<F> = rest();
        let mut last = -1.0;
        for (k, arrival) in trial.inbox.arrivals.iter().enumerate() {
            while let Some(s) = spikes.next_if(|&s| fired.arrivals[s] as usize <= k) {
                let time = fired.spikes.times()[s];
                self.reset_after(F::of(time - f64::max(last, 0.0)), &mut state);
                last = time;
            }
            let is_first = last < arrival.time;
            state = self.flow(F::of(arrival.time - f64::max(last, 0.0)), &state);
            last = arrival.time;
            while moving.next_if(|p| p.time < last).is_some() {}
            let mut gradient = F::zero();
            while let Some(probe) = moving.next_if(|p| p.time == last && is_first) {
                gradient += probe.gradient;
            }
            if gradient != F::zero() {
                let slope = (self.drive(&state) - state[0]) * self.rate_mem;
                kinks.push((k, gradient * slope));
            }
            state[arrival.receptor as usize + 1] += arrival.weight;
        }
    }

    /// Walks the events of a neuron back.
    fn neuron(&self, run: &mut Run<'_, '_, F>, trial: &Trial<'_, F>, kinks: &[(usize, F)]) {
        let Run { network, fired, gathered, .. } = run;
        let Trial { spikes, inbox, probes, integrals, .. } = trial;
        let (first, mut spikes_left, mut left) = (spikes.start, spikes.end, inbox.arrivals.len());
        let mut probes = probes.iter().rev().peekable();
        let mut kinks = kinks.iter().rev().peekable();
        let mut adjoint =
            Adjoint { dynamics: self, integrals, time: run.trace.duration, p: rest() };
        loop {
            // A spike comes after the arrivals that its neuron had seen.
            let fires = spikes_left > first && fired.arrivals[spikes_left - 1] as usize >= left;
            let time = match (fires, left) {
                (true, _) => fired.spikes.times()[spikes_left - 1],
                (false, 1..) => inbox.arrivals[left - 1].time,
                (false, 0) => return,
            };
            // A probe comes before what happens at its time.
            while let Some(probe) = probes.next_if(|p| p.time > time) {
                adjoint.back_to(probe.time);
                adjoint.p[0] += probe.gradient;
            }
            adjoint.back_to(time);
            if fires {
                spikes_left -= 1;
                let given = gathered.times.layers[run.layer][spikes_left];
                let floor = gathered.slope_floors[run.layer];
                adjoint.fire(fired.slopes[spikes_left].max(floor), given);
                continue;
            }
            left -= 1;
            let arrival = &inbox.arrivals[left];
            let kink = kinks.next_if(|k| k.0 == left).map_or(F::zero(), |k| k.1);
            let by_weight = adjoint.p[arrival.receptor as usize + 1];
            let rate = self.receptors[arrival.receptor as usize].rate;
            let by_time = arrival.weight * (by_weight * rate - adjoint.p[0] * self.rate_mem) + kink;
            let cause = inbox.cause(arrival);
            let (projection, synapse) = (cause.projection as usize, cause.synapse as usize);
            gathered.weights[projection][synapse] += by_weight;
            gathered.delays[projection][synapse] += by_time;
            let times = gathered.times.of(network.projections[projection].origin);
            times[cause.spike as usize] += by_time;
        }
    }
}

/// dL/dstate of a neuron on its way back.
struct Adjoint<'a, F, const R: usize> {
    dynamics: &'a Dynamics<'a, F, R>,
    integrals: &'a [Integral<F>],
    time: f64,
    p: State<F>,
}

impl<F: Real, const R: usize> Adjoint<'_, F, R> {
    /// Back over a stretch without events.
    fn back_to(&mut self, time: f64) {
        let dt = F::of(self.time - time);
        self.time = time;
        if self.p[..=R].iter().any(|p| *p != F::zero()) {
            self.dynamics.flow_back(dt, &mut self.p);
        }
        for integral in self.integrals {
            let gradient = integral.discounted(time);
            self.dynamics.bank.integral_back(dt, integral.rate, gradient, &mut self.p[..=R]);
        }
    }

    /// Back over a spike of this slope, of which the loss and its arrivals gave dL/dt.
    fn fire(&mut self, slope: F, given: F) {
        let bank = self.dynamics.bank;
        // While it waits, the potential is not reset.
        let drop = bank.threshold().unwrap_or(bank.reset()) - bank.reset();
        let integrals: F = self.integrals.iter().map(|i| i.discounted(self.time) * drop).sum();
        bank.fire_back(slope, given + integrals, &mut self.p[..=R]);
    }
}
