//! The forward pass: exact, event by event.

mod error;
mod neuron;

pub use error::SimulationError;

use crate::arrivals::{Arrival, SourceSpikes, check_synapse, collect};
use crate::fast;
use crate::light;
use crate::network::{Engine, Origin, Projection, Scratch, Taken};
use crate::trace::{Fired, LayerTrace};
use crate::{Network, Real, SpikeTrains, SpikingNetwork, Trace};
use neuron::{Neuron, Next, Pending};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the plain engine needs to simulate a group; kept for its memory.
#[derive(Default)]
pub(crate) struct Memory<F> {
    /// The neurons that are simulated together.
    neurons: Vec<Neuron<F>>,
    /// (bits of time, neuron, plan) of each neuron's next event.
    queue: BinaryHeap<Reverse<(u64, usize, u64)>>,
    /// The synapses inside the group, by source neuron; neurons numbered through the group.
    outgoing: Vec<Vec<Outgoing<F>>>,
    /// All spikes of the group, and their layers.
    fired: Vec<(usize, Fired<F>)>,
}

/// A synapse inside a group: the target, what arrives there but for its time, and the delay.
type Outgoing<F> = (usize, Arrival<F>, f64);

/// Simulates a trial. `trace` is not valid if this fails.
pub(crate) fn forward<F: Real>(
    network: &SpikingNetwork<F>,
    input: &SpikeTrains,
    duration: f64,
    trace: &mut Trace<F>,
    scratch: &mut Scratch<F>,
) -> Result<(), SimulationError> {
    trace.version = None;
    let (found, expected) = (input.channels(), network.channels());
    if found != expected {
        return Err(SimulationError::Channels { found, expected });
    }
    if !(duration.is_finite() && duration > 0.0) {
        return Err(SimulationError::Duration { duration });
    }
    let most = u32::MAX as usize - 1;
    if input.len() > most {
        return Err(SimulationError::TooManySpikes { most });
    }
    check_constants(network)?;
    trace.input.clone_from(input);
    trace.duration = duration;
    trace.ties = 0;
    trace.layers.resize_with(network.layers.len(), LayerTrace::default);
    for group in &network.groups {
        simulate(network, group, duration, trace, scratch)?;
    }
    trace.version = Some(network.version);
    Ok(())
}

/// Simulates a group of layers, whose sources have been; what did it.
pub(crate) fn simulate<F: Real>(
    network: &SpikingNetwork<F>,
    group: &[usize],
    duration: f64,
    trace: &mut Trace<F>,
    scratch: &mut Scratch<F>,
) -> Result<Taken, SimulationError> {
    let recurrent = network.is_recurrent(group);
    let Trace { input, layers, ties, .. } = trace;
    if network.engine == Engine::Fast {
        let alone = group.first().copied().filter(|_| !recurrent);
        let Scratch { light, fast, .. } = &mut *scratch;
        let small = alone.filter(|&layer| light::is_small(network, layer, input, layers));
        let mut done =
            small.and_then(|l| light::forward(network, l, duration, input, layers, light));
        let mut taken = Taken::Lightly;
        if done.is_none() {
            taken = Taken::InBuckets;
            done = fast::forward(network, group, recurrent, duration, input, layers, fast);
        }
        if let (None, Some(layer)) = (&done, alone) {
            taken = Taken::Lightly;
            done = light::forward(network, layer, duration, input, layers, light);
        }
        if let Some(found) = done {
            *ties += found?;
            return Ok(taken);
        }
    }
    let memory = &mut scratch.simulation;
    let simulation = Simulation { network, input, duration, layers, ties: 0, memory };
    *ties += simulation.group(group, recurrent)?;
    Ok(Taken::Plainly)
}

/// Refuses constants that were set after the network was built and have no meaning.
pub(crate) fn check_constants<F: Real>(network: &SpikingNetwork<F>) -> Result<(), SimulationError> {
    let counts = network.layers.iter().zip(&network.constant_counts);
    for (named, _) in counts.filter(|(_, count)| **count > 0) {
        named
            .layer
            .validate()
            .map_err(|cause| SimulationError::BadConstant { layer: named.name.clone(), cause })?;
    }
    Ok(())
}

struct Simulation<'a, F: Real> {
    network: &'a SpikingNetwork<F>,
    input: &'a SpikeTrains,
    duration: f64,
    /// Valid for the groups simulated so far.
    layers: &'a mut [LayerTrace<F>],
    ties: usize,
    memory: &'a mut Memory<F>,
}

