//! Several processes give the bits of one, and fail together.
#![cfg(feature = "distributed")]

#[path = "support/training.rs"]
mod support;

use eventprop::distributed::{self, Communicator, DistributedError, Failure, InProcess};
use eventprop::remedy::SpikeCountRegularizer;
use eventprop::{
    BackwardOptions, CrossEntropy, Dense, Error, FirstSpikeTime, Gradients, Lif, Network,
    NetworkBuilder, Objective, Real, Sample, Sparse, SpikeTrains, SpikingNetwork,
    backward_batch_with, evaluate_batch,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use std::cell::RefCell;

const DURATION: f64 = 60.0;

/// With enough recurrent neurons to need several segments.
fn network<F: Real>(hidden: usize) -> SpikingNetwork<F> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let middle = net.layer("hidden", Lif::new(hidden).tau_syn(F::of(10.0)));
    let output = net.layer("output", Lif::new(3).tau_syn(F::of(10.0)));
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut weights = |count, mean, deviation| -> Vec<F> {
        let all = Normal::new(mean, deviation).unwrap().sample_iter(&mut rng);
        all.take(count).map(F::of).collect()
    };
    net.connect(input, middle, Dense::weights(weights(4 * hidden, 1.5, 1.0)).delays(F::of(1.0)));
    net.connect(
        middle,
        middle,
        Dense::weights(weights(hidden * hidden, 0.0, 0.05)).delays(F::of(0.5)),
    );
    net.connect(middle, output, Dense::weights(weights(3 * hidden, 0.3, 0.3)).delays(F::zero()));
    net.build(&mut ChaCha8Rng::seed_from_u64(2)).unwrap()
}

fn objective() -> Objective<FirstSpikeTime, CrossEntropy> {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0))
}

fn inputs(number: usize) -> Vec<SpikeTrains> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut one = |_| SpikeTrains::from_channels([(); 4].map(|()| [20.0 * rng.random::<f64>()]));
    (0..number).map(|k| one(k).unwrap()).collect()
}

fn samples(inputs: &[SpikeTrains]) -> Vec<Sample<'_, usize>> {
    let sample = |(k, input)| Sample { input, target: &[0, 1, 2][k % 3] };
    inputs.iter().enumerate().map(sample).collect()
}

