//! Random settings that have no meaning, or far too much of one: building and running ends in a network, a result or
//! a typed error. Nothing panics, and nothing that is refused takes memory first.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` explore further than the fixed run.

use allocation_counter::measure;
use eventprop::{
    BuildError, Constant, Delays, Dense, Engine, Init, LayerError, LeakyIntegrator, Lif, Network,
    NetworkBuilder, PopulationId, PotentialSensitivity, Sensitivity, SimulationError, Simulator,
    Sparse, SpikeTrains, SpikeTrainsError, SpikingNetwork, SynapseError, SynapseRecipe,
};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Normal;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::Command;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// Mostly numbers that a user would give, so that many networks get built.
fn number() -> BoxedStrategy<f64> {
    let bad = [
        0.0,
        -0.0,
        -1.0,
        5e-324,
        f64::MIN_POSITIVE,
        1e-300,
        1e-9,
        1e9,
        1e300,
        f64::MAX,
        -f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let good = [0.5, 1.0, 2.5, 20.0];
    prop_oneof![40 => prop::sample::select(good.to_vec()), 1 => prop::sample::select(bad.to_vec())]
        .boxed()
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![99 => 1..5usize, 1 => Just(0), 1 => Just(1 << 33), 1 => Just(usize::MAX)]
}

/// One for all, or a list that need not fit.
fn constant() -> impl Strategy<Value = Constant> {
    let values = prop_oneof![
        30 => number().prop_map(Constant::from),
        1 => prop::collection::vec(number(), 0..5).prop_map(Constant::from),
    ];
    (values, any::<bool>())
        .prop_map(|(values, train)| if train { Constant::trainable(values) } else { values })
}

fn init() -> impl Strategy<Value = Values> {
    prop_oneof![
        40 => number().prop_map(Values::One),
        1 => prop::collection::vec(number(), 0..17).prop_map(Values::List),
        1 => (0..5usize, 0..5usize, number()).prop_map(|(a, b, x)| Values::Matrix(a, b, x)),
        5 => (number(), number(), number()).prop_map(|(mean, a, b)| Values::Drawn(mean, a, b)),
    ]
}

/// [`Init`], as something to print and clone.
#[derive(Debug, Clone)]
enum Values {
    One(f64),
    List(Vec<f64>),
    Matrix(usize, usize, f64),
    Drawn(f64, f64, f64),
}

impl From<Values> for Init<f64> {
    fn from(values: Values) -> Self {
        match values {
            Values::One(value) => value.into(),
            Values::List(list) => list.into(),
            Values::Matrix(a, b, value) => Array2::from_elem((a, b), value).into(),
            Values::Drawn(mean, a, b) => match Normal::new(mean, 1.0) {
                Ok(normal) => Init::sampled(normal).within(a, b),
                Err(_) => Init::half_normal(mean).unwrap_or(Init::Constant(mean)),
            },
        }
    }
}

/// Which synapses.
#[derive(Debug, Clone)]
enum Choice {
    Dense,
    Probability(f64),
    FanIn(usize),
    Mask(usize, usize),
    Edges(Vec<(usize, usize)>),
}

#[derive(Debug, Clone)]
struct Term {
    per: u8,
    values: Values,
    groups: Option<Vec<usize>>,
    fixed: bool,
    smooth: bool,
    max: Option<f64>,
}

#[derive(Debug, Clone)]
struct Plan {
    pre: usize,
    post: usize,
    choice: Choice,
    copies: usize,
    weights: Values,
    terms: Vec<Term>,
    tau_syn: Option<f64>,
    max_delay: Option<f64>,
}

#[derive(Debug, Clone)]
struct Neurons {
    size: usize,
    name: u8,
    fires: bool,
    constants: Vec<(u8, Constant, Constant)>,
}

#[derive(Debug, Clone)]
struct Hostile {
    inputs: Vec<(u8, usize)>,
    layers: Vec<Neurons>,
    plans: Vec<Plan>,
    max_spikes: Option<usize>,
}

/// A population of another builder, as the end of a projection.
const FOREIGN: usize = usize::MAX;

fn rarely<T: std::fmt::Debug>(s: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.15, s)
}