impl<F: Real> Simulation<'_, F> {
    /// Simulates a group; the number of ties.
    fn group(mut self, group: &[usize], recurrent: bool) -> Result<usize, SimulationError> {
        let network = self.network;
        self.memory.outgoing.iter_mut().for_each(Vec::clear);
        self.memory.fired.clear();
        if recurrent {
            self.connect(group)?;
        }
        let mut slot = 0;
        for &layer in group {
            for neuron in 0..network.layers[layer].layer.size() {
                self.start(slot, layer, neuron, group)?;
                if recurrent {
                    slot += 1;
                } else {
                    self.run()?;
                }
            }
        }
        if recurrent {
            self.run()?;
        }
        for &layer in group {
            let own =
                self.memory.fired.iter().filter(|(l, _)| *l == layer).map(|(_, fired)| *fired);
            self.layers[layer].fill(network.layers[layer].layer.size(), own);
        }
        Ok(self.ties)
    }

    /// Gathers the synapses inside a group.
    fn connect(&mut self, group: &[usize]) -> Result<(), SimulationError> {
        let network = self.network;
        let size = |layer: &usize| network.layers[*layer].layer.size();
        let start = |layer| {
            let place = group.iter().position(|&l| l == layer)?;
            Some(group[..place].iter().map(size).sum::<usize>())
        };
        let outgoing = &mut self.memory.outgoing;
        let neurons = group.iter().map(size).sum();
        if outgoing.len() < neurons {
            outgoing.resize_with(neurons, Vec::new);
        }
        for (number, projection) in network.projections.iter().enumerate() {
            let Origin::Layer(source) = projection.origin else { continue };
            let (Some(pre), Some(post)) = (start(source), start(projection.target)) else {
                continue;
            };
            for target in 0..projection.synapses.shape().0 {
                for synapse in projection.synapses.row(target).iter() {
                    check_synapse(projection, target, &synapse)?;
                    let template = Arrival {
                        time: 0.0,
                        rank: 0,
                        projection: number as u32,
                        synapse: synapse.index as u32,
                        spike: 0,
                        receptor: projection.receptor as u32,
                        weight: synapse.weight,
                    };
                    let delay = synapse.delay.as_f64();
                    outgoing[pre + synapse.pre].push((post + target, template, delay));
                }
            }
        }
        Ok(())
    }

    /// Simulates the neurons that have been started.
    fn run(&mut self) -> Result<(), SimulationError> {
        while let Some(Reverse((_, slot, plan))) = self.memory.queue.pop() {
            if self.memory.neurons[slot].plan != plan {
                continue;
            }
            let (time, next) = self.memory.neurons[slot].next;
            self.advance(slot, time);
            if next == Next::Spike {
                let rank = self.memory.fired.len() as u32;
                let fired = self.fire(slot, rank)?;
                self.memory.fired.push((self.memory.neurons[slot].layer, fired));
                self.send(slot, time, rank)?;
            } else {
                self.receive(slot, next);
            }
            self.plan(slot)?;
        }
        Ok(())
    }

    /// Sends a spike to its targets in the group.
    fn send(&mut self, slot: usize, time: f64, rank: u32) -> Result<(), SimulationError> {
        let targets = self.memory.outgoing.get(slot).map_or(0, Vec::len);
        for k in 0..targets {
            let (target, template, delay) = self.memory.outgoing[slot][k];
            let arrival = Arrival { time: time + delay, rank: rank + 1, ..template };
            if arrival.time < self.duration {
                let neuron = &mut self.memory.neurons[target];
                neuron.pending.push(Pending(arrival));
                if target != slot && arrival.time < neuron.next.0 {
                    self.plan(target)?;
                }
            }
        }
        Ok(())
    }

    /// Puts a neuron to rest, gathers what is known to reach it, and plans its first event.
    fn start(
        &mut self,
        slot: usize,
        layer: usize,
        index: usize,
        group: &[usize],
    ) -> Result<(), SimulationError> {
        let Self { network, input, duration, layers, memory, .. } = self;
        let Memory { neurons, queue, .. } = &mut **memory;
        if slot == 0 {
            queue.clear();
        }
        if slot == neurons.len() {
            neurons.push(Neuron::default());
        }
        let neuron = &mut neurons[slot];
        neuron.reset(layer, index);
        let model = &network.layers[layer].layer;
        neuron.state.resize(model.state_len(), F::zero());
        model.rest(index, &mut neuron.state);
        let source = |p: &Projection<F>| {
            let spikes = match p.origin {
                Origin::Input { .. } => input,
                Origin::Layer(l) if group.contains(&l) => return None,
                Origin::Layer(l) => &layers[l].spikes,
            };
            Some(SourceSpikes { times: spikes.times(), offsets: spikes.offsets(), ranks: None })
        };
        collect(network, layer, index, *duration, source, &mut neuron.known)?;
        self.plan(slot)
    }

    /// Works out the next event of a neuron and queues it.
    fn plan(&mut self, slot: usize) -> Result<(), SimulationError> {
        let neuron = &mut self.memory.neurons[slot];
        let known = neuron.known.get(neuron.received);
        let pending = neuron.pending.peek().map(|p| &p.0);
        let (limit, next) = match (known, pending) {
            (Some(k), Some(p)) if p.before(k) => (p.time, Next::Pending),
            (Some(k), _) => (k.time, Next::Known),
            (None, Some(p)) => (p.time, Next::Pending),
            (None, None) => (self.duration, Next::Rest),
        };
        let NamedModel { name, model } = model(self.network, neuron.layer);
        if !neuron.state.iter().all(|x| x.is_finite()) {
            return Err(SimulationError::Overflow {
                layer: name.into(),
                neuron: neuron.index,
                time: neuron.time,
            });
        }
        let horizon = F::of(limit - neuron.time);
        let wait = model.next_spike(neuron.index, &neuron.state, horizon);
        check_wait(wait, horizon, (name, neuron.index))?;
        let spike = wait
            // Rounding must not carry the spike past the arrival that bounds it.
            .map(|wait| (neuron.time + wait.as_f64()).min(limit))
            .filter(|&time| time < self.duration);
        neuron.next = spike.map_or((limit, next), |time| (time, Next::Spike));
        neuron.plan += 1;
        if neuron.next.1 != Next::Rest {
            self.memory.queue.push(Reverse((neuron.next.0.to_bits(), slot, neuron.plan)));
        }
        Ok(())
    }

    fn advance(&mut self, slot: usize, time: f64) {
        let neuron = &mut self.memory.neurons[slot];
        let dt = F::of(time - neuron.time);
        model(self.network, neuron.layer).model.flow(neuron.index, dt, &mut neuron.state);
        neuron.time = time;
    }

    fn receive(&mut self, slot: usize, next: Next) {
        let neuron = &mut self.memory.neurons[slot];
        let arrival = match next {
            Next::Pending => neuron.pending.pop().map(|p| p.0),
            _ => neuron.known.get(neuron.received).copied(),
        };
        let Some(arrival) = arrival else { return };
        if next == Next::Known {
            neuron.received += 1;
        }
        neuron.arrivals += 1;
        neuron.last_arrival = neuron.time;
        // Ranks of arrivals count from 1.
        let unrelated = |(time, rank)| time == neuron.time && arrival.rank != rank + 1;
        self.ties += usize::from(neuron.last_spike.is_some_and(unrelated));
        let receptor = arrival.receptor as usize;
        let model = model(self.network, neuron.layer).model;
        model.receive(neuron.index, receptor, arrival.weight, &mut neuron.state);
    }

    fn fire(&mut self, slot: usize, rank: u32) -> Result<Fired<F>, SimulationError> {
        let neuron = &mut self.memory.neurons[slot];
        let NamedModel { name, model } = model(self.network, neuron.layer);
        neuron.spikes += 1;
        let budget = self.network.spike_budget(neuron.time);
        if neuron.spikes > budget {
            return Err(SimulationError::Runaway {
                layer: name.into(),
                neuron: neuron.index,
                time: neuron.time,
                budget,
            });
        }
        if rank >= u32::MAX - 1 {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
        }
        let slope = model.approach(neuron.index, &neuron.state);
        model.fire(neuron.index, &mut neuron.state);
        self.ties += usize::from(neuron.last_arrival == neuron.time);
        neuron.last_spike = Some((neuron.time, rank));
        Ok(Fired {
            neuron: neuron.index,
            time: neuron.time,
            slope,
            arrivals: neuron.arrivals,
            rank,
            release: F::nan(),
        })
    }
}

