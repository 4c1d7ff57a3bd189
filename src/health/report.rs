//! The health report in words.

use super::{AtSpike, Health};
use crate::parameter::block_names;
use crate::{Network, Real};
use std::fmt::{self, Write};

impl<F: Real> Health<F> {
    /// What is worth knowing, in lines that name the layers and projections of the network. Counts that are zero are left out,
    /// but for silence, ties and lost arrivals.
    ///
    /// ```
    /// # use eventprop::{CrossEntropy, Dense, LeakyIntegrator, Lif, MeanVoltage, NetworkBuilder, Objective, Sample, SpikeTrains};
    /// # use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// # let mut net = NetworkBuilder::new();
    /// # let input = net.input("input", 1);
    /// # let hidden = net.layer("hidden", Lif::new(2));
    /// # let output = net.layer("output", LeakyIntegrator::new(2));
    /// # net.connect(input, hidden, Dense::weights(9.0).delays(1.0));
    /// # net.connect(hidden, output, Dense::weights(1.0));
    /// # let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    /// # let spikes = SpikeTrains::from_channels([[1.0, 49.5]])?;
    /// # let batch = [Sample { input: &spikes, target: &1 }];
    /// # let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    /// let (summary, _) = eventprop::backward_batch(&net, &batch, 50.0, &objective)?;
    /// println!("{}", summary.health.report(&net));
    /// // 1 backward pass
    /// // hidden: 1.00 spikes per neuron and trial, silent in 0.0 % of trials
    /// // output: no spikes
    /// // smallest slope 1.81e-1 per ms: neuron 0 of hidden at 5.34 ms, sample 0
    /// // ...
    /// # assert!(summary.health.report(&net).contains("slope 1.81e-1 per ms: neuron 0 of hidden at 5.34 ms, sample 0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn report<G: Real, N: Network<G> + ?Sized>(&self, network: &N) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(network, &mut text);
        text
    }

    fn write<G: Real, N: Network<G> + ?Sized>(&self, network: &N, out: &mut String) -> fmt::Result {
        let passes = if self.trials == 1 { "pass" } else { "passes" };
        writeln!(out, "{} backward {passes}", self.trials)?;
        for (number, layer) in self.layers.iter().enumerate().take(network.layers()) {
            let (name, size) = network.layer_info(number);
            let all = size.max(1) as f64 * self.trials.max(1) as f64;
            if layer.spikes == 0 {
                write!(out, "{name}: no spikes")?;
            } else {
                let (mean, silent) = (layer.spikes as f64 / all, 100.0 * layer.silent as f64 / all);
                write!(
                    out,
                    "{name}: {mean:.2} spikes per neuron and trial, silent in {silent:.1} % of trials"
                )?;
            }
            let remedies = [
                (layer.limited, "slopes limited"),
                (layer.regularized, "spikes regularised"),
                (layer.phantoms, "phantom spikes"),
            ];
            write_counts(&remedies, out)?;
            writeln!(out)?;
        }
        let extremes =
            [("smallest slope", &self.smallest_slope), ("largest dL/dt", &self.largest_adjoint)];
        for (what, found) in extremes {
            if let Some(AtSpike { value, sample, layer, neuron, time }) = found {
                let name =
                    if *layer < network.layers() { network.layer_info(*layer).0 } else { "?" };
                let value = value.as_f64();
                writeln!(
                    out,
                    "{what} {value:.2e} per ms: neuron {neuron} of {name} at {time:.2} ms, sample {sample}"
                )?;
            }
        }
        for (name, value) in block_names(&network.layout()).zip(&self.largest_gradients) {
            writeln!(out, "largest gradient of {name}: {:.2e}", value.as_f64())?;
        }
        write!(out, "ties: {}, arrivals too late: {}", self.ties, self.lost_arrivals)?;
        let others = [
            (self.near_ties, "near ties"),
            (self.delays_at_lower, "delays on their lower bound"),
            (self.delays_at_upper, "delays on their upper bound"),
            (self.clipped, "gradients clipped"),
            (self.lifted, "neurons lifted"),
        ];
        write_counts(&others, out)?;
        let could = (0..network.layers()).any(|layer| network.fires(layer));
        if could && self.lost_arrivals > 0 && self.layers.iter().all(|layer| layer.spikes == 0) {
            write!(out, "\nno neuron fired: are all times, and the trial, in ms?")?;
        }
        Ok(())
    }
}

/// Those that are not zero.
fn write_counts(counts: &[(usize, &str)], out: &mut String) -> fmt::Result {
    let mut some = counts.iter().filter(|(count, _)| *count > 0);
    some.try_for_each(|(count, what)| write!(out, ", {what}: {count}"))
}
