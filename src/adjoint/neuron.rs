//! A neuron in the middle of the backward pass.

use super::Gathered;
use crate::replay::{Event, Replay};
use crate::{Adjoint, Layer, Real, SpikingNetwork, Trace};

/// A neuron in the middle of the backward pass.
#[derive(Debug, Default)]
pub(crate) struct Neuron<F> {
    pub layer: usize,
    pub index: usize,
    pub replay: Replay<F>,
    /// How many events are still to come.
    pub left: usize,
    /// dL/dstate just after event `left - 1`, or at the end of the trial.
    pub adjoint: Vec<F>,
    /// (time, gradient, whether it moves with an arrival or a spike) of each probe, and the times alone.
    pub probes: Vec<(f64, F, bool)>,
    pub probe_times: Vec<f64>,
    /// (rate, gradient) of each integral.
    pub integrals: Vec<(F, F)>,
}

impl<F: Real> Neuron<F> {
    /// Notes how the loss depends on its potential: probes, in any order, and integrals.
    pub fn listen(
        &mut self,
        probes: impl Iterator<Item = (f64, F, bool)>,
        integrals: impl Iterator<Item = (F, F)>,
    ) {
        self.probes.clear();
        self.probes.extend(probes);
        self.integrals.clear();
        self.integrals.extend(integrals);
        // Those that move with an event come last, next to it.
        self.probes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        self.probe_times.clear();
        self.probe_times.extend(self.probes.iter().map(|probe| probe.0));
    }

    /// Sets the adjoint at the end of the trial that has been rebuilt.
    pub fn start(&mut self, network: &SpikingNetwork<F>, duration: f64, parameters: &mut [F]) {
        self.left = self.replay.events.len();
        let model = network.layers[self.layer].layer.as_ref();
        self.adjoint.clear();
        self.adjoint.resize(model.state_len(), F::zero());
        self.flow_back(model, duration, parameters);
    }

    /// Back over the last event, and over the segment before that.
    pub fn step(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        gathered: &mut Gathered<'_, F>,
    ) {
        let model = network.layers[self.layer].layer.as_ref();
        let at = self.left - 1;
        let (time, event) = self.replay.events[at];
        // What a loss that reads potentials says about the time of the event.
        let read = match event {
            Event::Probe(_) => F::zero(),
            _ => self.kink(model, at) + self.jump_in_integrals(model, at),
        };
        let state = self.replay.before(at);
        let parameters = gathered.constants[self.layer].as_mut_slice();
        let adjoint = &mut Adjoint { state: &mut self.adjoint, parameters };
        match event {
            Event::Arrival(k) => {
                let arrival = self.replay.arrivals[k];
                let (receptor, weight) = (arrival.receptor as usize, arrival.weight);
                let mut gradient = model.receive_back(self.index, receptor, weight, state, adjoint);
                gradient.time += read;
                let (projection, synapse) = (arrival.projection as usize, arrival.synapse as usize);
                gathered.weights[projection][synapse] += gradient.weight;
                gathered.delays[projection][synapse] += gradient.time;
                let times = gathered.times.of(network.projections[projection].origin);
                times[arrival.spike as usize] += gradient.time;
            }
            Event::Spike(s) => {
                let slope = trace.layers[self.layer].slopes[s];
                let slope = slope.max(gathered.slope_floors[self.layer]);
                let given = gathered.times.layers[self.layer][s] + read;
                model.fire_back(self.index, state, slope, given, adjoint);
            }
            Event::Probe(k) => {
                let (_, gradient, _) = self.probes[k];
                model.potential_back(self.index, state, gradient, adjoint);
            }
        }
        self.left = at;
        self.flow_back(model, time, &mut gathered.constants[self.layer]);
    }

    /// What an arrival or a spike gets from probes that move with it. They stand right before the first of
    /// their time.
    fn kink(&self, model: &dyn Layer<F>, at: usize) -> F {
        let mut gradient = F::zero();
        for &(time, event) in self.replay.events[..at].iter().rev() {
            match event {
                Event::Probe(k) if self.probes[k].2 && time == self.replay.events[at].0 => {
                    gradient += self.probes[k].1;
                }
                _ => break,
            }
        }
        if gradient == F::zero() {
            return gradient;
        }
        gradient * model.slope(self.index, self.replay.before(at))
    }

    /// What integrals of the potential contribute to dL/dt of event `at`: while it waits, the
    /// potential stays what it was before.
    fn jump_in_integrals(&self, model: &dyn Layer<F>, at: usize) -> F {
        if self.integrals.is_empty() {
            return F::zero();
        }
        let time = F::of(self.replay.events[at].0);
        let weight: F = self.integrals.iter().map(|&(rate, g)| g * (-rate * time).exp()).sum();
        let before = model.potential(self.index, self.replay.before(at));
        let after = model.potential(self.index, self.replay.segment(at + 1));
        weight * (before - after)
    }

    /// From `end` to the start of the segment that ends with event `left`. Adds to the gradient by the
    /// layer's parameters.
    fn flow_back(&mut self, model: &dyn Layer<F>, end: f64, parameters: &mut [F]) {
        let start = self.replay.segment_start(self.left);
        let state = self.replay.segment(self.left);
        let dt = F::of(end - start);
        let adjoint = &mut Adjoint { state: &mut self.adjoint, parameters };
        model.flow_back(self.index, dt, state, adjoint);
        for &(rate, gradient) in &self.integrals {
            let discounted = gradient * (-rate * F::of(start)).exp();
            model.integral_back(self.index, state, dt, rate, discounted, adjoint);
        }
        if self.left == 0 {
            model.rest_back(self.index, adjoint);
        }
    }
}
