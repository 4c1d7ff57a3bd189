//! The adjoint of a layer.

use super::arrivals::{Arrival, Inbox};
use super::dynamics::Dynamics;
use super::reads::{Integral, Probe};
use super::{Scratch, State, rest, with_receptors};
use crate::fast::Gathered;
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
    let bank = network.layers[layer].layer.mode_bank()?;
    scratch.reads.fill(potentials);
    macro_rules! run {
        ($receptors:literal) => {{
            let dynamics: Dynamics<'_, F, $receptors> = Dynamics::new(bank);
            let fired = &trace.layers[layer];
            Run { network, trace, layer, fired, dynamics, gathered }.layer(scratch)
        }};
    }
    with_receptors!(bank, run)
}

struct Run<'a, 'g, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    layer: usize,
    fired: &'a LayerTrace<F>,
    dynamics: Dynamics<'a, F, R>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize> Run<'_, '_, F, R> {
    fn layer(&mut self, scratch: &mut Scratch<F>) -> Option<()> {
        let Scratch { inbox, reads, kinks, .. } = scratch;
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
                let given = &self.gathered.layer_times[self.layer];
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
            kinks.clear();
            if probes.iter().any(|p| p.moves) {
                self.kinks(spikes.clone(), &inbox.arrivals, probes, kinks);
            }
            self.neuron(spikes, inbox, probes, integrals, kinks);
        }
        Some(())
    }

    /// What arrivals get from probes that move with them: dL/dV times the slope of V before the arrival,
    /// if that is the first event of its time. Ascending.
    fn kinks(
        &self,
        spikes: Range<usize>,
        arrivals: &[Arrival<F>],
        probes: &[Probe<F>],
        kinks: &mut Vec<(usize, F)>,
    ) {
        let Self { fired, dynamics, .. } = self;
        let mut moving = probes.iter().filter(|p| p.moves).peekable();
        let mut spikes = spikes.peekable();
        let mut state: State<F> = rest();
        let mut last = -1.0;
        for (k, arrival) in arrivals.iter().enumerate() {
            while let Some(s) = spikes.next_if(|&s| fired.arrivals[s] as usize <= k) {
                let time = fired.spikes.times()[s];
                dynamics.fire(F::of(time - f64::max(last, 0.0)), &mut state);
                last = time;
            }
            let is_first = last < arrival.time;
            state = dynamics.flow(F::of(arrival.time - f64::max(last, 0.0)), &state);
            last = arrival.time;
            while moving.next_if(|p| p.time < last).is_some() {}
            let mut gradient = F::zero();
            while let Some(probe) = moving.next_if(|p| p.time == last && is_first) {
                gradient += probe.gradient;
            }
            if gradient != F::zero() {
                let slope = (dynamics.drive(&state) - state[0]) * dynamics.rate_mem;
                kinks.push((k, gradient * slope));
            }
            state[arrival.receptor as usize + 1] += arrival.weight;
        }
    }

    /// Walks the events of a neuron back.
    fn neuron(
        &mut self,
        spikes: Range<usize>,
        inbox: &Inbox<F>,
        probes: &[Probe<F>],
        integrals: &[Integral<F>],
        kinks: &[(usize, F)],
    ) {
        let Self { network, fired, dynamics, gathered, .. } = self;
        let (first, mut spikes_left, mut left) = (spikes.start, spikes.end, inbox.arrivals.len());
        let mut probes = probes.iter().rev().peekable();
        let mut kinks = kinks.iter().rev().peekable();
        let mut adjoint = Adjoint { dynamics, integrals, time: self.trace.duration, p: rest() };
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
                let given = gathered.layer_times[self.layer][spikes_left];
                let floor = gathered.slope_floors[self.layer];
                adjoint.fire(fired.slopes[spikes_left].max(floor), given);
                continue;
            }
            left -= 1;
            let arrival = &inbox.arrivals[left];
            let kink = kinks.next_if(|k| k.0 == left).map_or(F::zero(), |k| k.1);
            let by_weight = adjoint.p[arrival.receptor as usize + 1];
            let rate = dynamics.receptors[arrival.receptor as usize].rate;
            let by_time =
                arrival.weight * (by_weight * rate - adjoint.p[0] * dynamics.rate_mem) + kink;
            let cause = inbox.cause(arrival);
            let (projection, synapse) = (cause.projection as usize, cause.synapse as usize);
            gathered.weights[projection][synapse] += by_weight;
            gathered.delays[projection][synapse] += by_time;
            let times = gathered.times(network.projections[projection].origin);
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
