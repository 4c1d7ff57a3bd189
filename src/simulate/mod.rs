//! The forward pass: exact, event by event.

mod error;
mod neuron;

pub use error::SimulationError;

use crate::arrivals::{Arrival, SourceSpikes, check_synapse, collect};
use crate::fast;
use crate::network::{Engine, Origin, Projection};
use crate::trace::LayerTrace;
use crate::{Network, Real, SpikeTrains, SpikingNetwork, Trace};
use neuron::{Fired, Neuron, Next, Pending, sort_by_neuron};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Simulates a trial.
pub(crate) fn forward<F: Real>(
    network: &SpikingNetwork<F>,
    input: &SpikeTrains,
    duration: f64,
) -> Result<Trace<F>, SimulationError> {
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
    let mut simulation = Simulation {
        network,
        input,
        duration,
        fired: (0..network.layers.len()).map(|_| None).collect(),
        ties: 0,
        neurons: Vec::new(),
        queue: BinaryHeap::new(),
    };
    for group in &network.groups {
        simulation.group(group)?;
    }
    let Simulation { fired, ties, .. } = simulation;
    let layers = fired.into_iter().map(|l| l.expect("every layer is in a group")).collect();
    Ok(Trace { input: input.clone(), duration, layers, ties, version: network.version })
}

struct Simulation<'a, F: Real> {
    network: &'a SpikingNetwork<F>,
    input: &'a SpikeTrains,
    duration: f64,
    /// The layers simulated so far.
    fired: Vec<Option<LayerTrace<F>>>,
    ties: usize,
    /// The neurons of the present group; kept to reuse their memory.
    neurons: Vec<Neuron<F>>,
    /// (bits of time, neuron, plan) of each neuron's next event.
    queue: BinaryHeap<Reverse<(u64, usize, u64)>>,
}

/// For each source neuron: (target in the group, synapse, receptor, weight, delay, projection).
type Outgoing<F> = Vec<Vec<(usize, Arrival<F>, f64)>>;

