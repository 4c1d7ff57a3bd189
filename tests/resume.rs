//! Training that was interrupted, by whatever, ends with the same bits as training that was not.
#![cfg(feature = "files")]

#[path = "support/training.rs"]
mod support;

use eventprop::Network;
use eventprop::train::{
    Checkpoint, CheckpointError, Checkpoints, EpochReport, Observer, Start, TrainError, Verdict,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{data, network, trainer};

const EPOCHS: usize = 6;
/// Long enough to be killed many times.
const LONG: usize = 60;
const FOLDER: &str = "EVENTPROP_TEST_RESUME_FOLDER";

/// Asks to stop after so many epochs.
struct StopAfter(usize);

impl Observer<f64> for StopAfter {
    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<f64>) -> Verdict {
        Ok(if report.epoch + 1 >= self.0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

fn bits(net: &impl Network<f64>) -> Vec<u64> {
    net.parameters().iter().flat_map(|(_, p)| p.values.iter().map(|x| x.to_bits())).collect()
}

fn last(folder: &Path) -> Vec<u8> {
    after(folder, EPOCHS)
}

fn after(folder: &Path, epochs: usize) -> Vec<u8> {
    std::fs::read(folder.join(format!("epoch-{epochs:06}.safetensors"))).unwrap()
}

/// Runs to the end, or to where `stop` is; returns the bits of the network.
fn run(folder: &Path, epochs: usize, stop: usize) -> Result<Vec<u64>, TrainError> {
    let mut net = network();
    // What a resume brings back must not be there already.
    for (_, parameter) in net.parameters_mut() {
        if folder.read_dir().is_ok_and(|mut files| files.next().is_some()) {
            parameter.values.fill(0.5);
        }
    }
    net.update();
    let checkpoints = Checkpoints::new(folder).resume(true);
    let trainer = trainer(epochs).checkpoints(checkpoints);
    trainer.fit(&mut net, &data(24, 1), Some(&data(9, 2)), &mut [&mut StopAfter(stop)])?;
    Ok(bits(&net))
}

#[test]
fn interrupted_anywhere_the_bits_are_the_same() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), EPOCHS, EPOCHS).unwrap();
    let state = last(whole.path());
    for stop in 1..EPOCHS {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), EPOCHS, stop).unwrap();
        assert!(!folder.path().join(format!("epoch-{EPOCHS:06}.safetensors")).exists());
        assert_eq!(run(folder.path(), EPOCHS, EPOCHS).unwrap(), expected, "stopped after {stop}");
        assert!(last(folder.path()) == state, "stopped after {stop}");
        // A run that is over stays as it is.
        assert_eq!(run(folder.path(), EPOCHS, EPOCHS).unwrap(), expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
    let folder = tempfile::tempdir().unwrap();
    for epochs in 1..=EPOCHS {
        run(folder.path(), epochs, EPOCHS).unwrap();
    }
    assert!(last(folder.path()) == state, "one epoch at a time");
}

#[test]
fn a_damaged_checkpoint_costs_an_epoch_and_no_bit() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), EPOCHS, EPOCHS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), EPOCHS, 4).unwrap();
    let newest = folder.path().join("epoch-000004.safetensors");
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let latest = Checkpoint::latest_good(folder.path()).unwrap();
    assert!(latest.found.unwrap().0.ends_with("epoch-000003.safetensors"));
    assert!(matches!(&latest.skipped[..], [CheckpointError::File { path, .. }] if *path == newest));
    assert_eq!(run(folder.path(), EPOCHS, EPOCHS).unwrap(), expected);
    assert!(last(folder.path()) == last(whole.path()));
}

/// The child of the test below; does nothing by itself.
#[test]
fn child() {
    if let Ok(folder) = std::env::var(FOLDER) {
        run(Path::new(&folder), LONG, LONG).unwrap();
    }
}

#[test]
fn killed_at_random_moments_the_bits_are_the_same() {
    let whole = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    run(whole.path(), LONG, LONG).unwrap();
    let length = begin.elapsed();
    let folder = tempfile::tempdir().unwrap();
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child"]).env(FOLDER, folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut killed = 0;
    // Moments that differ from kill to kill, early ones: each lets the run get on by a part of its way only.
    for k in 0..25_u32 {
        let mut child = child();
        let share = f64::from(k * 7 % 25) / 200.0;
        std::thread::sleep(length.mul_f64(share) + Duration::from_millis(3));
        // SIGKILL, on Unix.
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
    }
    assert!(killed > 5, "only {killed} were killed in time");
    assert!(child().wait().unwrap().success());
    assert!(after(folder.path(), LONG) == after(whole.path(), LONG));
}

#[test]
fn a_resumed_run_that_fails_at_its_start_leaves_the_best_epoch() {
    struct Fails;
    impl Observer<f64> for Fails {
        fn start(&mut self, _: &Start<'_>, _: &dyn Network<f64>) -> Verdict {
            Err("enough".into())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let best = run(folder.path(), EPOCHS, 4).unwrap();
    let mut net = network();
    let trainer = trainer(EPOCHS).checkpoints(Checkpoints::new(folder.path()).resume(true));
    let error = trainer.fit(&mut net, &data(24, 1), Some(&data(9, 2)), &mut [&mut Fails]);
    assert!(matches!(error, Err(TrainError::Observer(_))));
    assert_eq!(bits(&net), best);
}

#[test]
fn what_would_change_the_result_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 2, 2).unwrap();
    let fit = |trainer: eventprop::train::Trainer<_, _>, resume| {
        let checkpoints = Checkpoints::new(folder.path()).resume(resume);
        let mut net = network();
        let before = bits(&net);
        let result = trainer.checkpoints(checkpoints).fit(
            &mut net,
            &data(24, 1),
            Some(&data(9, 2)),
            &mut [],
        );
        assert_eq!(bits(&net), before);
        match result {
            Err(TrainError::Checkpoint(CheckpointError::File { cause, .. })) => *cause,
            other => panic!("{other:?}"),
        }
    };
    let setting = |error: CheckpointError| match error {
        CheckpointError::Setting { what, .. } => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(setting(fit(trainer(4).seed(3), true)), "seed");
    assert_eq!(setting(fit(trainer(4).batch(3), true)), "batch size");
    assert_eq!(
        setting(fit(trainer(4).schedule(eventprop::train::Schedule::Constant), true)),
        "schedules"
    );
    assert_eq!(fit(trainer(4), false), CheckpointError::Occupied);
}
