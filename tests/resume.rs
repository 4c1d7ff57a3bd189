//! Training that was interrupted, by whatever, ends with the same bits as training that was not.
#![cfg(feature = "files")]

mod support;

use eventprop::Network;
use eventprop::train::{
    Checkpoint, CheckpointError, Checkpoints, EpochReport, Observer, TrainError, Verdict,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{data, network, trainer};

const EPOCHS: usize = 6;
/// Training samples.
const FEW: usize = 24;
const FOLDER: &str = "EVENTPROP_TEST_RESUME_FOLDER";

/// Asks to stop after so many epochs.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn epoch(&mut self, report: &EpochReport) -> Verdict {
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
    std::fs::read(folder.join(format!("epoch-{EPOCHS:06}.safetensors"))).unwrap()
}

/// Runs to the end, or to where `stop` is; returns the bits of the network.
fn run(folder: &Path, samples: usize, epochs: usize, stop: usize) -> Result<Vec<u64>, TrainError> {
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
    trainer.fit(&mut net, &data(samples, 1), Some(&data(9, 2)), &mut [&mut StopAfter(stop)])?;
    Ok(bits(&net))
}

#[test]
fn interrupted_anywhere_the_bits_are_the_same() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), FEW, EPOCHS, EPOCHS).unwrap();
    let state = last(whole.path());
    for stop in 1..EPOCHS {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), FEW, EPOCHS, stop).unwrap();
        assert!(!folder.path().join(format!("epoch-{EPOCHS:06}.safetensors")).exists());
        assert_eq!(
            run(folder.path(), FEW, EPOCHS, EPOCHS).unwrap(),
            expected,
            "stopped after {stop}"
        );
        assert!(last(folder.path()) == state, "stopped after {stop}");
        // A run that is over stays as it is.
        assert_eq!(run(folder.path(), FEW, EPOCHS, EPOCHS).unwrap(), expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
    let folder = tempfile::tempdir().unwrap();
    for epochs in 1..=EPOCHS {
        run(folder.path(), FEW, epochs, EPOCHS).unwrap();
    }
    assert!(last(folder.path()) == state, "one epoch at a time");
}

#[test]
fn a_damaged_checkpoint_costs_an_epoch_and_no_bit() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), FEW, EPOCHS, EPOCHS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), FEW, EPOCHS, 4).unwrap();
    let newest = folder.path().join("epoch-000004.safetensors");
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let latest = Checkpoint::latest_good(folder.path()).unwrap();
    assert!(latest.found.unwrap().0.ends_with("epoch-000003.safetensors"));
    assert!(matches!(&latest.skipped[..], [CheckpointError::File { path, .. }] if *path == newest));
    assert_eq!(run(folder.path(), FEW, EPOCHS, EPOCHS).unwrap(), expected);
    assert!(last(folder.path()) == last(whole.path()));
}

/// Training samples in the test with kills: enough for a kill to come in time.
const MANY: usize = 240;

/// The child of the test below; does nothing by itself.
#[test]
fn child() {
    if let Ok(folder) = std::env::var(FOLDER) {
        run(Path::new(&folder), MANY, EPOCHS, EPOCHS).unwrap();
    }
}

#[test]
fn killed_at_random_moments_the_bits_are_the_same() {
    let whole = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    run(whole.path(), MANY, EPOCHS, EPOCHS).unwrap();
    let epoch = begin.elapsed().div_f64(EPOCHS as f64);
    let folder = tempfile::tempdir().unwrap();
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child"]).env(FOLDER, folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut killed = 0;
    for _ in 0..40 {
        let mut child = child();
        std::thread::sleep(epoch.mul_f64(rng.random_range(0.0..2.0)));
        // SIGKILL, on Unix; nothing if the child is done.
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
    }
    assert!(killed > 3, "only {killed} were killed in time");
    assert!(child().wait().unwrap().success());
    assert!(last(folder.path()) == last(whole.path()), "after {killed} kills");
}

#[test]
fn what_would_change_the_result_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), FEW, 2, 2).unwrap();
    let fit = |trainer: eventprop::train::Trainer<_, _>, resume| {
        let checkpoints = Checkpoints::new(folder.path()).resume(resume);
        let mut net = network();
        let before = bits(&net);
        let result = trainer.checkpoints(checkpoints).fit(
            &mut net,
            &data(FEW, 1),
            Some(&data(9, 2)),
            &mut [],
        );
        assert_eq!(bits(&net), before);
        match result {
            Err(TrainError::Checkpoint(CheckpointError::File { source, .. })) => *source,
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
