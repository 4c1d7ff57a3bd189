//! Layers that never fire, read through int_0^T V exp(-rate t) dt.
//!
//! That integral is linear in the arrivals: each adds its weight times three exponentials of its time, to each of which a
//! delay is a factor. So the spikes of a source are summed up once for all of its synapses, and neither the read-out
//! nor its gradient needs to know what happened between the arrivals.

use super::{constants_apart, too_short};
use crate::adjoint::Gathered;
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::{PotentialSensitivity, Real, SpikeTrains, SpikingNetwork, Synapse, Trace};
use std::ops::Range;

/// Rates at which a layer is read that pay for sums of their own.
pub(crate) const MOST_RATES: usize = 8;

/// Numbers that belong to exp(-rate t), exp(-(T - t) / tau_mem) and exp(-(T - t) / tau_syn).
type Parts<F> = [F; 3];

fn add<F: Real>(to: &mut Parts<F>, parts: Parts<F>) {
    to.iter_mut().zip(parts).for_each(|(to, part)| *to += part);
}

fn product<F: Real>(a: Parts<F>, b: Parts<F>) -> Parts<F> {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

fn dot<F: Real>(a: Parts<F>, b: Parts<F>) -> F {
    let [x, mem, syn] = product(a, b);
    x + mem + syn
}

/// What a unit arrival adds to the integral.
#[derive(Debug, Default, Clone, Copy)]
struct Unit<F> {
    /// The rates at which the exponentials grow with the time of the arrival.
    growth: Parts<F>,
    /// By how much each of them counts in the integral, and in its derivative by the time of the arrival.
    value: Parts<F>,
    slope: Parts<F>,
}

impl<F: Real> Unit<F> {
    fn new(bank: &ModeBank<F>, receptor: usize, rate: F, duration: F) -> Self {
        let (rate_mem, rate_syn) = (bank.tau_mem().recip(), bank.tau_syn()[receptor].recip());
        let potential = (rate_mem + rate).recip();
        let scale = potential * rate_mem / (rate_syn + rate);
        let end = (-rate * duration).exp();
        let mem = -potential * end * rate_mem / (rate_syn - rate_mem);
        let (growth, value) = ([-rate, rate_mem, rate_syn], [scale, mem, -scale * end - mem]);
        Self { growth, value, slope: product(growth, value) }
    }

    /// The exponentials of an arrival at `time`, `left` ms before the end of the trial.
    fn exponentials(&self, time: F, left: F) -> Parts<F> {
        let [x, mem, syn] = self.growth;
        [(x * time).exp(), (-mem * left).exp(), (-syn * left).exp()]
    }

    /// Their factors for an arrival that comes later.
    fn factors(&self, delay: F) -> Parts<F> {
        // The synapses of most read-outs have no delays.
        if delay == F::zero() {
            [F::one(); 3]
        } else {
            self.growth.map(|rate| (rate * delay).exp())
        }
    }
}

/// What reaches a layer through one projection.
#[derive(Debug, Default)]
struct Inflow<F> {
    projection: usize,
    unit: Unit<F>,
    /// The length of the trial.
    duration: f64,
    /// A longer delay has factors that might overflow.
    longest: f64,
    /// The spikes of the first source are preceded by so many in their population.
    first: usize,
    /// The exponentials of each spike, and their sums over the spikes of its source up to this one.
    spikes: Vec<(Parts<F>, Parts<F>)>,
}

impl<F: Real> Inflow<F> {
    fn fill(
        &mut self,
        projection: &Projection<F>,
        trains: &SpikeTrains,
        unit: Unit<F>,
        duration: f64,
    ) {
        let fastest = unit.growth.iter().fold(F::zero(), |most, rate| most.max(rate.abs()));
        (self.unit, self.duration) = (unit, duration);
        self.longest = F::max_value().as_f64().ln() / 2.4 / fastest.as_f64();
        let first = projection.origin.first();
        self.first = trains.offsets()[first];
        self.spikes.clear();
        for source in first..first + projection.synapses.shape().1 {
            let mut sums = [F::zero(); 3];
            self.spikes.extend(trains.channel(source).iter().map(|&time| {
                let left = duration - time;
                // Long after the end they would be infinite.
                let counts = left > 0.0;
                let spike = if counts {
                    unit.exponentials(F::of(time), F::of(left))
                } else {
                    [F::zero(); 3]
                };
                add(&mut sums, spike);
                (spike, sums)
            }));
        }
    }

    /// The spikes of a source whose arrivals through a synapse count, by their places in their population, and the sum
    /// of the exponentials of these arrivals.
    fn arrivals(&self, trains: &SpikeTrains, source: usize, delay: F) -> (Range<usize>, Parts<F>) {
        let (times, start) = (trains.channel(source), trains.offsets()[source]);
        let counts = |time: &f64| time + delay.as_f64() < self.duration;
        let all = times.last().is_none_or(counts);
        let end = start + if all { times.len() } else { times.partition_point(counts) };
        let mut sums = [F::zero(); 3];
        if self.is_long(delay) {
            (start..end).for_each(|place| add(&mut sums, self.alone(trains, place, delay)));
        } else if start < end {
            sums = product(self.spikes[end - 1 - self.first].1, self.unit.factors(delay));
        }
        (start..end, sums)
    }

    fn is_long(&self, delay: F) -> bool {
        delay.as_f64() > self.longest
    }

    /// The exponentials of one arrival.
    fn alone(&self, trains: &SpikeTrains, place: usize, delay: F) -> Parts<F> {
        let time = trains.times()[place] + delay.as_f64();
        self.unit.exponentials(F::of(time), F::of(self.duration - time))
    }
}

/// What reaches a layer, summed up for integrals at one rate.
#[derive(Debug, Default)]
pub(crate) struct Inflows<F> {
    all: Vec<Inflow<F>>,
    /// How many of them are in use; the others keep their memory.
    used: usize,
}

impl<F: Real> Inflows<F> {
    /// Sums up what reaches a layer; `None` if its model does not allow the closed form.
    pub fn fill(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        layer: usize,
        rate: F,
    ) -> Option<()> {
        self.used = 0;
        let bank = suited(network, layer, rate, trace.duration)?;
        for (number, projection) in network.projections.iter().enumerate() {
            if projection.target != layer {
                continue;
            }
            if self.used == self.all.len() {
                self.all.push(Inflow::default());
            }
            let inflow = &mut self.all[self.used];
            self.used += 1;
            inflow.projection = number;
            let unit = Unit::new(bank, projection.receptor, rate, F::of(trace.duration));
            inflow.fill(projection, trace.sources(projection.origin), unit, trace.duration);
        }
        Some(())
    }

    /// The integral of a neuron.
    pub fn integral(&self, network: &SpikingNetwork<F>, trace: &Trace<F>, neuron: usize) -> F {
        let mut integral = F::zero();
        for inflow in &self.all[..self.used] {
            let projection = &network.projections[inflow.projection];
            let (trains, first) = (trace.sources(projection.origin), projection.origin.first());
            for synapse in projection.synapses.row(neuron).iter() {
                let (_, sum) = inflow.arrivals(trains, first + synapse.pre, synapse.delay);
                integral += synapse.weight * dot(inflow.unit.value, sum);
            }
        }
        integral
    }
}

/// The memory of this file, to be used again.
#[derive(Debug, Default)]
pub(super) struct Space<F> {
    inflows: Inflows<F>,
    /// What the loss depends on, by neuron, and at which rates.
    gradients: Vec<F>,
    rates: Vec<F>,
    /// By spike: for each exponential what its arrivals add to dL/dt, where it is the last one of its source to arrive.
    last: Vec<Parts<F>>,
}

/// Differentiates a layer that never fires, if the loss reads integrals of it at few rates.
pub(super) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    potentials: &[PotentialSensitivity<F>],
    gathered: &mut Gathered<'_, F>,
    space: &mut Space<F>,
) -> Option<()> {
    let model = &network.layers[layer].layer;
    let neurons = model.linear().filter(|neurons| !neurons.fire())?;
    if potentials.is_empty() {
        return Some(());
    }
    if neurons.learn() {
        return None;
    }
    let Space { inflows, gradients, rates, last } = space;
    rates.clear();
    for term in potentials {
        match *term {
            PotentialSensitivity::Integral { rate, .. } if rates.contains(&rate) => {}
            PotentialSensitivity::Integral { rate, .. } if rates.len() < MOST_RATES => {
                rates.push(rate);
            }
            _ => return None,
        }
    }
    // Those of all rates, or none: nothing has been added when one of them is refused.
    if rates.iter().any(|&rate| suited(network, layer, rate, trace.duration).is_none()) {
        return None;
    }
    for &common in &*rates {
        gradients.clear();
        gradients.resize(model.size(), F::zero());
        for term in potentials {
            if let PotentialSensitivity::Integral { neuron, rate, gradient } = *term {
                gradients[neuron] += if rate == common { gradient } else { F::zero() };
            }
        }
        inflows.fill(network, trace, layer, common)?;
        for inflow in &inflows.all[..inflows.used] {
            pull_back(network, trace, inflow, gradients, gathered, last);
        }
    }
    Some(())
}

