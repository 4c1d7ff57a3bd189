//! Build, forward, backward, step: the whole library in one screen.
//!
//! Two channels fire 6 ms apart, in one order or the other. A layer that can shift its inputs in time
//! learns to tell the orders apart.

use eventprop::{
    Adam, CrossEntropy, Dense, LeakyIntegrator, Lif, MaxVoltage, Network, NetworkBuilder,
    Objective, Optimizer, SpikeTrains,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Build: every synapse has its own weight and its own learnable delay.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let hidden = net.layer("hidden", Lif::new(8).tau_mem(10.0).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(2));
    let to_hidden = Dense::weights(Normal::new(3.0, 0.6)?).delays(Uniform::new(0.0, 3.0)?);
    net.connect(input, hidden, to_hidden.max_delay(20.0));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.5)?).delays(1.0));
    let mut net = net.build(&mut rng)?;

    let orders = [
        SpikeTrains::from_channels([[2.0], [8.0]])?, // class 0
        SpikeTrains::from_channels([[8.0], [2.0]])?, // class 1
    ];
    let objective = Objective::new(MaxVoltage, CrossEntropy::new().temperature(0.1));
    let mut adam = Adam::new(0.02).delay_rate(0.2);

    let mut accuracy = 0.0;
    for round in 1..=60 {
        let (mut loss, mut correct) = (0.0, 0);
        for (class, spikes) in orders.iter().enumerate() {
            let trace = net.forward(spikes, 50.0)?; // 50 ms, exact
            let (evaluation, gradients) = net.backward(&trace, &objective, &class)?;
            adam.step(&mut net, &gradients)?;
            loss += evaluation.loss / 2.0;
            correct += usize::from(evaluation.prediction == Some(class));
        }
        accuracy = correct as f64 / 2.0;
        if round % 20 == 0 {
            println!("round {round}: loss {loss:.4}, accuracy {accuracy}");
        }
    }
    println!("result: accuracy={accuracy}");
    Ok(())
}
