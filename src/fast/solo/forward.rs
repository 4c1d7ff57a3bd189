//! The forward pass, neuron by neuron.

use super::Plan;
use super::inbox::{Bucket, Inbox};
use super::spikes::Spikes;
use super::steps::Steps;
use super::stretch::{Lengths, Stretch};
use crate::fast::own::Beyond;
use crate::fast::plan::State;
use crate::fast::walk::{Arrival, Walk};
use crate::network::Projection;
use crate::trace::Fired;
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};

/// What is known of a neuron.
#[derive(Debug, Clone)]
struct Neuron<F, const R: usize> {
    state: State<F, R>,
    /// How many arrivals it has received.
    received: u32,
    spikes: usize,
    last_spike: Option<(f64, u32)>,
}

/// The memory of a forward pass, to be used again.
#[derive(Debug)]
pub(in crate::fast) struct Space<F, const R: usize, const N: usize> {
    steps: Option<Steps<F, R>>,
    neurons: Vec<Neuron<F, R>>,
    /// What arrives in the present stretch, by afferent.
    spikes: Vec<Spikes>,
    inbox: Inbox<F, R>,
    /// In the present bucket.
    arrivals: Vec<Arrival<F>>,
    /// The spikes of the layer, stretch by stretch and neuron by neuron.
    pub fired: Vec<Fired<F>>,
}

impl<F: Real, const R: usize, const N: usize> Space<F, R, N> {
    pub fn new() -> Self {
        Self {
            steps: None,
            neurons: Vec::new(),
            spikes: Vec::new(),
            inbox: Inbox::new(),
            arrivals: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// Simulates a layer; its spikes are in `fired` then. Returns the number of ties.
    pub fn run<'t>(
        &mut self,
        network: &SpikingNetwork<F>,
        plan: &Plan<F>,
        duration: f64,
        trains: impl Fn(&Projection<F>) -> &'t SpikeTrains,
    ) -> Result<usize, SimulationError> {
        let width = plan.width(network, duration, &trains);
        let lengths = Lengths::forward(plan, width, duration);
        let steps = Steps::renewed(self.steps.take(), plan, lengths);
        self.fired.clear();
        self.neurons.clear();
        let neuron = Neuron { state: State::zero(), received: 0, spikes: 0, last_spike: None };
        self.neurons.resize(plan.neurons, neuron);
        self.inbox.clear(lengths.buckets());
        self.spikes.resize_with(plan.afferents.len().max(self.spikes.len()), Spikes::default);
        for (afferent, spikes) in plan.afferents.iter().zip(&mut self.spikes) {
            spikes.begin(afferent, trains(&network.projections[afferent.number]));
        }
        let mut ties = 0;
        for number in 0..lengths.stretches(duration) {
            let stretch = lengths.stretch(number, duration);
            for (afferent, spikes) in plan.afferents.iter().zip(&mut self.spikes) {
                let trains = trains(&network.projections[afferent.number]);
                spikes.turn(afferent, trains, (&stretch, plan.leg));
            }
            for neuron in 0..plan.neurons {
                let steps = &steps;
                let mut run = Run { network, plan, steps, stretch, duration, neuron, space: self };
                ties += run.run()?;
            }
        }
        self.steps = Some(steps);
        Ok(ties)
    }
}

/// A neuron in a stretch.
struct Run<'a, F: Real, const R: usize, const N: usize> {
    network: &'a SpikingNetwork<F>,
    plan: &'a Plan<F>,
    steps: &'a Steps<F, R>,
    stretch: Stretch,
    duration: f64,
    neuron: usize,
    space: &'a mut Space<F, R, N>,
}

impl<F: Real, const R: usize, const N: usize> Run<'_, F, R, N> {
    /// Takes the neuron through the stretch; its ties.
    fn run(&mut self) -> Result<usize, SimulationError> {
        let Self { network, plan, steps, stretch, neuron, .. } = *self;
        let Space { inbox, spikes, neurons, .. } = &mut *self.space;
        inbox.receive(network, (plan, neuron), (spikes, &stretch))?;
        let mut ties = 0;
        let mut state = neurons[neuron].state;
        let mut received = neurons[neuron].received;
        let mut number = 0;
        while number < stretch.buckets {
            if number % steps.per_leg == 0 {
                state.forget_traces();
            }
            let end = (number + 1).next_multiple_of(steps.per_leg).min(stretch.buckets);
            let buckets = &mut self.space.inbox.buckets[number..end];
            let (at, passed) = steps.pass(number, buckets, &mut state);
            number = at;
            received += passed;
            if at < end {
                ties += self.walk(at, &mut state, received)?;
                let bucket = &mut self.space.inbox.buckets[at];
                received += bucket.count;
                *bucket = Bucket::empty();
                number += 1;
            }
        }
        let neuron = &mut self.space.neurons[neuron];
        (neuron.state, neuron.received) = (state, received);
        Ok(ties)
    }

    /// Takes the neuron event by event through a bucket, before which it has received so many arrivals; its ties.
    #[inline(never)]
    fn walk(
        &mut self,
        bucket: usize,
        state: &mut State<F, R>,
        received: u32,
    ) -> Result<usize, SimulationError> {
        let Self { network, plan, stretch, duration, neuron, .. } = *self;
        let Space { inbox, spikes, arrivals, neurons, fired, .. } = &mut *self.space;
        inbox.collect(bucket, (plan, spikes), arrivals);
        let known = &mut neurons[neuron];
        // The first bucket of a trial starts before it.
        let start = stretch.start_of(bucket).max(0.0);
        let end = stretch.start_of(bucket + 1).min(duration);
        let beyond = Beyond::none();
        let mut walk = Walk::<F, N>::new(&plan.bank, (state, &beyond), start, known.last_spike);
        let layer = || network.layers[plan.layer].name.clone();
        while walk.on(&plan.bank, arrivals, end, duration) {
            let (time, rank) = (walk.time, fired.len());
            if rank >= u32::MAX as usize - 1 {
                return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
            }
            let budget = network.spike_budget(time);
            if known.spikes >= budget {
                return Err(SimulationError::Runaway { layer: layer(), neuron, time, budget });
            }
            known.spikes += 1;
            let (rank, arrivals) = (rank as u32, received + walk.next as u32);
            let slope = walk.fire(&plan.bank, rank);
            known.last_spike = walk.last_spike;
            fired.push(Fired { neuron, time, slope, arrivals, rank, release: F::nan() });
        }
        *state = walk.state(&plan.bank);
        // What is not a number is looked at closely from then on.
        if !state.is_finite() {
            return Err(SimulationError::Overflow { layer: layer(), neuron, time: walk.time });
        }
        Ok(walk.ties)
    }
}
