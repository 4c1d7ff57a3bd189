//! What a layer needs to be taken neuron by neuron.

use super::rows::Rows;
use crate::fast::afferent::{Both, by_time};
use crate::fast::arrivals;
use crate::fast::grid::{self, exp_of, shortest_tau};
use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};
use std::sync::Arc;

/// Legs that are told apart. With more, most of the work would be to look for spikes that arrive after each of them.
const MOST_LEGS: f64 = 64.0;

/// A projection onto the layer.
#[derive(Debug)]
pub(in crate::fast) struct Afferent<F> {
    /// The number of the projection, and where it comes from.
    pub number: usize,
    pub origin: Origin,
    pub sources: usize,
    pub receptor: usize,
    pub rows: Arc<Rows<F>>,
    /// tau_mem and tau_syn.
    taus: Both,
}

impl<F: Real> Afferent<F> {
    fn new(projection: &Projection<F>, number: usize, rows: Arc<Rows<F>>) -> Self {
        let (_, sources) = projection.synapses.shape();
        let taus = [rows.taus.0, rows.taus.1].map(Real::as_f64);
        let (origin, receptor) = (projection.origin, projection.receptor);
        Self { number, origin, sources, receptor, rows, taus }
    }

    /// exp(x / tau_mem) and exp(x / tau_syn).
    pub fn factors(&self, x: f64) -> Both {
        self.taus.map(|tau| exp_of(x, tau))
    }

    /// dL/dt of a spike, given its factors and the sums over its synapses.
    pub fn by_time(&self, factors: Both, sums: Both) -> f64 {
        by_time(self.taus, factors, sums)
    }
}

/// A layer and the projections onto it.
#[derive(Debug)]
pub(in crate::fast) struct Plan<F> {
    pub version: u64,
    pub layer: usize,
    pub neurons: usize,
    pub bank: ModeBank<F>,
    pub shortest_tau: f64,
    /// The length of a leg in ms.
    pub leg: f64,
    pub afferents: Vec<Afferent<F>>,
}

impl<F: Real> Plan<F> {
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn new(
        network: &SpikingNetwork<F>,
        (layer, bank): (usize, &ModeBank<F>),
    ) -> Result<Self, SimulationError> {
        let shortest_tau = shortest_tau(bank);
        let leg = grid::leg::<F>(shortest_tau);
        let mut afferents = Vec::new();
        for (number, projection) in network.projections.iter().enumerate() {
            if projection.target == layer {
                let rows = network.cache.rows(network, number, bank)?;
                afferents.push(Afferent::new(projection, number, rows));
            }
        }
        Ok(Self {
            version: network.version,
            layer,
            neurons: network.layers[layer].layer.size(),
            bank: bank.clone(),
            shortest_tau,
            leg,
            afferents,
        })
    }

    /// Returns once what an arrival adds is known of all synapses.
    pub fn finish(&self, network: &SpikingNetwork<F>) {
        for Afferent { number, rows, .. } in &self.afferents {
            rows.make(&network.projections[*number], &self.bank, self.leg);
        }
    }

    /// Whether the legs that delays may end in within a trial are few enough.
    pub fn tells_legs(&self, duration: f64) -> bool {
        let longest = self.afferents.iter().map(|a| a.rows.longest).fold(0.0, f64::max);
        longest.min(duration) <= MOST_LEGS * self.leg
    }

    /// How wide buckets should be in the forward pass. Narrow ones are more; of wide ones more are looked at closely, the
    /// more so the fewer arrivals it takes to fire. The sum of both costs is least near so many arrivals per bucket.
    pub fn width<'t>(
        &self,
        network: &SpikingNetwork<F>,
        duration: f64,
        trains: &impl Fn(&Projection<F>) -> &'t SpikeTrains,
    ) -> f64 {
        let (mut all, mut lift) = (0.0, 0.0);
        for Afferent { number, rows, taus, .. } in &self.afferents {
            let projection = &network.projections[*number];
            let arrivals = arrivals(projection, trains(projection).len() as f64);
            all += arrivals;
            // What one adds to V in the long run is its weight times tau_syn / tau_mem.
            lift += arrivals * rows.excitation * taus[1] / taus[0];
        }
        let threshold = self.bank.threshold().map_or(f64::INFINITY, Real::as_f64);
        let to_fire = threshold * all / lift;
        // From counts of instructions with all of a quarter to twice the width, for loads of 3000 to 8000 arrivals.
        let per_bucket = (to_fire.sqrt() / 3.0).clamp(1.0, 64.0);
        grid::width(duration, all, per_bucket, self.leg)
    }
}
