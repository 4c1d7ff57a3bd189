//! The backward pass: EventProp with delays, exact.
//!
//! Every neuron carries p = dL/dstate backwards through its events. At an arrival p is read, which
//! gives dL/dw, dL/dd and what the spike that arrives contributes to its dL/dt. At a spike that sum
//! enters p by a rank-one update (Mészáros, Knight, Nowotny 2025, eqs. 7-11, in the mode form of
//! `docs/design.md`).

use crate::fast;
use crate::network::{Engine, Origin};
use crate::replay::{Event, Replay};
use crate::{
    Gradients, Layer, LayerSensitivity, Network, PotentialSensitivity, Real, Sensitivity,
    SimulationError, SpikingNetwork, Trace,
};
use std::collections::BinaryHeap;
use thiserror::Error;

/// Why a trace could not be differentiated.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AdjointError {
    /// The trace was made by another network, or before the parameters changed.
    #[error(
        "the trace belongs to another network or to other parameters; run `forward` again after every change"
    )]
    StaleTrace,
    /// The sensitivity does not fit the trace.
    #[error("the sensitivity does not fit the trace: {what} is {found}, but must be {expected}")]
    Sensitivity {
        /// What does not fit.
        what: &'static str,
        /// Its value.
        found: f64,
        /// What it should be.
        expected: String,
    },
    /// At a spike the potential does not rise: the spike's time has no derivative.
    #[error(
        "neuron {neuron} of layer `{layer}` fires at {time} ms with slope {slope}: its time has no derivative"
    )]
    ZeroSlope {
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// When, in ms.
        time: f64,
        /// dV/dt before the spike.
        slope: f64,
    },
    /// The trial could not be rebuilt.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
}

pub(crate) fn check_trace<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
) -> Result<(), AdjointError> {
    if trace.version == network.version { Ok(()) } else { Err(AdjointError::StaleTrace) }
}

/// The gradients of a loss, given its sensitivity to spike times and potentials.
pub(crate) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    sensitivity: Sensitivity<F>,
) -> Result<Gradients<F>, AdjointError> {
    check_trace(network, trace)?;
    check_sensitivity(network, trace, &sensitivity)?;
    let mut potentials = Vec::new();
    let mut layer_times = Vec::new();
    for LayerSensitivity { spike_times, potentials: terms } in sensitivity.layers {
        layer_times.push(spike_times);
        potentials.push(terms);
    }
    let zeros = |p: &crate::network::Projection<F>| vec![F::zero(); p.synapses.synapses()];
    let mut pass = Backward {
        network,
        trace,
        weights: network.projections.iter().map(zeros).collect(),
        delays: network.projections.iter().map(zeros).collect(),
        input_times: vec![F::zero(); trace.input.len()],
        layer_times,
        neurons: Vec::new(),
    };
    for group in network.groups.iter().rev() {
        pass.group(group, &potentials)?;
    }
    let mut gradients = Gradients::zeros(network.layout());
    let mut start = 0;
    for (number, projection) in network.projections.iter().enumerate() {
        let len: usize = projection.synapses.parameters().iter().map(|p| p.values.len()).sum();
        let part = &mut gradients.values_mut()[start..start + len];
        projection.synapses.pull_back(&pass.weights[number], &pass.delays[number], part);
        start += len;
    }
    gradients.input_times = pass.input_times;
    Ok(gradients)
}

fn check_sensitivity<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    sensitivity: &Sensitivity<F>,
) -> Result<(), AdjointError> {
    let wrong =
        |what, found, expected: String| Err(AdjointError::Sensitivity { what, found, expected });
    let layers = network.layers.len();
    if sensitivity.layers.len() != layers {
        return wrong("the number of layers", sensitivity.layers.len() as f64, layers.to_string());
    }
    for (layer, terms) in sensitivity.layers.iter().enumerate() {
        let spikes = trace.layers[layer].spikes.len();
        if terms.spike_times.len() != spikes {
            let found = terms.spike_times.len() as f64;
            return wrong("the number of spikes", found, spikes.to_string());
        }
        let size = network.layers[layer].layer.size();
        for term in &terms.potentials {
            if term.neuron() >= size {
                return wrong("a neuron", term.neuron() as f64, format!("below {size}"));
            }
            if let PotentialSensitivity::At { time, .. }
            | PotentialSensitivity::AtArrival { time, .. } = *term
            {
                if !(0.0..=trace.duration).contains(&time) {
                    return wrong("a time", time, format!("in [0, {}] ms", trace.duration));
                }
            }
        }
    }
    Ok(())
}

