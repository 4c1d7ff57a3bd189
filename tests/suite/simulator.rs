//! The simulator fires the spikes of a trial, however its events come.

use crate::bad_input::hostile;
use crate::config::config;
use crate::sparse::Sparse;
use eventprop::{
    Adjoint, ArrivalGradient, Connectivity, DelayedSynapses, Dense, Engine, Layer, LayerError,
    LeakyIntegrator, Lif, Network, NetworkBuilder, SimulationError, Simulator, Spike, SpikeTrains,
    SpikingNetwork, SynapseError, Trace,
};
use ndarray::{Array2, array};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use std::cell::Cell;

/// Neurons whose potential jumps at an arrival, so that they fire at the very time of it; a drive makes
/// them fire without input as well.
#[derive(Debug, Clone)]
struct Jumping {
    size: usize,
    tau: f64,
    drive: f64,
}

impl Layer<f64> for Jumping {
    fn size(&self) -> usize {
        self.size
    }
    fn state_len(&self) -> usize {
        1
    }
    fn validate(&self) -> Result<(), LayerError> {
        Ok(())
    }
    fn flow(&self, _: usize, dt: f64, state: &mut [f64]) {
        state[0] = self.drive + (state[0] - self.drive) * (-dt / self.tau).exp();
    }
    fn next_spike(&self, _: usize, state: &[f64], horizon: f64) -> Option<f64> {
        if state[0] >= 1.0 {
            return Some(0.0);
        }
        let wait = self.tau * ((self.drive - state[0]) / (self.drive - 1.0)).ln();
        (self.drive > 1.0 && wait <= horizon).then_some(wait)
    }
    fn receive(&self, _: usize, _: usize, weight: f64, state: &mut [f64]) {
        state[0] += weight;
    }
    fn fire(&self, _: usize, state: &mut [f64]) {
        state[0] = 0.0;
    }
    fn potential(&self, _: usize, state: &[f64]) -> f64 {
        state[0]
    }
    fn slope(&self, _: usize, state: &[f64]) -> f64 {
        (self.drive - state[0]) / self.tau
    }
    fn flow_back(&self, _: usize, _: f64, _: &[f64], _: &mut Adjoint<'_, f64>) {
        unreachable!("nothing is differentiated")
    }
    fn receive_back(
        &self,
        _: usize,
        _: usize,
        _: f64,
        _: &[f64],
        _: &mut Adjoint<'_, f64>,
    ) -> ArrivalGradient<f64> {
        unreachable!("nothing is differentiated")
    }
    fn fire_back(&self, _: usize, _: &[f64], _: f64, _: f64, _: &mut Adjoint<'_, f64>) {
        unreachable!("nothing is differentiated")
    }
    fn potential_back(&self, _: usize, _: &[f64], _: f64, _: &mut Adjoint<'_, f64>) {
        unreachable!("nothing is differentiated")
    }
}

/// Each neuron gets 0 to 3 synapses with weights from a normal distribution and delays from a list.
struct Few(Normal<f64>, Vec<f64>);

impl Connectivity<f64> for Few {
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<f64>>, SynapseError> {
        let mut made = Sparse::none(pre);
        for _ in 0..post {
            for _ in 0..rng.random_range(0..4) {
                made.sources.push(rng.random_range(0..pre) as u32);
                made.weights.push(self.0.sample(rng));
                made.delays.push(self.1[rng.random_range(0..self.1.len())]);
            }
            made.end_row();
        }
        Ok(Box::new(made))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Lif,
    TwoReceptors,
    Jumping,
}

/// A random network and its input.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    layers: Vec<(Model, usize, f64)>,
    /// (from, to) beyond the chain from the input through all layers.
    extra: Vec<(Option<usize>, usize)>,
    /// Delays are drawn from these.
    delays: Vec<f64>,
    strength: f64,
    sparse: bool,
    events: usize,
    /// Events come on a grid of so many ms, if at all.
    quantum: Option<f64>,
}

const T: f64 = 60.0;
const CHANNELS: usize = 4;