fn plan() -> impl Strategy<Value = Plan> {
    let few = || prop_oneof![30 => 0..3usize, 1 => Just(usize::MAX)];
    let choice = prop_oneof![
        20 => Just(Choice::Dense),
        2 => number().prop_map(Choice::Probability),
        1 => few().prop_map(Choice::FanIn),
        1 => (0..4usize, 0..4usize).prop_map(|(a, b)| Choice::Mask(a, b)),
        1 => prop::collection::vec((few(), few()), 0..6).prop_map(Choice::Edges),
    ];
    let groups = prop::option::weighted(0.05, prop::collection::vec(few(), 0..5));
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.05));
    let term = (0..4u8, init(), groups, flags, rarely(number()));
    let term = term.prop_map(|(per, values, groups, (fixed, smooth), max)| Term {
        per,
        values,
        groups,
        fixed,
        smooth,
        max,
    });
    let copies = prop_oneof![30 => Just(1), 1 => Just(0), 3 => Just(3), 1 => Just(usize::MAX)];
    let end = || prop_oneof![99 => 0..9usize, 1 => Just(FOREIGN)];
    let ends = (end(), end());
    let terms = prop::collection::vec(term, 0..3);
    (ends, choice, copies, init(), terms, rarely(number()), rarely(number())).prop_map(
        |((pre, post), choice, copies, weights, terms, tau_syn, max_delay)| Plan {
            pre,
            post,
            choice,
            copies,
            weights,
            terms,
            tau_syn,
            max_delay,
        },
    )
}

fn hostile() -> impl Strategy<Value = Hostile> {
    // Names clash now and then.
    let name = || 0..200u8;
    let inputs = prop::collection::vec((name(), size()), 1..3);
    let constants = prop::collection::vec((0..8u8, constant(), constant()), 0..3);
    let layer = (size(), name(), prop::bool::weighted(0.8), constants);
    let layer = layer
        .prop_map(|(size, name, fires, constants)| Neurons { size, name, fires, constants })
        .boxed();
    let layers = prop_oneof![1 => Just(0..1), 30 => Just(1..3)];
    let layers = layers.prop_flat_map(move |n| prop::collection::vec(layer.clone(), n));
    let most = prop_oneof![Just(None), Just(Some(0)), Just(Some(1)), Just(Some(300))];
    (inputs, layers, prop::collection::vec(plan(), 2..4), most).prop_map(
        |(inputs, layers, plans, max_spikes)| Hostile { inputs, layers, plans, max_spikes },
    )
}

fn lif(neurons: &Neurons) -> Lif {
    neurons.constants.iter().fold(Lif::new(neurons.size), |lif, (kind, a, b)| {
        let (a, b) = (a.clone(), b.clone());
        match kind {
            0 => lif.tau_mem(a),
            1 => lif.tau_syn(a),
            2 => lif.threshold(a),
            3 => lif.reset(a),
            4 => lif.bias(a),
            5 => lif.adaptation(a, b),
            6 => lif.adaptive_threshold(a, b),
            _ => lif.refractory(a),
        }
    })
}

fn integrator(neurons: &Neurons) -> LeakyIntegrator {
    neurons.constants.iter().fold(LeakyIntegrator::new(neurons.size), |layer, (kind, a, _)| {
        match kind {
            0 => layer.tau_mem(a.clone()),
            1 => layer.tau_syn(a.clone()),
            _ => layer.bias(a.clone()),
        }
    })
}

