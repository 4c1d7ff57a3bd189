//! What dependants need not compile again while they are developed.
//!
//! Without optimisation across crates they use what is compiled here of generic code: the engines, and what builds
//! usual networks. Else each test and each example compiles them, which takes twice as long.

use super::{BuildError, Network, NetworkBuilder};
use crate::{Dense, LeakyIntegrator, Lif, Real};
use rand::rngs::ChaCha8Rng;

#[used]
static SHARED: (Shared<f64>, Shared<f32>) = (share, share);

type Shared<F> = fn(F, &mut ChaCha8Rng) -> Result<Box<dyn Network<F>>, BuildError>;

fn share<F: Real>(one: F, rng: &mut ChaCha8Rng) -> Result<Box<dyn Network<F>>, BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(1));
    let output = net.layer("output", LeakyIntegrator::new(1));
    net.connect(input, hidden, Dense::weights(one).delays(one));
    net.connect(hidden, output, Dense::weights(one));
    Ok(Box::new(net.build(rng)?))
}
