//! Batches give the same bits for any number of threads, and without threads.

use eventprop::data::YinYang;
use eventprop::{
    Assessment, BatchSummary, CrossEntropy, Deferred, Dense, Engine, Error, FirstSpikeTime,
    Gradients, Health, LeakyIntegrator, Lif, MeanVoltage, Network, NetworkBuilder, Objective,
    Sample, SpikeTrains, SpikingNetwork, backward_batch, evaluate_batch,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

const DURATION: f64 = 60.0;

fn network(recurrent: bool, drive: f64, rng: &mut ChaCha8Rng) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let hidden = net.layer("hidden", Lif::new(20).tau_syn(10.0));
    let output = net.layer("output", Lif::new(3).tau_syn(10.0));
    let weights = Normal::new(1.5 * drive, drive).unwrap();
    net.connect(input, hidden, Dense::weights(weights).delays(1.0));
    if recurrent {
        net.connect(hidden, hidden, Dense::weights(Normal::new(0.0, 0.1).unwrap()).delays(0.0));
    }
    net.connect(hidden, output, Dense::weights(Normal::new(0.8, 0.5).unwrap()).delays(0.0));
    net.build(rng).unwrap()
}

fn objective() -> Objective<FirstSpikeTime, CrossEntropy> {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0))
}

/// Sums over a few samples each, added in order: 16 of them, or more over eight samples at most.
fn one_after_the_other(net: &SpikingNetwork, samples: &[Sample<'_, usize>]) -> (f64, Gradients) {
    let mut total = (0.0, Gradients::zeros(net.layout()));
    let chunks = samples.len().min(16).max(samples.len().div_ceil(8));
    let start = |k: usize| k * samples.len() / chunks;
    for chunk in (0..chunks).map(|k| &samples[start(k)..start(k + 1)]) {
        let mut sum = (0.0, Gradients::zeros(net.layout()));
        let (mut deferred, mut assessment) = (Deferred::new(), Assessment::default());
        for sample in chunk {
            let trace = net.forward(sample.input, DURATION).unwrap();
            assessment.differentiate(net, &trace, &objective(), sample.target).unwrap();
            let Assessment { evaluation, sensitivity, .. } = &mut assessment;
            net.adjoint_deferred(&trace, sensitivity, &mut sum.1, &mut deferred).unwrap();
            sum.0 += evaluation.loss;
        }
        net.settle(&mut deferred, &mut sum.1).unwrap();
        total.0 += sum.0;
        total.1.add(&sum.1);
    }
    let n = samples.len() as f64;
    total.1.scale(n.recip());
    (total.0 / n, total.1)
}

/// Points of the Yin-Yang task, or as many samples that are heavy enough for the fast engine.
fn inputs(heavy: bool, rng: &mut ChaCha8Rng) -> Vec<SpikeTrains> {
    if !heavy {
        return YinYang::default().sample(301, rng).iter().map(YinYang::spikes).collect();
    }
    let mut event = |_| (rng.random::<f64>() * DURATION, rng.random_range(0..4));
    let mut sample = |_| SpikeTrains::from_events(4, (0..300).map(&mut event).collect::<Vec<_>>());
    (0..83).map(|k| sample(k).unwrap()).collect()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let bits = |gradients: &Gradients| -> Vec<u64> {
        gradients.values().iter().map(|g| g.to_bits()).collect()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (recurrent, heavy) in [(false, false), (true, false), (false, true), (true, true)] {
        let net = network(recurrent, if heavy { 0.1 } else { 1.0 }, &mut rng);
        let inputs = inputs(heavy, &mut rng);
        let sample = |(k, input)| Sample { input, target: &[0, 1, 2][k % 3] };
        let all: Vec<Sample<'_, usize>> = inputs.iter().enumerate().map(sample).collect();
        // Chunks of 1, 1 to 2, 5 to 6 and 7 to 8 samples, in less than a round of some threads and in several.
        for size in [1, 7, 8, 13, 31, 83, 301] {
            let Some(samples) = all.get(..size) else { continue };
            let (loss, expected) = one_after_the_other(&net, samples);
            let mut first = None;
            for threads in [1, 2, 3, 64] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let run = || backward_batch(&net, samples, DURATION, &objective());
                let (summary, gradients) = pool.install(run).unwrap();
                let case = format!(
                    "recurrent {recurrent}, heavy {heavy}, {size} samples, {threads} threads"
                );
                assert_eq!(bits(&gradients), bits(&expected), "{case}");
                assert_eq!(summary.loss.to_bits(), loss.to_bits(), "{case}");
                assert!(gradients.input_times.is_empty());
                assert_eq!(first.get_or_insert(summary.clone()), &summary, "{case}");
            }
            let summary = first.unwrap();
            assert_eq!(summary.samples, size);
            assert_eq!(summary.predictions.len(), size);
            assert!(summary.spikes.iter().flatten().sum::<u64>() > 10 * size as u64);
            let evaluated = evaluate_batch(&net, samples, DURATION, &objective()).unwrap();
            let health = Health::default();
            assert_eq!(evaluated.health.trials, 0);
            assert_eq!(
                BatchSummary { health: health.clone(), ..evaluated },
                BatchSummary { health, ..summary }
            );
        }
    }
}

#[test]
fn the_first_sample_that_fails_is_named() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let net = network(true, 1.0, &mut rng);
    let points = YinYang::default().sample(83, &mut rng);
    let inputs: Vec<SpikeTrains> = points.iter().map(YinYang::spikes).collect();
    let mut samples: Vec<Sample<'_, usize>> =
        inputs.iter().zip(&points).map(|(input, p)| Sample { input, target: &p.class }).collect();
    let (bad, wrong) = (SpikeTrains::silent(5), 7);
    samples[60].input = &bad;
    samples[41].target = &wrong;
    for threads in [1, 64] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = || backward_batch(&net, &samples, DURATION, &objective());
        let error = pool.install(run).unwrap_err();
        assert!(matches!(error, Error::Sample { index: 41, .. }), "{error}");
    }
}

#[test]
fn threads_that_sort_synapses_together_change_no_bit() {
    // So many channels that neurons come in four blocks, whose synapses each thread may sort.
    const CHANNELS: usize = 4096;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", CHANNELS);
    let hidden = net.layer("hidden", Lif::new(32));
    let weights = Normal::new(0.5, 0.5).unwrap();
    net.connect(input, hidden, Dense::weights(weights).delays(Uniform::new(0.0, 20.0).unwrap()));
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(hidden, output, Dense::weights(weights));
    let net = net.build(&mut rng).unwrap().with_engine(Engine::Fast);
    let mut event = |_| (rng.random::<f64>() * DURATION, rng.random_range(0..CHANNELS));
    let mut sample =
        |_| SpikeTrains::from_events(CHANNELS, (0..400).map(&mut event).collect::<Vec<_>>());
    let inputs: Vec<SpikeTrains> = (0..16).map(|k| sample(k).unwrap()).collect();
    let samples: Vec<_> = inputs.iter().map(|input| Sample { input, target: &1 }).collect();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // A clone has prepared nothing.
        let net = net.clone();
        pool.install(|| backward_batch(&net, &samples, DURATION, &objective)).unwrap()
    };
    let (summary, gradients) = run(1);
    assert!(summary.spikes[0].iter().sum::<u64>() > 1000);
    for _ in 0..20 {
        assert_eq!(run(16), (summary.clone(), gradients.clone()));
    }
}