impl<F: Real> Simulation<'_, F> {
    fn group(&mut self, layers: &[usize]) -> Result<(), SimulationError> {
        let network = self.network;
        let internal =
            |p: &&Projection<F>| matches!(p.origin, Origin::Layer(l) if layers.contains(&l));
        let recurrent =
            network.projections.iter().filter(internal).any(|p| layers.contains(&p.target));
        if network.engine == Engine::Fast {
            let trains = |p: &Projection<F>| self.trains(p);
            let mut scratch = fast::Scratch::default();
            if let Some(result) =
                fast::forward(network, layers, recurrent, self.duration, trains, &mut scratch)
            {
                let (traces, ties) = result?;
                for (&layer, trace) in layers.iter().zip(traces) {
                    self.fired[layer] = Some(trace);
                }
                self.ties += ties;
                return Ok(());
            }
        }
        let mut fired = Vec::new();
        if recurrent {
            let members: Vec<(usize, usize)> = layers
                .iter()
                .flat_map(|&l| (0..network.layers[l].layer.size()).map(move |n| (l, n)))
                .collect();
            let outgoing = self.outgoing(layers)?;
            self.run(&members, &outgoing, layers, &mut fired)?;
        } else {
            for neuron in 0..network.layers[layers[0]].layer.size() {
                self.run(&[(layers[0], neuron)], &[], &[], &mut fired)?;
            }
        }
        for &layer in layers {
            let size = network.layers[layer].layer.size();
            self.fired[layer] = Some(sort_by_neuron(layer, size, &fired)?);
        }
        Ok(())
    }

    /// The spikes of a projection's source, which has been simulated.
    fn trains(&self, projection: &Projection<F>) -> &SpikeTrains {
        match projection.origin {
            Origin::Input { .. } => self.input,
            Origin::Layer(l) => {
                let trace = self.fired[l].as_ref();
                &trace.expect("groups are simulated in the order of their projections").spikes
            }
        }
    }

    /// The synapses inside a group by source neuron; neurons numbered through the group.
    fn outgoing(&self, layers: &[usize]) -> Result<Outgoing<F>, SimulationError> {
        let network = self.network;
        let mut first = Vec::new();
        let mut size = 0;
        for &layer in layers {
            first.push((layer, size));
            size += network.layers[layer].layer.size();
        }
        let start = |layer| first.iter().find(|(l, _)| *l == layer).map(|(_, start)| *start);
        let mut outgoing: Outgoing<F> = (0..size).map(|_| Vec::new()).collect();
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
        Ok(outgoing)
    }

    /// Simulates neurons that may drive each other (`outgoing` is empty if they do not).
    fn run(
        &mut self,
        members: &[(usize, usize)],
        outgoing: &[Vec<(usize, Arrival<F>, f64)>],
        group: &[usize],
        fired: &mut Vec<Fired<F>>,
    ) -> Result<(), SimulationError> {
        if self.neurons.len() < members.len() {
            self.neurons.resize_with(members.len(), Neuron::default);
        }
        self.queue.clear();
        for (slot, &(layer, index)) in members.iter().enumerate() {
            self.prepare(slot, layer, index, group)?;
            self.plan(slot)?;
        }
        while let Some(Reverse((_, slot, plan))) = self.queue.pop() {
            if self.neurons[slot].plan != plan {
                continue;
            }
            let (time, next) = self.neurons[slot].next;
            self.advance(slot, time);
            if next == Next::Spike {
                let rank = fired.len() as u32;
                fired.push(self.fire(slot, rank)?);
                for &(target, template, delay) in outgoing.get(slot).into_iter().flatten() {
                    let arrival = Arrival { time: time + delay, rank: rank + 1, ..template };
                    if arrival.time < self.duration {
                        self.neurons[target].pending.push(Pending(arrival));
                        if target != slot && arrival.time < self.neurons[target].next.0 {
                            self.plan(target)?;
                        }
                    }
                }
            } else {
                self.receive(slot, next);
            }
            self.plan(slot)?;
        }
        Ok(())
    }

    /// Puts a neuron to rest and gathers what is known to reach it.
    fn prepare(
        &mut self,
        slot: usize,
        layer: usize,
        index: usize,
        group: &[usize],
    ) -> Result<(), SimulationError> {
        let Self { network, input, duration, fired, neurons, .. } = self;
        let old = std::mem::take(&mut neurons[slot]);
        let (mut state, mut known, mut pending) = (old.state, old.known, old.pending);
        pending.clear();
        let model = &network.layers[layer].layer;
        state.clear();
        state.resize(model.state_len(), F::zero());
        model.rest(index, &mut state);
        let source = |p: &Projection<F>| match p.origin {
            Origin::Input { .. } => {
                Some(SourceSpikes { times: input.times(), offsets: input.offsets(), ranks: None })
            }
            Origin::Layer(l) if group.contains(&l) => None,
            Origin::Layer(l) => {
                let spikes = &fired[l].as_ref()?.spikes;
                Some(SourceSpikes { times: spikes.times(), offsets: spikes.offsets(), ranks: None })
            }
        };
        collect(network, layer, index, *duration, source, &mut known)?;
        // Plans of the neuron that had this slot before are gone with the queue.
        neurons[slot] = Neuron { layer, index, state, known, pending, ..Neuron::default() };
        Ok(())
    }

    /// Works out the next event of a neuron and queues it.
    fn plan(&mut self, slot: usize) -> Result<(), SimulationError> {
        let neuron = &mut self.neurons[slot];
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
        let spike = model
            .next_spike(neuron.index, &neuron.state, horizon)
            // Rounding must not carry the spike past the arrival that bounds it.
            .map(|wait| (neuron.time + wait.as_f64()).min(limit))
            .filter(|&time| time < self.duration);
        neuron.next = spike.map_or((limit, next), |time| (time, Next::Spike));
        neuron.plan += 1;
        if neuron.next.1 != Next::Rest {
            self.queue.push(Reverse((neuron.next.0.to_bits(), slot, neuron.plan)));
        }
        Ok(())
    }

    fn advance(&mut self, slot: usize, time: f64) {
        let neuron = &mut self.neurons[slot];
        let dt = F::of(time - neuron.time);
        model(self.network, neuron.layer).model.flow(neuron.index, dt, &mut neuron.state);
        neuron.time = time;
    }

    fn receive(&mut self, slot: usize, next: Next) {
        let neuron = &mut self.neurons[slot];
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
        let neuron = &mut self.neurons[slot];
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
        let slope = model.slope(neuron.index, &neuron.state);
        model.fire(neuron.index, &mut neuron.state);
        self.ties += usize::from(neuron.last_arrival == neuron.time);
        neuron.last_spike = Some((neuron.time, rank));
        Ok(Fired {
            layer: neuron.layer,
            neuron: neuron.index,
            time: neuron.time,
            slope,
            arrivals: neuron.arrivals,
        })
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
