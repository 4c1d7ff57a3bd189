//! The backward pass of groups of neurons that drive each other and share their constants.
//!
//! Between two spikes of a neuron its adjoint is a sum of exponentials: in the frame of a stretch of time,
//!
//! ```text
//! p_V(t) = M exp(x / tau_mem)      p_r(t) = S_r exp(x / tau_r) - gain_r M exp(x / tau_mem)
//! ```
//!
//! with x the time from its start and M and S constant. So an arrival is read with factors of its spike and of its
//! synapse, and the sums for gradients by a synapse run over its spikes alone. A stretch is as long as exponentials
//! in double precision allow, mostly a whole trial.
//!
//! The spikes of the group come first, latest first; each reads what it did in the stretch. Then synapse after synapse
//! is taken, with all spikes that arrive through it in the stretch.

use super::course::{Course, decay};
use super::gather::{Near, Source};
use crate::adjoint::Gathered;
use crate::fast::afferent::{Afferent, Both};
use crate::fast::fan::prefix;
use crate::fast::grid::Window;
use crate::fast::plan::Plan;
use crate::fast::prefetch::prefetch;
use crate::{Real, Trace};
use std::cmp::Reverse;

/// Synapses that are asked for while so many are read.
const AHEAD: usize = 64;

/// A spike of the group.
#[derive(Debug, Clone, Copy)]
struct Spike {
    time: f64,
    rank: u32,
    population: u32,
    /// Its neuron, among those of the group.
    slot: u32,
    /// Among the spikes of its layer.
    place: u32,
}

/// The memory of a backward pass, to be used again.
#[derive(Debug)]
pub(in crate::fast) struct Space<const R: usize> {
    /// Latest first.
    spikes: Vec<Spike>,
    /// Of each neuron its spikes in the stretch.
    counts: Vec<u32>,
    course: Course<R>,
    /// Of the spikes that reach each afferent, the factors of their times in the stretch in which they were sent.
    factors: Vec<Vec<Both>>,
    /// Those of one source.
    near: Vec<Near>,
}

impl<const R: usize> Space<R> {
    pub fn new() -> Self {
        let (spikes, counts, factors, near) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { spikes, counts, course: Course::new(), factors, near }
    }

    /// Differentiates a group.
    pub fn run<F: Real>(
        &mut self,
        trace: &Trace<F>,
        plan: &Plan<F>,
        gathered: &mut Gathered<'_, F>,
    ) {
        let stretches = plan.grid.slabs(trace.duration);
        self.factors.resize_with(plan.afferents.len().max(self.factors.len()), Vec::new);
        for (afferent, factors) in plan.afferents.iter().zip(&mut self.factors) {
            let times = trace.sources(afferent.origin).times().iter();
            let within = |time| time - plan.grid.slab_of(time) as f64 * plan.grid.span;
            factors.clear();
            factors.extend(times.map(|&time| afferent.factors(within(time))));
            gathered.seen[afferent.number].begin(afferent);
        }
        let window = plan.grid.window(0, trace.duration);
        let mut run = Run { trace, plan, window, space: self, gathered };
        run.begin();
        let mut spikes = 0;
        for stretch in (0..stretches).rev() {
            run.window = plan.grid.window(stretch, trace.duration);
            spikes = run.fire_back(spikes);
            (0..plan.afferents.len()).for_each(|k| run.gather(k));
        }
    }
}

struct Run<'a, 'g, F: Real, const R: usize> {
    trace: &'a Trace<F>,
    plan: &'a Plan<F>,
    /// The stretch.
    window: Window,
    space: &'a mut Space<R>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize> Run<'_, '_, F, R> {
    /// At the end of the trial.
    fn begin(&mut self) {
        let Self { trace, plan, space, .. } = self;
        let Space { spikes, course, .. } = &mut **space;
        spikes.clear();
        for (population, p) in plan.populations.iter().enumerate() {
            let fired = &trace.layers[p.layer];
            let offsets = fired.spikes.offsets();
            for slot in p.slots.clone() {
                let neuron = slot - p.slots.start;
                for place in offsets[neuron]..offsets[neuron + 1] {
                    let (time, rank) = (fired.spikes.times()[place], fired.ranks[place]);
                    let (population, slot, place) = (population as u32, slot as u32, place as u32);
                    spikes.push(Spike { time, rank, population, slot, place });
                }
            }
        }
        spikes.sort_unstable_by_key(|s| Reverse((s.time.to_bits(), s.rank, s.place)));
        course.end(plan.size());
    }

