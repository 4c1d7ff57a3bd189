//! The HDF5 files of the Spiking Heidelberg Digits and Spiking Speech Commands (Cramer et al. 2020).

use super::{DataError, Dataset, DatasetBuilder, build::MAX_CHANNELS, dataset::About};
use crate::data::dataset::Header;
use hdf5_reader::{ByteOrder, Datatype, Hdf5File, OpenOptions};
use std::path::Path;

/// How much more than its file a data set of it may take when it is unpacked, and the least that is allowed.
const EXPANSION: u64 = 16;
const LEAST: u64 = 1 << 20;

impl Dataset {
    /// Reads an HDF5 file in the layout of SHD and SSC, with all events: `/spikes/times` (seconds, of any float
    /// type), `/spikes/units`, `/labels`, and, if they are there, `/extra/speaker` (the group) and `/extra/keys` (class
    /// names). Numbers of channels, classes and samples are those of the file; all samples are for training, see
    /// [`Dataset::join`]. The duration is the least whole number of ms above all events.
    ///
    /// # Errors
    /// A file that cannot be read or has another layout, and events, labels or channels without meaning, by sample
    /// and event.
    pub fn read_shd(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        read(path).map_err(|e| e.in_file(path))
    }
}

fn wrong(e: impl std::fmt::Display) -> DataError {
    DataError::format(format!("not a file like those of SHD: {e}"))
}

fn read(path: &Path) -> Result<Dataset, DataError> {
    let bytes = std::fs::metadata(path)?.len();
    let options = OpenOptions {
        max_read_bytes: usize::try_from(bytes.saturating_mul(EXPANSION).max(LEAST))
            .unwrap_or(usize::MAX),
        ..OpenOptions::default()
    };
    let file = Hdf5File::open_with_options(path, options).map_err(wrong)?;
    let times = Lists::open(&file, "spikes/times")?;
    let units = Lists::open(&file, "spikes/units")?;
    let labels = integers(&file, "labels")?;
    let samples = labels.len();
    for (name, found) in [("spikes/times", times.len()), ("spikes/units", units.len())] {
        if found != samples {
            let what = format!("`{name}` has {found} samples, `labels` {samples}");
            return Err(DataError::format(what));
        }
    }
    let groups = match file.dataset("extra/speaker") {
        Ok(_) => integers(&file, "extra/speaker")?,
        Err(_) => Vec::new(),
    };
    if !groups.is_empty() && groups.len() != samples {
        let what = format!("`extra/speaker` has {} numbers for {samples} samples", groups.len());
        return Err(DataError::format(what));
    }

    // The sizes first: how wide channels are kept depends on them.
    let (mut last_channel, mut last_time) = (None, 0.0_f64);
    for sample in 0..samples {
        let (found, expected) = (units.numbers(sample)?, times.numbers(sample)?);
        if found.len() != expected.len() {
            let what =
                format!("sample {sample} has {} times and {} units", expected.len(), found.len());
            return Err(DataError::format(what));
        }
        last_channel = found.iter().fold(last_channel, |last, &c| Some(c.max(last.unwrap_or(c))));
        let finite = expected.iter().filter(|t| t.is_finite());
        last_time = finite.fold(last_time, |last, &t| last.max(1000.0 * t));
    }
    let channels = last_channel.map_or(0.0, |c| c + 1.0);
    if !(0.0..=MAX_CHANNELS as f64).contains(&channels) {
        return Err(DataError::format(format!("units up to {} are too many", channels - 1.0)));
    }
    let header = Header {
        channels: channels as usize,
        class_names: class_names(&file, &labels)?,
        duration: last_time.floor() + 1.0,
        ..Header::default()
    };

    let mut builder = DatasetBuilder::from_header(header);
    let mut events = Vec::new();
    for (sample, &label) in labels.iter().enumerate() {
        events.clear();
        for (event, (time, unit)) in
            times.numbers(sample)?.into_iter().zip(units.numbers(sample)?).enumerate()
        {
            if unit < 0.0 {
                let what = format!("sample {sample}, event {event}: unit {unit} is below 0");
                return Err(DataError::format(what));
            }
            events.push((1000.0 * time, unit as u32));
        }
        let about = About {
            label: builder.label(label)?,
            group: match groups.get(sample) {
                None => None,
                Some(&group) => Some(u32::try_from(group).map_err(|_| {
                    DataError::format(format!("sample {sample}: speaker {group} is above 2^32 - 1"))
                })?),
            },
            ..About::default()
        };
        builder.push_events(&mut events, about)?;
    }
    builder.build()
}

