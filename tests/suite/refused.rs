//! What cannot be trained is refused by name, and training that fails leaves what it should.

use crate::task::{data, network, objective};
use crate::trainer::{Recorder, values};
use eventprop::data::{Augmentation, Dataset};
use eventprop::remedy::{SilentNeuronLift, SlopeLimiter, WeightBump};
#[cfg(feature = "files")]
use eventprop::train::Checkpoints;
use eventprop::train::{
    BatchReport, Confusion, EpochReport, Every, Log, Metric, Observer, Schedule, TrainError,
    Trainer, Verdict, evaluate,
};
use eventprop::{
    Adam, BackwardOptions, Gradients, Loss, LossError, MeanVoltage, Network, Objective,
    OptimizeError, Optimizer, OptimizerState, Reading, SpikeTrains,
};
use std::ops::ControlFlow;

/// Fails, or has no rates.
#[derive(Clone)]
struct Still;

impl Optimizer<f64> for Still {
    fn step(&mut self, _: &mut dyn Network<f64>, _: &Gradients) -> Result<(), OptimizeError> {
        Ok(())
    }

    fn state(&mut self) -> OptimizerState<'_, f64> {
        OptimizerState::default()
    }
}

#[test]
fn settings_without_meaning_are_refused() {
    let set = data(9, 1);
    let error = |trainer: Trainer<_, Adam>, set: &Dataset| {
        let mut net = network();
        let error = trainer.fit(&mut net, set, None, &mut []).unwrap_err();
        assert_eq!(values(&net), values(&network()));
        error
    };
    let trainer = || Trainer::new(objective(), Adam::new(0.01));
    assert!(matches!(error(trainer().batch(0), &set), TrainError::Setting { .. }));
    assert!(matches!(error(trainer(), &set.subset(&[]).unwrap()), TrainError::NoSamples));
    let metric = Metric::ValidationLoss;
    let longer = data(6, 2).with_duration(31.0).unwrap();
    let fit = |trainer: Trainer<_, Adam>| trainer.fit(&mut network(), &set, Some(&longer), &mut []);
    let cut = fit(trainer()).unwrap_err().to_string();
    assert!(
        cut.contains("validation samples in ms is 31") && cut.contains("Trainer::duration"),
        "{cut}"
    );
    assert!(fit(trainer().epochs(1).duration(30.0)).is_ok());
    assert!(matches!(error(trainer().keep_best(metric), &set), TrainError::NoValidation { .. }));
    let bad = Schedule::Exponential { factor: f64::NAN };
    assert!(matches!(error(trainer().schedule(bad), &set), TrainError::Setting { .. }));
    let nested = Schedule::Constant.and(Schedule::Cosine { epochs: 0, end: 0.0 });
    assert!(matches!(error(trainer().schedule(nested), &set), TrainError::Setting { .. }));
    // Remedies too, not when they act after hours.
    for (layer, lift) in
        [(9, SilentNeuronLift::new(0.1)), (0, SilentNeuronLift::new(0.1).share(3.0))]
    {
        let late = error(trainer().raise(Every::Epoch, layer, lift), &set);
        assert!(matches!(late, TrainError::Remedy(_)), "{late}");
    }
    let bump = WeightBump::new(0.1).growth(0.5);
    let bumped = error(trainer().raise(Every::Epoch, 0, bump), &set);
    assert!(matches!(bumped, TrainError::Remedy(_)), "{bumped}");
    let limited = BackwardOptions::new().limit_slopes(SlopeLimiter::Absolute(-1.0));
    let limited = error(trainer().backward(limited), &set);
    assert!(matches!(limited, TrainError::Remedy(_)), "{limited}");
    let long = error(trainer().duration(f64::INFINITY), &set);
    assert!(matches!(long, TrainError::Setting { .. }), "{long}");
    let still = Trainer::new(objective(), Still).epochs(1);
    assert!(still.fit(&mut network(), &set, None, &mut []).is_ok());
    let still = still.schedule(Schedule::ease_in());
    assert!(matches!(still.fit(&mut network(), &set, None, &mut []), Err(TrainError::NoRates)));
}

