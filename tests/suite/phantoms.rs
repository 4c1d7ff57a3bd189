//! Phantom spikes: closed form, and finite differences of what they are the gradient of.

use crate::small::{DURATION, Linear, check_gradients_of, checked, pulses, single};
use approx::assert_relative_eq;
use eventprop::remedy::PhantomSpikeTime;
use eventprop::{
    BackwardOptions, Dense, FirstSpikeTime, Goal, LeakyIntegrator, MeanSquaredError, Network,
    NetworkBuilder, Objective, Reading, Recording, SpikeTrains,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

#[test]
fn phantom_spikes_against_finite_differences() {
    let (mut phantoms, mut fired) = (0, 0);
    // Those with few input spikes: each of these is checked as well.
    for (net, input) in checked().filter(|(_, input)| input.len() < 50) {
        let trace = net.forward(&input, DURATION).unwrap();
        let slope = 0.05;
        for (readout, then, read) in [
            (PhantomSpikeTime::new(slope), DURATION, DURATION),
            (PhantomSpikeTime::new(slope).at(40.0), 40.0, 40.0),
            (PhantomSpikeTime::new(slope).at(100.0), DURATION, 100.0),
        ] {
            let options = BackwardOptions::new();
            let objective = Objective::new(readout, Linear);
            let (evaluation, gradients, health) =
                net.backward_with(&trace, &objective, &0, &options).unwrap();
            let expected = trace.spikes(1).iter().map(|t| t.first().copied().unwrap_or(read));
            assert_eq!(evaluation.readout, expected.collect::<Vec<_>>());
            assert_eq!(health.layers[1].phantoms, health.layers[1].silent);
            phantoms += health.layers[1].phantoms;
            fired += 4 - health.layers[1].phantoms;
            // The first spike, or -V / slope of a silent neuron at that time.
            let read = |recording: &Recording<'_, f64>, y: &mut Reading| {
                for (neuron, train) in recording.spikes().iter().enumerate() {
                    y.push(match train.first() {
                        Some(&time) => time,
                        None => -recording.potential(neuron, then)? / slope,
                    });
                }
                Ok(())
            };
            check_gradients_of(read, 1, (&net, &input), &gradients);
        }
    }
    assert!(phantoms > 10 && fired > 10, "{phantoms} phantoms, {fired} fired");
}

/// V of a silent neuron is proportional to its weight, so dL/dw = -(dL/dt / slope) V / w.
#[test]
fn layers_that_never_fire_have_no_phantoms() {
    let mut net = NetworkBuilder::<f64>::new();
    let input = net.input("input", 1);
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(input, output, Dense::weights(1.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let trace = net.forward(&SpikeTrains::from_channels([[1.0]]).unwrap(), DURATION).unwrap();
    let of = |objective: &dyn Goal<f64, Target = [f64]>| {
        net.backward(&trace, objective, &[1.0, 1.0]).unwrap_err().to_string()
    };
    let phantom = of(&Objective::new(PhantomSpikeTime::new(1.0), MeanSquaredError));
    assert_eq!(phantom, of(&Objective::new(FirstSpikeTime, MeanSquaredError)));
}

#[test]
fn a_phantom_spike_has_a_closed_form() {
    let net = single(&[3.0]);
    let trace = net.forward(&pulses(1), DURATION).unwrap();
    let objective = Objective::new(PhantomSpikeTime::new(0.1).at(12.0), MeanSquaredError);
    let (evaluation, gradients) = net.backward(&trace, &objective, &[10.0]).unwrap();
    assert_eq!((evaluation.readout[0], evaluation.loss), (12.0, 4.0));
    // V = w (exp(-t/20) - exp(-t/5)) / 3 with t from the arrival at 1.5 ms; dL/dt = 2 (12 - 10).
    let t: f64 = 12.0 - 1.5;
    let v_per_w = ((-t / 20.0).exp() - (-t / 5.0).exp()) / 3.0;
    assert_relative_eq!(gradients.values()[0], -4.0 / 0.1 * v_per_w, max_relative = 1e-12);
}