/// What each of so many ranks makes of it.
fn on_ranks<R: Send>(size: usize, what: impl Fn(&InProcess) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let what = &what;
        let start = |ranks| scope.spawn(move || what(&ranks));
        let threads: Vec<_> = InProcess::ranks(size).into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn bits<F: Real>(gradients: &Gradients<F>) -> Vec<u64> {
    gradients.values().iter().map(|g| g.as_f64().to_bits()).collect()
}

fn compare<F: Real>(hidden: usize, sizes: &[usize], options: &BackwardOptions) {
    let net = network::<F>(hidden);
    for &size in sizes {
        let inputs = inputs(size);
        let samples = samples(&inputs);
        let (summary, gradients) =
            backward_batch_with(&net, &samples, DURATION, &objective(), options).unwrap();
        let evaluated = evaluate_batch(&net, &samples, DURATION, &objective()).unwrap();
        for count in [1, 2, 3, 7] {
            let results = on_ranks(count, |ranks| {
                let pair = distributed::backward_batch(
                    ranks,
                    &net,
                    &samples,
                    DURATION,
                    &objective(),
                    options,
                );
                let alone =
                    distributed::evaluate_batch(ranks, &net, &samples, DURATION, &objective());
                (pair.unwrap(), alone.unwrap())
            });
            for ((one, by), alone) in results {
                assert_eq!(bits(&by), bits(&gradients), "{size} samples on {count} ranks");
                assert_eq!(one, summary);
                assert_eq!(one.loss.as_f64().to_bits(), summary.loss.as_f64().to_bits());
                assert_eq!(alone, evaluated);
            }
        }
    }
}

#[test]
fn any_number_of_ranks_gives_the_same_bits() {
    // No sample, less than a chunk for each, chunks of one and of several samples, more than one round.
    compare::<f64>(12, &[0, 1, 8, 13, 83, 301], &BackwardOptions::new());
    let regularizer = SpikeCountRegularizer::new(0).upper(0.5, 1e-3);
    compare::<f64>(12, &[40], &BackwardOptions::new().regularize(regularizer));
    compare::<f64>(100, &[41], &BackwardOptions::new());
    compare::<f32>(100, &[41], &BackwardOptions::new());
}

#[test]
fn the_first_sample_that_fails_is_named_on_all_ranks() {
    let net = network::<f64>(6);
    let inputs = inputs(80);
    let mut samples = samples(&inputs);
    let (bad, wrong) = (SpikeTrains::silent(5), 7);
    samples[60].input = &bad;
    samples[41].target = &wrong;
    // Chunks of five: 16 for 4 ranks are 20 samples for each, so sample 41 is that of rank 2.
    let options = BackwardOptions::new();
    let errors = on_ranks(4, |ranks| {
        let result =
            distributed::backward_batch(ranks, &net, &samples, DURATION, &objective(), &options);
        let first = result.unwrap_err();
        // All can go on with the next batch.
        distributed::evaluate_batch(ranks, &net, &samples[..40], DURATION, &objective()).unwrap();
        first
    });
    for (rank, error) in errors.into_iter().enumerate() {
        match error {
            Error::Sample { index: 41, .. } => assert_eq!(rank, 2),
            Error::Distributed(DistributedError::Failed(Failure { rank: 2, reason })) => {
                assert!(rank != 2 && reason.contains("sample 41"), "{reason}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_rank_that_ends_is_missed() {
    let net = network::<f64>(6);
    let inputs = inputs(80);
    let samples = samples(&inputs);
    for gone in 0..3 {
        let results = on_ranks(3, |ranks| {
            if ranks.rank() == gone {
                return None;
            }
            Some(distributed::evaluate_batch(ranks, &net, &samples, DURATION, &objective()))
        });
        for result in results.into_iter().flatten() {
            let error = result.unwrap_err();
            assert!(
                matches!(error, Error::Distributed(DistributedError::Lost { .. })),
                "{gone}: {error}"
            );
        }
    }
}

#[test]
fn ranks_with_other_numbers_of_samples_are_out_of_step() {
    let net = network::<f64>(6);
    let inputs = inputs(16);
    let samples = samples(&inputs);
    let results = on_ranks(2, |ranks| {
        // The shares are the first half of 16 samples and the second half of 8.
        let own = &samples[..16 - 8 * ranks.rank()];
        distributed::evaluate_batch(ranks, &net, own, DURATION, &objective())
    });
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("12 samples in all, but this one was given a batch of 16"), "{error}");
}

#[test]
fn ranks_with_other_networks_are_out_of_step() {
    let inputs = inputs(20);
    let samples = samples(&inputs);
    let options = BackwardOptions::new();
    let results = on_ranks(2, |ranks| {
        let net = network::<f64>(6 + ranks.rank());
        distributed::backward_batch(ranks, &net, &samples, DURATION, &objective(), &options)
    });
    let errors: Vec<String> = results.into_iter().map(|r| r.unwrap_err().to_string()).collect();
    for error in errors {
        assert!(error.starts_with("rank 1 failed: it sums up"), "{error}");
    }
    // One sums up gradients, the others do not. All end, also while the first that notices lives.
    let (samples, all) = (&samples, std::sync::Barrier::new(3));
    let results = on_ranks(3, |ranks| {
        let net = network::<f64>(6);
        let error = if ranks.rank() == 1 {
            distributed::evaluate_batch(ranks, &net, samples, DURATION, &objective()).map(|_| ())
        } else {
            distributed::backward_batch(ranks, &net, samples, DURATION, &objective(), &options)
                .map(|_| ())
        };
        all.wait();
        error.unwrap_err().to_string()
    });
    for error in results {
        assert!(error.contains("failed: it sums up"), "{error}");
    }
}

/// A neighbour that sends anything.
struct Noise(RefCell<Vec<Vec<u8>>>, usize);

impl Communicator for Noise {
    fn rank(&self) -> usize {
        self.1
    }
    fn size(&self) -> usize {
        2
    }
    fn send(&self, _: usize, _: &[u8]) -> Result<(), DistributedError> {
        Ok(())
    }
    fn receive(&self, rank: usize) -> Result<Vec<u8>, DistributedError> {
        let end = || DistributedError::Lost { rank, reason: "over".into() };
        self.0.borrow_mut().pop().ok_or_else(end)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn noise_is_an_error(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        rank in 0_usize..2,
    ) {
        let net = network::<f64>(2);
        let inputs = inputs(9);
        let noise = Noise(RefCell::new(messages), rank);
        let _ = distributed::backward_batch(
            &noise, &net, &samples(&inputs), DURATION, &objective(), &BackwardOptions::new(),
        ).unwrap_err();
    }
}

#[cfg(feature = "files")]
mod trainer {
    use super::*;
    use eventprop::Adam;
    use eventprop::train::{
        Checkpoints, EpochReport, Metric, Observer, Schedule, Start, TrainError, Trainer, Verdict,
    };
    use std::ops::ControlFlow;
    use std::path::Path;
    use support::{data, network, trainer};

    fn values(net: &impl Network<f64>) -> Vec<u64> {
        net.parameters().iter().flat_map(|(_, p)| p.values.iter().map(|x| x.to_bits())).collect()
    }

    fn at(folder: &Path) -> Checkpoints {
        Checkpoints::new(folder).resume(true)
    }

    #[test]
    fn training_by_several_is_training_by_one() {
        let alone = tempfile::tempdir().unwrap();
        let (train, validation) = (data(40, 1), data(20, 2));
        let mut expected = network();
        let history = trainer(6)
            .checkpoints(at(alone.path()))
            .fit(&mut expected, &train, Some(&validation), &mut [])
            .unwrap();
        for count in [1, 2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let run = |epochs| {
                on_ranks(count, |ranks| {
                    let mut net = network();
                    let trainer = trainer(epochs).checkpoints(at(folder.path()));
                    let all = trainer.fit_on(ranks, &mut net, &train, Some(&validation), &mut []);
                    (values(&net), all.unwrap())
                })
            };
            // Interrupted, and resumed.
            run(4);
            for (found, reports) in run(6) {
                assert_eq!(found, values(&expected), "{count}");
                assert_eq!(reports, history);
            }
            let last = "epoch-000006.safetensors";
            let read = |folder: &Path| std::fs::read(folder.join(last)).unwrap();
            assert_eq!(read(folder.path()), read(alone.path()));
        }
    }

    /// Wants to stop, or fails, at the end of an epoch.
    struct At(usize, bool);

    impl Observer<f64> for At {
        fn epoch(&mut self, report: &EpochReport, _: &dyn Network<f64>) -> Verdict {
            match (report.epoch == self.0, self.1) {
                (true, true) => Err("the disk is full".into()),
                (true, false) => Ok(ControlFlow::Break(())),
                _ => Ok(ControlFlow::Continue(())),
            }
        }
    }

    #[test]
    fn one_stops_all() {
        let train = data(20, 1);
        for who in 0..3 {
            let epochs = on_ranks(3, |ranks| {
                let mut stop = At(1, false);
                let mut own: Vec<&mut dyn Observer<f64>> = Vec::new();
                if ranks.rank() == who {
                    own.push(&mut stop);
                }
                let trainer = trainer(4).keep_best(Metric::TrainLoss).schedule(Schedule::Constant);
                trainer.fit_on(ranks, &mut network(), &train, None, &mut own).unwrap().epochs.len()
            });
            assert_eq!(epochs, [2; 3]);
        }
    }

    /// Wants to stop before the first epoch.
    struct AtOnce;

    impl Observer<f64> for AtOnce {
        fn start(&mut self, _: &Start<'_>, _: &dyn Network<f64>) -> Verdict {
            Ok(ControlFlow::Break(()))
        }
    }

    #[test]
    fn one_stops_all_before_the_first_epoch() {
        let train = data(20, 1);
        let epochs = on_ranks(3, |ranks| {
            let mut stop = AtOnce;
            let mut own: Vec<&mut dyn Observer<f64>> = Vec::new();
            if ranks.rank() == 1 {
                own.push(&mut stop);
            }
            let trainer = trainer(4).keep_best(Metric::TrainLoss).schedule(Schedule::Constant);
            trainer.fit_on(ranks, &mut network(), &train, None, &mut own).unwrap().epochs.len()
        });
        assert_eq!(epochs, [0; 3]);
    }

    #[test]
    fn one_that_fails_fails_all_and_the_checkpoint_remains() {
        let train = data(20, 1);
        for who in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let errors = on_ranks(3, |ranks| {
                let mut fail = At(2, true);
                let mut own: Vec<&mut dyn Observer<f64>> = Vec::new();
                if ranks.rank() == who {
                    own.push(&mut fail);
                }
                let trainer = trainer(4).keep_best(Metric::TrainLoss).schedule(Schedule::Constant);
                let trainer = trainer.checkpoints(at(folder.path()));
                trainer.fit_on(ranks, &mut network(), &train, None, &mut own).unwrap_err()
            });
            for (rank, error) in errors.into_iter().enumerate() {
                assert!(error.to_string().contains("the disk is full"), "{error}");
                if rank != who {
                    let expected = format!("rank {who} failed");
                    assert!(error.to_string().contains(&expected), "{error}");
                }
            }
            assert!(folder.path().join("epoch-000002.safetensors").exists());
        }
    }

    #[test]
    fn ranks_must_start_alike() {
        let train = data(20, 1);
        let errors = on_ranks(2, |ranks| {
            let trainer = trainer(2).keep_best(Metric::TrainLoss).schedule(Schedule::Constant);
            let trainer = trainer.seed(ranks.rank() as u64);
            trainer.fit_on(ranks, &mut network(), &train, None, &mut []).unwrap_err()
        });
        // Other rates would let them drift apart.
        let rates = on_ranks(2, |ranks| {
            let adam = Adam::new(if ranks.rank() == 0 { 0.02 } else { 0.2 });
            let trainer = Trainer::new(support::objective(), adam);
            trainer.fit_on(ranks, &mut network(), &train, None, &mut []).unwrap_err()
        });
        // The same numbers, and other synapses.
        let sparse = on_ranks(2, |ranks| {
            let mut net = NetworkBuilder::new();
            let input = net.input("input", train.channels());
            let output = net.layer("output", Lif::new(3));
            net.connect(input, output, Sparse::fan_in(3).weights(0.5).delays(1.0));
            let mut rng = ChaCha8Rng::seed_from_u64(ranks.rank() as u64);
            let mut net = net.build(&mut rng).unwrap();
            let trainer = Trainer::new(support::objective(), Adam::new(0.02));
            trainer.fit_on(ranks, &mut net, &train, None, &mut []).unwrap_err()
        });
        // Samples to validate by on one rank alone.
        let validation = data(20, 2);
        let validated = on_ranks(2, |ranks| {
            let validation = (ranks.rank() == 0).then_some(&validation);
            let trainer = Trainer::new(support::objective(), Adam::new(0.02));
            trainer.fit_on(ranks, &mut network(), &train, validation, &mut []).unwrap_err()
        });
        // And as many others.
        let others = on_ranks(2, |ranks| {
            let validation = data(20, 2 + ranks.rank() as u64);
            let trainer = Trainer::new(support::objective(), Adam::new(0.02));
            trainer.fit_on(ranks, &mut network(), &train, Some(&validation), &mut []).unwrap_err()
        });
        let validated = validated.into_iter().chain(others);
        for error in errors.into_iter().chain(rates).chain(sparse).chain(validated) {
            assert!(
                matches!(
                    error,
                    TrainError::Distributed(DistributedError::Failed(Failure { rank: 1, .. }))
                ),
                "{error}"
            );
        }
    }
}
