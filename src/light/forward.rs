//! The forward pass of a layer.

use super::arrivals::{Arrival, Inbox};
use super::dynamics::{Dynamics, Neuron};
use super::{Scratch, quick, with_dynamics};
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::trace::{Fired, LayerTrace};
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};

/// Simulates a layer without recurrence and counts its ties, or leaves it to another engine. `layers` holds
/// the traces of earlier ones, and takes that of this layer.
pub(crate) fn forward<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
    duration: f64,
    input: &SpikeTrains,
    layers: &mut [LayerTrace<F>],
    scratch: &mut Scratch<F>,
) -> Option<Result<usize, SimulationError>> {
    let neurons = network.layers[layer].layer.linear().filter(|neurons| neurons.fire())?;
    let trains = |p: &Projection<F>| p.origin.spikes(input, layers);
    let Scratch { inbox, fired, .. } = scratch;
    fired.clear();
    let mut run = Run { network, layer, duration, fired, ties: 0 };
    macro_rules! run {
        ($dynamics:expr) => {
            run.layer(neurons.banks(), $dynamics, trains, inbox)
        };
    }
    let done = with_dynamics!(quick(neurons), run);
    let ties = done.map(|()| run.ties);
    layers[layer].fill(network.layers[layer].layer.size(), fired.iter().copied());
    Some(ties)
}

struct Run<'a, F: Real> {
    network: &'a SpikingNetwork<F>,
    layer: usize,
    duration: f64,
    fired: &'a mut Vec<Fired<F>>,
    ties: usize,
}

impl<F: Real> Run<'_, F> {
    fn layer<'s, N: Neuron<F>>(
        &mut self,
        banks: &'s [ModeBank<F>],
        dynamics: impl Fn(&'s ModeBank<F>) -> N,
        trains: impl Fn(&Projection<F>) -> &'s SpikeTrains,
        inbox: &mut Inbox<F>,
    ) -> Result<(), SimulationError> {
        let mut model = dynamics(&banks[0]);
        for neuron in 0..self.network.layers[self.layer].layer.size() {
            inbox.fill(self.network, (self.layer, neuron), self.duration, &trains)?;
            if let (Some(bank), 1..) = (banks.get(neuron), neuron) {
                model = dynamics(bank);
            }
            self.neuron(&model, neuron, &inbox.arrivals)?;
            let most = u32::MAX as usize - 1;
            if self.fired.len() > most {
                return Err(SimulationError::TooManySpikes { most });
            }
        }
        Ok(())
    }

    /// Takes a neuron through the trial.
    fn neuron<N: Neuron<F>>(
        &mut self,
        model: &N,
        neuron: usize,
        arrivals: &[Arrival<F>],
    ) -> Result<(), SimulationError> {
        let mut state = model.rest();
        let mut time = 0.0;
        let mut received = 0;
        let (mut spikes, mut last_spike, mut last_arrival) = (0, -1.0, -1.0);
        loop {
            let arrival = arrivals.get(received);
            let until = arrival.map_or(self.duration, |a| a.time);
            let wait = model.next_spike(&state, F::of(until - time));
            // Rounding must not carry the spike past the arrival that bounds it.
            let spike = wait.map(|wait| (time + wait.as_f64()).min(until));
            if let Some(at) = spike.filter(|&at| at < self.duration) {
                spikes += 1;
                let budget = self.network.spike_budget(at);
                if spikes > budget {
                    let layer = self.network.layers[self.layer].name.clone();
                    return Err(SimulationError::Runaway { layer, neuron, time: at, budget });
                }
                let slope = model.fire(F::of(at - time), &mut state);
                self.ties += usize::from(last_arrival == at);
                let (rank, arrivals) = (self.fired.len() as u32, received as u32);
                let release = F::nan();
                self.fired.push(Fired { neuron, time: at, slope, arrivals, rank, release });
                (time, last_spike) = (at, at);
                continue;
            }
            let Some(arrival) = arrival else { return Ok(()) };
            model.pass(F::of(until - time), &mut state);
            if !model.receive(arrival.receptor as usize, arrival.weight, &mut state) {
                let layer = self.network.layers[self.layer].name.clone();
                return Err(SimulationError::Overflow { layer, neuron, time: until });
            }
            received += 1;
            self.ties += usize::from(last_spike == until);
            (time, last_arrival) = (until, until);
        }
    }
}