    /// Takes the adjoint of all neurons through the stretch, given the number of spikes after it; that before it.
    fn fire_back(&mut self, first: usize) -> usize {
        let Self { plan, window, space, .. } = self;
        let Space { spikes, counts, course, .. } = &mut **space;
        counts.clear();
        counts.resize(plan.size(), 0);
        let within = spikes[first..].iter().take_while(|s| s.time >= window.start);
        within.for_each(|s| counts[s.slot as usize] += 1);
        let last = first + counts.iter().sum::<u32>() as usize;
        course.turn(window.start, window.width, plan.grid.slab);
        for population in &plan.populations {
            let decay = decay(population.bank(0), plan.grid.span);
            for slot in population.slots.clone() {
                course.follow(slot, counts[slot], &decay);
            }
        }
        (first..last).for_each(|number| self.spike(number));
        last
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, number: usize) {
        let spike = self.space.spikes[number];
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let by_time = self.by_time(&spike, self.space.spikes.get(number + 1).copied());
        let bank = population.bank(0);
        let fired = &self.trace.layers[population.layer];
        let slope = fired.slopes[place].max(self.gathered.slope_floors[population.layer]);
        let Window { start, .. } = self.window;
        let neuron = self.source(&spike);
        let earlier = fired.spikes.offsets()[neuron]..place;
        let earlier = fired.spikes.times()[earlier].last().copied().filter(|&t| t >= start);
        let course = &mut self.space.course;
        course.fire_back((slot, bank), (spike.time, earlier), (slope, by_time), start);
    }

    /// Gathers dL/dt of a spike: that with what it did in the stretch.
    fn by_time(&mut self, spike: &Spike, next: Option<Spike>) -> F {
        let plan = self.plan;
        let sends = |a: &&Afferent<F>, s: &Spike| a.source == Some(s.population as usize);
        if let Some(next) = next {
            for afferent in plan.afferents.iter().filter(|a| sends(a, &next)) {
                let fan = afferent.fans.of(0);
                prefetch(&fan.branches, fan.of(self.source(&next)).start, AHEAD);
            }
        }
        let layer = plan.populations[spike.population as usize].layer;
        for afferent in plan.afferents.iter().filter(|a| sends(a, spike)) {
            let by_time = F::of(self.read(afferent, self.source(spike), spike.time));
            self.gathered.times.layers[layer][spike.place as usize] += by_time;
        }
        self.gathered.times.layers[layer][spike.place as usize]
    }

    /// The neuron that fired, counted from the first of its layer.
    fn source(&self, spike: &Spike) -> usize {
        spike.slot as usize - self.plan.populations[spike.population as usize].slots.start
    }

    /// Reads the adjoint where a spike arrives in the stretch: its dL/dt.
    fn read(&self, afferent: &Afferent<F>, source: usize, time: f64) -> f64 {
        let fan = afferent.fans.of(0);
        let first = self.plan.populations[afferent.target].slots.start;
        let Window { start, end, .. } = self.window;
        let receptor = if R == 1 { 0 } else { afferent.receptor };
        let mut branches = &fan.branches[fan.of(source)];
        let mut sum = 0.0;
        while let Some(next) = branches.first().filter(|b| time + b.delay < end) {
            let leg = afferent.leg_of(next.delay);
            let mut by = [0.0; 2];
            loop {
                prefetch(branches, AHEAD, AHEAD);
                let some = &branches[..branches.len().min(AHEAD)];
                let taken = prefix(some, |b| time + b.delay < end && b.delay < leg.end);
                let (read, later) = branches.split_at(taken);
                for branch in read {
                    let slot = first + branch.post as usize;
                    let mode = self.space.course.at(slot, time + branch.delay);
                    by[0] += branch.mem.as_f64() * mode.mem;
                    by[1] += branch.syn.as_f64() * mode.syn[receptor];
                }
                branches = later;
                if taken < AHEAD {
                    break;
                }
            }
            sum += afferent.by_time(afferent.factors(time + leg.start - start), by);
        }
        sum
    }

    /// Reads the adjoint wherever spikes arrive in the stretch through an afferent: for gradients by its synapses, and
    /// for dL/dt of those spikes that did not do so themselves.
    fn gather(&mut self, k: usize) {
        let afferent = &self.plan.afferents[k];
        let fan = afferent.fans.of(0);
        let slot = self.plan.populations[afferent.target].slots.start;
        let trains = self.trace.sources(afferent.origin);
        let Gathered { seen, times, .. } = &mut *self.gathered;
        let seen = seen[afferent.number].block(0);
        let is_wanted = times.wants(afferent.origin);
        let times = times.of(afferent.origin);
        let Space { course, factors, near, .. } = &mut *self.space;
        for source in 0..afferent.fans.sources {
            let channel = afferent.origin.first() + source;
            let (branches, all) = (fan.of(source), trains.offsets()[channel]);
            let spikes = trains.channel(channel);
            let factors = &factors[k][all..];
            let times = &mut times[all..all + spikes.len()];
            let is_timed = match afferent.source {
                // All but those from before the stretch have read it themselves.
                Some(_) => spikes.first().is_some_and(|&time| time < self.window.start),
                None => is_wanted,
            };
            let source = Source { afferent, window: &self.window, spikes, factors, times };
            let synapses = (&fan.branches[branches.clone()], &mut seen[branches]);
            if is_timed {
                source.gather::<R, true>(synapses, (course, slot), near);
            } else {
                source.gather::<R, false>(synapses, (course, slot), near);
            }
        }
    }
}
