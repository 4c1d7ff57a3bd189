//! A network that runs on and on, event by event.

mod neuron;
mod queue;
mod wiring;

use crate::simulate::check_wait;
use crate::{Real, SimulationError, SpikingNetwork};
use neuron::Neuron;
use queue::{Due, Flight, Flights, Landing};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;
use wiring::Wiring;

/// A spike of a neuron of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Spike {
    /// When, in ms.
    pub time: f64,
    /// The number of the layer.
    pub layer: usize,
    /// The neuron of the layer.
    pub neuron: usize,
}

/// A network that takes input events as they come and yields its spikes in the order of time.
///
/// For inference without end: a robot, a service. It keeps the state of every neuron and the spikes that
/// are on their way, and no trace. It fires the spikes that [`Network::forward`] gives for the same events
/// in a trial (see [Order](#order)), unless a neuron fires more often at once than a stream [allows](#limits). A trial
/// starts at rest: what was trained on trials expects a [`Simulator::reset`] where each of them would start.
/// [Recipe 21](crate::guide::cookbook) names the class of each window.
///
/// ```
/// use eventprop::{Dense, Lif, NetworkBuilder, Simulator};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut net = NetworkBuilder::<f64>::new();
/// let input = net.input("input", 2);
/// let output = net.layer("output", Lif::new(1).tau_mem(10.0).tau_syn(5.0));
/// net.connect(input, output, Dense::weights(3.0).delays(1.5));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
///
/// let mut simulator = Simulator::new(&net)?;
/// let mut spikes = 0;
/// for (time, channel) in [(2.0, 0), (2.5, 1), (14.0, 1)] {
///     // All spikes before the event, then the event.
///     while let Some(spike) = simulator.next_spike(time)? {
///         println!("neuron {} of layer {} fired at {} ms", spike.neuron, spike.layer, spike.time);
///         spikes += 1;
///     }
///     simulator.receive(time, channel)?;
/// }
/// while simulator.next_spike(100.0)?.is_some() {
///     spikes += 1;
/// }
/// assert_eq!(spikes, 2);
/// assert_eq!(simulator.time(), 100.0);
/// assert!(simulator.potential(0, 0) < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The network
///
/// It copies the layers and the synapses, so it borrows nothing and the network may be trained on. A clone
/// is another stream from the same state on; clones share the synapses and cost only their states.
///
/// # Time
///
/// Time starts at 0 and has no end. It is an `f64` in ms, which after a day still resolves 15 ps and after a
/// year 4 ns; states are kept relative to the last event of their neuron and do not age.
///
/// # Order
///
/// Events at one time act in the order that a trial has: group of layers by group, in a group neuron by
/// neuron; a neuron's spike before an arrival; arrivals from outside of the group first. An event that is handed in
/// at the present time acts after the spikes that were yielded already.
///
/// So the spikes are those of [`Engine::Plain`](crate::Engine::Plain), bit for bit, and how the events are cut into
/// portions changes nothing. Only where a crossing falls on an arrival to the last digit may rounding decide
/// otherwise which comes first, or whether a neuron fires whose bias is within some roundings of its threshold. (A model
/// from outside the crate has to keep to its side: the time that [`Layer::next_spike`](crate::Layer::next_spike) finds must
/// not depend on the horizon.)
///
/// # Limits
///
/// A neuron may fire as often at once as a trial allows from its start (1000 times, or
/// [`max_spikes`](crate::NetworkBuilder::max_spikes)), and 10 times more per ms in the long run; then it is
/// called a runaway. So spikes that breed spikes without delay end too. Memory grows with the spikes on
/// their way, see [`Simulator::in_flight`], and with nothing else.
///
/// [`Network::forward`]: crate::Network::forward
#[derive(Debug, Clone)]
pub struct Simulator<F: Real = f64> {
    wiring: Arc<Wiring<F>>,
    neurons: Vec<Neuron>,
    /// The states of all neurons, one after the other.
    states: Vec<F>,
    /// When each neuron has to be looked at next, or something earlier.
    due: Due,
    flights: Flights,
    /// What arrives at the present time.
    landings: BinaryHeap<Landing<F>>,
    time: f64,
    /// Spikes and input events so far.
    count: u64,
    failed: Option<SimulationError>,
    scratch: Vec<F>,
}

