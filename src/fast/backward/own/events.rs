//! Events of neurons: their spikes, and the releases of V after them.

use super::adjoint::{Aside, Segment};
use super::{Event, Run, Space};
use crate::fast::own::{Back, MOST_CURRENTS};
use crate::fast::plan::Plan;
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{ParameterKind, Real, Trace};
use std::ops::Range;

/// When V is released after a spike, if it is within the trial.
pub(super) fn release<F: Real>(trace: &Trace<F>, bank: &ModeBank<F>, spike: f64) -> Option<f64> {
    let release = spike + bank.rest()?.as_f64();
    (release < trace.duration).then_some(release)
}

/// Whether a trace has V' of all releases.
pub(super) fn tells_releases<F: Real>(trace: &Trace<F>, plan: &Plan<F>) -> bool {
    plan.populations.iter().all(|population| {
        let LayerTrace { spikes, releases, .. } = &trace.layers[population.layer];
        let offsets = spikes.offsets();
        (0..spikes.channels()).all(|neuron| {
            let bank = population.bank(neuron);
            (offsets[neuron]..offsets[neuron + 1]).all(|place| {
                let told = releases.get(place).is_some_and(|slope| !slope.is_nan());
                told || release(trace, bank, spikes.times()[place]).is_none()
            })
        })
    })
}

impl<F: Real, const R: usize, const K: usize> Run<'_, '_, F, R, K> {
    /// Takes a neuron's adjoint back over one of its spikes.
    pub(super) fn spike(&mut self, spike: Event<F>, bucket: usize) {
        let by_time = self.by_time(&spike);
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let neuron = self.block.neuron(population, slot);
        let bank = population.bank(neuron);
        let approach = self.trace.layers[population.layer].slopes[place];
        let slope = approach.max(self.gathered.slope_floors[population.layer]);
        let mut after = self.back_to(&spike, bucket);
        let Space { adjoint, sums, .. } = &mut *self.space;
        let aside = std::mem::replace(&mut adjoint.aside[slot], Aside::zero());
        let currents = bank.tau_syn().len();
        let mut all = [F::zero(); MOST_CURRENTS + 3];
        let p = &mut all[..bank.state_len()];
        p[0] = after.0[0].mem + aside.released.0;
        p[1..=currents].copy_from_slice(&after.0[0].syn[..currents]);
        if let Some(at) = bank.raise_place() {
            p[at] = aside.raise;
        }
        if let Some(at) = bank.hold_at() {
            p[at] = aside.hold;
        }
        let mut by_constants = |of: &dyn Fn((ParameterKind, usize)) -> F| {
            let Some(neurons) = self.network.layers[population.layer].layer.linear() else {
                return;
            };
            let gradients = &mut self.gathered.constants[population.layer];
            neurons.for_each_trainable(neuron, |constant, factor, at| {
                gradients[at] += factor * of(constant);
            });
        };
        if K > 1 {
            let (sums, w) = (&mut sums[slot].parts, after.0[1].mem + aside.released.1);
            sums.mem += bank.reset() * w + bank.kick() * after.0[1].syn[currents - 1];
            sums.syn[currents - 1] += bank.kick() * after.0[2].syn[currents - 1];
            let raised = (spike.raise + bank.jump()) * F::of(spike.next - spike.time);
            by_constants(&|(kind, _)| match kind {
                ParameterKind::TauThreshold => aside.raise * raised / bank.tau_raise().powi(2),
                kind => bank.fire_by(kind, p),
            });
            after.0[1].mem = F::zero();
        }
        bank.fire_back_from(&bank.before_spike(approach, spike.raise), slope, by_time, p);
        if K > 1 {
            by_constants(&|(kind, _)| bank.cross_by(kind, p));
        }
        after.0[0].mem = p[0];
        adjoint.aside[slot].raise = bank.raise_place().map_or(F::zero(), |at| p[at]);
        let end = self.window.end_of(bucket);
        adjoint.pass(slot, (bucket, end), Segment { end: spike.time, mode: after });
    }

    /// Takes a neuron's adjoint back over the release of V: a later one would take from V what it gains there, and
    /// before it nothing moves V.
    pub(super) fn release(&mut self, event: Event<F>, bucket: usize) {
        let slot = event.slot as usize;
        let population = &self.plan.populations[event.population as usize];
        let slope = self.trace.layers[population.layer].releases[event.place as usize];
        let mut after = self.back_to(&event, bucket);
        let adjoint = &mut self.space.adjoint;
        let aside = &mut adjoint.aside[slot];
        let p_v = std::mem::take(&mut after.0[0].mem);
        (aside.hold, aside.released.0) = (-p_v * slope, p_v);
        if K > 1 {
            aside.released.1 = std::mem::take(&mut after.0[1].mem);
        }
        let end = self.window.end_of(bucket);
        adjoint.pass(slot, (bucket, end), Segment { end: event.time, mode: after });
    }

    /// The adjoint of a neuron right after an event in a bucket.
    fn back_to(&mut self, event: &Event<F>, bucket: usize) -> Back<F, R, K> {
        let population = &self.plan.populations[event.population as usize];
        let slot = event.slot as usize;
        let neuron = self.block.neuron(population, slot);
        let constants = (population.bank(neuron), population.own_of(neuron));
        let end = self.window.end_of(bucket);
        let Space { adjoint, sums, .. } = &mut *self.space;
        adjoint.back(slot, constants, (end, event.time), &mut sums[slot])
    }

    /// Takes all neurons to the start of a bucket.
    pub(super) fn pass(&mut self, bucket: usize, events: Range<usize>) {
        let start = self.window.start + bucket as f64 * self.window.width;
        let end = self.window.end_of(bucket);
        let Space { events: all, adjoint, sums, .. } = &mut *self.space;
        let size = adjoint.present.len();
        for event in &all[events] {
            let slot = event.slot as usize;
            // The first to come takes it there.
            if adjoint.segments[slot].last().is_some_and(|s| s.end > start) {
                let population = &self.plan.populations[event.population as usize];
                let neuron = self.block.neuron(population, slot);
                let constants = (population.bank(neuron), population.own_of(neuron));
                let mode = adjoint.back(slot, constants, (end, start), &mut sums[slot]);
                adjoint.present[slot] = mode;
                adjoint.segments[slot].push(Segment { end: start, mode });
            }
        }
        for population in &self.plan.populations {
            let owns = self.block.owns(population);
            for (k, slot) in self.block.slots(population).enumerate() {
                if !adjoint.rows[bucket * size + slot].p().mem.is_nan() {
                    let more = (&mut adjoint.aside[slot].raise, &mut sums[slot]);
                    owns.of(k).take_back(&mut adjoint.present[slot], more);
                }
            }
        }
    }
}
