//! Runs that write checkpoints and go on from them: what they refuse, and what they keep.
#![cfg(feature = "files")]

use crate::task::{data, network, objective, trainer};
use eventprop::train::{Checkpoint, Checkpoints, Metric, TrainError, Trainer};
use eventprop::{ParameterKind, Sgd};

#[test]
fn a_fold_does_not_go_on_from_the_checkpoint_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(1).checkpoints(Checkpoints::new(folder.path()).resume(true));
    // Each has as many samples of every class as the other.
    let folds = data(24, 1).k_fold(2, 1).unwrap();
    let labels = |k: usize| {
        let mut labels: Vec<_> = folds[k].0.labels().collect();
        labels.sort_unstable();
        labels
    };
    assert_eq!(labels(0), labels(1));
    let fit = |k: usize| {
        let (train, held) = &folds[k];
        trainer.fit(&mut network(), train, Some(held), &mut [])
    };
    assert_eq!(fit(0).unwrap(), fit(0).unwrap());
    let error = fit(1).unwrap_err().to_string();
    assert!(error.contains("training samples by hash"), "{error}");
}

#[test]
fn epochs_without_validation_do_not_count_for_an_early_stop_that_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let fit = |trainer: Trainer<_, _>, validation| {
        let trainer = trainer.checkpoints(Checkpoints::new(folder.path()).resume(true));
        let history = trainer.fit(&mut network(), &data(24, 1), validation, &mut []);
        history.unwrap().epochs.len()
    };
    let trainer = |epochs| Trainer::new(objective(), Sgd::new(0.0)).epochs(epochs);
    assert_eq!(fit(trainer(5), None), 5);
    // The first with validation is the best, as nothing changes; three more are no better.
    let validation = data(9, 2);
    assert_eq!(fit(trainer(20).stop_early(Metric::ValidationLoss, 3), Some(&validation)), 9);
}

#[test]
fn the_best_epoch_is_not_one_of_other_validation_samples() {
    let folder = tempfile::tempdir().unwrap();
    let fit = |epochs, best: Option<Metric>, validation| {
        let trainer = Trainer::new(objective(), Sgd::new(0.0)).epochs(epochs);
        let trainer = match best {
            Some(metric) => trainer.keep_best(metric),
            None => trainer,
        };
        let to = folder.path().join(format!("{best:?}"));
        let trainer = trainer.checkpoints(Checkpoints::new(to).resume(true));
        trainer.fit(&mut network(), &data(24, 1), Some(validation), &mut [])
    };
    let (one, other) = (data(9, 2), data(9, 3));
    let best = Some(Metric::ValidationLoss);
    assert!(fit(1, best, &one).is_ok() && fit(2, best, &one).is_ok());
    let error = fit(3, best, &other).unwrap_err().to_string();
    assert!(error.contains("validation samples by hash"), "{error}");
    for best in [None, Some(Metric::TrainLoss)] {
        assert!(fit(1, best, &one).is_ok() && fit(2, best, &other).is_ok());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn folders_in_which_nothing_can_be_written_are_refused_at_the_start() {
    let mut watched = crate::trainer::Recorder::default();
    let trainer = trainer(1).checkpoints(Checkpoints::new("/proc/self").every(0));
    let fit = trainer.fit(&mut network(), &data(24, 1), Some(&data(9, 2)), &mut [&mut watched]);
    let error = fit.unwrap_err();
    assert!(error.to_string().contains("/proc/self"), "{error}");
    assert!(watched.epochs.is_empty());
}

#[cfg(unix)]
#[test]
fn links_to_checkpoints_are_checkpoints() {
    let (folder, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fit = |epochs, to: &std::path::Path, resume| {
        let trainer = trainer(epochs).checkpoints(Checkpoints::new(to).resume(resume));
        trainer.fit(&mut network(), &data(24, 1), Some(&data(9, 2)), &mut [])
    };
    let whole = fit(3, &folder.path().join("whole"), false).unwrap();
    fit(2, folder.path(), false).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::os::unix::fs::symlink(entry.path(), links.path().join(entry.file_name())).unwrap();
    }
    assert!(fit(3, links.path(), false).is_err(), "it has checkpoints");
    assert_eq!(fit(3, links.path(), true).unwrap(), whole);
    assert!(Checkpoint::load(folder.path().join("epoch-000001.safetensors")).is_ok());
}

#[test]
fn weights_that_a_step_made_infinite_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let steep = objective().weight(1e6);
    let fit = |rate| {
        let trainer = Trainer::new(steep, Sgd::new(rate).delay_rate(0.0)).epochs(2).batch(24);
        let trainer = trainer.checkpoints(Checkpoints::new(folder.path()).resume(true));
        trainer.fit(&mut network(), &data(24, 1), None, &mut [])
    };
    let error = fit(1e307).unwrap_err();
    assert!(matches!(&error, TrainError::Epoch { epoch: 0, cause } if matches!(**cause,
        TrainError::Diverged { kind: ParameterKind::Weight, .. })));
    let error = error.to_string();
    assert!(error.contains("inf after a step; lower its learning rate"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).map_or(0, Iterator::count), 0);
    assert_eq!(fit(1e-9).unwrap().epochs.len(), 2);
}
