//! Sets that Python writes and reads: the lines of `docs/data.md`, and the script for the published Braille file.
#![cfg(feature = "files")]

#[path = "support/python.rs"]
mod program;

use eventprop::SpikeTrains;
use eventprop::data::Dataset;
use program::{python, words};
use std::path::{Path, PathBuf};

const PACKAGES: &str = "numpy, safetensors";

fn run(script: &str, arguments: &[&Path]) -> Option<String> {
    program::run(PACKAGES, script, arguments)
}

#[test]
fn five_lines_of_python_write_and_read_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.safetensors");
    if run("tests/python/events.py", &["write".as_ref(), &path]).is_none() {
        return;
    }
    let data = Dataset::read(&path).unwrap();
    assert_eq!((data.len(), data.channels(), data.duration()), (3, 4, 10.0));
    assert_eq!((0..3).map(|k| data.label(k)).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(data.spikes(0).unwrap().events(), [(0.5, 3), (2.0, 0)]);
    assert_eq!(data.spikes(2).unwrap().events(), [(2.0, 1)]);

    let back = folder.path().join("back.safetensors");
    data.write(&back).unwrap();
    let read = run("tests/python/events.py", &["read".as_ref(), &back]).unwrap();
    assert_eq!(read, "b [0.5, 2.0] [3, 0]\na [] []\nb [2.0] [1]\n");
    // Times that need all of a double come to Python as they are.
    let trains = SpikeTrains::from_channels([[0.1, 0.3]]).unwrap();
    Dataset::from_samples(1, 1, 1.0, [(trains, 0)]).unwrap().write(&back).unwrap();
    let read = run("tests/python/events.py", &["read".as_ref(), &back]).unwrap();
    assert_eq!(read, "0 [0.1, 0.3] [0, 0]\n");
}

fn pickle(folder: &Path, protocol: &str, foreign: bool) -> Option<PathBuf> {
    let path = folder.join("braille.pkl");
    let mut arguments = vec![path.as_path(), protocol.as_ref()];
    arguments.extend(foreign.then_some(Path::new("foreign")));
    run("tests/python/braille_pickle.py", &arguments).map(|_| path.clone())
}

#[test]
fn the_braille_pickle_becomes_a_set() {
    let folder = tempfile::tempdir().unwrap();
    for protocol in ["2", "4", "5"] {
        let Some(pickle) = pickle(folder.path(), protocol, false) else { return };
        let path = folder.path().join("braille.safetensors");
        let said = run("scripts/braille_to_events.py", &[&pickle, &path]).unwrap();
        assert_eq!(said, "3 samples, 4 channels, 3 letters, 7 events\n");
        let data = Dataset::read(&path).unwrap();
        assert_eq!((data.len(), data.channels(), data.duration()), (3, 4, 251.0));
        assert_eq!(data.class_names(), ["Space", "A", "B"]);
        assert_eq!((0..3).map(|k| data.label(k)).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(data.spikes(0).unwrap().events(), [(0.5, 0), (2.0, 0), (100.0, 3)]);
        assert!(data.spikes(1).unwrap().is_empty());
        let last = [(250.0, 1), (250.0, 2), (250.0, 3), (250.0, 3)];
        assert_eq!(data.spikes(2).unwrap().events(), last);
    }
}

#[test]
fn a_pickle_that_would_run_a_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pickle) = pickle(folder.path(), "4", true) else { return };
    let path = folder.path().join("braille.safetensors");
    let output = python(PACKAGES, "scripts/braille_to_events.py", &[&pickle, &path]).unwrap();
    assert!(!output.status.success() && !path.exists());
    assert!(words(&output.stderr).contains("builtins.print"), "{}", words(&output.stderr));
    assert!(!words(&output.stdout).contains("this must not run"));
}
