//! Files of other programs: text, recordings of event cameras, HDF5, and what Python writes.

use crate::config::config;
use eventprop::data::{DataError, Dataset, Part};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// Reads all samples.
fn read_all(data: Result<Dataset, DataError>) -> Result<(), DataError> {
    let data = data?;
    (0..data.len()).try_for_each(|k| data.spikes(k).map(drop))
}

/// The folder of real recordings, if it has this file.
fn recordings(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("EVENTPROP_DATA").map(|folder| Path::new(&folder).join(name));
    let found = path.filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: EVENTPROP_DATA names no folder with {name}");
    }
    found
}

mod csv {
    use super::*;

    fn read(events: &str, labels: Option<&str>) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        std::fs::write(path("events"), events).unwrap();
        labels.iter().for_each(|labels| std::fs::write(path("labels"), labels).unwrap());
        Dataset::read_csv(path("events"), labels.map(|_| path("labels")).as_deref())
    }

    #[test]
    fn events_and_labels_come_in_any_order() {
        let events =
            "# from a sensor\nsample,channel,time\n2,1,3.5\n0,3,1.5\r\n\n0, 0 ,0.1\n2,1,3.5\n";
        let data = read(events, Some("sample,label,group\n1,0,5\n0,2,5\n2,1,6\n")).unwrap();
        assert_eq!((data.len(), data.channels(), data.classes()), (3, 4, 3));
        assert_eq!(data.duration(), 3.51);
        // In s, and with a mark of the encoding.
        let in_s =
            "\u{feff}sample,channel,time\n2,1,3.5e-3\n0,3,1.5e-3\n  # x\n0,0,1e-4\n2,1,3.5e-3\n";
        let in_ms = read(in_s, Some("0,2\n1,0\n2,1\n")).unwrap().scale_times(1000.0).unwrap();
        assert!((in_ms.duration() - 3.51).abs() < 1e-12);
        assert_eq!(in_ms.spikes(2).unwrap().channel(1), [3.5, 3.5]);
        let named = data.name_classes(["a", "b", "c", "d"]).unwrap();
        assert_eq!((named.classes(), named.label(0), &*named.class_names()[3]), (4, 2, "d"));
        let few = data.name_classes(["a", "b"]).unwrap_err().to_string();
        assert!(few.contains("the number of names"), "{few}");
        assert_eq!(data.spikes(0).unwrap().events(), [(0.1, 0), (1.5, 3)]);
        assert!(data.spikes(1).unwrap().is_empty());
        assert_eq!(data.spikes(2).unwrap().channel(1), [3.5, 3.5]);
        let about: Vec<_> = (0..3).map(|k| (data.label(k), data.group(k))).collect();
        assert_eq!(about, [(2, Some(5)), (0, Some(5)), (1, Some(6))]);
        let plain = read(events.replace("2,1", "1,1").as_str(), None).unwrap();
        assert_eq!((plain.len(), plain.classes(), plain.group(0)), (2, 1, None));
    }

    #[test]
    fn bad_lines_are_named() {
        for (events, labels, word) in [
            (
                "0,0,1\n0,0",
                None,
                "line 2: it must be sample,channel,time, but has 2 fields: \"0,0\"",
            ),
            ("0;0;1.5", None, "line 1: it must be sample,channel,time, but has 1 fields"),
            (
                "\"0\",\"0\",\"1.5\"\n0,1,2",
                None,
                "line 1: sample \"\\\"0\\\"\" is not a number from 0",
            ),
            (
                ",sample,channel,time\n0,0,0,1.5",
                None,
                "line 1: the columns are ,sample,channel,time, but must be sample,channel,time",
            ),
            ("a,b\n0,0,1.5", None, "line 1: the columns are a,b, but must be sample,channel,time"),
            (
                "\"sample\",\"time\",\"channel\"\n0,5,2",
                None,
                "line 1: the columns are \"sample\",\"time\",\"channel\", but",
            ),
            ("trial,unit,time\n0,1,2", None, "line 1: the columns are trial,unit,time, but must"),
            (
                "0,0,1",
                Some("sample,group,label\n0,0,0"),
                "must be sample,label,group; so named, or",
            ),
            (
                "Sample,Time,Channel\n0,5,1",
                None,
                "line 1: the columns are Sample,Time,Channel, but",
            ),
            (
                "0,0,1",
                Some("label,sample\n0,0"),
                "columns are label,sample, but must be sample,label",
            ),
            ("0,0,1\n0,-1,2", None, "line 2: channel \"-1\" is not a number from 0"),
            ("0,0,1\n0,0,-2", None, "line 2: time -2"),
            ("0,0,1\n0,0,inf", None, "line 2: time inf"),
            ("0,0,1\n0,0,NaN", None, "line 2: time NaN"),
            ("0,0,1\n0,0,1.5ms", None, "line 2: time \"1.5ms\" is not a number of ms"),
            ("0,99999999,1", None, "at most 2^22"),
            ("1,0,1", None, "sample 0 has no event"),
            ("9999999999,0,1", None, "sample 0 has no event"),
            (
                "0,1.5,1",
                None,
                "channel \"1.5\" is not a number from 0; a line is sample,channel,time",
            ),
            ("1,0,1", Some("0,0"), "sample 1 has events, but no line in the file of labels"),
            ("0,0,1", Some("0,0\n0,1"), "1 is missing or 0 comes twice"),
            ("0,0,1", Some("0,0\n2,1"), "1 is missing or 2 comes twice"),
            ("0,0,1", Some("0,65536"), "label 65536, but labels of text files go up to 65535"),
            ("0,0,1", Some("0,0,0,0"), "line 1: it must be sample,label"),
        ] {
            let error = read(events, labels).unwrap_err().to_string();
            assert!(error.contains(word), "{events:?}: {error}");
            let file = if word.contains("label 65536")
                || word.contains("missing")
                || word.contains("sample,label")
            {
                "labels"
            } else {
                "events"
            };
            assert!(error.contains(file), "{error}");
        }
        assert!(read("", None).unwrap().is_empty());
        assert!(
            Dataset::read_csv("/no/such/file", None)
                .unwrap_err()
                .to_string()
                .contains("/no/such/file")
        );
    }

    proptest! {
        #![proptest_config(config(500))]

        #[test]
        fn any_text_is_refused_or_read(text in "([0-9,.\\-eN x\n]|\\PC){0,60}", labels in "[0-9,\n]{0,20}") {
            let _ = read_all(read(&text, None));
            let _ = read_all(read(&text, Some(&labels)));
        }
    }
}

