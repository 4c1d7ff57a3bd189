//! What dependants need not compile again while they are developed.
//!
//! Without optimisation across crates they use what is compiled here of generic code: the engines, what builds usual
//! networks, and training. Else each test and each example compiles them, which takes twice as long.

use crate::data::Dataset;
use crate::train::{History, TrainError, Trainer};
use crate::{
    Adam, BuildError, CrossEntropy, Dense, LeakyIntegrator, Lif, MeanVoltage, Network,
    NetworkBuilder, Objective, Real,
};
use rand::rngs::ChaCha8Rng;

#[used]
static SHARED: (Build<f64>, Build<f32>, Train<f64>, Train<f32>) = (build, build, train, train);

type Build<F> = fn(F, &mut ChaCha8Rng) -> Result<Box<dyn Network<F>>, BuildError>;
type Train<F> = fn(&mut dyn Network<F>, &Dataset) -> Result<History, TrainError>;

fn build<F: Real>(one: F, rng: &mut ChaCha8Rng) -> Result<Box<dyn Network<F>>, BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(1));
    let output = net.layer("output", LeakyIntegrator::new(1));
    net.connect(input, hidden, Dense::weights(one).delays(one));
    net.connect(hidden, output, Dense::weights(one));
    Ok(Box::new(net.build(rng)?))
}

fn train<F: Real>(network: &mut dyn Network<F>, data: &Dataset) -> Result<History, TrainError> {
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    Trainer::new(objective, Adam::new(0.01)).fit(network, data, Some(data), &mut [])
}
