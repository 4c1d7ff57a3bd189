//! Which engine takes what.

/// How a group of layers was simulated or differentiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// By the fast engine.
    InBuckets,
    /// By the light one.
    Lightly,
    /// By the plain one.
    Plainly,
}

#[cfg(test)]
mod tests {
    use super::Taken::{self, InBuckets, Lightly, Plainly};
    use crate::network::Scratch;
    use crate::{
        Constant, Deferred, Dense, Lif, NetworkBuilder, PotentialSensitivity, Sensitivity,
        SpikeTrains, SpikingNetwork, Trace, adjoint, simulate,
    };
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    use rand_distr::{Normal, Uniform};

    const CHANNELS: usize = 4;

    /// What drives the neurons adds up to twice the threshold.
    fn network(lif: Lif, recurrent: bool, receptors: usize, spikes: usize) -> SpikingNetwork {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", CHANNELS);
        let layer = net.layer("layer", lif);
        let synapses = |mean: f64| {
            Dense::weights(Normal::new(mean, 0.1 * mean.abs()).unwrap())
                .delays(Uniform::new(0.0, 9.0).unwrap())
        };
        net.connect(input, layer, synapses(32.0 / spikes as f64));
        for k in 1..receptors {
            net.connect(input, layer, synapses(1.0 / spikes as f64).tau_syn(5.0 + k as f64));
        }
        if recurrent {
            net.connect(layer, layer, synapses(-0.1));
        }
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    /// What simulates, and what differentiates a loss by every spike and then one that reads potentials.
    fn taken(net: &SpikingNetwork, spikes: usize) -> (Taken, Taken, Taken) {
        let events = (0..spikes).map(|k| (80.0 * k as f64 / spikes as f64, k * 7 % CHANNELS));
        let input = SpikeTrains::from_events(CHANNELS, events.collect::<Vec<_>>()).unwrap();
        let mut scratch = Scratch::default();
        let mut trace = Trace::new();
        simulate::forward(net, &input, 100.0, &mut trace, &mut scratch).unwrap();
        assert!(!trace.spikes(0).is_empty());
        // Ties are no reason to be slow: in single precision most long trials have some.
        trace.ties += 1;
        let forward = simulate::simulate(net, &[0], 100.0, &mut trace, &mut scratch).unwrap();
        let mut back = |sensitivity: &mut Sensitivity| {
            scratch.adjoint.begin(net, &trace, sensitivity, true);
            scratch.adjoint.swap(sensitivity);
            let mut deferred = Deferred::new();
            let sums = deferred.of(net).unwrap();
            adjoint::differentiate(net, &trace, &[0], sums, &mut scratch).unwrap()
        };
        let mut times = Sensitivity::none(&trace);
        times.layers[0].spike_times.fill(1.0);
        let mut potentials = Sensitivity::none(&trace);
        let read = PotentialSensitivity::At { neuron: 1, time: 50.0, gradient: 1.0 };
        potentials.layers[0].potentials.push(read);
        (forward, back(&mut times), back(&mut potentials))
    }

    #[test]
    fn no_linear_neuron_is_left_to_the_plain_engine_by_accident() {
        let lif = || Lif::<f64>::new(5);
        let beyond = || {
            let own: Vec<f64> = (0..5).map(|k| 9.0 + f64::from(k)).collect();
            let lif = lif().tau_mem(own).bias(0.2).refractory(2.0);
            lif.adaptation(-0.4, 30.0).adaptive_threshold(0.2, 20.0)
        };
        let trained = || lif().tau_mem(Constant::trainable(20.0));
        let light = (Lightly, Lightly, Lightly);
        // Potentials are rebuilt event by event.
        let spikes_only = (InBuckets, InBuckets, Lightly);
        for (lif, recurrent, receptors, spikes, expected) in [
            (lif(), false, 1, 40, light),
            (beyond(), false, 1, 40, light),
            (trained(), false, 1, 40, light),
            (lif(), false, 12, 900, light),
            (lif(), false, 1, 900, spikes_only),
            (lif(), false, 8, 900, spikes_only),
            (beyond(), false, 1, 900, spikes_only),
            (beyond(), false, 7, 900, spikes_only),
            (trained(), false, 1, 900, spikes_only),
            (lif(), true, 1, 900, (InBuckets, InBuckets, Plainly)),
            (lif().tau_syn(20.0), true, 1, 900, (InBuckets, InBuckets, Plainly)),
            (lif(), true, 8, 900, (InBuckets, InBuckets, Plainly)),
            (beyond(), true, 1, 900, (InBuckets, InBuckets, Plainly)),
            (beyond(), true, 7, 900, (InBuckets, InBuckets, Plainly)),
            (trained(), true, 1, 900, (InBuckets, InBuckets, Plainly)),
            // What the design leaves to the plain engine.
            (lif(), true, 9, 900, (Plainly, Plainly, Plainly)),
            (lif(), true, 1, 12, (Plainly, Plainly, Plainly)),
        ] {
            let what = format!("{lif:?}, {recurrent}, {receptors} receptors, {spikes} spikes");
            assert_eq!(
                taken(&network(lif, recurrent, receptors, spikes), spikes),
                expected,
                "{what}"
            );
        }
    }
}
