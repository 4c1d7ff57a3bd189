//! Recordings of event cameras: one file per recording, one folder per class.

use super::{
    DataError, Dataset,
    dataset::{About, Header},
    events::Source,
    scan::scan,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A row that stands for an overflow of the camera's clock instead of a pixel.
const OVERFLOW_ROW: u32 = 240;
/// What the clock loses at an overflow, in us.
const OVERFLOW: u64 = 1 << 13;

impl Dataset {
    /// Opens a folder of recordings as N-MNIST has them: `CLASS/ID.bin`, five bytes an event (x, y, then the
    /// polarity in one bit and the time in us in 23; y = 240 is no event, but says that the camera's clock lost 2^13 us).
    /// The channel of an event is
    /// `polarity + 2 (x + width y)`, so there are `2 width height` of them; N-MNIST is 34 x 34. Classes and
    /// recordings are sorted by name, numbers as numbers; hidden folders are none. Files stay where they are; all are read once, to check
    /// them and to find the duration, the least whole number of ms above all events.
    ///
    /// # Errors
    /// A folder or file that cannot be read, a file that is not a whole number of events, or a pixel
    /// outside of the camera.
    pub fn open_n_mnist(
        path: impl AsRef<Path>,
        width: usize,
        height: usize,
    ) -> Result<Self, DataError> {
        let path = path.as_ref();
        open(path, width, height).map_err(|e| e.in_file(path))
    }
}

fn open(path: &Path, width: usize, height: usize) -> Result<Dataset, DataError> {
    for (what, value) in [("width", width), ("height", height)] {
        if !(1..=256).contains(&value) {
            return Err(DataError::setting(what, value, "a byte gives from 1 to 256"));
        }
    }
    let mut class_names = Vec::new();
    let (mut files, mut about) = (Vec::new(), Vec::new());
    // Hidden folders are those of other programs.
    let is_class = |p: &PathBuf| p.is_dir() && !name(p).starts_with('.');
    for class in sorted(path)?.into_iter().filter(is_class) {
        let label = class_names.len() as u32;
        class_names.push(name(&class));
        let recordings =
            sorted(&class)?.into_iter().filter(|p| p.extension() == Some("bin".as_ref()));
        for recording in recordings {
            files.push(recording);
            about.push(About { label, ..About::default() });
        }
    }
    if files.is_empty() {
        return Err(DataError::format("there is no CLASS/ID.bin in this folder"));
    }
    let events = Arc::new(Recordings { files, width: width as u32, height: height as u32 });
    scan(events, about, Header { channels: 2 * width * height, class_names, ..Header::default() })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a folder has in it, numbers in the order of numbers, and before names.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = std::fs::read_dir(folder)
        .and_then(|dir| dir.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|e| DataError::from(e).in_file(folder))?;
    entries.sort_by_cached_key(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        (stem.parse::<u64>().unwrap_or(u64::MAX), name(path))
    });
    Ok(entries)
}

#[derive(Debug)]
struct Recordings {
    files: Vec<PathBuf>,
    width: u32,
    height: u32,
}

impl Source for Recordings {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let path = &self.files[sample];
        std::fs::read(path)
            .map_err(DataError::from)
            .and_then(|bytes| self.decode(&bytes, into))
            .map_err(|e| e.in_file(path))
    }
}

impl Recordings {
    fn decode(&self, bytes: &[u8], into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let (whole, rest) = (bytes.chunks_exact(5), bytes.len() % 5);
        if rest != 0 {
            let what = format!("{} bytes are not a whole number of events of 5", bytes.len());
            return Err(DataError::format(what));
        }
        let mut overflow = 0;
        for (event, b) in whole.enumerate() {
            let (x, y) = (u32::from(b[0]), u32::from(b[1]));
            if y == OVERFLOW_ROW && self.height <= OVERFLOW_ROW {
                overflow += OVERFLOW;
                continue;
            }
            if x >= self.width || y >= self.height {
                let Self { width, height, .. } = self;
                let what = format!("event {event}: pixel ({x}, {y}) outside of {width} x {height}");
                return Err(DataError::format(what));
            }
            let polarity = u32::from(b[2] >> 7);
            let clock = u64::from(b[2] & 0x7f) << 16 | u64::from(b[3]) << 8 | u64::from(b[4]);
            let time = (clock + overflow) as f64 / 1000.0;
            into.push((time, polarity + 2 * (x + self.width * y)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Vec<(f64, u32)>, DataError> {
        let recordings = Recordings { files: Vec::new(), width: 34, height: 34 };
        let mut events = Vec::new();
        recordings.decode(bytes, &mut events).map(|()| events)
    }

    #[test]
    fn five_bytes_are_one_event() {
        let events = decode(&[18, 11, 0x80 | 1, 2, 3, 0, 0, 0, 0, 7]).unwrap();
        assert_eq!(events, [(66.051, 1 + 2 * (18 + 34 * 11)), (0.007, 0)]);
        let late = decode(&[0, 240, 0, 0, 0, 1, 0, 0, 0, 5]).unwrap();
        assert_eq!(late, [(8.197, 2)]);
    }

    #[test]
    fn halves_of_events_and_foreign_pixels_are_refused() {
        assert!(decode(&[1, 2, 3, 4]).is_err());
        assert!(decode(&[34, 0, 0, 0, 0]).is_err());
        assert!(decode(&[0, 34, 0, 0, 0]).is_err());
        assert_eq!(decode(&[]).unwrap(), []);
    }
}
