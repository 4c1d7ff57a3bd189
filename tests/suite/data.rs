//! Files of events: what is written comes back, and what is damaged is refused.
#![cfg(feature = "files")]

use crate::config::config;
use allocation_counter::measure;
use eventprop::SpikeTrains;
use eventprop::data::{DataError, Dataset, Part};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn small(exact: bool) -> Dataset {
    let mut data = Dataset::builder(5, 20.0).class_names(["a", "b"]).source("made up", "none");
    let time = if exact { 0.1 } else { 0.125 };
    let trains = |a: Vec<f64>, b: Vec<f64>| {
        SpikeTrains::from_channels([a, vec![], vec![], vec![], b]).unwrap()
    };
    data.push(&trains(vec![time, time, 3.0], vec![20.0]), 1).unwrap().group(4);
    data.push(&trains(vec![], vec![]), 0).unwrap().group(7).part(Part::Test);
    data.push(&trains(vec![1.0], vec![0.0, 2.0]), 1).unwrap().group(4).part(Part::Validation);
    data.build().unwrap()
}

fn same(a: &Dataset, b: &Dataset) {
    assert_eq!((a.len(), a.channels(), a.class_names()), (b.len(), b.channels(), b.class_names()));
    assert_eq!((a.duration(), a.source(), a.license()), (b.duration(), b.source(), b.license()));
    for k in 0..a.len() {
        assert_eq!((a.label(k), a.group(k), a.part_of(k)), (b.label(k), b.group(k), b.part_of(k)));
        assert_eq!(a.spikes(k).unwrap(), b.spikes(k).unwrap());
    }
}

#[test]
fn a_set_can_be_written_over_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/for/it/set.safetensors");
    small(true).write(&path).unwrap();
    let some = Dataset::open(&path).unwrap().subset(&[2, 0]).unwrap();
    some.write(&path).unwrap();
    same(&Dataset::open(&path).unwrap(), &small(true).subset(&[2, 0]).unwrap());
    // What cannot be written leaves what was there, and nothing beside it.
    let mut mixed = Dataset::builder(1, 1.0).classes(1);
    mixed.push(&SpikeTrains::silent(1), 0).unwrap().group(1);
    mixed.push(&SpikeTrains::silent(1), 0).unwrap();
    assert!(mixed.build().unwrap().write(&path).is_err());
    assert_eq!(Dataset::open(&path).unwrap().len(), 2);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    // Nor does it touch a file whose name might be that of a temporary one.
    let temporary = path.with_file_name("set.safetensors.tmp");
    small(true).write(&temporary).unwrap();
    Dataset::open(&temporary).unwrap().write(&path).unwrap();
    same(&Dataset::open(&path).unwrap(), &small(true));
    same(&Dataset::open(&temporary).unwrap(), &small(true));
    std::fs::remove_file(&temporary).unwrap();
}

#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for exact in [false, true] {
        let (data, path) = (small(exact), folder.path().join("set.safetensors"));
        data.write(&path).unwrap();
        same(&data, &Dataset::open(&path).unwrap());
        same(&data, &Dataset::read(&path).unwrap());
        let parts = Dataset::open(&path).unwrap().part(Part::Test);
        assert_eq!((parts.len(), parts.group(0)), (1, Some(7)));
        // Times take 8 bytes only where they have to.
        let bytes = std::fs::read(&path).unwrap();
        let header = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(header.contains("F64"), exact, "{header}");
    }
}

/// Opens and reads everything.
fn read_all(path: &Path) -> Result<(), DataError> {
    let data = Dataset::open(path)?;
    (0..data.len()).try_for_each(|k| data.spikes(k).map(|_| ()))
}

/// The bytes with some of them changed, and cut off somewhere.
fn damaged(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = bytes.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 0..6);
    (changes, prop_oneof![3 => Just(len), 1 => 0..len]).prop_map(move |(changes, end)| {
        let mut bytes = bytes.clone();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes.truncate(end);
        bytes
    })
}

/// What reading a file may take at the most, at one time.
fn most_memory(bytes: &[u8]) -> u64 {
    (1 << 16) + 16 * bytes.len() as u64
}

fn container() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set");
    small(true).write(&path).unwrap();
    std::fs::read(path).unwrap()
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn damaged_containers_are_refused_or_read(bytes in damaged(container())) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let memory = measure(|| drop(read_all(file.path()))).bytes_max;
        prop_assert!(memory <= most_memory(&bytes), "{memory} bytes for a file of {}", bytes.len());
    }
}

#[test]
fn a_header_that_claims_more_than_the_file_has_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for claim in [u64::MAX, 1 << 40, 1 << 20] {
        let mut bytes = claim.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        std::fs::write(file.path(), bytes).unwrap();
        let error = Dataset::open(file.path()).unwrap_err().to_string();
        assert!(error.contains("header"), "{error}");
    }
    assert!(Dataset::open("/no/such/file").unwrap_err().to_string().contains("/no/such/file"));
}

#[cfg(feature = "hdf5")]
mod shd {
    use super::*;

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shd.h5")
    }

    #[test]
    fn a_file_like_those_of_shd_is_read() {
        let data = Dataset::read_shd(fixture()).unwrap();
        assert_eq!((data.len(), data.channels(), data.duration()), (3, 6, 501.0));
        assert_eq!(data.class_names(), ["zero", "one"]);
        let labels: Vec<_> = (0..3).map(|k| (data.label(k), data.group(k))).collect();
        assert_eq!(labels, [(1, Some(4)), (0, Some(5)), (1, Some(4))]);
        // 0.0015 s is no number of half precision; the nearest is 1573 / 2^20.
        let first = 1000.0 * 1573.0 / f64::from(1 << 20);
        assert_eq!(data.spikes(0).unwrap().events(), [(first, 3), (250.0, 0), (250.0, 2)]);
        assert!(data.spikes(1).unwrap().is_empty());
        assert_eq!(data.spikes(2).unwrap().events(), [(0.0, 5), (500.0, 1)]);
    }

    proptest! {
        #![proptest_config(config(500))]

        #[test]
        fn damaged_files_are_refused_or_read(bytes in damaged(std::fs::read(fixture()).unwrap())) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let mut channels = 0;
            let memory = measure(|| {
                if let Ok(data) = Dataset::read_shd(file.path()) {
                    (0..data.len()).for_each(|k| drop(data.spikes(k).unwrap()));
                    channels = data.channels() as u64;
                }
            });
            // The HDF5 reader makes room for counts of 16 bits before it sees what is there, 6 MB at the most; and a sample
            // knows where the spikes of each channel start, up to the highest channel that occurs.
            let most = (8 << 20) + most_memory(&bytes) + 16 * channels;
            prop_assert!(memory.bytes_max <= most, "{} bytes", memory.bytes_max);
        }
    }
}

#[test]
fn real_recordings_are_read() {
    let Some(folder) = std::env::var_os("EVENTPROP_DATA").map(PathBuf::from) else {
        println!("skipped: EVENTPROP_DATA does not name a folder of recordings");
        return;
    };
    for (name, samples, channels, classes) in
        [("braille7.safetensors", 1158, 12, 7), ("braille27.safetensors", 1350, 24, 27)]
    {
        let data = Dataset::open(folder.join(name)).unwrap();
        assert_eq!((data.len(), data.channels(), data.classes()), (samples, channels, classes));
        let memory = data.in_memory().unwrap();
        let parts = [Part::Train, Part::Validation, Part::Test].map(|part| memory.part(part).len());
        assert_eq!(parts.iter().sum::<usize>(), samples);
        assert!(parts.iter().all(|&len| len > 0));
    }
}
