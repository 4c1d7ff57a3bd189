//! Streams: order at one time, long times, bad events, runaways.

use crate::bad_input::hostile;
use crate::simulator::{Jumping, T, bits, of_trial, sorted, spikes};
use eventprop::{
    Dense, Engine, LeakyIntegrator, Lif, Network, NetworkBuilder, SimulationError, Simulator,
    Spike, SpikeTrains, SpikingNetwork,
};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Normal;

fn finish(net: NetworkBuilder) -> SpikingNetwork {
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap().with_engine(Engine::Plain)
}

/// One neuron with a synapse of this weight and delay, and one onto itself.
fn single(weight: f64, delay: f64, recurrent: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let output = net.layer("output", Lif::new(1).tau_mem(20.0).tau_syn(10.0));
    net.connect(input, output, Dense::weights(array![[weight, 0.0]]).delays(delay));
    net.connect(output, output, Dense::weights(recurrent).delays(0.0));
    finish(net)
}

#[test]
fn spikes_at_one_time_come_in_the_order_of_cause() {
    // Without delays all fire at 3 ms: the first layer, then the second, which was added before it.
    let mut net = NetworkBuilder::new();
    let second = net.layer("second", Jumping { size: 2, tau: 5.0, drive: 0.0 });
    let first = net.layer("first", Jumping { size: 2, tau: 5.0, drive: 0.0 });
    let input = net.input("input", 2);
    net.connect(input, first, Dense::weights(array![[0.6, 0.6], [0.4, 0.7]]).delays(0.0));
    net.connect(first, second, Dense::weights(array![[0.5, 0.5], [0.5, 0.5]]).delays(0.0));
    let mut simulator = Simulator::new(&finish(net)).unwrap();
    simulator.receive(3.0, 1).unwrap();
    simulator.receive(3.0, 0).unwrap();
    assert_eq!(simulator.in_flight(), 2);
    assert_eq!(spikes(&mut simulator, 3.0), Ok(vec![]));
    let found = spikes(&mut simulator, 3.1).unwrap();
    let expected = [(1, 0), (1, 1), (0, 0), (0, 1)];
    assert_eq!(found, expected.map(|(layer, neuron)| Spike { time: 3.0, layer, neuron }));
    assert_eq!(simulator.in_flight(), 0);
}

#[test]
fn neurons_of_a_group_take_turns_at_one_time() {
    // Both driven neurons cross at one time. The first makes still neuron 0 fire at once, whose inhibition
    // reaches still neuron 1 before the second's excitation, and it stays silent.
    let mut net = NetworkBuilder::new();
    let still = net.layer("still", Jumping { size: 2, tau: 5.0, drive: 0.0 });
    let driven = net.layer("driven", Jumping { size: 2, tau: 5.0, drive: 1.5 });
    let input = net.input("input", 1);
    net.connect(input, driven, Dense::weights(0.0));
    net.connect(driven, still, Dense::weights(array![[1.1, 0.0], [0.0, 1.2]]));
    net.connect(still, still, Dense::weights(array![[0.0, 0.0], [-0.5, 0.0]]));
    net.connect(still, driven, Dense::weights(0.0));
    let net = finish(net);
    let found = spikes(&mut Simulator::new(&net).unwrap(), 10.0).unwrap();
    let order: Vec<_> = found.iter().map(|s| (s.layer, s.neuron)).collect();
    assert_eq!(order, [(1, 0), (0, 0), (1, 1)]);
    assert!(found.windows(2).all(|w| w[0].time == w[1].time));
    let trial = net.forward(&SpikeTrains::silent(1), 10.0).unwrap();
    assert_eq!(bits(&sorted(found)), bits(&of_trial(&trial)));
}

#[test]
fn a_spike_can_be_answered_at_once() {
    let net = single(9.0, 0.0, 0.0);
    let mut simulator = Simulator::new(&net).unwrap();
    simulator.receive(1.0, 0).unwrap();
    let mut events = vec![1.0];
    let mut found = Vec::new();
    while let Some(spike) = simulator.next_spike(T).unwrap() {
        found.push(spike);
        if events.len() < 6 {
            events.push(spike.time);
            simulator.receive(spike.time, 0).unwrap();
        }
    }
    // As if the answers had been known before.
    let trial = net.forward(&SpikeTrains::from_channels([events, vec![]]).unwrap(), T).unwrap();
    assert_eq!(bits(&found), bits(&of_trial(&trial)));
    assert!(found.len() > 6);
}