fn case() -> impl Strategy<Value = Case> {
    let model = prop_oneof![3 => Just(Model::Lif), 1 => Just(Model::TwoReceptors), 2 => Just(Model::Jumping)];
    let layer = (model, 1..6usize, 4.0..20.0);
    let delays = prop_oneof![
        Just(vec![0.0]),
        Just(vec![0.0, 0.5, 1.0]),
        prop::collection::vec(0.0..15.0, 3..20),
        prop::collection::vec(0.0..90.0, 3..20),
    ];
    let quantum = prop_oneof![Just(None), Just(Some(0.5)), Just(Some(4.0))];
    let rest = (delays, 0.3..2.0, any::<bool>(), 0..150usize, quantum);
    (any::<u64>(), prop::collection::vec(layer, 1..4), rest).prop_flat_map(
        |(seed, layers, (delays, strength, sparse, events, quantum))| {
            let n = layers.len();
            let sources = || std::iter::once(None).chain((0..n).map(Some));
            let all: Vec<_> = (0..n).flat_map(|to| sources().map(move |from| (from, to))).collect();
            let most = all.len().min(3);
            prop::sample::subsequence(all, 0..=most).prop_map(move |extra| Case {
                seed,
                layers: layers.clone(),
                extra,
                delays: delays.clone(),
                strength,
                sparse,
                events,
                quantum,
            })
        },
    )
}

fn build(case: &Case) -> (SpikingNetwork, SpikeTrains) {
    let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
    let mut net = NetworkBuilder::new();
    // The last layer comes first, so that layers are not in the order of simulation.
    let mut ids = Vec::new();
    for (k, &(model, size, tau)) in case.layers.iter().enumerate().rev() {
        ids.push(match model {
            Model::Jumping => {
                let drive = if k % 2 == 0 { 0.0 } else { 1.05 };
                net.layer(format!("{k}"), Jumping { size, tau, drive })
            }
            _ => net.layer(format!("{k}"), Lif::new(size).tau_mem(tau).tau_syn(5.0).reset(0.1)),
        });
    }
    ids.reverse();
    let input = net.input("input", CHANNELS);
    let chain = (0..ids.len()).map(|to| (to.checked_sub(1), to));
    for (k, (from, to)) in chain.chain(case.extra.iter().copied()).enumerate() {
        let forwards = from.is_none_or(|from| from < to);
        let (model, _, _) = case.layers[to];
        let unit = if model == Model::Jumping { 1.0 } else { 4.0 };
        let (mean, spread) = if forwards { (0.5, 0.4) } else { (-0.1, 0.15) };
        let scale = case.strength * unit;
        let normal = Normal::new(mean * scale, spread * scale).unwrap();
        let pre = from.map_or(input, |from| ids[from]);
        let posts = case.layers[to].1;
        let pres = from.map_or(CHANNELS, |from| case.layers[from].1);
        if case.sparse && k % 2 == 1 {
            net.connect(pre, ids[to], Few(normal, case.delays.clone()));
            continue;
        }
        let delays = Array2::from_shape_simple_fn((posts, pres), || {
            case.delays[rng.random_range(0..case.delays.len())]
        });
        let mut dense = Dense::weights(normal).fixed_delays(delays);
        if model == Model::TwoReceptors && k % 2 == 1 {
            dense = dense.tau_syn(12.0);
        }
        net.connect(pre, ids[to], dense);
    }
    let net = net.build(&mut rng).unwrap().with_engine(Engine::Plain);
    let events = (0..case.events).map(|_| {
        let time = rng.random::<f64>() * T;
        let time = case.quantum.map_or(time, |q| (time / q).floor() * q);
        (time, rng.random_range(0..CHANNELS))
    });
    (net, SpikeTrains::from_events(CHANNELS, events.collect::<Vec<_>>()).unwrap())
}

/// All spikes before `until`.
fn spikes(simulator: &mut Simulator, until: f64) -> Result<Vec<Spike>, SimulationError> {
    let mut spikes = Vec::new();
    while let Some(spike) = simulator.next_spike(until)? {
        assert_eq!(simulator.time(), spike.time);
        spikes.push(spike);
    }
    assert_eq!(simulator.time(), until);
    Ok(spikes)
}

fn stream(simulator: &mut Simulator, input: &SpikeTrains) -> Result<Vec<Spike>, SimulationError> {
    for (time, channel) in input.events() {
        simulator.receive(time, channel)?;
    }
    spikes(simulator, T)
}

