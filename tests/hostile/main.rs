//! Random settings that have no meaning, or far too much of one: building and running ends in a network, a result or
//! a typed error. Nothing panics, and nothing that is refused takes memory first.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` explore further than the fixed run.

mod settings;

use allocation_counter::measure;
use eventprop::{
    BuildError, Dense, Engine, Init, Lif, Network, NetworkBuilder, PotentialSensitivity,
    Sensitivity, SimulationError, Simulator, Sparse, SpikeTrains, SpikeTrainsError, SpikingNetwork,
    SynapseError, SynapseRecipe,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Distribution;
use settings::{build, hostile, number};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem::discriminant;
#[cfg(unix)]
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// One trial, what may be asked of it and what may not.
#[derive(Debug, Clone)]
struct Trial {
    duration: f64,
    events: Vec<(f64, usize)>,
    seeds: Vec<f64>,
    potentials: Vec<(u8, usize, f64, f64)>,
    plain: bool,
}

fn trial() -> impl Strategy<Value = Trial> {
    let duration = prop_oneof![3 => 1.0..60.0, 2 => number()];
    let events =
        prop::collection::vec((prop_oneof![99 => 0.0..40.0, 1 => number()], 0..4usize), 0..20);
    let neuron = prop_oneof![20 => 0..2usize, 1 => Just(usize::MAX)];
    let time = prop_oneof![9 => 0.0..1.0, 1 => number()];
    let potentials = prop::collection::vec((0..3u8, neuron, time, number()), 0..3);
    (duration, events, prop::collection::vec(number(), 0..5), potentials, any::<bool>()).prop_map(
        |(duration, events, seeds, potentials, plain)| Trial {
            duration,
            events,
            seeds,
            potentials,
            plain,
        },
    )
}

/// Forward, backward and as a stream. `true` if it came to gradients.
fn run(net: SpikingNetwork, trial: &Trial) -> bool {
    let net = net.with_engine(if trial.plain { Engine::Plain } else { Engine::Fast });
    let channels = net.channels().min(9);
    let events = trial.events.iter().map(|&(time, channel)| (time, channel % channels));
    let Ok(input) = SpikeTrains::from_events(channels, events) else { return false };
    if let Ok(mut simulator) = Simulator::new(&net) {
        for (time, channel) in input.events() {
            for _ in 0..100 {
                if !matches!(simulator.next_spike(time), Ok(Some(_))) {
                    break;
                }
            }
            let _ = simulator.receive(time, channel);
        }
    }
    let Ok(trace) = net.forward(&input, trial.duration) else { return false };
    let mut sensitivity = Sensitivity::none(&trace);
    for layer in &mut sensitivity.layers {
        let seeds = trial.seeds.iter().cycle();
        layer.spike_times.iter_mut().zip(seeds).for_each(|(seed, &by)| *seed = by);
        let potentials =
            trial.potentials.iter().map(|&(kind, neuron, time, gradient)| match kind {
                0 => PotentialSensitivity::At { neuron, time, gradient },
                1 => PotentialSensitivity::AtArrival { neuron, time, gradient },
                _ => PotentialSensitivity::Integral { neuron, rate: time, gradient },
            });
        layer.potentials.extend(potentials);
    }
    let done = net.adjoint(&trace, sensitivity.clone()).is_ok();
    // One that is not of this trace.
    sensitivity.layers[0].spike_times.push(1.0);
    assert!(net.adjoint(&trace, sensitivity).is_err());
    done
}

fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..Default::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

/// Which error it is.
fn kind(error: &BuildError) -> String {
    match error {
        BuildError::Synapses { cause, .. } => format!("synapses {:?}", discriminant(cause)),
        BuildError::Layer { cause, .. } => format!("layer {:?}", discriminant(cause)),
        other => format!("network {:?}", discriminant(other)),
    }
}

#[test]
fn any_settings_end_in_a_network_or_a_typed_error() {
    let kinds = RefCell::new(BTreeMap::new());
    let (built, differentiated, cases) = (Cell::new(0), Cell::new(0), Cell::new(0_u32));
    let mut runner = proptest::test_runner::TestRunner::new(config(3000));
    let result = runner.run(&(hostile(), trial()), |(mut plan, trial)| {
        cases.set(cases.get() + 1);
        // A neuron that fires for ever does so for as long as it is asked to, up to the budget.
        if trial.duration > 100.0 {
            plan.max_spikes.get_or_insert(300);
        }
        let mut net = None;
        let took = measure(|| net = Some(build(&plan)));
        // All that is not refused for its size is tiny.
        prop_assert!(took.bytes_max < 1 << 20, "{} bytes", took.bytes_max);
        match net.unwrap() {
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                *kinds.borrow_mut().entry(kind(&error)).or_insert(0) += 1;
            }
            Ok(net) => {
                built.set(built.get() + 1);
                differentiated.set(differentiated.get() + u32::from(run(net, &trial)));
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (cases, built, differentiated) = (cases.get(), built.get(), differentiated.get());
    let kinds = kinds.into_inner();
    println!("{cases} settings, {built} networks, {differentiated} gradients, errors: {kinds:#?}");
    assert!(built > cases / 10 && differentiated > cases / 15, "too few get far");
}

fn one_projection(
    (post, pre): (usize, usize),
    synapses: SynapseRecipe,
) -> Result<SpikingNetwork, BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", pre);
    let layer = net.layer("layer", Lif::new(post));
    net.connect(input, layer, synapses);
    net.build(&mut rng())
}

// Nothing is too much to be numbered where addresses have 32 bits: it is too much for the memory.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_cannot_be_numbered_is_refused_before_memory_is_taken() {
    let huge = 1_000_000_000;
    for shape in [(huge, huge), (usize::MAX, usize::MAX), (1, 1 << 32), (1 << 32, 1), (huge, 5)] {
        let recipes: [fn() -> SynapseRecipe; 5] = [
            || Dense::weights(1.0).delays(1.0),
            || Sparse::probability(1.0).weights(1.0),
            || Sparse::fan_in(1).copies(usize::MAX).weights(1.0),
            || Sparse::fan_in(5).copies(7).weights(1.0),
            || Sparse::edges([(0, 0)]).copies(usize::MAX).weights(1.0),
        ];
        for recipe in recipes {
            let mut error = None;
            let took = measure(|| error = one_projection(shape, recipe()).err());
            let error = error.unwrap();
            let refused = matches!(
                &error,
                BuildError::Synapses {
                    cause: SynapseError::TooMany { .. } | SynapseError::FanIn { .. },
                    ..
                }
            );
            assert!(refused, "{shape:?}: {error}");
            assert!(took.bytes_max < 10_000, "{} bytes for {shape:?}", took.bytes_max);
        }
    }
    // A layer that drives itself needs no synapses.
    for size in [1 << 32, usize::MAX] {
        let mut net = NetworkBuilder::<f64>::new();
        net.layer("layer", Lif::new(size).bias(2.0));
        let error = net.build(&mut rng()).unwrap_err();
        let BuildError::Layer { cause: eventprop::LayerError::TooMany { size: found, .. }, .. } =
            error
        else {
            panic!("{error}")
        };
        assert_eq!(found, size);
    }
}

#[test]
fn neurons_that_fire_for_ever_end_with_the_budget() {
    let endless: [(Lif, f64); 2] =
        [(Lif::new(1).bias(2.0), 0.0), (Lif::new(1).adaptation(9.0, 50.0), 30.0)];
    for (lif, weight) in endless {
        for (engine, recurrent) in
            [(Engine::Fast, false), (Engine::Plain, false), (Engine::Fast, true)]
        {
            let mut net = NetworkBuilder::new();
            let input = net.input("input", 1);
            let layer = net.layer("layer", lif.clone());
            net.connect(input, layer, Dense::weights(weight));
            if recurrent {
                net.connect(layer, layer, Dense::weights(0.0).delays(1.0));
            }
            let net = net.build(&mut rng()).unwrap().with_engine(engine);
            let input = SpikeTrains::from_channels([[1.0]]).unwrap();
            let error = net.forward(&input, 1e15).unwrap_err();
            let SimulationError::Runaway { budget, neuron: 0, .. } = error else {
                panic!("{error}")
            };
            assert!(budget <= 1_000_000);
        }
    }
}

/// Counts how often it is asked.
struct Counted(Arc<AtomicUsize>);

impl Distribution<f64> for Counted {
    fn sample<R: rand::Rng + ?Sized>(&self, _: &mut R) -> f64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        1.0
    }
}

#[test]
fn a_value_that_cannot_be_drawn_is_sought_once() {
    let draws = Arc::new(AtomicUsize::new(0));
    let never = Init::sampled(Counted(draws.clone())).within(5.0, 6.0);
    let error = one_projection((100, 100), Dense::weights(never)).unwrap_err();
    let BuildError::Synapses { cause: SynapseError::NotFinite { post: 0, pre: 0, .. }, .. } = error
    else {
        panic!("{error}")
    };
    // As often as one value may be drawn, and not as often for each synapse.
    assert_eq!(draws.load(Ordering::Relaxed), 10_000);
}

#[test]
fn too_many_channels_of_input() {
    for channels in [usize::MAX, usize::MAX / 2, usize::MAX >> 4] {
        let error = SpikeTrains::from_events(channels, [(1.0, 0)]).unwrap_err();
        let is =
            matches!(error, SpikeTrainsError::Memory { channels: found, .. } if found == channels);
        assert!(is, "{error}");
    }
}

#[test]
fn building_takes_what_is_kept_and_little_more() {
    let n = 500;
    let peak = |recipe: SynapseRecipe| {
        let mut net = None;
        let took = measure(|| net = Some(one_projection((n, n), recipe).unwrap()));
        took.bytes_max as f64 / (n * n) as f64
    };
    // Weights and delays, 8 bytes each.
    let dense = peak(Dense::weights(1.0).delays(2.0));
    // A pair of neurons, and what it becomes: a source in a list that grows by doubling.
    let sparse = peak(Sparse::probability(1.0).weights(1.0).delays(2.0));
    println!("bytes per synapse: dense {dense}, sparse {sparse}");
    assert!(dense < 16.0 * 1.02, "{dense} bytes per synapse");
    assert!(sparse < 16.0 * 1.02 + 16.0, "{sparse} bytes per synapse");
}

const LIMITED: &str = "EVENTPROP_LIMITED";

/// Memory for the child in the next test, in KiB.
#[cfg(unix)]
const LIMIT: u64 = 2_000_000;

/// Not a test of its own: see the next one.
#[test]
fn within_limited_memory() {
    if std::env::var_os(LIMITED).is_none() {
        return;
    }
    let lacks = |shape, recipe: SynapseRecipe| {
        let error = one_projection(shape, recipe).unwrap_err();
        let BuildError::Synapses { cause: SynapseError::Memory { bytes }, .. } = error else {
            panic!("{error}")
        };
        println!("{shape:?}: {bytes} bytes cannot be had");
        bytes
    };
    let dense = || Dense::weights(1.0).delays(1.0);
    assert_eq!(lacks((60_000, 60_000), dense()), 16 * 3_600_000_000);
    // Weights alone would fit.
    assert_eq!(lacks((12_000, 12_000), dense()), 16 * 144_000_000);
    lacks((24_000, 24_000), Sparse::probability(1.0).weights(1.0));
    lacks((1 << 20, 1000), Sparse::fan_in(600).weights(1.0));
    lacks((1, 1), Sparse::edges([(0, 0)]).copies(1 << 31).weights(1.0));
    lacks((1 << 30, 1), Sparse::edges([(0, 0)]).weights(1.0));
    let many = SpikeTrains::from_events(1 << 28, []);
    assert!(matches!(many, Err(SpikeTrainsError::Memory { .. })));
    let mut net = NetworkBuilder::<f64>::new();
    net.layer("layer", Lif::new(1 << 30).bias(2.0));
    assert!(
        matches!(net.build(&mut rng()), Err(BuildError::Memory { bytes }) if bytes == (size_of::<usize>() as u128) << 30)
    );
    // What is drawn takes no more than was checked: a list of pairs would not fit.
    one_projection((9_000, 9_000), Sparse::probability(1.0).weights(1.0)).unwrap();
    // What was refused takes nothing from what fits.
    let net = one_projection((1000, 10_000), dense()).unwrap();
    assert!(net.forward(&SpikeTrains::silent(10_000), 10.0).unwrap().spikes(0).is_empty());
    println!("limited memory: done");
}

#[test]
#[cfg(unix)]
fn a_network_too_large_for_memory_is_an_error() {
    let this = std::env::current_exe().unwrap();
    let limited =
        format!("ulimit -v {LIMIT} && exec \"$0\" --exact within_limited_memory --nocapture");
    let child = Command::new("sh").arg("-c").arg(limited).arg(this).env(LIMITED, "1").output();
    let child = child.unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    print!("{said}");
    let done = child.status.success() && said.contains("limited memory: done");
    assert!(done, "{}\n{said}{}", child.status, String::from_utf8_lossy(&child.stderr));
}