/// Adds what the integrals' gradients are by the synapses and spikes of a projection.
fn pull_back<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    inflow: &Inflow<F>,
    gradients: &[F],
    gathered: &mut Gathered<'_, F>,
    last: &mut Vec<Parts<F>>,
) {
    let Inflow { projection: number, unit, first: start, .. } = *inflow;
    let projection = &network.projections[number];
    let (origin, first) = (projection.origin, projection.origin.first());
    let trains = trace.sources(origin);
    let times = gathered.times.of(origin);
    last.clear();
    last.resize(inflow.spikes.len(), [F::zero(); 3]);
    for (neuron, &gradient) in gradients.iter().enumerate().filter(|(_, g)| **g != F::zero()) {
        for Synapse { index, pre, weight, delay } in projection.synapses.row(neuron).iter() {
            let (places, sum) = inflow.arrivals(trains, first + pre, delay);
            gathered.weights[number][index] += gradient * dot(unit.value, sum);
            let by_time = gradient * weight;
            gathered.delays[number][index] += by_time * dot(unit.slope, sum);
            if inflow.is_long(delay) {
                for place in places {
                    times[place] += by_time * dot(unit.slope, inflow.alone(trains, place, delay));
                }
            } else if !places.is_empty() {
                let factors = unit.factors(delay).map(|factor| by_time * factor);
                add(&mut last[places.end - 1 - start], factors);
            }
        }
    }
    for source in first..first + projection.synapses.shape().1 {
        let mut later = [F::zero(); 3];
        for place in (trains.offsets()[source]..trains.offsets()[source + 1]).rev() {
            add(&mut later, last[place - start]);
            times[place] += dot(product(unit.slope, later), inflow.spikes[place - start].0);
        }
    }
}

/// The constants that all neurons of a layer share, if they never fire and the closed form keeps its digits.
fn suited<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
    rate: F,
    duration: f64,
) -> Option<&ModeBank<F>> {
    let bank = network.layers[layer].layer.linear()?.common_bank()?;
    let keeps = constants_apart(bank) && !too_short(bank, rate, duration);
    (bank.threshold().is_none() && keeps).then_some(bank)
}