#[test]
fn without_predictions_there_is_no_accuracy_to_go_by() {
    /// The sum of all that is read. It predicts nothing, and may say that it will.
    struct Sum(bool);
    impl Loss<f64> for Sum {
        type Target = usize;
        fn evaluate(&self, y: &Reading, _: &usize, gradient: &mut [f64]) -> Result<f64, LossError> {
            gradient.fill(1.0);
            Ok(y.values().iter().sum())
        }
        fn classifies(&self) -> bool {
            self.0
        }
    }
    let set = data(9, 1);
    let trainer = |classifies| {
        let objective = Objective::new(MeanVoltage, Sum(classifies));
        Trainer::new(objective, Adam::new(0.01)).epochs(3)
    };
    let metric = Metric::TrainAccuracy;
    let plateau = || Schedule::Plateau { metric, patience: 1, factor: 0.5 };
    // To go by it is an error: at once, or when all was tried if there may be predictions yet.
    for (trainer, after) in [
        (trainer(false).keep_best(metric), 1),
        (trainer(false).stop_early(metric, 2), 1),
        (trainer(false).schedule(plateau()), 1),
        (trainer(true).keep_best(metric), 3),
        (trainer(true).stop_early(metric, 2), 2),
        (trainer(true).schedule(plateau()), 3),
    ] {
        let mut recorder = Recorder::default();
        let error = trainer.fit(&mut network(), &set, None, &mut [&mut recorder]).unwrap_err();
        let TrainError::NoPrediction { metric: Metric::TrainAccuracy, epochs } = error else {
            panic!("{error}")
        };
        assert_eq!((epochs, recorder.epochs.len()), (after, after));
    }
    let folder = tempfile::tempdir().unwrap();
    #[cfg(feature = "files")]
    for (classifies, epochs) in [(false, 1), (false, 1), (true, 3), (true, 3)] {
        // Nor does going on help.
        let to = Checkpoints::new(folder.path().join(format!("{classifies}"))).resume(true);
        let fit = trainer(classifies).keep_best(metric).checkpoints(to);
        let error = fit.fit(&mut network(), &set, None, &mut []).unwrap_err();
        assert!(
            matches!(error, TrainError::NoPrediction { epochs: e, .. } if e == epochs),
            "{error}"
        );
    }
    // A loss is there all the same, as soon as there is validation.
    #[cfg(feature = "files")]
    for early in [false, true] {
        let to = Checkpoints::new(folder.path().join("early")).resume(true);
        let mut fit = trainer(false).epochs(2 + 2 * usize::from(early)).checkpoints(to);
        if early {
            fit = fit.stop_early(Metric::ValidationLoss, 9);
        }
        let history = fit.fit(&mut network(), &set, early.then_some(&set), &mut []).unwrap();
        assert_eq!(history.epochs.len(), 2 + 2 * usize::from(early));
    }
    // Who stops has none of this.
    struct Stop;
    impl Observer<f64> for Stop {
        fn epoch(&mut self, _: &EpochReport, _: &dyn Network<f64>) -> Verdict {
            Ok(ControlFlow::Break(()))
        }
    }
    let stopped =
        trainer(false).keep_best(metric).fit(&mut network(), &set, None, &mut [&mut Stop]);
    assert_eq!(stopped.unwrap().epochs.len(), 1);
    let trainer = trainer(false).keep_best(Metric::TrainLoss);
    let mut log = Log::csv(folder.path().join("log.csv"));
    let mut epochs = trainer.fit(&mut network(), &set, None, &mut [&mut log]).unwrap();
    let text = std::fs::read_to_string(folder.path().join("log.csv")).unwrap();
    assert!(text.starts_with("epoch,train_loss,train_accuracy,"));
    let empty = |line: &str| line.split(',').nth(2) == Some("");
    assert!(text.lines().count() == 4 && text.lines().skip(1).all(empty), "{text}");
    assert_eq!(epochs.epochs[0].train.accuracy(), 0.0);
    assert_eq!([0, 1, 2].map(|k| epochs.epochs[0].train.confusion.count(k, None)), [3, 3, 3]);
    assert!(epochs.best(Metric::TrainAccuracy).is_none());
    assert!(epochs.best(Metric::TrainLoss).is_some());
    epochs.epochs[1].train.confusion = Confusion::new(&[0, 1], &[None, Some(0)]);
    assert_eq!(epochs.best(Metric::TrainAccuracy).unwrap().epoch, 1);
}

#[test]
fn predictions_of_classes_that_the_set_does_not_have_are_wrong() {
    /// Takes each sample for the same class.
    struct Always(usize);
    impl Loss<f64> for Always {
        type Target = usize;
        fn evaluate(&self, _: &Reading, _: &usize, _: &mut [f64]) -> Result<f64, LossError> {
            Ok(0.0)
        }
        fn predict(&self, _: &Reading) -> Option<usize> {
            Some(self.0)
        }
    }
    let set = data(9, 1);
    for (class, correct) in [(2, 3), (3, 0), (usize::MAX, 0)] {
        let goal = Objective::new(MeanVoltage, Always(class));
        let metrics = evaluate(&network(), &set, set.duration(), &goal).unwrap();
        assert_eq!([0, 1, 2].map(|k| metrics.confusion.count(k, Some(class))), [3; 3]);
        assert_eq!(metrics.correct, correct);
        // So there is an accuracy to go by.
        let trainer =
            Trainer::new(goal, Adam::new(0.01)).epochs(2).keep_best(Metric::TrainAccuracy);
        let history = trainer.fit(&mut network(), &set, None, &mut []).unwrap();
        assert_eq!(history.best(Metric::TrainAccuracy).unwrap().train.correct, correct);
    }
}

