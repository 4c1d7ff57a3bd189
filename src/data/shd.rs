//! The HDF5 files of the Spiking Heidelberg Digits and Spiking Speech Commands (Cramer et al. 2020).

use super::{
    DataError, Dataset,
    build::MAX_NUMBERED_CLASSES,
    dataset::{About, Header},
    events::Source,
    scan::scan,
};
use hdf5_reader::{ByteOrder, Datatype, Hdf5File, OpenOptions, error::Error};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The least that the reader may unpack, however small the file: chunks are padded.
const LEAST: usize = 1 << 20;

impl Dataset {
    /// Opens an HDF5 file in the layout of SHD and SSC: `/spikes/times` (seconds, of any float type),
    /// `/spikes/units`, `/labels`, and, if they are there, `/extra/speaker` (the group) and `/extra/keys` (class
    /// names). There are as many channels as the highest unit that occurs needs, so two files of one set may differ:
    /// [`Dataset::join`], [`Dataset::with_channels`]. All samples are for training. The duration is the least whole number of ms
    /// above all events.
    ///
    /// Events stay in the file. All of them are read once now, which checks them.
    ///
    /// # Errors
    /// A file that cannot be read or has another layout, and events, labels or channels without meaning, by sample
    /// and event.
    pub fn open_shd(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        open(path).map_err(|e| e.in_file(path))
    }

    /// Reads such a file with all events: [`Dataset::open_shd`] in memory.
    ///
    /// # Errors
    /// As [`Dataset::open_shd`].
    pub fn read_shd(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::open_shd(path)?.in_memory()
    }
}

fn wrong(e: impl fmt::Display) -> DataError {
    DataError::format(format!("not a file like those of SHD: {e}"))
}

fn open(path: &Path) -> Result<Dataset, DataError> {
    let bytes = std::fs::metadata(path)?.len();
    let limit = usize::try_from(bytes).unwrap_or(usize::MAX).max(LEAST);
    let options = OpenOptions {
        max_read_bytes: limit,
        max_chunk_bytes: limit,
        max_object_header_bytes: limit,
        ..OpenOptions::default()
    };
    let file = Hdf5File::open_with_options(path, options).map_err(wrong)?;
    let times = Lists::open(&file, "spikes/times", bytes)?;
    let units = Lists::open(&file, "spikes/units", bytes)?;
    if !matches!(times.number, Number::Float(..)) || !matches!(units.number, Number::Integer { .. })
    {
        return Err(DataError::format("`spikes/times` must be floats, `spikes/units` integers"));
    }
    let labels = integers(&file, "labels")?.ok_or_else(|| wrong("there are no `labels`"))?;
    let samples = labels.len();
    let groups = integers(&file, "extra/speaker")?;
    let speakers = groups.as_ref().map_or(samples, Vec::len);
    for (name, found) in
        [("spikes/times", times.len()), ("spikes/units", units.len()), ("extra/speaker", speakers)]
    {
        if found != samples {
            let what = format!("`{name}` has {found} samples, `labels` {samples}");
            return Err(DataError::format(what));
        }
    }

    let class_names = class_names(&file, &labels)?;
    let classes = class_names.len();
    let mut about = Vec::with_capacity(samples);
    for (sample, &label) in labels.iter().enumerate() {
        if label >= classes as u64 {
            return Err(DataError::BadLabel { sample, label, classes });
        }
        let group = groups.as_ref().map(|groups| groups[sample]);
        let group = group.map(u32::try_from).transpose().map_err(|_| {
            DataError::format(format!("sample {sample}: the speaker is above 2^32 - 1"))
        })?;
        about.push(About { label: label as u32, group, ..About::default() });
    }
    let events = Arc::new(InFile { path: path.into(), reading: Mutex::default(), times, units });
    scan(events, about, Header { class_names, ..Header::default() })
}

/// The names in the file, and numbers where there are none.
fn class_names(file: &Hdf5File, labels: &[u64]) -> Result<Vec<String>, DataError> {
    if let Some(keys) = find(file, "extra/keys")? {
        return keys.read_strings().map_err(wrong);
    }
    let classes = labels.iter().max().map_or(0, |&l| l.saturating_add(1));
    if classes > MAX_NUMBERED_CLASSES {
        return Err(DataError::format(format!("{classes} classes without names are too many")));
    }
    Ok((0..classes).map(|c| c.to_string()).collect())
}

/// A dataset of the file; `None` if it is not there.
fn find(file: &Hdf5File, name: &str) -> Result<Option<hdf5_reader::Dataset>, DataError> {
    let mut error = match file.dataset(name) {
        Ok(dataset) => return Ok(Some(dataset)),
        Err(error) => error,
    };
    while let Error::Context { source, .. } = error {
        error = *source;
    }
    match error {
        Error::DatasetNotFound(_) | Error::GroupNotFound(_) => Ok(None),
        error => Err(wrong(format!("`{name}`: {error}"))),
    }
}

