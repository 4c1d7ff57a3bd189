//! Batches give the same bits for any number of threads.
#![cfg(feature = "rayon")]

use eventprop::data::YinYang;
use eventprop::{
    CrossEntropy, Dense, Error, FirstSpikeTime, Lif, NetworkBuilder, Objective, Sample,
    SpikeTrains, backward_batch, evaluate_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Normal;

#[test]
fn the_number_of_threads_changes_no_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let hidden = net.layer("hidden", Lif::new(20).tau_syn(10.0));
    let output = net.layer("output", Lif::new(3).tau_syn(10.0));
    net.connect(input, hidden, Dense::weights(Normal::new(1.5, 1.0).unwrap()).delays(1.0));
    net.connect(hidden, hidden, Dense::weights(Normal::new(0.0, 0.1).unwrap()).delays(0.0));
    net.connect(hidden, output, Dense::weights(Normal::new(0.8, 0.5).unwrap()).delays(0.0));
    let net = net.build(&mut rng).unwrap();
    let points = YinYang::default().sample(83, &mut rng);
    let inputs: Vec<SpikeTrains> = points.iter().map(YinYang::spikes).collect();
    let mut samples: Vec<Sample<'_, usize>> =
        inputs.iter().zip(&points).map(|(input, p)| Sample { input, target: &p.class }).collect();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
    let run = |threads: usize, samples: &[Sample<'_, usize>]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| backward_batch(&net, samples, 60.0, &objective))
    };
    let (summary, gradients) = run(1, &samples).unwrap();
    assert!(summary.spikes.iter().flatten().sum::<u64>() > 1000);
    assert_eq!(summary.samples, 83);
    for threads in [2, 3, 64] {
        let (other_summary, other) = run(threads, &samples).unwrap();
        assert_eq!(summary, other_summary);
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        assert!(gradients.values().iter().zip(other.values()).all(same), "{threads} threads");
    }
    let evaluated = evaluate_batch(&net, &samples, 60.0, &objective).unwrap();
    assert_eq!(evaluated, summary);

    // The first sample that fails is the one that is named, whichever thread is faster.
    let (bad, wrong) = (SpikeTrains::silent(5), 7);
    samples[60].input = &bad;
    samples[41].target = &wrong;
    for threads in [1, 64] {
        let error = run(threads, &samples).unwrap_err();
        assert!(matches!(error, Error::Sample { index: 41, .. }), "{error}");
    }
}
