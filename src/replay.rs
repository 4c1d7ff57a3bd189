//! The states of a neuron at its events, rebuilt from the spikes of a trace.

use crate::arrivals::{Arrival, SourceSpikes, collect};
use crate::network::{Origin, Projection};
use crate::{Real, SimulationError, SpikingNetwork, Trace};

/// What happens to a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// One of [`Replay::arrivals`].
    Arrival(usize),
    /// The neuron's own spike, by its position in the layer's spike trains.
    Spike(usize),
    /// Nothing, but somebody asked for the state then.
    Probe(usize),
}

/// The events of one neuron in order, and its state before and after each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay<F> {
    pub arrivals: Vec<Arrival<F>>,
    pub events: Vec<(f64, Event)>,
    before: Vec<F>,
    /// Starts with the state at rest, at time 0.
    after: Vec<F>,
    len: usize,
}

impl<F: Real> Replay<F> {
    /// The state just before event `k`.
    pub fn before(&self, k: usize) -> &[F] {
        &self.before[k * self.len..(k + 1) * self.len]
    }

    /// The state at the start of the segment that ends with event `k` (or with the trial).
    pub fn segment(&self, k: usize) -> &[F] {
        &self.after[k * self.len..(k + 1) * self.len]
    }

    /// When the segment that ends with event `k` starts.
    pub fn segment_start(&self, k: usize) -> f64 {
        if k == 0 { 0.0 } else { self.events[k - 1].0 }
    }

    /// Rebuilds the trial of one neuron. `probes` are ascending times; a probe comes before
    /// everything else that happens at its time.
    pub fn run(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        group: &[usize],
        (layer, neuron): (usize, usize),
        probes: &[f64],
    ) -> Result<(), SimulationError> {
        let source = |p: &Projection<F>| {
            let ranks = match p.origin {
                Origin::Layer(l) if group.contains(&l) => Some(trace.layers[l].ranks.as_slice()),
                _ => None,
            };
            let spikes = trace.sources(p.origin);
            Some(SourceSpikes { times: spikes.times(), offsets: spikes.offsets(), ranks })
        };
        collect(network, layer, neuron, trace.duration, source, &mut self.arrivals)?;
        self.rebuild(network, trace, (layer, neuron), probes);
        Ok(())
    }

    /// The same, given the arrivals.
    pub fn rebuild(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        (layer, neuron): (usize, usize),
        probes: &[f64],
    ) {
        self.order(trace, layer, neuron, probes);
        let model = &network.layers[layer].layer;
        self.len = model.state_len();
        self.before.clear();
        self.after.clear();
        self.after.resize(self.len, F::zero());
        model.rest(neuron, &mut self.after);
        let mut time = 0.0;
        for &(at, event) in &self.events {
            let start = self.after.len() - self.len;
            self.before.extend_from_slice(&self.after[start..]);
            let from = self.before.len() - self.len;
            model.flow(neuron, F::of(at - time), &mut self.before[from..]);
            self.after.extend_from_slice(&self.before[from..]);
            let state = &mut self.after[start + self.len..];
            match event {
                Event::Arrival(k) => {
                    let Arrival { receptor, weight, .. } = self.arrivals[k];
                    model.receive(neuron, receptor as usize, weight, state);
                }
                Event::Spike(_) => model.fire(neuron, state),
                Event::Probe(_) => {}
            }
            time = at;
        }
    }

    /// Merges arrivals, spikes and probes. Spikes know how many arrivals came before them.
    fn order(&mut self, trace: &Trace<F>, layer: usize, neuron: usize, probes: &[f64]) {
        let fired = &trace.layers[layer];
        let offsets = fired.spikes.offsets();
        let mut spikes = (offsets[neuron]..offsets[neuron + 1]).peekable();
        let mut probe = 0;
        self.events.clear();
        let mut push = |time: f64, event| {
            while probes.get(probe).is_some_and(|&p| p <= time) {
                self.events.push((probes[probe], Event::Probe(probe)));
                probe += 1;
            }
            if time.is_finite() {
                self.events.push((time, event));
            }
        };
        for k in 0..=self.arrivals.len() {
            while let Some(s) = spikes.next_if(|&s| fired.arrivals[s] as usize <= k) {
                push(fired.spikes.times()[s], Event::Spike(s));
            }
            if let Some(arrival) = self.arrivals.get(k) {
                push(arrival.time, Event::Arrival(k));
            }
        }
        // What is left of the probes.
        push(f64::INFINITY, Event::Probe(probes.len()));
    }
}
