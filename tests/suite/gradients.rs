//! Adjoint gradients against finite differences, on random networks of every shape.
//!
//! Seeds are fixed, so that a run is repeatable; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore
//! further. `--nocapture` prints what was checked.

use crate::config;
use eventprop::check::GradientCheck;
use eventprop::{
    CrossEntropy, Dense, Error, ExpWeightedMeanVoltage, FirstSpikeTime, Goal, LeakyIntegrator, Lif,
    MaxVoltage, MeanSquaredError, MeanVoltage, Network, NetworkBuilder, Objective, SimulationError,
    SpikeTimeSquares, SpikeTimes, SpikeTrains, SpikingNetwork, TimeInvariant, VanRossum, VoltageAt,
};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

const DURATION: f64 = 60.0;

/// A network, its input and a label, as plain numbers: what a failing test prints.
#[derive(Debug, Clone)]
struct Plan {
    layers: Vec<Population>,
    projections: Vec<Projection>,
    /// Spike times by channel.
    input: Vec<Vec<f64>>,
    label: usize,
}

#[derive(Debug, Clone)]
struct Population {
    size: usize,
    tau_mem: f64,
    tau_syn: f64,
    reset: f64,
    fires: bool,
}

#[derive(Debug, Clone)]
struct Projection {
    /// `None`: the input.
    from: Option<usize>,
    to: usize,
    tau_syn: Option<f64>,
    /// Post x pre, flat, in units of the least weight that makes a silent neuron fire.
    strengths: Vec<f64>,
    delays: Vec<f64>,
}

/// The peak of V after one arrival of weight 1.
fn response(tau_mem: f64, tau_syn: f64) -> f64 {
    let ratio = tau_syn / tau_mem;
    if ratio == 1.0 { (-1.0f64).exp() } else { ratio.powf(1.0 / (1.0 - ratio)) }
}

fn population(fires: bool) -> impl Strategy<Value = Population> {
    let ratio = prop_oneof![1 => Just(1.0), 3 => 0.15..0.9, 1 => 1.1..1.6, 1 => Just(1.0 + 1e-7)];
    let reset = prop_oneof![3 => Just(0.0), 1 => -0.6..0.6];
    (1..=4usize, 5.0..25.0, ratio, reset).prop_map(move |(size, tau_mem, ratio, reset)| {
        Population { size, tau_mem, tau_syn: tau_mem * ratio, reset, fires }
    })
}

/// Delays that are often exactly 0 and sometimes carry spikes past the end of the trial.
fn delay() -> impl Strategy<Value = f64> {
    prop_oneof![5 => Just(0.0), 14 => 0.0..15.0, 1 => DURATION..2.0 * DURATION]
}

/// A channel: silent, scattered, a burst, or on a grid of 2 ms, which ties channels to each other.
fn train() -> impl Strategy<Value = Vec<f64>> {
    let scattered = prop::collection::vec(0.0..40.0, 2..6);
    let burst = (0.0..30.0, 0.1..2.0, 2..6u32)
        .prop_map(|(start, gap, n)| (0..n).map(|k| start + gap * f64::from(k)).collect());
    let gridded = prop::collection::vec((0..10u32).prop_map(|k| 2.0 * f64::from(k)), 2..6);
    let train = prop_oneof![1 => Just(Vec::new()), 6 => scattered, 6 => burst, 6 => gridded];
    train.prop_map(|mut times| {
        times.sort_by(f64::total_cmp);
        times
    })
}

/// Every layer is driven by the one before; what else is connected is drawn: inputs again (through
/// a receptor of their own), skips, feedback and recurrence.
fn plan(output_fires: BoxedStrategy<bool>) -> impl Strategy<Value = Plan> {
    let layers = (prop_oneof![1 => Just(0), 2 => Just(1), 2 => Just(2usize)], output_fires)
        .prop_flat_map(|(hidden, fires)| {
            (prop::collection::vec(population(true), hidden), population(fires))
        })
        .prop_map(|(mut hidden, output)| {
            hidden.push(output);
            hidden
        });
    (layers, prop::collection::vec(train(), 1..4))
        .prop_flat_map(|(layers, input)| {
            let n = layers.len();
            let chain = (0..n).map(|l| (l.checked_sub(1), l));
            let all = (0..n).flat_map(|to| {
                [None].into_iter().chain((0..n).map(Some)).map(move |from| (from, to))
            });
            let all: Vec<_> = all.collect();
            let most = all.len().min(3);
            let extra = prop::sample::subsequence(all, 0..=most);
            let chain: Vec<_> = chain.collect();
            let label = 0..layers[n - 1].size;
            (Just(layers), Just(input), Just(chain), extra, label)
        })
        .prop_flat_map(|(layers, input, chain, extra, label)| {
            let size = |from: Option<usize>| from.map_or(input.len(), |l| layers[l].size);
            // Forwards a neuron gets what fires it a few times; sideways and backwards any sign.
            let first = chain.into_iter().map(|(from, to)| (from, to, -0.3..1.8));
            let more = extra.into_iter().map(|(from, to)| (from, to, -0.6..0.15));
            let projections: Vec<_> = first
                .chain(more)
                .map(|(from, to, strengths)| {
                    let n = size(from) * layers[to].size;
                    let tau_syn = prop_oneof![2 => Just(None), 1 => (1.0..8.0).prop_map(Some)];
                    let strengths = prop::collection::vec(strengths, n);
                    let delays = prop::collection::vec(delay(), n);
                    (tau_syn, strengths, delays).prop_map(move |(tau_syn, strengths, delays)| {
                        Projection { from, to, tau_syn, strengths, delays }
                    })
                })
                .collect();
            (Just(layers), projections, Just(input), Just(label))
        })
        .prop_map(|(layers, projections, input, label)| Plan { layers, projections, input, label })
}