/// A list of integers; `None` if it is not there.
fn integers(file: &Hdf5File, name: &str) -> Result<Option<Vec<u64>>, DataError> {
    let Some(data) = find(file, name)? else { return Ok(None) };
    let number = Number::new(data.dtype(), name)?;
    let bytes = data.read_raw_bytes().map_err(wrong)?;
    let numbers = bytes.chunks_exact(number.size()).enumerate();
    let refuse = |k| DataError::format(format!("`{name}`, number {k} is no integer from 0 on"));
    numbers
        .map(|(k, bytes)| number.unsigned(bytes).ok_or_else(|| refuse(k)))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A list of numbers for each sample.
struct Lists {
    data: hdf5_reader::Dataset,
    /// Where the list of each sample is: its length, and what the HDF5 reader needs.
    references: Vec<u8>,
    number: Number,
}

impl Lists {
    fn open(file: &Hdf5File, name: &str, file_bytes: u64) -> Result<Self, DataError> {
        let data = find(file, name)?.ok_or_else(|| wrong(format!("there is no `{name}`")))?;
        let Datatype::VarLen { base, .. } = data.dtype() else {
            return Err(DataError::format(format!("`{name}` is no list of lists")));
        };
        let number = Number::new(base, name)?;
        let references = data.read_raw_bytes().map_err(wrong)?;
        let lists = Self { data, references, number };
        // Many references to one list would make much of a small file.
        let numbers: u64 = (0..lists.len()).map(|k| u64::from(count(lists.reference(k)))).sum();
        if numbers.saturating_mul(number.size() as u64) > file_bytes {
            let what = format!("`{name}` claims {numbers} numbers in a file of {file_bytes} bytes");
            return Err(DataError::format(what));
        }
        Ok(lists)
    }

    fn len(&self) -> usize {
        self.references.len() / self.data.vlen_reference_size()
    }

    fn reference(&self, sample: usize) -> &[u8] {
        let size = self.data.vlen_reference_size();
        &self.references[sample * size..(sample + 1) * size]
    }

    /// The bytes of a sample's list, whole numbers.
    fn bytes(&self, sample: usize) -> Result<Vec<u8>, DataError> {
        let reference = self.reference(sample);
        // An empty list is stored as a length of 0 and no address.
        if count(reference) == 0 {
            return Ok(Vec::new());
        }
        self.data
            .resolve_vlen_reference_bytes(reference, self.number.size())
            .map_err(|e| wrong(format!("sample {sample}: {e}")))
    }
}

/// The length of a list, which HDF5 puts first.
fn count(reference: &[u8]) -> u32 {
    reference.iter().take(4).rev().fold(0, |count, &byte| count << 8 | u32::from(byte))
}

/// Events that stay in their file.
struct InFile {
    path: PathBuf,
    /// Held while bytes are fetched: for a few of them the reader unpacks large parts of a file, which several threads
    /// would all have in memory.
    reading: Mutex<()>,
    times: Lists,
    units: Lists,
}

impl fmt::Debug for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl InFile {
    fn fill(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let (times, units) = {
            let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            (self.times.bytes(sample)?, self.units.bytes(sample)?)
        };
        let times = times.chunks_exact(self.times.number.size());
        let units = units.chunks_exact(self.units.number.size());
        if times.len() != units.len() {
            let (times, units) = (times.len(), units.len());
            let what = format!("sample {sample} has {times} times and {units} units");
            return Err(DataError::format(what));
        }
        into.reserve(times.len());
        for (event, (time, unit)) in times.zip(units).enumerate() {
            let channel = self.units.number.unsigned(unit).and_then(|u| u32::try_from(u).ok());
            let channel = channel.ok_or_else(|| {
                let what = format!("sample {sample}, event {event}: no unit from 0 to 2^32 - 1");
                DataError::format(what)
            })?;
            into.push((1000.0 * self.times.number.float(time), channel));
        }
        Ok(())
    }
}

impl Source for InFile {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        self.fill(sample, into).map_err(|e| e.in_file(&self.path))
    }
}

/// Numbers of a type that the file names.
#[derive(Clone, Copy)]
enum Number {
    Float(usize, ByteOrder),
    Integer { size: usize, signed: bool, order: ByteOrder },
}

impl Number {
    fn new(dtype: &Datatype, name: &str) -> Result<Self, DataError> {
        match *dtype {
            Datatype::FloatingPoint { size: size @ (2 | 4 | 8), byte_order } => {
                Ok(Self::Float(size.into(), byte_order))
            }
            Datatype::FixedPoint { size: size @ (1 | 2 | 4 | 8), signed, byte_order } => {
                Ok(Self::Integer { size: size.into(), signed, order: byte_order })
            }
            _ => Err(DataError::format(format!("`{name}` holds no numbers, but {dtype:?}"))),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Float(size, _) | Self::Integer { size, .. } => size,
        }
    }

    /// `None` for a negative integer, and for what is none.
    fn unsigned(self, bytes: &[u8]) -> Option<u64> {
        let Self::Integer { size, signed, order } = self else { return None };
        let bits = bits(bytes, order);
        (!signed || bits >> (8 * size - 1) == 0).then_some(bits)
    }

    /// Not a number for what is no float.
    fn float(self, bytes: &[u8]) -> f64 {
        match self {
            Self::Float(2, order) => half::f16::from_bits(bits(bytes, order) as u16).to_f64(),
            Self::Float(4, order) => f32::from_bits(bits(bytes, order) as u32).into(),
            Self::Float(_, order) => f64::from_bits(bits(bytes, order)),
            Self::Integer { .. } => f64::NAN,
        }
    }
}

/// Bytes as an unsigned number.
fn bits(bytes: &[u8], order: ByteOrder) -> u64 {
    let fold = |bits, &byte: &u8| bits << 8 | u64::from(byte);
    match order {
        ByteOrder::LittleEndian => bytes.iter().rev().fold(0, fold),
        ByteOrder::BigEndian => bytes.iter().fold(0, fold),
    }
}
