//! Synapses of your own: weights of low rank, and delays that are distance over a learned speed.
//!
//! Both populations lie on a plane. N x M synapses have only (N + M) rank + 1 parameters. What it takes is
//! rows of (source, weight, delay), and the chain rule from these to the parameters beneath.

use eventprop::{
    Adam, Bounds, Connectivity, CrossEntropy, DelayedSynapses, Dense, LeakyIntegrator, Lif,
    MeanVoltage, Network, NetworkBuilder, Objective, Optimizer, Parameter, ParameterKind,
    ParameterMut, Presynaptic, Row, SpikeTrains, SpikingNetwork, SynapseError,
};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::error::Error;

/// The recipe.
struct LowRank {
    rank: usize,
    /// Initial travel time in ms per unit of distance.
    slowness: f64,
}

/// w_ji = sum_r left_jr right_ir, d_ji = distance_ji slowness.
#[derive(Debug, Clone)]
struct LowRankSynapses {
    rank: usize,
    left: Vec<f64>,
    right: Vec<f64>,
    slowness: [f64; 1],
    distances: Vec<f64>,
    /// The rows, made anew by `update`.
    weights: Vec<f64>,
    delays: Vec<f64>,
}

const LEAST: f64 = 0.0; // the bound of the slowness

impl Connectivity<f64> for LowRank {
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<f64>>, SynapseError> {
        let Self { rank, slowness } = self;
        let mut place = |_| (rng.random::<f64>(), rng.random::<f64>());
        let (to, from): (Vec<_>, Vec<_>) =
            ((0..post).map(&mut place).collect(), (0..pre).map(place).collect());
        let distance = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
        let distances = to.iter().flat_map(|a| from.iter().map(move |b| distance(a, b))).collect();
        let mut factors =
            |n: usize| (0..n * rank).map(|_| 0.5 + 1.5 * rng.random::<f64>()).collect();
        let (left, right) = (factors(post), factors(pre));
        let (weights, delays) = (vec![0.0; post * pre], vec![0.0; post * pre]);
        let slowness = [slowness];
        let mut made = LowRankSynapses { rank, left, right, slowness, distances, weights, delays };
        made.update();
        Ok(Box::new(made))
    }
}

impl DelayedSynapses<f64> for LowRankSynapses {
    fn shape(&self) -> (usize, usize) {
        (self.left.len() / self.rank, self.right.len() / self.rank)
    }
    fn synapses(&self) -> usize {
        self.weights.len()
    }
    fn row(&self, post: usize) -> Row<'_, f64> {
        let pre = self.shape().1;
        let range = post * pre..(post + 1) * pre;
        let (weights, delays) = (&self.weights[range.clone()], &self.delays[range.clone()]);
        Row { first: range.start, sources: Presynaptic::All, weights, delays }
    }
    fn parameters(&self) -> Vec<Parameter<'_, f64>> {
        let bounds = Bounds { lower: LEAST, upper: f64::INFINITY };
        vec![
            Parameter { kind: ParameterKind::Weight, values: &self.left, bounds: Bounds::none() },
            Parameter { kind: ParameterKind::Weight, values: &self.right, bounds: Bounds::none() },
            Parameter { kind: ParameterKind::Delay, values: &self.slowness, bounds },
        ]
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, f64>> {
        let (kind, none) = (ParameterKind::Weight, Bounds::none());
        let bounds = Bounds { lower: LEAST, upper: f64::INFINITY };
        vec![
            ParameterMut { kind, values: &mut self.left, bounds: none },
            ParameterMut { kind, values: &mut self.right, bounds: none },
            ParameterMut { kind: ParameterKind::Delay, values: &mut self.slowness, bounds },
        ]
    }
    fn update(&mut self) {
        if self.slowness[0] < LEAST {
            self.slowness[0] = LEAST;
        }
        let pre = self.shape().1;
        let (left, right) = (self.left.chunks(self.rank), self.right.chunks(self.rank));
        for (j, l) in left.enumerate() {
            for (i, r) in right.clone().enumerate() {
                self.weights[j * pre + i] = l.iter().zip(r).map(|(a, b)| a * b).sum();
                self.delays[j * pre + i] = self.distances[j * pre + i] * self.slowness[0];
            }
        }
    }
    fn pull_back(&self, weights: &[f64], delays: &[f64], gradients: &mut [f64]) {
        let (rank, pre) = (self.rank, self.shape().1);
        let (left, rest) = gradients.split_at_mut(self.left.len());
        let (right, slowness) = rest.split_at_mut(self.right.len());
        for (k, (by_weight, by_delay)) in weights.iter().zip(delays).enumerate() {
            let (j, i) = (k / pre * rank, k % pre * rank);
            for r in 0..rank {
                left[j + r] += by_weight * self.right[i + r];
                right[i + r] += by_weight * self.left[j + r];
            }
            slowness[0] += by_delay * self.distances[k];
        }
    }
    fn raise_weights(&mut self, post: usize, amount: f64) {
        // No single weight can be raised: the factors of the neuron are.
        let own = post * self.rank..(post + 1) * self.rank;
        self.left[own].iter_mut().for_each(|x| *x += amount);
        self.update();
    }
}

/// A network with such synapses.
pub fn network() -> Result<SpikingNetwork, Box<dyn Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 5);
    let hidden = net.layer("hidden", Lif::new(6).tau_mem(10.0).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(input, hidden, LowRank { rank: 2, slowness: 8.0 });
    net.connect(hidden, output, Dense::weights(rand_distr::Normal::new(0.0, 1.0)?));
    Ok(net.build(&mut ChaCha8Rng::seed_from_u64(2))?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut net = network()?;
    let input = SpikeTrains::from_channels([[1.0], [3.0], [6.0], [7.0], [9.5]])?;
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let mut adam = Adam::new(0.01).delay_rate(0.05);
    for round in 0..=50 {
        let (evaluation, gradients) = net.backward(&net.forward(&input, 50.0)?, &objective, &1)?;
        if round % 10 == 0 {
            let slowness = net.parameters()[2].1.values[0];
            println!("loss {:.3}, {slowness:.2} ms per unit of distance", evaluation.loss);
        }
        adam.step(&mut net, &gradients)?;
    }
    Ok(())
}