/// Refuses what a model of a neuron must not return as the time to its next spike.
pub(crate) fn check_wait<F: Real>(
    wait: Option<F>,
    horizon: F,
    (layer, neuron): (&str, usize),
) -> Result<(), SimulationError> {
    match wait {
        Some(wait) if !(wait >= F::zero() && wait <= horizon) => {
            let (wait, horizon) = (wait.as_f64(), horizon.as_f64());
            Err(SimulationError::BadWait { layer: layer.into(), neuron, wait, horizon })
        }
        _ => Ok(()),
    }
}

struct NamedModel<'a, F: Real> {
    name: &'a str,
    model: &'a dyn crate::Layer<F>,
}

fn model<F: Real>(network: &SpikingNetwork<F>, layer: usize) -> NamedModel<'_, F> {
    let named = &network.layers[layer];
    NamedModel { name: &named.name, model: named.layer.as_ref() }
}

#[cfg(test)]
mod tests {
    use super::check_wait;

    #[test]
    fn waits_are_from_zero_to_the_horizon() {
        let good = |wait, horizon| check_wait(wait, horizon, ("", 0)).is_ok();
        assert!(good(None, 1.0) && good(Some(0.0), 0.0) && good(Some(1.0), 1.0));
        assert!(good(Some(f64::MAX), f64::MAX) && good(Some(1.0), f64::INFINITY));
        assert!(!good(Some(f64::NAN), 1.0) && !good(Some(-1e-300), 1.0) && !good(Some(1.1), 1.0));
    }
}