/// The spikes of a trial in the order of a stream, but with one time by layer and neuron.
fn of_trial(trial: &Trace) -> Vec<Spike> {
    let mut all = Vec::new();
    for layer in 0..trial.layers() {
        let events = trial.spikes(layer).events().into_iter();
        all.extend(events.map(|(time, neuron)| Spike { time, layer, neuron }));
    }
    sorted(all)
}

fn sorted(mut spikes: Vec<Spike>) -> Vec<Spike> {
    spikes.sort_by(|a, b| {
        a.time.total_cmp(&b.time).then((a.layer, a.neuron).cmp(&(b.layer, b.neuron)))
    });
    spikes
}

fn bits(spikes: &[Spike]) -> Vec<(u64, usize, usize)> {
    spikes.iter().map(|s| (s.time.to_bits(), s.layer, s.neuron)).collect()
}

/// Not to rounding: the same bits.
#[test]
fn a_stream_fires_like_a_trial() {
    let (fired, at_one_time, runaways) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |sum: &Cell<usize>, n| sum.set(sum.get() + n);
    let result = TestRunner::new(config(600)).run(&case(), |case| {
        let (net, input) = build(&case);
        let streamed = stream(&mut Simulator::new(&net).unwrap(), &input);
        let trial = net.forward(&input, T);
        let runaway = |e: &SimulationError| matches!(e, SimulationError::Runaway { .. });
        match (streamed, trial) {
            (Ok(streamed), Ok(trial)) => {
                let shared = |w: &[Spike]| w[0].time == w[1].time;
                prop_assert!(streamed.windows(2).all(|w| w[0].time <= w[1].time));
                add(&fired, streamed.len());
                add(&at_one_time, streamed.windows(2).filter(|w| shared(w)).count());
                prop_assert_eq!(bits(&sorted(streamed)), bits(&of_trial(&trial)));
            }
            (Err(error), Err(other)) => {
                prop_assert!(runaway(&error) && runaway(&other));
                add(&runaways, 1);
            }
            // A stream allows less at once.
            (Err(error), Ok(trial)) => {
                let mut neurons = (0..trial.layers()).flat_map(|l| trial.spikes(l).iter());
                let often = neurons.any(|spikes| spikes.len() > 1000);
                prop_assert!(runaway(&error) && often);
                add(&runaways, 1);
            }
            (Ok(_), Err(error)) => panic!("{error}, but only in a trial"),
        }
        Ok(())
    });
    let tally = (fired.get(), at_one_time.get(), runaways.get());
    println!("{tally:?}");
    result.unwrap();
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn how_a_stream_is_cut_changes_no_bit(case in case(), cuts in prop::collection::vec(0.0..T, 0..20)) {
        let (net, input) = build(&case);
        let mut simulator = Simulator::new(&net).unwrap();
        let Ok(whole) = stream(&mut simulator, &input) else { return Ok(()) };
        let potentials = |simulator: &mut Simulator| -> Vec<u64> {
            let neurons = (0..net.layers()).flat_map(|l| (0..net.layer_info(l).1).map(move |n| (l, n)));
            neurons.map(|(l, n)| simulator.potential(l, n).to_bits()).collect()
        };
        let at_end = potentials(&mut simulator);

        // The same simulator, set back, event by event and cut at random and at the times of events.
        simulator.reset();
        prop_assert_eq!((simulator.time(), simulator.in_flight()), (0.0, 0));
        let mut cuts = cuts;
        cuts.extend(input.times().iter().step_by(3));
        cuts.push(T);
        cuts.sort_by(f64::total_cmp);
        let mut events = input.events().into_iter().peekable();
        let mut found = Vec::new();
        for cut in cuts {
            // What comes before the cut, in reverse order of time.
            let mut portion: Vec<_> = std::iter::from_fn(|| events.next_if(|e| e.0 < cut)).collect();
            portion.reverse();
            for (time, channel) in portion {
                simulator.receive(time, channel).unwrap();
            }
            found.extend(spikes(&mut simulator, cut).unwrap());
            // Looking on changes nothing.
            potentials(&mut simulator);
        }
        prop_assert_eq!(bits(&found), bits(&whole));
        prop_assert_eq!(potentials(&mut simulator), at_end);
    }
}

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
