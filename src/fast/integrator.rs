//! Layers that never fire, read through int_0^T V exp(-rate t) dt.
//!
//! That integral is linear in the arrivals: each adds its weight times a closed form of its time. So
//! neither the read-out nor its gradient needs to know what happened between the arrivals.

use super::{Scratch, constants_apart, too_short};
use crate::adjoint::Gathered;
use crate::layer::ModeBank;
use crate::network::Origin;
use crate::{PotentialSensitivity, Real, SpikingNetwork, Trace};

/// What a unit arrival adds to the integral: three exponentials of its time.
struct Unit<F> {
    /// Rates, and factors at time 0 or, for the last two, at the end of the trial.
    rate: F,
    rate_mem: F,
    rate_syn: F,
    scale: F,
    mem: F,
    syn: F,
}

/// The parts of one arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<F> {
    discount: F,
    mem: F,
    syn: F,
}

impl<F: Real> Unit<F> {
    fn new(bank: &ModeBank<F>, receptor: usize, rate: F, duration: F) -> Self {
        let (rate_mem, rate_syn) = (bank.tau_mem().recip(), bank.tau_syn()[receptor].recip());
        let potential = (rate_mem + rate).recip();
        let scale = potential * rate_mem / (rate_syn + rate);
        let end = (-rate * duration).exp();
        let mem = -potential * end * rate_mem / (rate_syn - rate_mem);
        Self { rate, rate_mem, rate_syn, scale, mem, syn: -scale * end - mem }
    }

    /// The parts of an arrival at `time`, `left` ms before the end of the trial.
    fn parts(&self, time: F, left: F) -> Parts<F> {
        Parts {
            discount: (-self.rate * time).exp(),
            mem: (-self.rate_mem * left).exp(),
            syn: (-self.rate_syn * left).exp(),
        }
    }

    /// The integral, and its derivative by the time of the arrival.
    fn value(&self, parts: &Parts<F>) -> (F, F) {
        let Self { rate, rate_mem, rate_syn, .. } = *self;
        let (x, mem, syn) =
            (self.scale * parts.discount, self.mem * parts.mem, self.syn * parts.syn);
        (x + mem + syn, rate_mem * mem + rate_syn * syn - rate * x)
    }
}

/// The memory of this file, to be used again.
#[derive(Debug, Default)]
pub(super) struct Space<F> {
    /// The spikes of a source.
    spikes: Vec<(f64, Parts<F>)>,
    /// What the loss depends on, by neuron, and at which rates.
    gradients: Vec<F>,
    rates: Vec<F>,
}

/// One arrival, as [`visit`] shows it.
struct Visit<F> {
    projection: usize,
    origin: Origin,
    neuron: usize,
    synapse: usize,
    /// The spike's place among those of its population.
    place: usize,
    weight: F,
    by_weight: F,
    /// For weight 1.
    by_time: F,
}

/// Rates at which all neurons are looked at, one after the other.
pub(crate) const MOST_RATES: usize = 8;

/// Shows all arrivals at the neurons of a layer that count; `None` if its model does not allow the closed form.
fn visit<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    (rate, counts): (F, impl Fn(usize) -> bool),
    spikes: &mut Vec<(f64, Parts<F>)>,
    mut each: impl FnMut(Visit<F>),
) -> Option<()> {
    let named = &network.layers[layer];
    let bank = named.layer.linear()?.common_bank().filter(|b| b.threshold().is_none())?;
    if !is_suited(bank, rate, trace.duration) {
        return None;
    }
    let duration = F::of(trace.duration);
    let projections = network.projections.iter().enumerate();
    for (number, projection) in projections.filter(|(_, p)| p.target == layer) {
        let unit = Unit::new(bank, projection.receptor, rate, duration);
        let (origin, first) = (projection.origin, projection.origin.first());
        let trains = trace.sources(origin);
        let offsets = trains.offsets();
        let (sources, start) = (projection.synapses.shape().1, offsets[first]);
        spikes.clear();
        spikes.extend(trains.times()[start..offsets[first + sources]].iter().map(|&time| {
            let parts = unit.parts(F::of(time), F::of(trace.duration - time));
            (time, parts)
        }));
        // Beyond it one of the factors that a product is split into would overflow.
        let most_exponent = F::max_value().as_f64().ln() / 2.4;
        let fastest = unit.rate.max(unit.rate_mem).max(unit.rate_syn).as_f64();
        for neuron in (0..named.layer.size()).filter(|&neuron| counts(neuron)) {
            let row = projection.synapses.row(neuron);
            for (k, (&weight, &delay)) in row.weights.iter().zip(row.delays).enumerate() {
                let lag = delay.as_f64();
                let far = lag * fastest > most_exponent;
                // A delay that follows an arrival's time leaves less of the trial.
                let later = unit.parts(delay, -delay);
                let pre = first + row.sources.get(k);
                for place in offsets[pre]..offsets[pre + 1] {
                    let (time, parts) = spikes[place - start];
                    let time = time + lag;
                    if time >= trace.duration {
                        break;
                    }
                    let parts = if far {
                        unit.parts(F::of(time), F::of(trace.duration - time))
                    } else {
                        Parts {
                            discount: parts.discount * later.discount,
                            mem: parts.mem * later.mem,
                            syn: parts.syn * later.syn,
                        }
                    };
                    let (by_weight, by_time) = unit.value(&parts);
                    let synapse = row.first + k;
                    let projection = number;
                    each(Visit {
                        projection,
                        origin,
                        neuron,
                        synapse,
                        place,
                        weight,
                        by_weight,
                        by_time,
                    });
                }
            }
        }
    }
    Some(())
}

/// Writes int_0^T V exp(-rate t) dt of every neuron of a layer to `values`, if this engine can tell.
pub(crate) fn voltage_integrals<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    rate: F,
    values: &mut Vec<F>,
    scratch: &mut Scratch<F>,
) -> Option<()> {
    values.clear();
    values.resize(network.layers[layer].layer.size(), F::zero());
    visit(network, trace, layer, (rate, |_| true), &mut scratch.integrals.spikes, |v| {
        values[v.neuron] += v.weight * v.by_weight
    })
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
    let Space { spikes, gradients, rates } = space;
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
    let bank = neurons.common_bank()?;
    if rates.iter().any(|&rate| !is_suited(bank, rate, trace.duration)) {
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
        let counts = |neuron: usize| gradients[neuron] != F::zero();
        visit(network, trace, layer, (common, counts), spikes, |v| {
            let gradient = gradients[v.neuron];
            let by_time = gradient * v.weight * v.by_time;
            gathered.weights[v.projection][v.synapse] += gradient * v.by_weight;
            gathered.delays[v.projection][v.synapse] += by_time;
            gathered.times.of(v.origin)[v.place] += by_time;
        })?;
    }
    Some(())
}

/// Whether the closed form keeps its digits.
fn is_suited<F: Real>(bank: &ModeBank<F>, rate: F, duration: f64) -> bool {
    constants_apart(bank) && !too_short(bank, rate, duration)
}
