//! Slabs in which nothing happens.

use super::Run;
use crate::Real;
use crate::fast::plan::{Modes, Population};
use crate::fast::step::Step;

impl<F: Real, const R: usize, const N: usize, const OWN: bool> Run<'_, F, R, N, OWN> {
    /// Takes all neurons through the slab at once, if nothing arrives in it and none can fire; returns whether it did.
    pub(super) fn rest(&mut self) -> bool {
        let (plan, buckets) = (self.plan, self.plan.grid.slab);
        let is_whole = buckets > 1 && self.window.buckets == buckets;
        if !is_whole || self.space.inbox.len() > 0 {
            return false;
        }
        let rests = plan.populations.iter().all(|population| self.stays_silent(population));
        if rests {
            plan.populations.iter().for_each(|population| self.skip(population));
        }
        rests
    }

    /// Whether no neuron of a population can fire in the slab if nothing arrives.
    fn stays_silent(&self, population: &Population<F>) -> bool {
        let (slots, span) = (self.block.slots(population), F::of(self.plan.grid.span));
        let mut states = self.space.states[slots.clone()].iter();
        if OWN {
            let owns = self.block.owns(population);
            let all = states.zip(&self.space.beyond[slots.clone()]).zip(slots).enumerate();
            return all.into_iter().all(|(k, ((state, beyond), slot))| {
                let bank = population.bank(self.block.neuron(population, slot));
                owns.of(k).stays_below(bank, state, beyond, span)
            });
        }
        population.step.as_ref().is_some_and(|step| states.all(|state| step.stays_below(state)))
    }

    fn skip(&mut self, population: &Population<F>) {
        let (slots, span) = (self.block.slots(population), self.plan.grid.span);
        let states = &mut self.space.states[slots.clone()];
        if OWN {
            let owns = self.block.owns(population);
            let all = states.iter_mut().zip(&mut self.space.beyond[slots.clone()]).zip(slots);
            for (k, ((state, beyond), slot)) in all.enumerate() {
                let bank = population.bank(self.block.neuron(population, slot));
                owns.of(k).flow(bank, state, beyond, F::of(span));
            }
            return;
        }
        let step = Step::new(population.bank(0), span);
        states.iter_mut().for_each(|state| step.take(&Modes::zero(), state));
    }
}
