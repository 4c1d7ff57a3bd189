//! The own format of event files: a safetensors file; see `docs/data.md`.

use super::{
    DataError, Dataset, Part,
    build::check_events,
    dataset::{About, Header, Store},
    events::Source,
};
use safetensors::tensor::{Dtype, Metadata};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What a file says that is of this format.
pub(super) const FORMAT: &str = "eventprop-events-1";
/// Bytes of a header, as in the safetensors crate.
const MAX_HEADER: u64 = 100_000_000;

impl Dataset {
    /// Opens a set in the crate's own [format](crate::guide::data). Labels are read now; events stay in the file,
    /// and each sample is read, and checked, when it is asked for. See [`Dataset::in_memory`].
    ///
    /// # Errors
    /// A file that cannot be read, or is not of this format; never a panic, and never more memory than
    /// a small multiple of the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        open(path).map_err(|e| e.in_file(path))
    }

    /// Reads a set in the crate's own format, with all events.
    ///
    /// # Errors
    /// As [`Dataset::open`], and any event that is not valid.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::open(path)?.in_memory()
    }
}

/// Where a tensor lies in the file, and what its numbers are.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    len: usize,
    dtype: Dtype,
}

fn open(path: &Path) -> Result<Dataset, DataError> {
    let mut file = File::open(path)?;
    let (metadata, start) = read_header(&mut file)?;
    let place = |name: &str| -> Result<Option<Place>, DataError> {
        let Some(info) = metadata.info(name) else { return Ok(None) };
        let &[len] = &info.shape[..] else {
            return Err(DataError::format(format!("tensor `{name}` must have one dimension")));
        };
        Ok(Some(Place { start: start + info.data_offsets.0 as u64, len, dtype: info.dtype }))
    };
    let needed = |name| {
        place(name)?.ok_or_else(|| DataError::format(format!("there is no tensor `{name}`")))
    };

    let header = read_metadata(&metadata)?;
    let (times, channels) = (needed("times")?, needed("channels")?);
    if !matches!(times.dtype, Dtype::F32 | Dtype::F64) {
        return Err(dtype_error("times", times.dtype, "F32 or F64"));
    }
    integer_size("channels", channels.dtype)?;
    if times.len != channels.len {
        let what = format!("{} times, but {} channels", times.len, channels.len);
        return Err(DataError::format(what));
    }
    let offsets = integers(&mut file, "offsets", needed("offsets")?)?;
    let ascending = offsets.is_sorted();
    if offsets.first() != Some(&0) || offsets.last() != Some(&(times.len as u64)) || !ascending {
        let what = format!("`offsets` must ascend from 0 to {}, the number of events", times.len);
        return Err(DataError::format(what));
    }

    let samples = offsets.len() - 1;
    let mut per_sample = |name: &str, place: Place| {
        if place.len != samples {
            let what = format!("`{name}` has {} numbers for {samples} samples", place.len);
            return Err(DataError::format(what));
        }
        integers(&mut file, name, place)
    };
    let labels = per_sample("labels", needed("labels")?)?;
    let mut about = Vec::with_capacity(samples);
    let classes = header.class_names.len();
    for (sample, &label) in labels.iter().enumerate() {
        if label >= classes as u64 {
            return Err(DataError::BadLabel { sample, label, classes });
        }
        about.push(About { label: label as u32, ..About::default() });
    }
    if let Some(place) = place("groups")? {
        for (sample, group) in per_sample("groups", place)?.into_iter().enumerate() {
            let group = u32::try_from(group).map_err(|_| {
                DataError::format(format!("sample {sample}: group {group} is above 2^32 - 1"))
            })?;
            about[sample].group = Some(group);
        }
    }
    if let Some(place) = place("split")? {
        for (sample, part) in per_sample("split", place)?.into_iter().enumerate() {
            about[sample].part = match part {
                0 => Part::Train,
                1 => Part::Validation,
                2 => Part::Test,
                _ => {
                    let what = format!(
                        "sample {sample}: split {part}, but it must be 0 train, 1 validation or 2 test"
                    );
                    return Err(DataError::format(what));
                }
            };
        }
    }
    let events = InFile {
        path: path.into(),
        file: Mutex::new(file),
        offsets,
        times,
        channels,
        header: header.clone(),
    };
    Ok(Dataset::new(Store { header, about, events: Arc::new(events) }))
}

