//! Between bursts of input a recurrent group is taken through much of the time at once: to the same spikes as event by event.

use crate::agree::{least_slope, random_trains, same_gradients, same_spikes};
use crate::support::Neurons;
use eventprop::{Dense, Engine, Network, NetworkBuilder, Sensitivity, SpikeTrains};
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
        let run = |net: &eventprop::SpikingNetwork| {
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
