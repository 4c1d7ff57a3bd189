//! A neuron in the middle of the backward pass.

use crate::replay::{Event, Replay};
use crate::{Adjoint, Layer, PotentialSensitivity, Real};

/// A neuron in the middle of the backward pass.
#[derive(Default)]
pub(super) struct Neuron<F> {
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
    /// Notes how the loss depends on its potential.
    pub fn listen(&mut self, potentials: &[PotentialSensitivity<F>]) {
        self.probes.clear();
        self.integrals.clear();
        for term in potentials.iter().filter(|t| t.neuron() == self.index) {
            match *term {
                PotentialSensitivity::At { time, gradient, .. } => {
                    self.probes.push((time, gradient, false));
                }
                PotentialSensitivity::AtArrival { time, gradient, .. } => {
                    self.probes.push((time, gradient, true));
                }
                PotentialSensitivity::Integral { rate, gradient, .. } => {
                    self.integrals.push((rate, gradient));
                }
            }
        }
        // Those that move with an event come last, next to it.
        self.probes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        self.probe_times.clear();
        self.probe_times.extend(self.probes.iter().map(|probe| probe.0));
    }

    /// What an arrival or a spike gets from probes that move with it. They stand right before the first of
    /// their time.
    pub fn kink(&self, model: &dyn Layer<F>, at: usize) -> F {
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
    pub fn jump_in_integrals(&self, model: &dyn Layer<F>, at: usize) -> F {
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
    pub fn flow_back(&mut self, model: &dyn Layer<F>, end: f64, parameters: &mut [F]) {
        let start = self.replay.segment_start(self.left);
        let state = self.replay.segment(self.left);
        let dt = F::of(end - start);
        let adjoint = &mut Adjoint { state: &mut self.adjoint, parameters };
        model.flow_back(self.index, dt, state, adjoint);
        for &(rate, gradient) in &self.integrals {
            let discounted = gradient * (-rate * F::of(start)).exp();
            model.integral_back(self.index, state, dt, rate, discounted, adjoint);
        }
    }
}
