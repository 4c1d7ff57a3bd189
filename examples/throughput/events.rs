//! Reading event files.

use crate::load::Inputs;
use eventprop::SpikeTrains;
use safetensors::{Dtype, SafeTensors};
use std::error::Error;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The first samples of an event file: safetensors with `times` (F32, ms), `channels` (U16), `offsets`
/// (U64, one more than samples) and `labels` (U16), and `n_channels` and `duration_ms` as metadata.
pub fn read(path: &Path, samples: usize) -> Result<Inputs> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&bytes, samples).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn parse(bytes: &[u8], samples: usize) -> Result<Inputs> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("{e}; it must be a safetensors file of events"))?;
    let metadata = SafeTensors::read_metadata(bytes)?.1.metadata().clone().unwrap_or_default();
    let number = |key: &str, good: fn(f64) -> bool, rule: &str| -> Result<f64> {
        let text = metadata.get(key).ok_or(format!("metadata `{key}` is missing"))?;
        let value = text.parse().ok().filter(|v| good(*v));
        value.ok_or(format!("metadata `{key}` is `{text}`, but must be {rule}").into())
    };
    let whole = |v: f64| (1.0..=65536.0).contains(&v) && v.fract() == 0.0;
    let channels = number("n_channels", whole, "a whole number from 1 to 65536")? as usize;
    let positive = |v: f64| v.is_finite() && v > 0.0;
    let duration = number("duration_ms", positive, "a finite number above 0")?;

    let column = |name: &str, dtype: Dtype| column(&tensors, name, dtype);
    let times: Vec<f32> = numbers(column("times", Dtype::F32)?, f32::from_le_bytes).collect();
    let sources: Vec<u16> = numbers(column("channels", Dtype::U16)?, u16::from_le_bytes).collect();
    let labels: Vec<u16> = numbers(column("labels", Dtype::U16)?, u16::from_le_bytes).collect();
    let offsets: Vec<u64> = numbers(column("offsets", Dtype::U64)?, u64::from_le_bytes).collect();

    let events = times.len();
    if sources.len() != events {
        let found = sources.len();
        return Err(
            format!("`channels` has {found} entries, but must have {events}, as `times`").into()
        );
    }
    if offsets.len() != labels.len() + 1 {
        let (found, labels) = (offsets.len(), labels.len());
        let rule = format!("one more than `labels`, which has {labels}");
        return Err(format!("`offsets` has {found} entries, but must have {rule}").into());
    }
    if let Some(k) = offsets.windows(2).position(|w| w[0] > w[1]) {
        let (this, next) = (offsets[k], offsets[k + 1]);
        return Err(
            format!("`offsets` must not fall, but entry {k} is {this}, the next {next}").into()
        );
    }
    let ends = (offsets[0], offsets[offsets.len() - 1]);
    if ends != (0, events as u64) {
        let rule = format!("from 0 to {events}, the number of events");
        return Err(
            format!("`offsets` go from {} to {}, but must go {rule}", ends.0, ends.1).into()
        );
    }
    if let Some(k) = times.iter().position(|t| !(t.is_finite() && *t >= 0.0)) {
        let rule = "must be finite and not negative";
        return Err(format!("{}: time {} ms {rule}", place(&offsets, k), times[k]).into());
    }
    if let Some(k) = sources.iter().position(|c| usize::from(*c) >= channels) {
        let (place, found) = (place(&offsets, k), sources[k]);
        return Err(
            format!("{place}: channel {found} must be below `n_channels`, {channels}").into()
        );
    }
    if labels.len() < samples {
        let found = labels.len();
        let hint = "lower --samples or --batch";
        return Err(format!("there are {found} samples, not {samples}: {hint}").into());
    }

    let sample = |range: &[u64]| {
        let range = range[0] as usize..range[1] as usize;
        let sources = sources[range.clone()].iter().map(|c| usize::from(*c));
        SpikeTrains::from_events(channels, times[range].iter().map(|t| f64::from(*t)).zip(sources))
    };
    let trains =
        offsets.windows(2).take(samples).map(sample).collect::<std::result::Result<_, _>>()?;
    let classes = labels.iter().max().map_or(0, |l| usize::from(*l) + 1);
    let labels = labels.iter().take(samples).map(|l| usize::from(*l)).collect();
    Ok(Inputs { samples: trains, labels, channels, classes, duration })
}

/// The bytes of a list of numbers.
fn column<'a>(tensors: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<&'a [u8]> {
    let Ok(tensor) = tensors.tensor(name) else {
        let mut names = tensors.names();
        names.sort_unstable();
        return Err(format!("tensor `{name}` is missing; there are {names:?}").into());
    };
    let (found, shape) = (tensor.dtype(), tensor.shape());
    if found != dtype {
        return Err(format!("tensor `{name}` is of type {found:?}, but must be {dtype:?}").into());
    }
    if shape.len() != 1 {
        return Err(format!("tensor `{name}` has shape {shape:?}, but must be a plain list").into());
    }
    Ok(tensor.data())
}