mod five_byte {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_classes_in_the_order_of_numbers() {
        let event = |x, time| [x, 0, 0, 0, time];
        let folder = folder(&[
            ("10/2.bin", &event(1, 10)),
            ("10/11.bin", &event(2, 20)),
            ("9/1.bin", &[]),
            ("9/readme.txt", b"no recording"),
            (".ipynb_checkpoints/1.bin", &event(3, 30)),
            ("readme.txt", b"no class"),
        ]);
        let data = Dataset::open_n_mnist(folder.path(), 34, 34).unwrap();
        assert_eq!((data.len(), data.channels(), data.duration()), (3, 2312, 1.0));
        assert_eq!(data.class_names(), ["9", "10"]);
        assert_eq!((0..3).map(|k| data.label(k)).collect::<Vec<_>>(), [0, 1, 1]);
        assert!(data.spikes(0).unwrap().is_empty());
        assert_eq!(data.spikes(1).unwrap().channel(2), [0.01]);
        assert_eq!(data.spikes(2).unwrap().channel(4), [0.02]);
    }

    #[test]
    fn damage_is_named_by_file() {
        let cut = folder(&[("0/a.bin", &[1, 2, 3, 4, 5, 6])]);
        let error = Dataset::open_n_mnist(cut.path(), 34, 34).unwrap_err().to_string();
        assert!(error.contains("a.bin") && error.contains("6 bytes"), "{error}");
        let foreign = folder(&[("0/a.bin", &[1, 2, 3, 4, 5])]);
        let error = Dataset::open_n_mnist(foreign.path(), 1, 34).unwrap_err().to_string();
        assert!(error.contains("a.bin") && error.contains("event 0: pixel (1, 2)"), "{error}");
        let empty = folder(&[("readme.txt", b"")]);
        assert!(Dataset::open_n_mnist(empty.path(), 34, 34).is_err());
        assert!(Dataset::open_n_mnist(cut.path(), 0, 34).is_err());
        assert!(Dataset::open_n_mnist(cut.path(), 34, 257).is_err());
        assert!(Dataset::open_n_mnist("/no/such/folder", 34, 34).is_err());
        // A file that goes away, or is damaged, after it was opened.
        let later = folder(&[("0/a.bin", &[1, 2, 0, 0, 5])]);
        let data = Dataset::open_n_mnist(later.path(), 34, 34).unwrap();
        std::fs::write(later.path().join("0/a.bin"), [1, 2, 0]).unwrap();
        assert!(data.spikes(0).unwrap_err().to_string().contains("a.bin"));
        std::fs::remove_file(later.path().join("0/a.bin")).unwrap();
        assert!(matches!(data.spikes(0), Err(DataError::File { .. })));
    }