impl<F: Real> Simulator<F> {
    /// The network at rest, at 0 ms.
    ///
    /// # Errors
    /// [`SimulationError::BadSynapse`] and [`SimulationError::BadConstant`]: a value that has no meaning.
    pub fn new(network: &SpikingNetwork<F>) -> Result<Self, SimulationError> {
        let wiring = Wiring::new(network)?;
        let mut states = 0;
        let neurons = wiring.members.iter().map(|&(layer, index)| {
            let state = states..states + wiring.layers[layer].layer.state_len();
            states = state.end;
            Neuron::new(layer, index, state, wiring.burst)
        });
        let neurons: Vec<Neuron> = neurons.collect();
        let mut simulator = Self {
            due: Due::new(neurons.len()),
            neurons,
            states: vec![F::zero(); states],
            flights: Flights::default(),
            landings: BinaryHeap::new(),
            time: 0.0,
            count: 0,
            failed: None,
            scratch: Vec::new(),
            wiring: Arc::new(wiring),
        };
        simulator.reset();
        Ok(simulator)
    }

    /// Back to rest at 0 ms, with nothing on its way: as new.
    pub fn reset(&mut self) {
        let Self { wiring, neurons, states, due, .. } = self;
        for (slot, neuron) in neurons.iter_mut().enumerate() {
            let layer = &wiring.layers[neuron.layer].layer;
            *neuron = Neuron::new(neuron.layer, neuron.index, neuron.state.clone(), wiring.burst);
            layer.rest(neuron.index, &mut states[neuron.state.clone()]);
            // Looked at first of all: it may fire without any input.
            due.set(slot, neuron.due);
        }
        self.flights.clear();
        self.landings.clear();
        (self.time, self.count, self.failed) = (0.0, 0, None);
    }

    /// The present time in ms.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// How many spikes, input events included, have arrivals to come after the present time. One that travels
    /// through several projections counts for each of them.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// An input event on a channel, at a time in ms that is not before the present.
    ///
    /// Events may be handed in in any order, and long before their time.
    ///
    /// # Errors
    /// [`SimulationError::NoSuchChannel`], and [`SimulationError::BadTime`] for a time that is past or not finite;
    /// the event is left out and the simulator goes on as it was.
    pub fn receive(&mut self, time: f64, channel: usize) -> Result<(), SimulationError> {
        let channels = self.wiring.channels;
        if channel >= channels {
            return Err(SimulationError::NoSuchChannel { channel, channels });
        }
        self.check_time(time)?;
        // Adding zero turns -0.0 into 0.0.
        self.launch(time + 0.0, |fan| fan.of_channel(channel));
        Ok(())
    }

    /// The next spike before `until`, in ms; it becomes the present time. Without such a spike, `None`, and
    /// `until` becomes the present time.
    ///
    /// What happens at `until` itself is left for later, so that events at that time can still be handed in.
    ///
    /// # Errors
    /// [`SimulationError::BadTime`] if `until` is past or not finite; the simulator stays as it was.
    /// [`SimulationError::Runaway`], [`SimulationError::Overflow`] and [`SimulationError::BadWait`]: it cannot go on, and
    /// says so again until it is [reset](Simulator::reset).
    pub fn next_spike(&mut self, until: f64) -> Result<Option<Spike>, SimulationError> {
        self.check_time(until)?;
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.run(until + 0.0);
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// The potential of a neuron at the present time.
    ///
    /// # Panics
    /// If there is no such layer or neuron.
    pub fn potential(&mut self, layer: usize, neuron: usize) -> F {
        let layers = self.wiring.layers.len();
        assert!(layer < layers, "there is no layer {layer}; there are {layers} (0-based)");
        let model = &self.wiring.layers[layer].layer;
        assert!(neuron < model.size(), "layer {layer} has no neuron {neuron}");
        let Neuron { state, time, .. } = &self.neurons[self.wiring.first[layer] + neuron];
        // A copy: cutting the flow of the state itself in two would change its rounding.
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.states[state.clone()]);
        model.flow(neuron, F::of(self.time - time), &mut self.scratch);
        model.potential(neuron, &self.scratch)
    }

    fn check_time(&self, time: f64) -> Result<(), SimulationError> {
        if time.is_finite() && time >= self.time {
            Ok(())
        } else {
            Err(SimulationError::BadTime { time, present: self.time })
        }
    }

    fn run(&mut self, until: f64) -> Result<Option<Spike>, SimulationError> {
        loop {
            let arrival = match self.landings.is_empty() {
                true => self.flights.next(),
                false => self.time,
            };
            let (due, slot) = self.first_due(arrival);
            let time = due.min(arrival);
            if time >= until {
                self.time = until;
                return Ok(None);
            }
            self.time = time;
            self.land();
            let before = |landing: &Landing<F>| due > time || landing.slot < slot;
            match self.landings.peek().copied().filter(before) {
                Some(landing) => {
                    self.landings.pop();
                    self.arrive(&landing)?;
                }
                None if self.neurons[slot].fires => return self.fire(slot).map(Some),
                None => self.look(slot, self.neurons[slot].horizon)?,
            }
        }
    }

    /// The neuron that has to be looked at first, and when; or any time after `limit`, if that is then.
    fn first_due(&mut self, limit: f64) -> (f64, usize) {
        loop {
            let (queued, slot) = self.due.first();
            let due = self.neurons[slot].due;
            if queued > limit || queued == due {
                return (queued, slot);
            }
            self.due.set(slot, due);
        }
    }

