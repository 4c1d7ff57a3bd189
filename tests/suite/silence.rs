//! Silent neurons, and the remedies that raise their weights.

use crate::small::{DURATION, Nothing};
use approx::assert_relative_eq;
use eventprop::remedy::{SilentNeuronLift, WeightBump};
use eventprop::{
    BatchSummary, CrossEntropy, Dense, FirstSpikeTime, Lif, Network, NetworkBuilder, Objective,
    Sample, SpikeTrains, SpikingNetwork, backward_batch, evaluate_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Three neurons: one fires always, one in half of the samples, one never.
pub fn partly_silent() -> (SpikingNetwork, Vec<SpikeTrains>) {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("output", Lif::new(3).tau_mem(20.0).tau_syn(5.0));
    let weights = ndarray::array![[9.0], [5.0], [1.0]];
    net.connect(input, layer, Dense::weights(weights));
    net.connect(layer, layer, Dense::weights(-0.5).delays(1.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let once = SpikeTrains::from_channels([[1.0]]).unwrap();
    let twice = SpikeTrains::from_channels([[1.0, 1.1]]).unwrap();
    (net, vec![once, twice])
}

pub fn summary(net: &SpikingNetwork, inputs: &[SpikeTrains]) -> BatchSummary {
    let samples: Vec<Sample<'_, usize>> =
        inputs.iter().map(|input| Sample { input, target: &0 }).collect();
    evaluate_batch(net, &samples, DURATION, &Objective::new(FirstSpikeTime, Nothing)).unwrap()
}

pub fn weights(net: &SpikingNetwork) -> Vec<f64> {
    net.parameters()[0].1.values.to_vec()
}

#[test]
fn weights_are_bumped_ever_more_until_spikes_are_there() {
    let (mut net, inputs) = partly_silent();
    let recurrent = net.parameters()[1].1.values.to_vec();
    let mut of_batch = summary(&net, &inputs);
    assert_eq!(of_batch.silent, [[0, 1, 2]]);
    let mut bump = WeightBump::new(0.25).tolerance(0.4).growth(3.0);
    // Half of the spikes are missing.
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 2);
    assert_eq!(weights(&net), [9.0, 5.25, 1.25]);
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 2);
    assert_eq!(weights(&net), [9.0, 6.0, 2.0]);
    assert_eq!(of_batch.health.lifted, 4);
    // Within the tolerance nothing happens, and the series starts anew.
    assert_eq!(bump.tolerance(0.5).apply(&mut net, 0, &mut of_batch).unwrap(), 0);
    let mut of_batch = summary(&net, &inputs[..1]);
    of_batch.silent = vec![vec![0, 0, 0]];
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 0);
    of_batch.silent = vec![vec![1, 1, 1]];
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 3);
    assert_eq!(weights(&net), [9.25, 6.25, 2.25]);
    assert_eq!(net.parameters()[1].1.values, recurrent, "recurrent weights are left alone");
}

#[test]
fn bumps_do_not_grow_out_of_range() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("output", Lif::new(1));
    net.connect(input, layer, Dense::weights(0.1).max_weight(0.2));
    let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let mut of_batch = summary(&net, &[SpikeTrains::from_channels([[1.0]]).unwrap()]);
    let mut bump = WeightBump::new(0.005);
    for _ in 0..3000 {
        assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 1);
    }
    assert_eq!(weights(&net), [0.2]);
}

#[test]
fn a_lift_goes_by_the_summary_of_an_epoch() {
    let (mut net, inputs) = partly_silent();
    let mut epoch = summary(&net, &inputs[..1]);
    assert_eq!(epoch.silent, [[0, 1, 1]]);
    epoch.merge(&summary(&net, &inputs[1..]));
    assert_eq!((epoch.samples, epoch.predictions.len()), (2, 2));
    let lift = SilentNeuronLift::new(0.002);
    assert_eq!(lift.apply(&mut net, 0, &mut epoch).unwrap(), 1);
    assert_eq!(weights(&net), [9.0, 5.0, 1.002]);
    assert_eq!(lift.share(0.5).apply(&mut net, 0, &mut epoch).unwrap(), 2);
    assert_eq!(weights(&net), [9.0, 5.002, 1.004]);
    assert_eq!(epoch.health.lifted, 3);
}

#[test]
fn shares_that_are_exactly_met_count() {
    let (mut net, inputs) = partly_silent();
    let mut of_batch = summary(&net, &inputs[..1]);
    // 0.55 * 20 is rounded up, 0.57 * 100 down.
    (of_batch.samples, of_batch.silent) = (20, vec![vec![11, 10, 0]]);
    let lift = SilentNeuronLift::new(0.002).share(0.55);
    assert_eq!(lift.apply(&mut net, 0, &mut of_batch).unwrap(), 1);
    (of_batch.samples, of_batch.silent) = (100, vec![vec![57, 57, 57]]);
    let mut bump = WeightBump::new(0.25).tolerance(0.57);
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 0);
    of_batch.silent = vec![vec![57, 57, 58]];
    assert_eq!(bump.apply(&mut net, 0, &mut of_batch).unwrap(), 3);
}

#[test]
fn merged_summaries_are_those_of_all_samples() {
    let (net, inputs) = partly_silent();
    let samples: Vec<Sample<'_, usize>> =
        inputs.iter().map(|input| Sample { input, target: &0 }).collect();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
    let run = |samples| backward_batch(&net, samples, DURATION, &objective).unwrap().0;
    let (all, first, second) = (run(&samples), run(&samples[..1]), run(&samples[1..]));
    let mut merged = run(&[]);
    assert_eq!((merged.samples, merged.loss), (0, 0.0));
    merged.merge(&first);
    assert_eq!(merged.loss, first.loss);
    merged.merge(&second);
    merged.merge(&run(&[]));
    assert_eq!(merged.losses.len(), 1, "an empty one takes nothing away");
    assert_relative_eq!(merged.loss, all.loss, max_relative = 1e-15);
    assert_eq!((merged.samples, &merged.spikes, &merged.silent), (2, &all.spikes, &all.silent));
    assert_eq!(merged.health.layers, all.health.layers);
}