/// The names in the file, and numbers for classes that have none.
fn class_names(file: &Hdf5File, labels: &[u64]) -> Result<Vec<String>, DataError> {
    let mut names = match file.dataset("extra/keys") {
        Ok(keys) => keys.read_strings().map_err(wrong)?,
        Err(_) => Vec::new(),
    };
    let classes = labels.iter().max().map_or(0, |&l| l.saturating_add(1));
    // Files come without names, but not with a billion classes.
    if names.is_empty() && classes <= 1 << 16 {
        names.extend((0..classes).map(|c| c.to_string()));
    }
    Ok(names)
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

    /// The bits, as an unsigned number.
    fn bits(bytes: &[u8], order: ByteOrder) -> u64 {
        let fold = |bits, &byte: &u8| bits << 8 | u64::from(byte);
        match order {
            ByteOrder::LittleEndian => bytes.iter().rev().fold(0, fold),
            ByteOrder::BigEndian => bytes.iter().fold(0, fold),
        }
    }

    /// `None` for a negative integer.
    fn unsigned(self, bytes: &[u8]) -> Option<u64> {
        match self {
            Self::Integer { size, signed, order } => {
                let bits = Self::bits(bytes, order);
                (!signed || bits >> (8 * size - 1) == 0).then_some(bits)
            }
            Self::Float(..) => None,
        }
    }

    /// Integers beyond 2^53 lose digits, and are refused later as too large; negative ones become -1.
    fn read(self, bytes: &[u8]) -> f64 {
        match self {
            Self::Float(size, order) => {
                let bits = Self::bits(bytes, order);
                match size {
                    2 => half::f16::from_bits(bits as u16).to_f64(),
                    4 => f32::from_bits(bits as u32).into(),
                    _ => f64::from_bits(bits),
                }
            }
            Self::Integer { .. } => self.unsigned(bytes).map_or(-1.0, |n| n as f64),
        }
    }
}

/// A list of numbers for each sample.
struct Lists {
    data: hdf5_reader::Dataset,
    references: Vec<u8>,
    number: Number,
}

impl Lists {
    fn open(file: &Hdf5File, name: &str) -> Result<Self, DataError> {
        let data = file.dataset(name).map_err(wrong)?;
        let Datatype::VarLen { base, .. } = data.dtype() else {
            return Err(DataError::format(format!("`{name}` is no list of lists")));
        };
        let number = Number::new(base, name)?;
        let references = data.read_raw_bytes().map_err(wrong)?;
        Ok(Self { data, references, number })
    }

    fn len(&self) -> usize {
        self.references.len() / self.data.vlen_reference_size()
    }

    fn numbers(&self, sample: usize) -> Result<Vec<f64>, DataError> {
        let size = self.data.vlen_reference_size();
        let reference = &self.references[sample * size..(sample + 1) * size];
        // An empty list is stored as a length of 0 and no address.
        if reference[..4] == [0; 4] {
            return Ok(Vec::new());
        }
        let bytes = self
            .data
            .resolve_vlen_reference_bytes(reference, self.number.size())
            .map_err(|e| wrong(format!("sample {sample}: {e}")))?;
        Ok(bytes.chunks_exact(self.number.size()).map(|b| self.number.read(b)).collect())
    }
}

fn integers(file: &Hdf5File, name: &str) -> Result<Vec<u64>, DataError> {
    let data = file.dataset(name).map_err(wrong)?;
    let number = Number::new(data.dtype(), name)?;
    let bytes = data.read_raw_bytes().map_err(wrong)?;
    let numbers = bytes.chunks_exact(number.size()).enumerate();
    let refuse = |k| DataError::format(format!("`{name}`, number {k} is no integer from 0 on"));
    numbers.map(|(k, bytes)| number.unsigned(bytes).ok_or_else(|| refuse(k))).collect()
}
