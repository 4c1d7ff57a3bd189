//! The simulator fires the spikes of a trial, however its events come.

use crate::config::config;
use crate::sparse::Sparse;
use eventprop::{
    Adjoint, ArrivalGradient, Connectivity, DelayedSynapses, Dense, Engine, Layer, LayerError, Lif,
    Network, NetworkBuilder, SimulationError, Simulator, Spike, SpikeTrains, SpikingNetwork,
    SynapseError, Trace,
};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use std::cell::Cell;

/// Neurons whose potential jumps at an arrival, so that they fire at the very time of it; a drive makes
/// them fire without input as well.
#[derive(Debug, Clone)]
pub struct Jumping {
    pub size: usize,
    pub tau: f64,
    pub drive: f64,
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

pub const T: f64 = 60.0;
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
        let pre = from.map_or(input, |from| ids[from].into());
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
pub fn spikes(simulator: &mut Simulator, until: f64) -> Result<Vec<Spike>, SimulationError> {
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
pub fn of_trial(trial: &Trace) -> Vec<Spike> {
    let mut all = Vec::new();
    for layer in 0..trial.layers() {
        let events = trial.spikes(layer).events().into_iter();
        all.extend(events.map(|(time, neuron)| Spike { time, layer, neuron }));
    }
    sorted(all)
}

pub fn sorted(mut spikes: Vec<Spike>) -> Vec<Spike> {
    spikes.sort_by(|a, b| {
        a.time.total_cmp(&b.time).then((a.layer, a.neuron).cmp(&(b.layer, b.neuron)))
    });
    spikes
}

pub fn bits(spikes: &[Spike]) -> Vec<(u64, usize, usize)> {
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

#[test]
fn a_wait_without_meaning_is_refused_by_trials_and_streams() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("odd", Jumping { size: 2, tau: -10.0, drive: 2.0 });
    net.connect(input, layer, Dense::weights(0.1));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let error = net.forward(&SpikeTrains::silent(1), T).unwrap_err();
    let refused = |error: &SimulationError| matches!(error, SimulationError::BadWait { layer, neuron: 0, wait, .. } if layer == "odd" && *wait < 0.0);
    assert!(refused(&error), "{error}");
    // It is looked for as soon as the stream begins to flow.
    let error = Simulator::new(&net).and_then(|mut s| s.next_spike(T)).unwrap_err();
    assert!(refused(&error), "{error}");
}
