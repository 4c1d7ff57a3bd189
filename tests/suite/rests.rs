//! Between bursts of input a recurrent group is taken through much of the time at once: to the same spikes as event by event.

use crate::agree::{least_slope, random_trains, same_gradients, same_spikes};
use crate::support::Neurons;
use eventprop::{
    Dense, Engine, Lif, Network, NetworkBuilder, Sensitivity, SpikeTrains, SpikingNetwork,
};
use ndarray::Array2;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

/// So many that a slab is a small part of a leg, and what happened before it still counts after it.
const NEURONS: usize = 260;
const CHANNELS: usize = 8;

/// Two bursts; the second comes before V, currents and thresholds have forgotten the first.
fn bursts(rng: &mut ChaCha8Rng) -> SpikeTrains {
    let mut burst = || random_trains(rng, (1000, CHANNELS), 8.0, None);
    let (first, second) = (burst(), burst());
    let trains = (0..CHANNELS).map(|channel| {
        let late = second.channel(channel).iter().map(|time| time + 90.0);
        first.channel(channel).iter().copied().chain(late).collect::<Vec<_>>()
    });
    SpikeTrains::from_channels(trains).unwrap()
}

#[test]
fn spikes_and_gradients_after_a_pause_depend_on_all_that_was_before() {
    let plain = || Neurons::plain(20.0, 5.0, -3.0);
    let kinds = [
        plain(),
        Neurons { spread: Some(0.3), ..plain() },
        Neurons { bias: Some(0.6), ..plain() },
        Neurons { bias: Some(-0.3), ..plain() },
        Neurons { adaptation: Some((-1.0, 60.0)), ..plain() },
        Neurons { rising: Some((0.5, 60.0)), ..plain() },
        // Some are held throughout a slab, and released in another.
        Neurons { refractory: Some(45.0), ..plain() },
        Neurons { refractory: Some(f64::INFINITY), spread: Some(0.2), ..plain() },
    ];
    for neurons in kinds {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut net = NetworkBuilder::new();
        let input = net.input("input", CHANNELS);
        let hidden = net.layer("hidden", neurons.lif(NEURONS));
        let weights = Normal::new(0.01, 0.01).unwrap();
        let delays = |longest| Uniform::new(0.0, longest).unwrap();
        net.connect(input, hidden, Dense::weights(weights).delays(delays(5.0)));
        let weights = Normal::new(0.0, 0.03).unwrap();
        net.connect(hidden, hidden, Dense::weights(weights).delays(delays(5.0)));
        let fast = net.build(&mut rng).unwrap();
        let plain = fast.clone().with_engine(Engine::Plain);
        let input = bursts(&mut rng);
        let run = |net: &SpikingNetwork| {
            let trace = net.forward(&input, 130.0).unwrap();
            let mut sensitivity = Sensitivity::none(&trace);
            sensitivity.layers[0].spike_times.fill(1.0);
            let gradients = net.adjoint(&trace, sensitivity).unwrap();
            (trace, gradients)
        };
        let ((trace, found), (expected, wanted)) = (run(&fast), run(&plain));
        let late = expected.spikes(0).times().iter().filter(|&&time| time > 90.0).count();
        let fires_once = neurons.refractory == Some(f64::INFINITY);
        assert!(late > 100 || fires_once, "{late} spikes after the pause, {neurons:?}");
        let slope = least_slope(&expected);
        same_spikes(&trace, &expected, 1e-11 * (1.0 + 1e-2 / slope)).unwrap();
        let relative = 1e-8 * (1.0 + 1e-6 / (slope * slope));
        same_gradients(&found, &wanted, |largest| relative * largest).unwrap();
    }
}

/// One neuron fires, long after all that arrives, by its bias or by a slow current; the others never do.
#[test]
fn one_neuron_that_fires_wakes_the_group() {
    for by_bias in [false, true] {
        for number in [0, 131, NEURONS - 1] {
            let alone = |value: f64| {
                let mut values = vec![0.0; NEURONS];
                values[number] = value;
                values
            };
            let mut net = NetworkBuilder::new();
            let input = net.input("input", 1);
            let lif = Lif::new(NEURONS);
            let (lif, weight) = if by_bias {
                (lif.tau_mem(100.0).tau_syn(2.0).bias(alone(1.2)), 0.0)
            } else {
                (lif.tau_mem(2.0).tau_syn(100.0), 4.0)
            };
            let hidden = net.layer("hidden", lif);
            let weights = Array2::from_shape_vec((NEURONS, 1), alone(weight)).unwrap();
            net.connect(input, hidden, Dense::weights(weights).delays(1.0));
            // What it sends comes after the end.
            net.connect(hidden, hidden, Dense::weights(0.1).delays(500.0));
            let fast = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
            let plain = fast.clone().with_engine(Engine::Plain);
            let input = SpikeTrains::from_events(1, [(0.5, 0)]).unwrap();
            let run = |net: &SpikingNetwork| net.forward(&input, 400.0).unwrap();
            let (found, expected) = (run(&fast), run(&plain));
            assert!(expected.spikes(0).channel(number).iter().any(|&time| time > 100.0));
            same_spikes(&found, &expected, 1e-9).unwrap();
        }
    }
}
