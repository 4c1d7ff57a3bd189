//! The bucketed forward pass of a layer whose input is known.
//!
//! Modes add: over a bucket in which the neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.

use super::grid::{Afferent, Grid, SynapseFactors};
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{Real, SimulationError, SpikeTrains};

/// Arrivals that a bucket can name; the rest go to a list.
const NAMED: usize = 9;

/// What arrives in one bucket: the sums of the jumps, carried to its start, and who arrived.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket<F, const R: usize> {
    /// The sum of -g_r w exp(s / tau_mem).
    mem: F,
    /// The sum of w exp(s / tau_r), by receptor.
    syn: [F; R],
    /// A bound on the sum of positive weights.
    rise: F,
    count: u32,
    named: [u32; NAMED],
}

impl<F: Real, const R: usize> Bucket<F, R> {
    fn empty() -> Self {
        Self { mem: F::zero(), syn: [F::zero(); R], rise: F::zero(), count: 0, named: [0; NAMED] }
    }
}

/// An arrival in a bucket that is stepped through.
#[derive(Debug, Clone, Copy)]
struct Arrival<F> {
    time: f64,
    /// Number of the spike among all afferent ones: ties act in this order, as in the plain engine.
    spike: u32,
    receptor: u32,
    weight: F,
}

/// Constants of a neuron over a whole bucket.
struct Step<F, const R: usize> {
    decay_mem: F,
    decay: [F; R],
    response: [F; R],
    gain: [F; R],
}

/// Simulates one layer, neuron by neuron.
pub(super) struct LayerRun<'a, F: Real, const R: usize> {
    pub name: &'a str,
    pub bank: &'a ModeBank<F>,
    pub grid: Grid,
    pub duration: f64,
    /// How often a neuron may have fired by a time.
    pub budget: &'a dyn Fn(f64) -> usize,
    pub afferents: Vec<Afferent<'a, F>>,
}

/// What one neuron did, appended to what those before it did.
#[derive(Default)]
pub(super) struct Fired<F> {
    times: Vec<f64>,
    slopes: Vec<F>,
    arrivals: Vec<u32>,
    pub ties: usize,
}