/// A neuron in the middle of the backward pass.
struct Neuron<F> {
    layer: usize,
    index: usize,
    replay: Replay<F>,
    /// How many events are still to come.
    left: usize,
    /// dL/dstate just after event `left - 1`, or at the end of the trial.
    adjoint: Vec<F>,
    /// (gradient, whether it moves with an arrival) of each probe.
    probes: Vec<(F, bool)>,
    /// (rate, gradient) of each integral.
    integrals: Vec<(F, F)>,
}

struct Backward<'a, F: Real> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    /// dL/dw of every synapse of every projection.
    weights: Vec<Vec<F>>,
    /// dL/dd likewise.
    delays: Vec<Vec<F>>,
    /// dL/dt of every spike so far.
    input_times: Vec<F>,
    layer_times: Vec<Vec<F>>,
    /// The neurons of the present group; kept to reuse their memory.
    neurons: Vec<Neuron<F>>,
}

impl<F: Real> Backward<'_, F> {
    fn group(
        &mut self,
        group: &[usize],
        potentials: &[Vec<PotentialSensitivity<F>>],
    ) -> Result<(), AdjointError> {
        for &layer in group {
            self.check_slopes(layer)?;
        }
        let recurrent = self.network.projections.iter().any(|p| {
            group.contains(&p.target) && matches!(p.origin, Origin::Layer(l) if group.contains(&l))
        });
        let members = group.iter().flat_map(|&layer| {
            (0..self.network.layers[layer].layer.size()).map(move |n| (layer, n))
        });
        let members: Vec<(usize, usize)> = members.collect();
        if self.network.engine == Engine::Fast {
            let mut gathered = fast::Gathered {
                weights: &mut self.weights,
                delays: &mut self.delays,
                input_times: &mut self.input_times,
                layer_times: &mut self.layer_times,
            };
            let (network, trace) = (self.network, self.trace);
            let mut scratch = fast::Scratch::default();
            let done = fast::backward(
                network,
                trace,
                group,
                recurrent,
                potentials,
                &mut gathered,
                &mut scratch,
            );
            if done.is_some() {
                return Ok(());
            }
        }
        if recurrent {
            for (slot, &member) in members.iter().enumerate() {
                self.prepare(slot, group, member, potentials)?;
            }
            return self.together(members.len());
        }
        for member in members {
            self.prepare(0, group, member, potentials)?;
            while self.neurons[0].left > 0 {
                self.step(0)?;
            }
        }
        Ok(())
    }

    /// Every spike needs a slope.
    fn check_slopes(&self, layer: usize) -> Result<(), AdjointError> {
        let fired = &self.trace.layers[layer];
        let flat = |slope: &F| !(slope.is_finite() && *slope > F::zero());
        let Some(spike) = fired.slopes.iter().position(flat) else { return Ok(()) };
        let offsets = fired.spikes.offsets();
        Err(AdjointError::ZeroSlope {
            layer: self.network.layers[layer].name.clone(),
            neuron: offsets.partition_point(|&start| start <= spike) - 1,
            time: fired.spikes.times()[spike],
            slope: fired.slopes[spike].as_f64(),
        })
    }

    /// Walks the events of several neurons back in one order in which no spike comes before an
    /// effect of it: latest first; at one time arrivals first, then spikes, last fired first.
    fn together(&mut self, neurons: usize) -> Result<(), AdjointError> {
        let key = |pass: &Self, slot: usize| {
            let neuron = &pass.neurons[slot];
            let &(time, event) = neuron.replay.events[..neuron.left].last()?;
            let ranks = &pass.trace.layers[neuron.layer].ranks;
            let order = match event {
                Event::Spike(s) => ranks[s],
                _ => u32::MAX,
            };
            Some((time.to_bits(), order, slot))
        };
        let mut queue: BinaryHeap<_> = (0..neurons).filter_map(|slot| key(self, slot)).collect();
        while let Some((_, _, slot)) = queue.pop() {
            self.step(slot)?;
            queue.extend(key(self, slot));
        }
        Ok(())
    }

    /// Rebuilds a neuron's trial and sets its adjoint at the end of it.
    fn prepare(
        &mut self,
        slot: usize,
        group: &[usize],
        (layer, index): (usize, usize),
        potentials: &[Vec<PotentialSensitivity<F>>],
    ) -> Result<(), AdjointError> {
        let mut neuron = match self.neurons.get_mut(slot) {
            Some(old) => std::mem::replace(old, Neuron::new()),
            None => {
                self.neurons.push(Neuron::new());
                Neuron::new()
            }
        };
        let mut times = Vec::new();
        neuron.integrals.clear();
        for term in potentials[layer].iter().filter(|t| t.neuron() == index) {
            match *term {
                PotentialSensitivity::At { time, gradient, .. } => {
                    times.push((time, gradient, false));
                }
                PotentialSensitivity::AtArrival { time, gradient, .. } => {
                    times.push((time, gradient, true));
                }
                PotentialSensitivity::Integral { rate, gradient, .. } => {
                    neuron.integrals.push((rate, gradient));
                }
            }
        }
        // Those that move with an arrival come last, next to it.
        times.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        neuron.probes.clear();
        neuron.probes.extend(times.iter().map(|&(_, gradient, moves)| (gradient, moves)));
        let times: Vec<f64> = times.iter().map(|t| t.0).collect();
        neuron.replay.run(self.network, self.trace, group, (layer, index), &times)?;
        neuron.layer = layer;
        neuron.index = index;
        neuron.left = neuron.replay.events.len();
        let model = self.network.layers[layer].layer.as_ref();
        neuron.adjoint.clear();
        neuron.adjoint.resize(model.state_len(), F::zero());
        neuron.flow_back(model, self.trace.duration);
        self.neurons[slot] = neuron;
        Ok(())
    }

    /// Takes one neuron back over its last event, and over the segment before that.
    fn step(&mut self, slot: usize) -> Result<(), AdjointError> {
        let neuron = &mut self.neurons[slot];
        let model = self.network.layers[neuron.layer].layer.as_ref();
        let at = neuron.left - 1;
        let (time, event) = neuron.replay.events[at];
        let state = neuron.replay.before(at);
        match event {
            Event::Arrival(k) => {
                let arrival = neuron.replay.arrivals[k];
                let mut gradient = model.receive_back(
                    neuron.index,
                    arrival.receptor as usize,
                    arrival.weight,
                    state,
                    &mut neuron.adjoint,
                );
                gradient.time += kink(neuron, at, model) + neuron.jump_in_integrals(model, at);
                let (projection, synapse) = (arrival.projection as usize, arrival.synapse as usize);
                self.weights[projection][synapse] += gradient.weight;
                self.delays[projection][synapse] += gradient.time;
                let times = match self.network.projections[projection].origin {
                    Origin::Input { .. } => &mut self.input_times,
                    Origin::Layer(l) => &mut self.layer_times[l],
                };
                times[arrival.spike as usize] += gradient.time;
            }
            Event::Spike(s) => {
                let slope = self.trace.layers[neuron.layer].slopes[s];
                let given = self.layer_times[neuron.layer][s] + neuron.jump_in_integrals(model, at);
                model.fire_back(neuron.index, state, slope, given, &mut neuron.adjoint);
            }
            Event::Probe(k) => {
                let (gradient, _) = neuron.probes[k];
                model.potential_back(neuron.index, state, gradient, &mut neuron.adjoint);
            }
        }
        neuron.left = at;
        neuron.flow_back(model, time);
        Ok(())
    }
}