#[test]
fn the_potential_is_that_of_the_present() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", LeakyIntegrator::new(2).tau_mem(20.0).tau_syn(10.0));
    net.connect(input, output, Dense::weights(array![[0.0], [0.7]]).delays(array![[0.0], [5.0]]));
    let mut simulator = Simulator::new(&finish(net)).unwrap();
    simulator.receive(2.0, 0).unwrap();
    for time in [1.0, 6.0, 7.0, 7.5, 20.0, 90.0] {
        assert_eq!(spikes(&mut simulator, time), Ok(vec![]));
        let since = f64::max(time - 7.0, 0.0);
        let expected = 0.7 * ((-since / 20.0).exp() - (-since / 10.0).exp());
        approx::assert_relative_eq!(simulator.potential(0, 1), expected, epsilon = 1e-15);
        assert_eq!(simulator.potential(0, 0), 0.0);
        assert_eq!(simulator.in_flight(), usize::from(time <= 7.0));
    }
}

#[test]
fn a_clone_goes_its_own_way() {
    let net = single(9.0, 1.0, -2.0);
    let mut first = Simulator::new(&net).unwrap();
    first.receive(1.0, 0).unwrap();
    let begun = spikes(&mut first, 4.0).unwrap();
    let mut second = first.clone();
    second.receive(4.0, 0).unwrap();
    let rest = spikes(&mut first, T).unwrap();
    assert_ne!(spikes(&mut second, T).unwrap(), rest);
    let trial = net.forward(&SpikeTrains::from_channels([vec![1.0], vec![]]).unwrap(), T).unwrap();
    assert_eq!(bits(&[begun, rest].concat()), bits(&of_trial(&trial)));
}

