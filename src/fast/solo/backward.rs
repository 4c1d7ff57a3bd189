//! The backward pass, neuron by neuron.

use super::Plan;
use super::spikes::Spikes;
use super::stretch::{Lengths, Stretch};
use crate::adjoint::Gathered;
use crate::fast::afferent::Both;
use crate::fast::backward::{Course, decay};
use crate::fast::plan::Pair;
use crate::{Real, SpikingNetwork, Trace};

/// The memory of a backward pass, to be used again.
#[derive(Debug)]
pub(in crate::fast) struct Space<const R: usize> {
    /// Of every neuron its adjoint at the end of the present stretch, and of one its course through that.
    ends: Vec<Pair<f64, R>>,
    course: Course<R>,
    /// What arrives in the present stretch, by afferent; and of each spike what it adds up to, for its dL/dt.
    spikes: Vec<Spikes>,
    sums: Vec<Vec<Both>>,
}

impl<const R: usize> Space<R> {
    pub fn new() -> Self {
        Self { ends: Vec::new(), course: Course::new(), spikes: Vec::new(), sums: Vec::new() }
    }

    /// Differentiates a layer.
    pub fn run<F: Real>(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        plan: &Plan<F>,
        gathered: &mut Gathered<'_, F>,
    ) {
        let fired = trace.layers[plan.layer].spikes.len() as f64 / plan.neurons as f64;
        let lengths = Lengths::backward(plan, fired, trace.duration);
        let decay = decay(&plan.bank, lengths.span);
        self.ends.clear();
        self.ends.resize(plan.neurons, Pair::zero());
        let afferents = plan.afferents.len();
        self.spikes.resize_with(afferents.max(self.spikes.len()), Spikes::default);
        self.sums.resize_with(afferents.max(self.sums.len()), Vec::new);
        for (afferent, spikes) in plan.afferents.iter().zip(&mut self.spikes) {
            spikes.begin(afferent, trace.sources(afferent.origin));
        }
        for number in (0..lengths.stretches(trace.duration)).rev() {
            let stretch = lengths.stretch(number, trace.duration);
            for ((afferent, spikes), sums) in
                plan.afferents.iter().zip(&mut self.spikes).zip(&mut self.sums)
            {
                spikes.turn(afferent, trace.sources(afferent.origin), (&stretch, plan.leg));
                sums.clear();
                if gathered.times.wants(afferent.origin) {
                    sums.resize(spikes.near().len(), [0.0; 2]);
                }
            }
            let mut run = Run { network, trace, plan, lengths, stretch, space: self, gathered };
            for neuron in 0..plan.neurons {
                run.fire_back(neuron, &decay);
                run.read(neuron);
            }
            run.settle();
        }
    }
}

/// A stretch.
struct Run<'a, 'g, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    plan: &'a Plan<F>,
    lengths: Lengths,
    stretch: Stretch,
    space: &'a mut Space<R>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize> Run<'_, '_, F, R> {
    /// Takes the adjoint of a neuron through the stretch, the spikes of which see its end `decay` later.
    fn fire_back(&mut self, neuron: usize, decay: &Pair<f64, R>) {
        let Self { trace, plan, lengths, stretch, .. } = *self;
        let fired = &trace.layers[plan.layer];
        let first = fired.spikes.offsets()[neuron];
        let train = fired.spikes.channel(neuron);
        let within = train.partition_point(|&t| t < stretch.start)
            ..train.partition_point(|&t| t < stretch.start + stretch.span);
        let Space { ends, course, .. } = &mut *self.space;
        course.alone(ends[neuron]);
        course.turn(stretch.start, lengths.width, lengths.buckets());
        course.follow(0, within.len() as u32, decay);
        for place in within.clone().rev() {
            let earlier = within.contains(&place.wrapping_sub(1)).then(|| train[place - 1]);
            let slope = fired.slopes[first + place].max(self.gathered.slope_floors[plan.layer]);
            let by_time = self.gathered.times.layers[plan.layer][first + place];
            course.fire_back(
                (0, &plan.bank),
                (train[place], earlier),
                (slope, by_time),
                stretch.start,
            );
        }
        ends[neuron] = *course.present(0);
    }

    /// Reads the adjoint of a neuron wherever spikes arrive in the stretch: for gradients by its synapses, and for dL/dt of
    /// those spikes.
    fn read(&mut self, neuron: usize) {
        let Self { network, plan, stretch, .. } = *self;
        let Space { course, spikes, sums, .. } = &mut *self.space;
        let line = course.of(0);
        for ((afferent, spikes), sums) in plan.afferents.iter().zip(spikes).zip(sums) {
            let synapses = &network.projections[afferent.number].synapses;
            let seen = &mut self.gathered.seen[afferent.number];
            let seen = seen.by_rows(&afferent.rows, synapses.synapses());
            let row = synapses.row(neuron);
            let units = afferent.rows.of(neuron, &row);
            let seen = &mut seen[row.first..][..units.len()];
            let receptor = if R == 1 { 0 } else { afferent.receptor };
            for (at, rank) in spikes.candidates(&row) {
                let delay = row.delays[at].as_f64();
                let arriving = spikes.arriving(rank, delay, &stretch);
                if arriving.is_empty() {
                    continue;
                }
                let near = &spikes.near()[arriving.clone()];
                let mut by: Both = [0.0; 2];
                if sums.is_empty() {
                    for near in near {
                        let mode = line.at(near.time + delay);
                        by[0] += near.factors[0] * mode.mem;
                        by[1] += near.factors[1] * mode.syn[receptor];
                    }
                } else {
                    let parts = [units[at].0, units[at].1];
                    let parts = parts.map(|unit| (unit * row.weights[at]).as_f64());
                    for (near, sums) in near.iter().zip(&mut sums[arriving]) {
                        let mode = line.at(near.time + delay);
                        let mode = [mode.mem, mode.syn[receptor]];
                        for k in 0..2 {
                            by[k] += near.factors[k] * mode[k];
                            sums[k] += parts[k] * mode[k];
                        }
                    }
                }
                seen[at].0 += F::of(by[0]);
                seen[at].1 += F::of(by[1]);
            }
        }
    }

    /// Adds dL/dt to the spikes that arrived in the stretch.
    fn settle(&mut self) {
        let Space { spikes, sums, .. } = &*self.space;
        for ((afferent, spikes), sums) in self.plan.afferents.iter().zip(spikes).zip(sums) {
            let times = self.gathered.times.of(afferent.origin);
            for ((place, near), sums) in spikes.places().zip(sums) {
                times[place] += F::of(afferent.by_time(near.factors, *sums));
            }
        }
    }
}