/// The header of a safetensors file and where its data starts.
fn read_header(file: &mut File) -> Result<(Metadata, u64), DataError> {
    let len = file.metadata()?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > len.saturating_sub(8) {
        let what = format!("not a safetensors file: a header of {size} bytes in a file of {len}");
        return Err(DataError::format(what));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    // Reading it checks that the tensors follow each other and have the bytes that their shapes need.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|e| DataError::format(format!("not a safetensors file: {e}")))?;
    let start = 8 + size;
    if metadata.data_len() as u64 != len - start {
        let what =
            format!("{} bytes of data, but {} in the file", metadata.data_len(), len - start);
        return Err(DataError::format(what));
    }
    Ok((metadata, start))
}

fn read_metadata(metadata: &Metadata) -> Result<Header, DataError> {
    let get = |key: &str| metadata.metadata().as_ref().and_then(|m| m.get(key));
    let needed =
        |key| get(key).ok_or_else(|| DataError::format(format!("the metadata has no `{key}`")));
    let format = needed("format")?;
    if format != FORMAT {
        return Err(DataError::format(format!("the format is `{format}`, not `{FORMAT}`")));
    }
    let bad =
        |key: &str, value: &str| DataError::format(format!("the metadata `{key}` is {value:?}"));
    let channels = needed("n_channels")?;
    let duration = needed("duration_ms")?;
    let names = needed("class_names")?;
    let header = Header {
        channels: channels.parse().map_err(|_| bad("n_channels", channels))?,
        duration: duration.parse().map_err(|_| bad("duration_ms", duration))?,
        class_names: serde_json::from_str(names).map_err(|_| bad("class_names", names))?,
        source: get("source").cloned().unwrap_or_default(),
        license: get("license").cloned().unwrap_or_default(),
    };
    header.check()?;
    Ok(header)
}

fn dtype_error(name: &str, dtype: Dtype, right: &str) -> DataError {
    DataError::format(format!("tensor `{name}` is {dtype:?}, but must be {right}"))
}

fn integer_size(name: &str, dtype: Dtype) -> Result<usize, DataError> {
    match dtype {
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 | Dtype::I32 | Dtype::I64 => {
            Ok(dtype.bitsize() / 8)
        }
        _ => Err(dtype_error(name, dtype, "U8, U16, U32, U64, I32 or I64")),
    }
}

fn integers(file: &mut File, name: &str, place: Place) -> Result<Vec<u64>, DataError> {
    let size = integer_size(name, place.dtype)?;
    check_memory(place.len as u64, size + size_of::<u64>())?;
    let mut bytes = vec![0; place.len * size];
    file.seek(SeekFrom::Start(place.start))?;
    file.read_exact(&mut bytes)?;
    let mut values = Vec::with_capacity(place.len);
    for (position, bytes) in bytes.chunks_exact(size).enumerate() {
        let value = integer(bytes, place.dtype);
        let refuse = || DataError::format(format!("`{name}`, number {position}: it is negative"));
        values.push(value.ok_or_else(refuse)?);
    }
    Ok(values)
}

/// A file may be larger than the memory, above all where addresses have 32 bits.
fn check_memory(numbers: u64, bytes_each: usize) -> Result<(), DataError> {
    crate::memory::check(numbers.into(), bytes_each)
        .map_err(|bytes| DataError::format(format!("{bytes} bytes of memory cannot be had for it")))
}

/// A number of an integer tensor, little endian; `None` if negative.
fn integer(bytes: &[u8], dtype: Dtype) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    let negative = match dtype {
        Dtype::I32 => value > i32::MAX as u64,
        Dtype::I64 => value > i64::MAX as u64,
        _ => false,
    };
    (!negative).then_some(value)
}

/// Events that stay in their file.
#[derive(Debug)]
struct InFile {
    path: PathBuf,
    file: Mutex<File>,
    offsets: Vec<u64>,
    times: Place,
    channels: Place,
    header: Header,
}

impl InFile {
    /// The bytes of numbers `from..to` of a tensor.
    fn bytes(&self, place: Place, from: u64, to: u64) -> Result<Vec<u8>, DataError> {
        let size = (place.dtype.bitsize() / 8) as u64;
        check_memory(to - from, size as usize)?;
        let mut bytes = vec![0; ((to - from) * size) as usize];
        // A panic elsewhere leaves no trace in a file that is only read after seeking.
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        file.seek(SeekFrom::Start(place.start + from * size))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let (from, to) = (self.offsets[sample], self.offsets[sample + 1]);
        let times = self.bytes(self.times, from, to)?;
        let channels = self.bytes(self.channels, from, to)?;
        let times = times.chunks_exact(self.times.dtype.bitsize() / 8).map(float);
        let dtype = self.channels.dtype;
        let channels = channels.chunks_exact(dtype.bitsize() / 8).map(|b| integer(b, dtype));
        for (event, (time, channel)) in times.zip(channels).enumerate() {
            let small = channel.and_then(|c| u32::try_from(c).ok());
            let small = small.ok_or(DataError::BadChannel {
                sample,
                event,
                channel: channel.unwrap_or(u64::MAX),
                channels: self.header.channels,
            })?;
            into.push((time, small));
        }
        check_events(into, sample, &self.header)
    }
}

impl Source for InFile {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        self.fill(sample, into).map_err(|e| e.in_file(&self.path))
    }
}

/// A number of 4 or 8 bytes, little endian.
fn float(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => f64::NAN,
    }
}
