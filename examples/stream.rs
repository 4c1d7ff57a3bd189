//! A network that listens without end: events go in by portions, spikes come out as they happen.
//!
//! A layer with delays and recurrence hears background noise, and now and then a volley that runs over its
//! channels. The output neuron has delays that undo the run, so that it fires when it has heard one.
//!
//! ```text
//! cargo run --release --example stream
//! ```

use eventprop::{Dense, Lif, NetworkBuilder, Simulator, SpikingNetwork};
use ndarray::Array2;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Exp, Normal, Uniform};
use std::time::{Duration, Instant};

const CHANNELS: usize = 100;
const HIDDEN: usize = 200;
/// All times are in ms. A volley reaches one channel after the other.
const STEP: f64 = 0.5;
const PORTION: f64 = 20.0;
const PORTIONS: usize = 500;
/// Spikes per ms and channel.
const NOISE: f64 = 0.01;

fn network(rng: &mut ChaCha8Rng) -> Result<SpikingNetwork, Box<dyn std::error::Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", CHANNELS);
    let hidden = net.layer("hidden", Lif::new(HIDDEN).tau_mem(10.0).tau_syn(5.0));
    let output = net.layer("output", Lif::new(1).tau_mem(10.0).tau_syn(2.0));
    let weights = Normal::new(0.1, 0.3)?;
    net.connect(input, hidden, Dense::weights(weights).delays(Uniform::new(0.0, 20.0)?));
    let weights = Normal::new(-0.01, 0.1)?;
    net.connect(hidden, hidden, Dense::weights(weights).delays(Uniform::new(1.0, 20.0)?));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.02)?).delays(5.0));
    let undo = Array2::from_shape_fn((1, CHANNELS), |(_, c)| STEP * (CHANNELS - c) as f64);
    net.connect(input, output, Dense::weights(0.15).delays(undo));
    Ok(net.build(rng)?)
}

/// The events of a portion, in no order: what a sensor might hand over.
fn sense(rng: &mut ChaCha8Rng, start: f64, volley: bool) -> Vec<(f64, usize)> {
    let mut events = Vec::new();
    let wait = Exp::new(NOISE * CHANNELS as f64).expect("the rate is positive");
    let mut time = start + wait.sample(rng);
    while time < start + PORTION {
        events.push((time, rng.random_range(0..CHANNELS)));
        time += wait.sample(rng);
    }
    if volley {
        // It outlasts the portion: events may be handed in long before their time.
        events.extend((0..CHANNELS).map(|channel| (start + STEP * channel as f64, channel)));
    }
    events
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let net = network(&mut rng)?;
    let output = net.layer("output").expect("it was named so");
    let mut simulator = Simulator::new(&net)?;

    let (mut events, mut spikes, mut volleys, mut heard) = (0, 0, 0, 0);
    let mut busy = Duration::ZERO;
    for portion in 0..PORTIONS {
        let volley = portion % 50 == 25;
        let portion = sense(&mut rng, simulator.time(), volley);
        volleys += usize::from(volley);
        events += portion.len();

        let start = Instant::now();
        let until = simulator.time() + PORTION;
        for (time, channel) in portion {
            simulator.receive(time, channel)?;
        }
        while let Some(spike) = simulator.next_spike(until)? {
            spikes += 1;
            if spike.layer == output {
                heard += 1;
                println!("{:9.3} ms: the output fires", spike.time);
            }
        }
        busy += start.elapsed();
    }

    let seconds = busy.as_secs_f64();
    println!("{:.1} s of input took {seconds:.2} s", simulator.time() / 1000.0);
    println!(
        "result: events_per_s={:.0} events={events} spikes={spikes} volleys={volleys} output_spikes={heard}",
        events as f64 / seconds
    );
    Ok(())
}
