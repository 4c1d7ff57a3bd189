//! Settings of networks, most of which make sense and some of which do not.

use eventprop::{
    BuildError, Constant, Delays, Dense, Init, LeakyIntegrator, Lif, NetworkBuilder, Source,
    Sparse, SpikingNetwork, SynapseRecipe,
};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Normal;

/// Mostly numbers that a user would give, so that many networks get built.
pub fn number() -> BoxedStrategy<f64> {
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
    // More than can be numbered, where that can be addressed.
    let huge = usize::try_from(1_u64 << 33).unwrap_or(usize::MAX);
    prop_oneof![99 => 1..5usize, 1 => Just(0), 1 => Just(huge), 1 => Just(usize::MAX)]
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

/// A network to be.
#[derive(Debug, Clone)]
pub struct Hostile {
    inputs: Vec<(u8, usize)>,
    layers: Vec<Neurons>,
    plans: Vec<Plan>,
    pub max_spikes: Option<usize>,
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

pub fn hostile() -> impl Strategy<Value = Hostile> {
    // Names clash now and then.
    let name = || 0..200u8;
    let inputs = prop_oneof![4 => Just(1), 1 => Just(2)];
    let inputs = inputs.prop_flat_map(move |n| prop::collection::vec((name(), size()), n));
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

/// Asks the library for it.
pub fn build(plan: &Hostile) -> Result<SpikingNetwork, BuildError> {
    let mut net = NetworkBuilder::new();
    let mut ids: Vec<Source> = Vec::new();
    for (name, size) in &plan.inputs {
        ids.push(net.input(name.to_string(), *size));
    }
    for layer in &plan.layers {
        let layer = match layer.fires {
            true => net.layer(layer.name.to_string(), lif(layer)),
            false => net.layer(layer.name.to_string(), integrator(layer)),
        };
        ids.push(layer.into());
    }
    // From another builder, where it is one of many.
    let mut foreign = NetworkBuilder::<f64>::new();
    let foreign = (0..9).map(|_| foreign.input("", 1)).last().unwrap();
    let layers = plan.layers.len().max(1);
    let pre = |k: usize| match k {
        FOREIGN => foreign,
        k => ids[k % ids.len()],
    };
    for (k, plan) in plan.plans.iter().enumerate() {
        // One after the other, so that most layers can be reached. Layers may be missing.
        let post = if plan.post == FOREIGN { FOREIGN } else { k % layers };
        let from = if k == 0 && plan.pre != FOREIGN { 0 } else { plan.pre };
        net.connect(pre(from), post, recipe(plan));
    }
    if let Some(most) = plan.max_spikes {
        net.max_spikes(most);
    }
    net.build(&mut ChaCha8Rng::seed_from_u64(1))
}
