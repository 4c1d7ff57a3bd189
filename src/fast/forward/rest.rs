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
        let (mut slots, states) = (self.block.slots(population), &self.space.states);
        if OWN {
            let (owns, first) = (self.block.owns(population), slots.start);
            let span = F::of(self.plan.grid.span);
            return slots.all(|slot| {
                let bank = population.bank(self.block.neuron(population, slot));
                let beyond = &self.space.beyond[slot];
                owns.of(slot - first).stays_below(bank, &states[slot], beyond, span)
            });
        }
        let step = population.step.as_ref();
        step.is_some_and(|step| states[slots].iter().all(|state| step.stays_below(state)))
    }

    fn skip(&mut self, population: &Population<F>) {
        let slots = self.block.slots(population);
        if !OWN {
            let step = Step::new(population.bank(0), self.plan.grid.span);
            let states = &mut self.space.states[slots];
            return states.iter_mut().for_each(|state| step.take(&Modes::zero(), state));
        }
        self.bucket = 0;
        let end = self.window.end_of(self.window.buckets - 1);
        for slot in slots {
            let mut walk = self.depart(slot);
            walk.flow_to(population.bank(self.block.neuron(population, slot)), end);
            self.arrive(slot, walk);
        }
    }
}