fn numbers<const N: usize, T>(bytes: &[u8], of: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.chunks_exact(N).map(move |b| of(b.try_into().expect("chunks have this length")))
}

/// Sample and event, counted from 0, of an event of the file.
fn place(offsets: &[u64], event: usize) -> String {
    let sample = offsets.partition_point(|o| *o <= event as u64) - 1;
    format!("sample {sample}, event {}", event as u64 - offsets[sample])
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;
    use std::collections::HashMap;

    struct File {
        times: Vec<f32>,
        channels: Vec<u16>,
        offsets: Vec<u64>,
        labels: Vec<u16>,
        metadata: Vec<(&'static str, &'static str)>,
    }

    /// Two samples of two events on three channels.
    fn good() -> File {
        File {
            times: vec![1.0, 2.0, 0.5, 3.0],
            channels: vec![0, 2, 1, 1],
            offsets: vec![0, 2, 4],
            labels: vec![4, 1],
            metadata: vec![("n_channels", "3"), ("duration_ms", "10")],
        }
    }

    fn bytes(file: &File) -> Vec<u8> {
        let times: Vec<u8> = file.times.iter().flat_map(|x| x.to_le_bytes()).collect();
        let channels: Vec<u8> = file.channels.iter().flat_map(|x| x.to_le_bytes()).collect();
        let offsets: Vec<u8> = file.offsets.iter().flat_map(|x| x.to_le_bytes()).collect();
        let labels: Vec<u8> = file.labels.iter().flat_map(|x| x.to_le_bytes()).collect();
        let list = |dtype, len, data| TensorView::new(dtype, vec![len], data).unwrap();
        let tensors = [
            ("times", list(Dtype::F32, file.times.len(), &times)),
            ("channels", list(Dtype::U16, file.channels.len(), &channels)),
            ("offsets", list(Dtype::U64, file.offsets.len(), &offsets)),
            ("labels", list(Dtype::U16, file.labels.len(), &labels)),
        ];
        let pairs = file.metadata.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        safetensors::serialize(tensors, Some(pairs.collect::<HashMap<String, String>>())).unwrap()
    }

    #[test]
    fn a_good_file_is_read() {
        let inputs = parse(&bytes(&good()), 2).unwrap();
        assert_eq!((inputs.channels, inputs.classes, inputs.duration), (3, 5, 10.0));
        assert_eq!(inputs.labels, [4, 1]);
        assert_eq!(inputs.samples[0].channel(2), [2.0]);
        assert_eq!(inputs.samples[1].channel(1), [0.5, 3.0]);
    }

    #[test]
    fn bad_files_are_refused_with_a_reason() {
        type Change = fn(&mut File);
        let cases: [(Change, &str); 12] = [
            (|f| f.times[2] = f32::NAN, "sample 1, event 0: time NaN ms"),
            (|f| f.times[1] = f32::INFINITY, "sample 0, event 1: time inf ms"),
            (|f| f.times[3] = -1.0, "sample 1, event 1: time -1 ms"),
            (|f| f.channels[1] = 3, "sample 0, event 1: channel 3 must be below `n_channels`, 3"),
            (|f| f.channels.truncate(3), "`channels` has 3 entries, but must have 4"),
            (|f| f.offsets[1] = 5, "entry 1 is 5, the next 4"),
            (|f| f.offsets[2] = 3, "`offsets` go from 0 to 3, but must go from 0 to 4"),
            (|f| f.offsets.truncate(2), "`offsets` has 2 entries, but must have one more"),
            (|f| f.labels.clear(), "`offsets` has 3 entries"),
            (|f| f.metadata[0].1 = "0", "metadata `n_channels` is `0`"),
            (|f| f.metadata[1].1 = "NaN", "metadata `duration_ms` is `NaN`"),
            (|f| f.metadata.truncate(1), "metadata `duration_ms` is missing"),
        ];
        for (change, reason) in cases {
            let mut file = good();
            change(&mut file);
            let error = parse(&bytes(&file), 2).unwrap_err().to_string();
            assert!(error.contains(reason), "`{error}` does not say `{reason}`");
        }
    }

    #[test]
    fn wrong_tensors_are_refused_with_a_reason() {
        let refuse = |name, dtype, shape, data: &[u8], reason: &str| {
            let tensors = [(name, TensorView::new(dtype, shape, data).unwrap())];
            let metadata =
                good().metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let error = parse(&safetensors::serialize(tensors, Some(metadata)).unwrap(), 1);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "`{error}` does not say `{reason}`");
        };
        refuse("times", Dtype::F64, vec![1], &[0; 8], "`times` is of type F64, but must be F32");
        refuse("times", Dtype::F32, vec![1, 2], &[0; 8], "shape [1, 2], but must be a plain list");
        refuse("time", Dtype::F32, vec![2], &[0; 8], "`times` is missing; there are [\"time\"]");
    }

    #[test]
    fn no_prefix_of_a_file_is_read_or_panics() {
        let bytes = bytes(&good());
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end], 1).is_err());
        }
        assert!(parse(&bytes, 3).unwrap_err().to_string().contains("there are 2 samples, not 3"));
    }
}