#[test]
fn single_precision() {
    let mut net = NetworkBuilder::<f32>::new();
    let input = net.input("input", 3);
    let hidden = net.layer("hidden", Lif::new(20).tau_mem(8.0).tau_syn(4.0));
    let normal = Normal::new(2.0f32, 1.0).unwrap();
    net.connect(input, hidden, Dense::weights(normal).delays(0.25));
    net.connect(hidden, hidden, Dense::weights(Normal::new(0.0f32, 0.3).unwrap()).delays(0.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap().with_engine(Engine::Plain);
    let events: Vec<_> = (0..60).map(|k| (0.7 * f64::from(k), k as usize % 3)).collect();
    let mut simulator = Simulator::new(&net).unwrap();
    events.iter().for_each(|&(time, channel)| simulator.receive(time, channel).unwrap());
    let found: Vec<Spike> = std::iter::from_fn(|| simulator.next_spike(T).unwrap()).collect();
    let trial = net.forward(&SpikeTrains::from_events(3, events).unwrap(), T).unwrap();
    assert!(found.len() > 100);
    let count = |n| found.iter().filter(|s| s.neuron == n).map(|s| s.time).collect::<Vec<_>>();
    (0..20).for_each(|n| assert_eq!(count(n), trial.spikes(0).channel(n)));
}

#[test]
fn days_pass() {
    let mut simulator = Simulator::new(&single(9.0, 1.5, -1.0)).unwrap();
    let mut volley = |start: f64| -> Vec<f64> {
        for time in [0.0, 2.0, 9.0] {
            simulator.receive(start + time, 0).unwrap();
        }
        let found = spikes(&mut simulator, start + 1000.0).unwrap();
        found.iter().map(|spike| spike.time - start).collect()
    };
    let first = volley(0.0);
    assert!(first.len() > 2);
    for days in [1.0, 100.0, 3650.0] {
        let start = days * 86_400_000.0;
        let later = volley(start);
        assert_eq!(first.len(), later.len());
        for (a, b) in first.iter().zip(later) {
            // The resolution of the time itself.
            assert!((a - b).abs() <= 4.0 * start * f64::EPSILON, "{a} against {b}");
        }
    }
}

#[test]
fn bad_events_are_refused_and_change_nothing() {
    let net = single(9.0, 1.0, 0.0);
    let (mut simulator, mut other) = (Simulator::new(&net).unwrap(), Simulator::new(&net).unwrap());
    simulator.receive(5.0, 0).unwrap();
    other.receive(5.0, 0).unwrap();
    simulator.next_spike(4.0).unwrap();
    for time in [f64::NAN, f64::INFINITY, -f64::INFINITY, -1.0, 3.999] {
        for error in
            [simulator.receive(time, 0).unwrap_err(), simulator.next_spike(time).unwrap_err()]
        {
            assert!(matches!(error, SimulationError::BadTime { present: 4.0, .. }), "{error:?}");
            assert!(error.to_string().contains(&time.to_string()), "{error}");
        }
    }
    let error = simulator.receive(6.0, 2).unwrap_err();
    assert_eq!(error, SimulationError::NoSuchChannel { channel: 2, channels: 2 });
    assert!(matches!(
        simulator.receive(6.0, usize::MAX),
        Err(SimulationError::NoSuchChannel { .. })
    ));
    assert_eq!(spikes(&mut simulator, T), spikes(&mut other, T));
    // At the end of time it stands still, and that is a runaway.
    for time in [1e15, 1e300, f64::MAX] {
        simulator.receive(time, 0).unwrap();
        let found = spikes(&mut simulator, time);
        assert!(matches!(found, Ok(_) | Err(SimulationError::Runaway { .. })), "{found:?}");
        if found.is_err() {
            assert!(time > 1e20);
            return;
        }
    }
}

#[test]
fn bad_synapses_are_named() {
    for bad in [f64::NAN, f64::INFINITY] {
        for parameter in [0, 1] {
            let mut net = single(9.0, 1.0, 0.0);
            net.parameters_mut()[parameter].1.values[1] = bad;
            let error = Simulator::new(&net).unwrap_err();
            let SimulationError::BadSynapse { projection, post: 0, pre: 1, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(projection, "input->output");
        }
    }
}

#[test]
fn runaways_and_overflows_end_until_a_reset() {
    for weight in [60.0, 1e9, 1e300, f64::MAX] {
        let mut simulator = Simulator::new(&single(9.0, 0.0, weight)).unwrap();
        simulator.receive(1.0, 0).unwrap();
        let error = spikes(&mut simulator, T).unwrap_err();
        match &error {
            SimulationError::Runaway { layer, neuron: 0, budget: 1000, .. } => {
                assert_eq!(layer, "output");
            }
            SimulationError::Overflow { layer, neuron: 0, .. } => assert_eq!(layer, "output"),
            other => panic!("{other:?}"),
        }
        assert_eq!(simulator.next_spike(T), Err(error.clone()));
        simulator.reset();
        assert_eq!(spikes(&mut simulator, T), Ok(vec![]));
        simulator.receive(T, 0).unwrap();
        assert!(spikes(&mut simulator, 2.0 * T).is_err());
    }
}

#[test]
fn a_neuron_may_fire_forever_if_not_too_fast() {
    // 5 and 20 spikes per ms.
    for (wait, runs_away) in [(0.2, false), (0.05, true)] {
        let mut net = NetworkBuilder::new();
        net.max_spikes(50);
        let input = net.input("input", 1);
        let output = net.layer("output", Jumping { size: 1, tau: 1.0, drive: 0.0 });
        net.connect(input, output, Dense::weights(2.0).delays(0.0));
        net.connect(output, output, Dense::weights(2.0).delays(wait));
        let mut simulator = Simulator::new(&finish(net)).unwrap();
        simulator.receive(0.0, 0).unwrap();
        match spikes(&mut simulator, 1000.0) {
            Ok(found) => assert!(!runs_away && found.len() > 4990),
            // 20 spikes per ms are 10 more than it may, and 50 are to spare.
            Err(SimulationError::Runaway { time, budget: 50, .. }) => {
                assert!(runs_away && (time - 4.95).abs() < 0.06, "{time}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn hostile_numbers_neither_panic_nor_hang() {
    for (tau_mem, tau_syn, weight, delay) in hostile() {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", Lif::new(1).tau_mem(tau_mem).tau_syn(tau_syn));
        net.connect(input, layer, Dense::weights(weight).delays(delay));
        net.connect(layer, layer, Dense::weights(weight).delays(delay));
        let Ok(net) = net.build(&mut ChaCha8Rng::seed_from_u64(0)) else { continue };
        let mut simulator = Simulator::new(&net).unwrap();
        for time in [0.0, 5e-324, 1.0, 1e300] {
            simulator.receive(time, 0).unwrap();
        }
        for until in [1.0, 20.0, f64::MAX] {
            let mut most = 5000;
            while matches!(simulator.next_spike(until), Ok(Some(_))) && most > 0 {
                most -= 1;
            }
            let _ = simulator.potential(0, 0);
        }
    }
}