impl<F: Real, const R: usize> LayerRun<'_, F, R> {
    pub fn run(&self, size: usize) -> Result<(LayerTrace<F>, usize), SimulationError> {
        let mut buckets = vec![Bucket::<F, R>::empty(); self.grid.buckets];
        let mut overflow = Vec::new();
        let mut hot = Vec::new();
        let mut fired = Fired::default();
        let mut offsets = vec![0];
        let step = self.step();
        let mut synapses = Vec::new();
        for neuron in 0..size {
            overflow.clear();
            self.fill(neuron, &mut synapses, &mut buckets, &mut overflow)?;
            overflow.sort_unstable();
            self.scan(neuron, &step, &mut buckets, &overflow, &mut hot, &mut fired)?;
            offsets.push(fired.times.len());
        }
        let ranks = (0..fired.times.len() as u32).collect();
        let spikes = SpikeTrains::from_csr(offsets, fired.times)
            .expect("a neuron fires at finite times that do not descend");
        let trace = LayerTrace { spikes, slopes: fired.slopes, arrivals: fired.arrivals, ranks };
        Ok((trace, fired.ties))
    }

    fn step(&self) -> Step<F, R> {
        let mut decay = [F::zero(); R];
        let mut response = [F::zero(); R];
        let decay_mem = self.bank.propagator(F::of(self.grid.width), |r, d, v| {
            decay[r] = d;
            response[r] = v;
        });
        let mut gain = [F::zero(); R];
        for (g, &tau) in gain.iter_mut().zip(self.bank.tau_syn()) {
            *g = tau / (tau - self.bank.tau_mem());
        }
        Step { decay_mem, decay, response, gain }
    }

    /// Adds up what arrives at a neuron, bucket by bucket.
    fn fill(
        &self,
        neuron: usize,
        synapses: &mut Vec<SynapseFactors<F>>,
        buckets: &mut [Bucket<F, R>],
        overflow: &mut Vec<(u32, u32)>,
    ) -> Result<(), SimulationError> {
        let Self { grid, bank, .. } = self;
        let mut id = 0;
        for afferent in &self.afferents {
            let projection = afferent.projection;
            let receptor = projection.receptor;
            for synapse in projection.synapses.row(neuron).iter() {
                crate::arrivals::check_synapse(projection, neuron, &synapse)?;
            }
            let tau = bank.tau_syn()[receptor];
            let gain = tau / (tau - bank.tau_mem());
            afferent.synapses(neuron, *grid, |w| -gain * w, |w| w, synapses);
            for spike in &afferent.spikes {
                let synapse = &synapses[spike.pre as usize];
                let carry = usize::from(spike.offset + synapse.offset >= grid.width);
                let at = spike.bucket as usize + synapse.bucket as usize + carry;
                if let Some(bucket) = buckets.get_mut(at) {
                    let syn = synapse.syn * spike.syn * afferent.carry_syn[carry];
                    bucket.mem += synapse.mem * spike.mem * afferent.carry_mem[carry];
                    bucket.syn[receptor] += syn;
                    // exp(s / tau) >= 1: no less than the weight, if that is positive.
                    bucket.rise += syn.max(F::zero());
                    match bucket.named.get_mut(bucket.count as usize) {
                        Some(name) => *name = id,
                        None => overflow.push((at as u32, id)),
                    }
                    bucket.count += 1;
                }
                id += 1;
            }
        }
        Ok(())
    }

    /// Walks through the buckets of one neuron, and empties them.
    #[allow(clippy::too_many_arguments)]
    fn scan(
        &self,
        neuron: usize,
        step: &Step<F, R>,
        buckets: &mut [Bucket<F, R>],
        overflow: &[(u32, u32)],
        hot: &mut Vec<Arrival<F>>,
        fired: &mut Fired<F>,
    ) -> Result<(), SimulationError> {
        let threshold = self.bank.threshold().unwrap_or(F::infinity());
        let limit = threshold * (F::one() - F::of(8.0) * F::epsilon());
        let rate = F::of(self.grid.width) / self.bank.tau_mem();
        let mut state = vec![F::zero(); R + 1];
        let mut received = 0;
        let first_spike = fired.times.len();
        for (number, bucket) in buckets.iter_mut().enumerate() {
            let (v, currents) = state.split_at_mut(1);
            // V' <= (drive - V) / tau_mem, with all that excites arriving at once.
            let drive = currents.iter().fold(bucket.rise, |sum, &i| sum + i.max(F::zero()));
            let bound = v[0] + (drive - v[0]).max(F::zero()) * rate;
            if bound < limit {
                let mut next = (v[0] + bucket.mem) * step.decay_mem;
                for (r, current) in currents.iter_mut().enumerate() {
                    let arrived = bucket.syn[r] * step.decay[r];
                    next += *current * step.response[r] + step.gain[r] * arrived;
                    *current = *current * step.decay[r] + arrived;
                }
                v[0] = next;
            } else {
                self.gather(neuron, number, bucket, overflow, hot);
                self.step_through(neuron, number, &mut state, received, hot, first_spike, fired)?;
            }
            received += bucket.count;
            *bucket = Bucket::empty();
        }
        Ok(())
    }

    /// Lists the arrivals of a bucket in the order in which they act.
    fn gather(
        &self,
        neuron: usize,
        number: usize,
        bucket: &Bucket<F, R>,
        overflow: &[(u32, u32)],
        hot: &mut Vec<Arrival<F>>,
    ) {
        hot.clear();
        let named = &bucket.named[..NAMED.min(bucket.count as usize)];
        let from = overflow.partition_point(|&(b, _)| (b as usize) < number);
        let more = overflow[from..].iter().take_while(|(b, _)| *b as usize == number);
        for id in named.iter().copied().chain(more.map(|(_, id)| *id)) {
            let mut spike = id as usize;
            let mut afferents = self.afferents.iter();
            let afferent = loop {
                let Some(afferent) = afferents.next() else { return };
                if spike < afferent.spikes.len() {
                    break afferent;
                }
                spike -= afferent.spikes.len();
            };
            let pre = afferent.spikes[spike].pre as usize;
            let row = afferent.projection.synapses.row(neuron);
            let time = afferent.times[spike] + row.delays[pre].as_f64();
            if time < self.duration {
                let receptor = afferent.projection.receptor as u32;
                hot.push(Arrival { time, spike: id, receptor, weight: row.weights[pre] });
            }
        }
        hot.sort_unstable_by_key(|a| ((a.time + 0.0).to_bits(), a.spike));
    }

    /// Event by event through one bucket.
    #[allow(clippy::too_many_arguments)]
    fn step_through(
        &self,
        neuron: usize,
        number: usize,
        state: &mut [F],
        received: u32,
        hot: &[Arrival<F>],
        first_spike: usize,
        fired: &mut Fired<F>,
    ) -> Result<(), SimulationError> {
        let last = number + 1 == self.grid.buckets;
        let end = if last { self.duration } else { self.grid.start(number + 1) };
        let mut time = self.grid.start(number);
        let mut last_spike = fired.times.get(first_spike..).and_then(|t| t.last().copied());
        for k in 0..=hot.len() {
            // An arrival may lie outside of its bucket by the rounding of its time.
            let until = hot.get(k).map_or(end, |a| a.time).max(time);
            while let Some(wait) = self.bank.next_spike(state, F::of(until - time)) {
                let at = (time + wait.as_f64()).min(until);
                if at >= self.duration {
                    break;
                }
                self.bank.flow(F::of(at - time), state);
                time = at;
                let budget = (self.budget)(time);
                if fired.times.len() - first_spike >= budget {
                    return Err(SimulationError::Runaway {
                        layer: self.name.into(),
                        neuron,
                        time,
                        budget,
                    });
                }
                fired.times.push(time);
                fired.slopes.push(self.bank.slope(state));
                fired.arrivals.push(received + k as u32);
                fired.ties += usize::from(k > 0 && hot[k - 1].time == time);
                last_spike = Some(time);
                self.bank.fire(state);
            }
            self.bank.flow(F::of(until - time), state);
            time = until;
            if let Some(arrival) = hot.get(k) {
                fired.ties += usize::from(last_spike == Some(arrival.time));
                state[arrival.receptor as usize + 1] += arrival.weight;
            }
        }
        if state.iter().all(|x| x.is_finite()) {
            Ok(())
        } else {
            Err(SimulationError::Overflow { layer: self.name.into(), neuron, time })
        }
    }
}
