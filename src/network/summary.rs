//! What a network is made of, in words.

use super::SpikingNetwork;
use crate::{Parameter, Real};
use std::fmt;

/// A line for each input, layer and projection, with what is trained, and the number of parameters.
impl<F: Real> fmt::Display for SpikingNetwork<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = 0;
        let mut trained = |f: &mut fmt::Formatter<'_>, parameters: Vec<Parameter<'_, F>>| {
            for (k, p) in parameters.iter().enumerate() {
                total += p.values.len();
                let before = if k == 0 { "; trained: " } else { ", " };
                write!(f, "{before}{} {}", p.values.len(), p.kind)?;
            }
            writeln!(f)
        };
        for (name, channels) in &self.inputs {
            writeln!(f, "input `{name}`: channels {channels}")?;
        }
        for (k, named) in self.layers.iter().enumerate() {
            write!(f, "layer {k} `{}`: neurons {}", named.name, named.layer.size())?;
            trained(f, named.layer.parameters())?;
        }
        for projection in &self.projections {
            let synapses = &projection.synapses;
            let (post, pre) = synapses.shape();
            let count = synapses.synapses();
            write!(f, "projection `{}`: synapses {count} of {post} x {pre}", projection.name)?;
            trained(f, synapses.parameters())?;
        }
        write!(f, "parameters: {total}")
    }
}

#[cfg(test)]
mod tests {
    use crate::{Constant, Delays, Dense, LeakyIntegrator, Lif, NetworkBuilder, Sparse};
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn a_network_is_printed_in_words() {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 4);
        let hidden = net.layer("hidden", Lif::new(3).tau_mem(Constant::trainable([20.0; 3])));
        let output = net.layer("output", LeakyIntegrator::new(2));
        net.connect(input, hidden, Dense::weights(1.0).delays(Delays::axonal(2.0)));
        net.connect(hidden, output, Sparse::edges([(1, 0), (1, 1)]).weights(1.0).fixed_weights());
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let lines = [
            "input `input`: channels 4",
            "layer 0 `hidden`: neurons 3; trained: 3 tau_mem",
            "layer 1 `output`: neurons 2",
            "projection `input->hidden`: synapses 12 of 3 x 4; trained: 12 weight, 4 delay",
            "projection `hidden->output`: synapses 2 of 2 x 3",
            "parameters: 19",
        ];
        assert_eq!(net.to_string(), lines.join("\n"));
    }
}