fn build(plan: &Plan) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    net.max_spikes(25);
    let input = net.input("input", plan.input.len());
    let mut ids = Vec::new();
    for (k, layer) in plan.layers.iter().enumerate() {
        let &Population { size, tau_mem, tau_syn, reset, fires } = layer;
        ids.push(if fires {
            let lif = Lif::new(size).tau_mem(tau_mem).tau_syn(tau_syn).reset(reset);
            net.layer(format!("{k}"), lif)
        } else {
            let integrator = LeakyIntegrator::new(size).tau_mem(tau_mem).tau_syn(tau_syn);
            net.layer(format!("{k}"), integrator)
        });
    }
    for Projection { from, to, tau_syn, strengths, delays } in &plan.projections {
        let target = &plan.layers[*to];
        let unit = 1.0 / response(target.tau_mem, tau_syn.unwrap_or(target.tau_syn));
        let shape = (target.size, strengths.len() / target.size);
        let matrix = |values: Vec<f64>| Array2::from_shape_vec(shape, values).unwrap();
        let weights = strengths.iter().map(|s| s * unit).collect();
        let mut dense = Dense::weights(matrix(weights)).delays(matrix(delays.clone()));
        if let Some(tau) = *tau_syn {
            dense = dense.tau_syn(tau);
        }
        net.connect(from.map_or(input, |l| ids[l].into()), ids[*to], dense);
    }
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

/// What all cases of an objective came to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    cases: usize,
    /// Cases in which a neuron of the last spiking layer fired, and in which one fired repeatedly.
    firing: usize,
    repeatedly: usize,
    gradients: usize,
    not_zero: usize,
    checked: usize,
    skipped: usize,
    inconclusive: usize,
}

impl Tally {
    fn add<G: Goal<f64>>(
        &mut self,
        plan: &Plan,
        objective: &G,
        target: &G::Target,
    ) -> Result<(), TestCaseError> {
        let net = build(plan);
        let input = SpikeTrains::from_channels(plan.input.iter().cloned()).unwrap();
        let trace = match net.forward(&input, DURATION) {
            Err(SimulationError::Runaway { .. }) => return Err(TestCaseError::reject("too busy")),
            trace => trace.unwrap(),
        };
        self.cases += 1;
        let last = plan.layers.iter().rposition(|l| l.fires);
        let counts = || last.iter().flat_map(|&l| trace.spikes(l).iter().map(<[f64]>::len));
        self.firing += usize::from(counts().any(|n| n > 0));
        self.repeatedly += usize::from(counts().any(|n| n > 1));
        let differ = |e: Error| TestCaseError::fail(e.to_string());
        let (_, gradients) = net.backward(&trace, objective, target).map_err(differ)?;
        let report = GradientCheck::new()
            .compare(&net, &input, DURATION, objective, target, &gradients)
            .map_err(differ)?;
        let all = || gradients.values().iter().chain(&gradients.input_times);
        self.gradients += all().count();
        self.not_zero += all().filter(|g| **g != 0.0).count();
        self.checked += report.checked();
        self.skipped += report.skipped();
        self.inconclusive += report.inconclusive();
        prop_assert!(report.classes.iter().all(|c| c.mismatches.is_empty()), "{}", report);
        Ok(())
    }
}

/// Runs many random networks with one objective.
fn objective<G: Goal<f64>>(
    name: &str,
    plans: impl Strategy<Value = Plan>,
    objective: G,
    target: impl Fn(&Plan) -> Box<G::Target>,
) {
    let t: Tally = config::run(name, 40, &plans, |tally: &mut Tally, plan| {
        tally.add(plan, &objective, &target(plan))
    });
    println!("{name}: {t:?}");
    // The test shall not pass by looking away.
    assert!(t.firing * 2 > t.cases, "{name}: few networks fire: {t:?}");
    assert!(t.repeatedly * 10 > t.cases * 4, "{name}: few neurons fire repeatedly: {t:?}");
    assert!(t.checked * 10 > t.gradients * 9, "{name}: few gradients are checked: {t:?}");
    // Zeros are easy: even if all that was passed over were others, most of them are checked.
    let passed_over = t.skipped + t.inconclusive;
    assert!(t.not_zero * 4 > t.gradients, "{name}: most gradients are zero: {t:?}");
    assert!(passed_over * 10 < t.not_zero, "{name}: few other than zeros are checked: {t:?}");
}