fn recipe(plan: &Plan) -> SynapseRecipe {
    let Plan { choice, copies, weights, terms, tau_syn, max_delay, .. } = plan.clone();
    let recipe = match choice {
        Choice::Dense if copies == 1 => Dense::weights(weights),
        Choice::Dense => Sparse::probability(1.0).copies(copies).weights(weights),
        Choice::Probability(p) => Sparse::probability(p).copies(copies).weights(weights),
        Choice::FanIn(n) => Sparse::fan_in(n).copies(copies).weights(weights),
        Choice::Mask(a, b) => {
            let mask = Array2::from_shape_fn((a, b), |(i, j)| (i + j) % 2 == 0);
            Sparse::mask(mask).copies(copies).weights(weights)
        }
        Choice::Edges(edges) => Sparse::edges(edges).copies(copies).weights(weights),
    };
    let recipe = terms.into_iter().fold(recipe, |recipe, term| {
        let delays = match term.per {
            0 => Delays::per_synapse(term.values),
            1 => Delays::axonal(term.values),
            2 => Delays::dendritic(term.values),
            _ => Delays::shared(term.values),
        };
        let delays = if term.fixed { delays.fixed() } else { delays };
        let delays = if term.smooth { delays.smooth() } else { delays };
        let delays = term.max.into_iter().fold(delays, Delays::max);
        recipe.delays(term.groups.into_iter().fold(delays, Delays::groups))
    });
    let recipe = tau_syn.into_iter().fold(recipe, SynapseRecipe::tau_syn);
    max_delay.into_iter().fold(recipe, SynapseRecipe::max_delay)
}

fn build(plan: &Hostile) -> Result<SpikingNetwork, BuildError> {
    let mut net = NetworkBuilder::new();
    let mut ids: Vec<PopulationId> = Vec::new();
    for (name, size) in &plan.inputs {
        ids.push(net.input(name.to_string(), *size));
    }
    for layer in &plan.layers {
        ids.push(match layer.fires {
            true => net.layer(layer.name.to_string(), lif(layer)),
            false => net.layer(layer.name.to_string(), integrator(layer)),
        });
    }
    // From another builder, where it is one of many.
    let mut foreign = NetworkBuilder::<f64>::new();
    let foreign = (0..9).map(|_| foreign.input("", 1)).last().unwrap();
    let id = |k: usize, first: usize| match k {
        FOREIGN => foreign,
        // Layers may be missing.
        k => ids[(first + k % (ids.len() - first).max(1)).min(ids.len() - 1)],
    };
    let inputs = plan.inputs.len();
    for (k, plan) in plan.plans.iter().enumerate() {
        // One after the other, so that most layers can be reached.
        let post = if plan.post == FOREIGN { FOREIGN } else { k };
        net.connect(id(plan.pre, 0), id(post, inputs), recipe(plan));
    }
    if let Some(most) = plan.max_spikes {
        net.max_spikes(most);
    }
    net.build(&mut rng())
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
    let debug = match error {
        BuildError::Synapses { source, .. } => format!("{source:?}"),
        BuildError::Layer { source, .. } => format!("{source:?}"),
        other => format!("{other:?}"),
    };
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
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

#[test]
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
                    source: SynapseError::TooMany { .. } | SynapseError::FanIn { .. },
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
        let BuildError::Layer { source: LayerError::TooMany { size: found, .. }, .. } = error
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

#[test]
fn too_many_channels_of_input() {
    for channels in [usize::MAX, usize::MAX / 2, 1 << 60] {
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
        let BuildError::Synapses { source: SynapseError::Memory { bytes }, .. } = error else {
            panic!("{error}")
        };
        println!("{shape:?}: {bytes} bytes cannot be had");
        bytes
    };
    let dense = || Dense::weights(1.0).delays(1.0);
    assert_eq!(lacks((60_000, 60_000), dense()), 16 * 3_600_000_000);
    // Weights alone would fit.
    assert_eq!(lacks((12_000, 12_000), dense()), 16 * 144_000_000);
    lacks((12_000, 12_000), Sparse::probability(1.0).weights(1.0));
    lacks((1 << 20, 1000), Sparse::fan_in(200).weights(1.0));
    lacks((1, 1), Sparse::edges([(0, 0)]).copies(1 << 31).weights(1.0));
    lacks((1 << 30, 1), Sparse::edges([(0, 0)]).weights(1.0));
    let many = SpikeTrains::from_events(1 << 28, []);
    assert!(matches!(many, Err(SpikeTrainsError::Memory { .. })));
    let mut net = NetworkBuilder::<f64>::new();
    net.layer("layer", Lif::new(1 << 30).bias(2.0));
    assert!(matches!(net.build(&mut rng()), Err(BuildError::Memory { bytes }) if bytes == 8 << 30));
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