    #[test]
    fn a_file_that_changes_cannot_bring_in_events_that_do_not_fit() {
        let folder = folder(&[("0/a.bin", &[1, 2, 0, 0, 5])]);
        let data = Dataset::open_n_mnist(folder.path(), 34, 34).unwrap();
        std::fs::write(folder.path().join("0/a.bin"), [1, 2, 0x7f, 0, 5]).unwrap();
        let late = data.spikes(0);
        assert!(matches!(late, Err(DataError::BadTime { .. })), "{late:?}");
    }

    #[test]
    fn real_recordings_are_read() {
        let Some(path) = recordings("nmnist") else { return };
        let [train, test] =
            ["train", "test"].map(|part| Dataset::open_n_mnist(path.join(part), 34, 34).unwrap());
        assert_eq!((train.len(), test.len(), test.channels(), test.classes()), (300, 85, 2312, 10));
        let all = Dataset::join(&[(Part::Train, &train), (Part::Test, &test)]).unwrap();
        // Three saccades of 100 ms, and some thousand events in each recording.
        assert!((300.0..340.0).contains(&all.duration()), "{}", all.duration());
        let events: usize = (0..85).map(|k| test.spikes(k).unwrap().len()).sum();
        assert!((2000..8000).contains(&(events / 85)), "{events}");
    }
}

#[cfg(feature = "hdf5")]
mod shd {
    use super::*;

    fn fixture() -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shd.h5")).unwrap()
    }

    #[test]
    fn streamed_events_are_those_in_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), fixture()).unwrap();
        let stream = Dataset::open_shd(file.path()).unwrap();
        let memory = Dataset::read_shd(file.path()).unwrap();
        for k in (0..3).rev() {
            assert_eq!(stream.spikes(k), memory.spikes(k));
        }
    }

    /// One list that many samples share would make gigabytes of kilobytes.
    #[test]
    fn a_list_that_claims_more_than_the_file_has_is_refused() {
        let bytes = fixture();
        // The references of `spikes/times` and `spikes/units` start with the number of events: 3, 0, 2.
        let heads: Vec<usize> = (0..bytes.len() - 36)
            .filter(|&at| {
                let head = |k: usize| bytes[at + 16 * k..at + 16 * k + 4].to_vec();
                [head(0), head(1), head(2)]
                    == [[3, 0, 0, 0], [0; 4], [2, 0, 0, 0]].map(|h| h.to_vec())
            })
            .collect();
        assert!(!heads.is_empty());
        for at in heads {
            let mut hostile = bytes.clone();
            hostile[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), hostile).unwrap();
            let error = Dataset::open_shd(file.path()).unwrap_err().to_string();
            assert!(error.contains("claims 4294967297 numbers"), "{error}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [&b""[..], b"sample,channel,time", &fixture()[..700]] {
            std::fs::write(file.path(), bytes).unwrap();
            let error = Dataset::open_shd(file.path()).unwrap_err().to_string();
            assert!(error.contains("not a file like those of SHD"), "{error}");
        }
    }

    #[test]
    fn real_recordings_are_read() {
        for (name, samples, channels, classes, speakers) in
            [("shd_test.h5", 300, 700, 10, 6), ("ssc_valid.h5", 574, 140, 10, 0)]
        {
            let Some(path) = recordings(name) else { continue };
            let data = Dataset::open_shd(path).unwrap();
            assert_eq!((data.len(), data.channels(), data.classes()), (samples, channels, classes));
            assert!(speakers == 0 || data.groups().len() == speakers);
            let sum = |k: usize| {
                let events = data.spikes(k).unwrap().events();
                events.iter().fold((0.0, 0), |(t, c), e| (t + e.0, c + e.1))
            };
            let (times, units) =
                (0..data.len()).map(sum).fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            println!("{name}: sum of times {times} ms, of units {units}");
            let memory = data.in_memory().unwrap();
            assert_eq!(memory.spikes(samples - 1), data.spikes(samples - 1));
        }
    }
}
