//! The loop of a time-stepped code, to compare with.

use super::Inputs;
use eventprop::{Real, SpikingNetwork};

/// More steps than this are not summed: the loop would measure the memory of the machine.
const MOST_STEPS: f64 = 1e7;

/// The inner loop of a code with a time step of 1 ms, for the first layer of a network:
/// `accumulated[t + d] += w`, neuron by neuron.
pub struct Stepped {
    spikes: Vec<(u32, u32)>,
    rows: Vec<Vec<(f64, u32)>>,
    accumulated: Vec<f64>,
}

impl Stepped {
    /// The loop for the first sample, if it is not too long.
    pub fn new<F: Real>(net: &SpikingNetwork<F>, inputs: &Inputs) -> Option<Self> {
        let synapses = net.synapses("input->hidden")?;
        let rows = 0..synapses.shape().0;
        let delays = rows.clone().flat_map(|post| synapses.row(post).delays);
        let longest = delays.fold(0.0, |a: f64, d| a.max(d.as_f64()));
        let times = inputs.samples.first()?.iter().flatten();
        let last = times.fold(0.0, |a: f64, t| a.max(*t));
        if longest + last > MOST_STEPS {
            return None;
        }
        let row = |post| {
            let row = synapses.row(post);
            row.weights
                .iter()
                .zip(row.delays)
                .map(|(w, d)| (w.as_f64(), d.as_f64() as u32))
                .collect()
        };
        let trains = inputs.samples.first()?.iter().enumerate();
        let mut spikes: Vec<(u32, u32)> = trains
            .flat_map(|(channel, train)| train.iter().map(move |&t| (t as u32, channel as u32)))
            .collect();
        spikes.sort_unstable();
        let accumulated = vec![0.0; (last + longest) as usize + 1];
        Some(Self { spikes, rows: rows.map(row).collect(), accumulated })
    }

    /// The number of additions of one run.
    pub fn events(&self) -> usize {
        self.spikes.len() * self.rows.len()
    }

    pub fn run(&mut self) -> f64 {
        let mut sum = 0.0;
        for row in &self.rows {
            self.accumulated.fill(0.0);
            for &(time, channel) in &self.spikes {
                let (weight, delay) = row[channel as usize];
                self.accumulated[(time + delay) as usize] += weight;
            }
            sum += self.accumulated[self.accumulated.len() / 2];
        }
        sum
    }
}