fn label(plan: &Plan) -> Box<usize> {
    Box::new(plan.label)
}

#[test]
fn objectives_of_spike_times() {
    let plans = || plan(Just(true).boxed());
    let first_to_fire = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(4.0));
    objective("first to fire", plans(), first_to_fire, label);
    let invariant = Objective::new(FirstSpikeTime, TimeInvariant::new(3.0));
    objective("time-invariant", plans(), invariant, label);
    let squares = Objective::new(FirstSpikeTime, MeanSquaredError);
    objective("mean squared error", plans(), squares, |plan| {
        (0..plan.layers.last().unwrap().size).map(|n| 5.0 + 4.0 * n as f64).collect()
    });
}

/// Mostly leaky integrators, as in use, but spiking outputs have potentials as well.
fn with_any_output() -> impl Strategy<Value = Plan> {
    plan(prop_oneof![3 => Just(false), 1 => Just(true)].boxed())
}

#[test]
fn objectives_of_mean_potentials() {
    let mean = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.2));
    objective("mean", with_any_output(), mean, label);
    let weighted = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new().temperature(0.2));
    objective("weighted mean", with_any_output(), weighted, label);
}

/// Moves arrivals of one neuron apart that would otherwise come at one time.
fn untie(mut plan: Plan) -> Plan {
    for (channel, times) in plan.input.iter_mut().enumerate() {
        for (k, time) in times.iter_mut().enumerate() {
            *time += 0.013 * k as f64 + 0.0041 * channel as f64;
        }
    }
    for (number, projection) in plan.projections.iter_mut().enumerate().skip(plan.layers.len()) {
        for delay in projection.delays.iter_mut().filter(|d| **d == 0.0) {
            *delay = 0.17 * number as f64;
        }
    }
    plan
}

/// Where several inhibitory arrivals coincide with the maximum, it has no derivative by each of them
/// (it stays at the first): so there are no ties here.
#[test]
fn objectives_of_the_maximum() {
    let maximum = Objective::new(MaxVoltage, CrossEntropy::new());
    objective("maximum", with_any_output().prop_map(untie), maximum, label);
}

#[test]
fn objectives_of_potentials_at_given_times() {
    // Arrivals on the grid of the inputs would be ties with what is read.
    let times = [0.0, 7.3, 21.9, 38.71, 38.71, DURATION];
    let regression = Objective::new(VoltageAt::new(times), MeanSquaredError);
    objective("potentials", with_any_output(), regression, |plan| {
        let n = plan.layers.last().unwrap().size * times.len();
        (0..n).map(|k| 0.1 * (k % 5) as f64).collect()
    });
}

/// What the neurons of a layer are to do: some to be silent.
fn trains(size: usize) -> SpikeTrains {
    let train = |n: usize| (0..2 * n).map(move |k| 4.0 + 7.3 * k as f64 + 1.1 * n as f64);
    SpikeTrains::from_channels((0..size).map(train)).unwrap()
}

#[test]
fn objectives_of_spike_trains() {
    let plans = || plan(Just(true).boxed());
    let target = |plan: &Plan| Box::new(trains(plan.layers.last().unwrap().size));
    let distance = Objective::new(SpikeTimes, VanRossum::new(6.0));
    objective("van Rossum", plans(), distance, target);
    let squares = Objective::new(SpikeTimes, SpikeTimeSquares).weight(1e-2);
    objective("spike by spike", plans(), squares, target);
}

/// What a sample of several tasks comes with.
struct Wanted {
    label: usize,
    first: SpikeTrains,
    curve: Vec<f64>,
}

/// Two parts read the last layer in ways of their own, one the first.
#[test]
fn objectives_of_several_parts() {
    let classify = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.2));
    let imitate = Objective::new(SpikeTimes, VanRossum::new(9.0)).on_layer(0).weight(0.3);
    let follow = Objective::new(VoltageAt::new([12.3, 33.1]), MeanSquaredError).weight(2.0);
    let parts = classify
        .target(|wanted: &Wanted| &wanted.label)
        .and(imitate.target(|wanted: &Wanted| &wanted.first))
        .and(follow.target(|wanted: &Wanted| &wanted.curve[..]));
    let with_spikes = with_any_output().prop_filter("no layer fires", |plan| plan.layers.len() > 1);
    objective("several parts", with_spikes, parts, |plan| {
        let (first, last) = (plan.layers[0].size, plan.layers.last().unwrap().size);
        let curve = (0..2 * last).map(|k| 0.2 * k as f64).collect();
        Box::new(Wanted { label: plan.label, first: trains(first), curve })
    });
}
