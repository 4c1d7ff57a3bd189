//! The forward pass of a layer.

use super::arrivals::{Arrival, Inbox};
use super::dynamics::Dynamics;
use super::{Scratch, State, rest, with_receptors};
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
    let bank = network.layers[layer].layer.mode_bank()?;
    let threshold = bank.threshold()?;
    let trains = |p: &Projection<F>| p.origin.spikes(input, layers);
    let Scratch { inbox, fired, .. } = scratch;
    fired.clear();
    macro_rules! run {
        ($receptors:literal) => {{
            let dynamics: Dynamics<'_, F, $receptors> = Dynamics::new(bank);
            let run = Run { network, layer, duration, threshold, dynamics, fired, ties: 0 };
            run.layer(trains, inbox)
        }};
    }
    let ties = with_receptors!(bank, run);
    layers[layer].fill(network.layers[layer].layer.size(), fired.iter().copied());
    Some(ties)
}

struct Run<'a, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    layer: usize,
    duration: f64,
    threshold: F,
    dynamics: Dynamics<'a, F, R>,
    fired: &'a mut Vec<Fired<F>>,
    ties: usize,
}

impl<F: Real, const R: usize> Run<'_, F, R> {
    fn layer<'s>(
        mut self,
        trains: impl Fn(&Projection<F>) -> &'s SpikeTrains,
        inbox: &mut Inbox<F>,
    ) -> Result<usize, SimulationError> {
        for neuron in 0..self.network.layers[self.layer].layer.size() {
            inbox.fill(self.network, (self.layer, neuron), self.duration, &trains)?;
            self.neuron(neuron, &inbox.arrivals)?;
            let most = u32::MAX as usize - 1;
            if self.fired.len() > most {
                return Err(SimulationError::TooManySpikes { most });
            }
        }
        Ok(self.ties)
    }

    /// Takes a neuron through the trial.
    fn neuron(&mut self, neuron: usize, arrivals: &[Arrival<F>]) -> Result<(), SimulationError> {
        let mut state: State<F> = rest();
        let mut time = 0.0;
        let mut received = 0;
        let (mut spikes, mut last_spike, mut last_arrival) = (0, -1.0, -1.0);
        loop {
            let arrival = arrivals.get(received);
            let until = arrival.map_or(self.duration, |a| a.time);
            let wait = self.dynamics.next_spike(&state, self.threshold, F::of(until - time));
            // Rounding must not carry the spike past the arrival that bounds it.
            let spike = wait.map(|wait| (time + wait.as_f64()).min(until));
            if let Some(at) = spike.filter(|&at| at < self.duration) {
                spikes += 1;
                let budget = self.network.spike_budget(at);
                if spikes > budget {
                    let layer = self.network.layers[self.layer].name.clone();
                    return Err(SimulationError::Runaway { layer, neuron, time: at, budget });
                }
                self.dynamics.fire(F::of(at - time), &mut state);
                let slope = (self.dynamics.drive(&state) - self.threshold) * self.dynamics.rate_mem;
                self.ties += usize::from(last_arrival == at);
                let (rank, arrivals) = (self.fired.len() as u32, received as u32);
                self.fired.push(Fired { neuron, time: at, slope, arrivals, rank });
                (time, last_spike) = (at, at);
                continue;
            }
            let Some(arrival) = arrival else { return Ok(()) };
            // Before the first arrival the neuron is at rest.
            if received > 0 {
                state = self.dynamics.flow(F::of(until - time), &state);
            }
            state[arrival.receptor as usize + 1] += arrival.weight;
            if !state[..=R].iter().all(|x| x.is_finite()) {
                let layer = self.network.layers[self.layer].name.clone();
                return Err(SimulationError::Overflow { layer, neuron, time: until });
            }
            received += 1;
            self.ties += usize::from(last_spike == until);
            (time, last_arrival) = (until, until);
        }
    }
}