#[test]
fn classes_of_the_validation_samples_must_be_those_of_training() {
    let named = |names: &[&str]| data(9, 1).name_classes(names.to_vec()).unwrap();
    let fit = |train: &[&str], validation: &[&str]| {
        let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(1);
        trainer.fit(&mut network(), &named(train), Some(&named(validation)), &mut [])
    };
    assert!(fit(&["a", "b", "c"], &["a", "b", "c", "d"]).is_ok());
    let error = fit(&["a", "b", "c"], &["a", "c", "b"]).unwrap_err();
    assert!(matches!(error, TrainError::Classes { class: 1, .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("class 1 is `c` of the validation samples, but `b`"), "{error}");
}

#[test]
fn sets_of_other_networks_are_refused_before_anything_is_trained() {
    let set = data(9, 1);
    let mut wide = Dataset::builder(7, 30.0).class_names(["one"]);
    wide.push(&SpikeTrains::from_events(7, [(1.0, 6)]).unwrap(), 0).unwrap();
    let wide = wide.build().unwrap();
    let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(1);
    let mut recorder = Recorder::default();
    for (train, validation, name) in [
        (&wide, None, "the training samples have 7 channels, but the network has"),
        (&set, Some(&wide), "the validation samples have 7 channels, but the network has"),
    ] {
        let observers: &mut [&mut dyn Observer<f64>] = &mut [&mut recorder];
        let error = trainer.fit(&mut network(), train, validation, observers).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // A label for which there is no output, even if its sample would come last.
    let more: Vec<_> =
        (0..9).map(|k| (set.spikes(k).unwrap(), if k == 8 { 3 } else { k % 3 })).collect();
    let more = Dataset::from_samples(6, 4, 30.0, more).unwrap();
    for (train, validation, name) in [(&more, None, "sample 8"), (&set, Some(&more), "sample 8")] {
        let observers: &mut [&mut dyn Observer<f64>] = &mut [&mut recorder];
        let error = trainer.fit(&mut network(), train, validation, observers).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(name) && error.contains("label 3 is out of range"), "{error}");
        assert_eq!(error.contains("validation"), validation.is_some(), "{error}");
    }
    let never = trainer.clone().duration(0.0);
    let error = never.fit(&mut network(), &set, None, &mut [&mut recorder]).unwrap_err();
    let known = "the duration of trials in ms is 0, but must be finite and more than 0";
    assert_eq!(error.to_string(), known);
    assert!(recorder.start.is_none(), "nothing has begun");
    // No samples have no channels.
    let none = Dataset::builder(7, 30.0).build().unwrap();
    trainer.fit(&mut network(), &set, Some(&none), &mut []).unwrap();
}

#[test]
fn training_that_fails_leaves_the_best_epoch() {
    struct Fails;
    impl Observer<f64> for Fails {
        fn batch(&mut self, report: &BatchReport, _: &dyn Network<f64>) -> Verdict {
            if report.epoch == 2 { Err("enough".into()) } else { Ok(ControlFlow::Continue(())) }
        }
    }
    let trainer = |epochs| {
        Trainer::new(objective(), Adam::new(0.05)).epochs(epochs).keep_best(Metric::TrainLoss)
    };
    let (mut failed, mut whole) = (network(), network());
    let error = trainer(4).fit(&mut failed, &data(9, 1), None, &mut [&mut Fails]).unwrap_err();
    assert!(error.to_string().starts_with("epoch 2: an observer failed"), "{error}");
    trainer(2).fit(&mut whole, &data(9, 1), None, &mut []).unwrap();
    assert_eq!(values(&failed), values(&whole));
    assert_ne!(values(&failed), values(&network()));
}

#[test]
fn validation_samples_that_are_missing_or_do_not_fit() {
    let set = data(6, 1);
    let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(1);
    let none = set.subset(&[]).unwrap();
    let history = trainer.fit(&mut network(), &set, Some(&none), &mut []).unwrap();
    assert!(history.epochs[0].validation.is_none());
    assert!(history.best(Metric::ValidationLoss).is_none());
    // A class that the network does not have.
    let samples = [(set.spikes(0).unwrap(), 0), (set.spikes(1).unwrap(), 3)];
    let other = Dataset::from_samples(6, 4, 30.0, samples).unwrap();
    let error = trainer.fit(&mut network(), &set, Some(&other), &mut []).unwrap_err();
    assert!(error.to_string().starts_with("validation: sample 1: "), "{error}");
    assert!(std::error::Error::source(&error).is_none());
    // Settings of augmentation are looked at before the first sample is.
    let bad = trainer.augment(Augmentation::default().drop(2.0));
    let error = bad.fit(&mut network(), &set, None, &mut []).unwrap_err();
    assert!(error.to_string().starts_with("augmentation: "), "{error}");
}