    /// Sends a spike on its way through all projections that have synapses for it.
    fn launch(&mut self, fired: f64, synapses: impl Fn(&wiring::Fan<F>) -> Option<Range<usize>>) {
        self.count += 1;
        for (number, fan) in self.wiring.fans.iter().enumerate() {
            let Some(Range { start, end }) = synapses(fan) else { continue };
            let flight = Flight { fired, number: self.count, fan: number, next: start, end };
            if let Some(time) = flight.arrival(fan) {
                self.flights.launch(flight, time);
            }
        }
    }

    /// Gathers what arrives at the present time.
    fn land(&mut self) {
        let Self { wiring, flights, landings, time, .. } = self;
        flights.land(*time, |flight| {
            let fan = &wiring.fans[flight.fan];
            loop {
                let contact = fan.contacts[flight.next];
                landings.push(Landing {
                    slot: fan.target + contact.post as usize,
                    rank: if fan.internal { flight.number } else { 0 },
                    fan: flight.fan,
                    synapse: contact.synapse,
                    number: flight.number,
                    weight: contact.weight,
                });
                flight.next += 1;
                let next = flight.arrival(fan)?;
                if next > *time {
                    return Some(next);
                }
            }
        });
    }

    fn arrive(&mut self, landing: &Landing<F>) -> Result<(), SimulationError> {
        let Landing { slot, fan, weight, .. } = *landing;
        self.flow(slot);
        let neuron = &mut self.neurons[slot];
        neuron.note_arrival();
        let receptor = self.wiring.fans[fan].receptor;
        let state = &mut self.states[neuron.state.clone()];
        let model = &self.wiring.layers[neuron.layer].layer;
        model.receive(neuron.index, receptor, weight, state);
        self.plan(slot)
    }

    fn fire(&mut self, slot: usize) -> Result<Spike, SimulationError> {
        self.flow(slot);
        let neuron = &mut self.neurons[slot];
        let Neuron { layer, index, time, .. } = *neuron;
        let budget = self.wiring.burst;
        if !neuron.may_fire(budget) {
            let layer = self.wiring.layers[layer].name.clone();
            return Err(SimulationError::Runaway { layer, neuron: index, time, budget });
        }
        let state = &mut self.states[neuron.state.clone()];
        self.wiring.layers[layer].layer.fire(index, state);
        self.launch(time, |fan| fan.of_neuron(layer, index));
        self.plan(slot)?;
        Ok(Spike { time, layer, neuron: index })
    }

    /// Brings a neuron to the present time.
    fn flow(&mut self, slot: usize) {
        let neuron = &mut self.neurons[slot];
        let state = &mut self.states[neuron.state.clone()];
        let dt = F::of(self.time - neuron.time);
        self.wiring.layers[neuron.layer].layer.flow(neuron.index, dt, state);
        neuron.time = self.time;
    }

    /// Looks for the next spike of a neuron to which something has just happened.
    fn plan(&mut self, slot: usize) -> Result<(), SimulationError> {
        // If the next arrival comes at once, only a spike at once comes before it.
        let again = self.landings.peek().is_some_and(|landing| landing.slot == slot);
        self.look(slot, if again { 0.0 } else { self.neurons[slot].first_look() })
    }

    /// Looks for a spike within the horizon. If there is none the neuron is looked at again at its end, then
    /// over twice that horizon: so what is found does not depend on how the stream is cut.
    fn look(&mut self, slot: usize, horizon: f64) -> Result<(), SimulationError> {
        let neuron = &mut self.neurons[slot];
        let named = &self.wiring.layers[neuron.layer];
        let state = &self.states[neuron.state.clone()];
        if !state.iter().all(|x| x.is_finite()) {
            let (layer, time) = (named.name.clone(), neuron.time);
            return Err(SimulationError::Overflow { layer, neuron: neuron.index, time });
        }
        let most = F::max_value();
        let within = F::of(horizon).min(most);
        let wait = named.layer.next_spike(neuron.index, state, within);
        check_wait(wait, within, (&named.name, neuron.index))?;
        // Rounding must not carry the spike into the past.
        let spike = wait.map(|wait| (neuron.time + wait.as_f64()).max(self.time));
        neuron.fires = spike.is_some();
        neuron.horizon = 2.0 * horizon;
        let further = horizon > 0.0 && within < most;
        let end = if further { neuron.time + horizon } else { f64::INFINITY };
        let due = spike.unwrap_or(end);
        neuron.due = due;
        // Most arrivals only put it off, and the next does so before it is due: one place in line does for many.
        if due < self.due.of(slot) {
            self.due.set(slot, due);
        }
        Ok(())
    }
}
