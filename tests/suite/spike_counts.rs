//! The spike-count regulariser: closed forms, finite differences of what it is the gradient of, and batches.

use crate::small::{DURATION, ENGINES, Nothing, check_gradients_of, checked, pulses, single};
use approx::assert_relative_eq;
use eventprop::remedy::{SlopeLimiter, SpikeCountRegularizer};
use eventprop::{
    BackwardOptions, FirstSpikeTime, Network, Objective, Reading, Recording, Sample, SpikeTrains,
    backward_batch_with,
};

#[test]
fn the_spike_count_regulariser_pushes_the_potential_at_spikes() {
    let regularizer = SpikeCountRegularizer::new(0);
    let strength = 0.3;
    for engine in ENGINES {
        let net = single(&[7.0]).with_engine(engine);
        let trace = net.forward(&pulses(1), DURATION).unwrap();
        let [slope] = *trace.slopes(0) else { panic!("one spike") };
        let objective = Objective::new(FirstSpikeTime, Nothing);
        // (regulariser, floor of slopes, dL/dV at the spike)
        for (regularizer, floor, push) in [
            (regularizer.upper(0.25, strength), None, 0.75 * strength),
            (regularizer.lower(3.0, strength), None, -2.0 * strength),
            (regularizer.upper(0.25, strength).lower(0.25, 1.0), None, 0.75 * strength),
            // The push is on the potential: a limited slope does not change it.
            (regularizer.upper(0.25, strength), Some(5.0 * slope), 0.75 * strength),
            (regularizer.upper(1.0, strength).lower(1.0, strength), None, 0.0),
            (regularizer.upper(2.0, strength).lower(0.5, strength), None, 0.0),
            (regularizer, None, 0.0),
        ] {
            let mut options = BackwardOptions::new().regularize(regularizer);
            if let Some(floor) = floor {
                options = options.limit_slopes(SlopeLimiter::Absolute(floor));
            }
            let (_, gradients, health) =
                net.backward_with(&trace, &objective, &0, &options).unwrap();
            // V = 1 there, proportional to w; and a delay moves V' = slope.
            let [by_weight, by_delay] = *gradients.values() else { panic!("one synapse") };
            assert_relative_eq!(by_weight, push / 7.0, max_relative = 1e-12);
            assert_relative_eq!(by_delay, -push * slope, max_relative = 1e-12);
            assert_eq!(health.layers[0].regularized, usize::from(push != 0.0));
        }
    }
}

/// What the regulariser adds is the gradient of sum_k a_k t_k with a_k = -slope strength (N - count).
#[test]
fn the_spike_count_regulariser_against_finite_differences() {
    let (count, strength) = (3.0, 0.02);
    let mut firing = 0;
    for (net, input) in checked() {
        let trace = net.forward(&input, DURATION).unwrap();
        let regularizer =
            SpikeCountRegularizer::new(0).upper(count, strength).lower(count, strength);
        let options = BackwardOptions::new().regularize(regularizer);
        let nothing = Objective::new(FirstSpikeTime, Nothing);
        let (_, gradients, health) = net.backward_with(&trace, &nothing, &0, &options).unwrap();
        let factors = trace.spikes(0).iter().enumerate().flat_map(|(neuron, train)| {
            // Undoes the factor of the loss.
            let push = strength * (train.len() as f64 - count) / (neuron + 1) as f64;
            std::iter::repeat_n(-push, train.len())
        });
        let factors: Vec<f64> = factors.zip(trace.slopes(0)).map(|(a, slope)| a * slope).collect();
        let off_count = trace.spikes(0).iter().filter(|t| t.len() as f64 != count);
        assert_eq!(health.layers[0].regularized, off_count.map(|t| t.len()).sum::<usize>());
        // sum_k a_k t_k over the spikes of each neuron.
        let read = |recording: &Recording<'_, f64>, y: &mut Reading| {
            let spikes = recording.spikes();
            for w in spikes.offsets().windows(2) {
                y.push((w[0]..w[1]).map(|k| factors[k] * spikes.times()[k]).sum());
            }
            Ok(())
        };
        check_gradients_of(read, 0, (&net, &input), &gradients);
        firing += health.layers[0].spikes;
    }
    assert!(firing > 100, "{firing}");
}

#[test]
fn the_regulariser_goes_by_the_mean_of_the_batch() {
    let net = single(&[7.0]);
    let inputs =
        [vec![1.0], vec![1.0, 2.0, 30.0], vec![]].map(|t| SpikeTrains::from_channels([t]).unwrap());
    let samples: Vec<Sample<'_, usize>> =
        inputs.iter().map(|input| Sample { input, target: &0 }).collect();
    let objective = Objective::new(FirstSpikeTime, Nothing);
    let spikes =
        inputs.each_ref().map(|i| net.forward(i, DURATION).unwrap().spikes(0).len() as f64);
    let mean = spikes.iter().sum::<f64>() / 3.0;
    let (count, strength) = (mean - 0.3, 0.7);
    let options = |count| {
        BackwardOptions::new().regularize(SpikeCountRegularizer::new(0).upper(count, strength))
    };
    let (summary, gradients) =
        backward_batch_with(&net, &samples, DURATION, &objective, &options(count)).unwrap();
    assert!(spikes[0] != spikes[1]);
    assert_eq!(summary.health.layers[0].regularized as f64, 3.0 * mean);
    let mut expected = 0.0;
    let mut own = 0.0;
    for input in &inputs {
        let trace = net.forward(input, DURATION).unwrap();
        let n = trace.spikes(0).len() as f64;
        // The same push: N - count' = mean - count. A silent trial has none.
        let same = if n == 0.0 { 0.0 } else { n - (mean - count) };
        assert!(same >= 0.0);
        let by_weight = |count| {
            let (_, g, _) = net.backward_with(&trace, &objective, &0, &options(count)).unwrap();
            g.values()[0] / 3.0
        };
        expected += by_weight(same);
        own += by_weight(count);
    }
    assert_relative_eq!(gradients.values()[0], expected, max_relative = 1e-12);
    let per_trial = SpikeCountRegularizer::new(0).upper(count, strength).per_trial();
    let options = BackwardOptions::new().regularize(per_trial);
    let (_, gradients) =
        backward_batch_with(&net, &samples, DURATION, &objective, &options).unwrap();
    assert_relative_eq!(gradients.values()[0], own, max_relative = 1e-12);
    assert!((own - expected).abs() > 1e-3);
}