/// What an arrival gets from probes that move with it. They stand right before the first arrival of
/// their time.
fn kink<F: Real>(neuron: &Neuron<F>, at: usize, model: &dyn Layer<F>) -> F {
    let mut gradient = F::zero();
    for &(time, event) in neuron.replay.events[..at].iter().rev() {
        match event {
            Event::Probe(k) if neuron.probes[k].1 && time == neuron.replay.events[at].0 => {
                gradient += neuron.probes[k].0;
            }
            _ => break,
        }
    }
    if gradient == F::zero() {
        return gradient;
    }
    gradient * model.slope(neuron.index, neuron.replay.before(at))
}

impl<F: Real> Neuron<F> {
    fn new() -> Self {
        Self {
            layer: 0,
            index: 0,
            replay: Replay::default(),
            left: 0,
            adjoint: Vec::new(),
            probes: Vec::new(),
            integrals: Vec::new(),
        }
    }

    /// What integrals of the potential contribute to dL/dt of event `at`: while it waits, the
    /// potential stays what it was before.
    fn jump_in_integrals(&self, model: &dyn Layer<F>, at: usize) -> F {
        let time = F::of(self.replay.events[at].0);
        let weight: F = self.integrals.iter().map(|&(rate, g)| g * (-rate * time).exp()).sum();
        let before = model.potential(self.index, self.replay.before(at));
        let after = model.potential(self.index, self.replay.segment(at + 1));
        weight * (before - after)
    }

    /// From `end` to the start of the segment that ends with event `left`.
    fn flow_back(&mut self, model: &dyn Layer<F>, end: f64) {
        let start = self.replay.segment_start(self.left);
        let state = self.replay.segment(self.left);
        let dt = F::of(end - start);
        model.flow_back(self.index, dt, state, &mut self.adjoint);
        for &(rate, gradient) in &self.integrals {
            let discounted = gradient * (-rate * F::of(start)).exp();
            model.integral_back(self.index, state, dt, rate, discounted, &mut self.adjoint);
        }
    }
}
