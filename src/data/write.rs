//! Writing sets in the own format.

use super::{DataError, Dataset, Part, container::FORMAT};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::{collections::HashMap, io::Write, path::Path};

impl Dataset {
    /// Writes the set in the crate's own [format](crate::guide::data), from where [`Dataset::open`] gives back the
    /// same samples exactly. Times take 4 bytes if that loses nothing in any of them, else 8. Events that
    /// are in a file are read sample by sample, so the set may be larger than the memory. The file is written beside and
    /// then put in its place, which may be that of the set's own events.
    ///
    /// # Errors
    /// A file that cannot be written, events that cannot be read, or groups of some samples only.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        crate::beside::write(path, |file| write(self, file)).map_err(|e| e.in_file(path))
    }
}

fn write(data: &Dataset, file: &mut impl Write) -> Result<(), DataError> {
    let grouped = (0..data.len()).filter(|&index| data.group(index).is_some()).count();
    if grouped != 0 && grouped != data.len() {
        let what = format!("{grouped} of {} samples have a group; all must, or none", data.len());
        return Err(DataError::format(what));
    }
    let split = (0..data.len()).any(|index| data.part_of(index) != Part::Train);

    // One pass to learn the sizes, one for each tensor of events.
    let mut offsets = vec![0_u64];
    let mut short = true;
    let mut events = Vec::new();
    for index in 0..data.len() {
        data.events(index, &mut events)?;
        short &= events.iter().all(|&(time, _)| f64::from(time as f32) == time);
        offsets.push(offsets[index] + events.len() as u64);
    }
    let count = offsets[data.len()] as usize;
    let time = if short { Dtype::F32 } else { Dtype::F64 };
    let channel = if data.channels() <= 1 << 16 { Dtype::U16 } else { Dtype::U32 };
    let label = if data.classes() <= 1 << 16 { Dtype::U16 } else { Dtype::U32 };

    // The widest numbers come first, so each lies at a multiple of its size.
    let mut tensors = vec![("offsets", Dtype::U64, data.len() + 1), ("times", time, count)];
    if grouped > 0 {
        tensors.push(("groups", Dtype::U32, data.len()));
    }
    let (channels, labels) = (("channels", channel, count), ("labels", label, data.len()));
    // At most one of the two is wide.
    tensors.extend(if label == Dtype::U32 { [labels, channels] } else { [channels, labels] });
    if split {
        tensors.push(("split", Dtype::U8, data.len()));
    }

    write_header(file, data, &tensors)?;
    for &(name, dtype, _) in &tensors {
        match name {
            "offsets" => offsets.iter().try_for_each(|o| file.write_all(&o.to_le_bytes()))?,
            "times" | "channels" => {
                for index in 0..data.len() {
                    data.events(index, &mut events)?;
                    for &(time, channel) in &events {
                        match dtype {
                            Dtype::F32 => file.write_all(&(time as f32).to_le_bytes())?,
                            Dtype::F64 => file.write_all(&time.to_le_bytes())?,
                            Dtype::U16 => file.write_all(&(channel as u16).to_le_bytes())?,
                            _ => file.write_all(&channel.to_le_bytes())?,
                        }
                    }
                }
            }
            _ => {
                for index in 0..data.len() {
                    let value = match name {
                        "labels" => data.label(index),
                        "groups" => data.group(index).unwrap_or_default() as usize,
                        _ => data.part_of(index) as usize,
                    };
                    file.write_all(&value.to_le_bytes()[..dtype.bitsize() / 8])?;
                }
            }
        }
    }
    Ok(())
}

fn write_header(
    file: &mut impl Write,
    data: &Dataset,
    tensors: &[(&str, Dtype, usize)],
) -> Result<(), DataError> {
    let bad = |e: &dyn std::fmt::Display| DataError::format(format!("no header: {e}"));
    let names = serde_json::to_string(data.class_names()).map_err(|e| bad(&e))?;
    let mut metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("n_channels".to_owned(), data.channels().to_string()),
        ("duration_ms".to_owned(), data.duration().to_string()),
        ("class_names".to_owned(), names),
    ]);
    for (key, value) in [("source", data.source()), ("license", data.license())] {
        if !value.is_empty() {
            metadata.insert(key.to_owned(), value.to_owned());
        }
    }
    let mut end = 0;
    let infos = tensors.iter().map(|&(name, dtype, len)| {
        let start = end;
        end += len * (dtype.bitsize() / 8);
        (name.to_owned(), TensorInfo { dtype, shape: vec![len], data_offsets: (start, end) })
    });
    let header = Metadata::new(None, infos.collect()).map_err(|e| bad(&e))?;
    let mut header = serde_json::to_value(&header).map_err(|e| bad(&e))?;
    // By way of a sorted map, so that equal sets give equal files.
    header["__metadata__"] = serde_json::to_value(&metadata).map_err(|e| bad(&e))?;
    let mut header = header.to_string();
    header.extend(std::iter::repeat_n(' ', header.len().wrapping_neg() % 8));
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    Ok(())
}
