//! NumPy's `.npy` files: arrays of numbers, format versions 1 and 2.

use crate::memory;
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why an array was not read or written.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("{}: {problem}", path.display())]
pub struct NpyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: NpyProblem,
}

/// What is wrong with a `.npy` file.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NpyProblem {
    /// The system refused.
    #[error("{0}")]
    Io(String),
    /// No file of this format.
    #[error("this is no .npy file: it does not start with \\x93NUMPY")]
    Magic,
    /// A version of the format that is not read.
    #[error("version {0}.{1} of the format is not supported; 1.0 and 2.0 are")]
    Version(u8, u8),
    /// The file ends too soon.
    #[error("the file is cut off: it should have {expected} bytes, but has {found}")]
    Truncated {
        /// How many bytes there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The file goes on after the array.
    #[error("{0} bytes follow the array")]
    Trailing(u64),
    /// A header that does not say what it must.
    #[error("the header has no valid `{0}`")]
    Header(&'static str),
    /// Numbers of another type.
    #[error("numbers of type `{0}` are not supported; floats of 4 or 8 bytes and integers are")]
    Type(String),
    /// More numbers than there is memory for.
    #[error("its numbers take {0} bytes of memory, which cannot be had")]
    Memory(u128),
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Floats of 4 bytes, as mlGeNN and PyTorch use them.
    #[default]
    Single,
    /// Floats of 8 bytes.
    Double,
}

/// What the header says.
struct Header {
    read: Decode,
    bytes: usize,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads an array of floats or integers of any shape, in C or Fortran order and of either byte order.
///
/// No more memory is asked for than a small multiple of the file's size.
///
/// # Errors
/// A file that is missing, no `.npy` file, cut off, or holds something else than numbers.
pub fn read(path: impl AsRef<Path>) -> Result<ArrayD<f64>, NpyError> {
    let path = path.as_ref();
    let io = |e: std::io::Error| NpyProblem::Io(e.to_string());
    let bytes = File::open(path).and_then(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    let array = bytes.map_err(io).and_then(|bytes| parse(&bytes));
    array.map_err(|problem| NpyError { path: path.into(), problem })
}

/// Writes an array, in C order.
///
/// # Errors
/// What the system says.
pub fn write(
    path: impl AsRef<Path>,
    array: &ArrayD<f64>,
    precision: Precision,
) -> Result<(), NpyError> {
    let path = path.as_ref();
    let descr = if precision == Precision::Single { "<f4" } else { "<f8" };
    let data = array.iter().flat_map(|&x| match precision {
        Precision::Single => (x as f32).to_le_bytes().to_vec(),
        Precision::Double => x.to_le_bytes().to_vec(),
    });
    store(path, descr, array.shape(), data.collect())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), NpyError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let problem = NpyProblem::Io(error.to_string());
            Err(NpyError { path: path.to_owned(), problem })
        }
        _ => Ok(()),
    }
}

/// Writes a list of numbers of neurons.
pub(super) fn write_indices(path: &Path, indices: &[u32]) -> Result<(), NpyError> {
    let data = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
    store(path, "<u4", &[indices.len()], data)
}

fn store(path: &Path, descr: &str, shape: &[usize], data: Vec<u8>) -> Result<(), NpyError> {
    let sizes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let sizes = if shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The array starts at a multiple of 64 bytes.
    let filled = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(filled - 1 - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // Shapes are short.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    crate::beside::write(path, |file| file.write_all(&bytes))
        .map_err(|e| NpyError { path: path.into(), problem: NpyProblem::Io(e.to_string()) })
}

/// The array in the bytes of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<ArrayD<f64>, NpyProblem> {
    let found = bytes.len() as u64;
    let cut = |expected| NpyProblem::Truncated { expected, found };
    if bytes.len() < 6 || &bytes[..6] != b"\x93NUMPY" {
        return Err(NpyProblem::Magic);
    }
    let version = bytes.get(6..8).ok_or(cut(10))?;
    let (start, len) = match version {
        [1, 0] => (10, bytes.get(8..10).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])))),
        [2, 0] => {
            let len = bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            (12, len.map(u64::from))
        }
        _ => return Err(NpyProblem::Version(version[0], version[1])),
    };
    let end = start + len.ok_or(cut(start))?;
    let text = bytes.get(start as usize..end as usize).ok_or(cut(end))?;
    let Header { read, bytes: each, fortran, shape } = header(text)?;
    let count = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64));
    let expected = count.and_then(|n| n.checked_mul(each as u64)).and_then(|n| n.checked_add(end));
    let expected = expected.unwrap_or(u64::MAX);
    if found < expected {
        return Err(cut(expected));
    }
    if found > expected {
        return Err(NpyProblem::Trailing(found - expected));
    }
    let values = bytes[end as usize..].chunks_exact(each);
    memory::check(values.len() as u128, size_of::<f64>()).map_err(NpyProblem::Memory)?;
    let values = values.map(read).collect();
    ArrayD::from_shape_vec(IxDyn(&shape).set_f(fortran), values)
        .map_err(|_| NpyProblem::Header("shape"))
}

/// Reads the header: the text of a Python dictionary with three entries.
fn header(text: &[u8]) -> Result<Header, NpyProblem> {
    let text = std::str::from_utf8(text).map_err(|_| NpyProblem::Header("descr"))?;
    let value = |key: &'static str| {
        let quoted = [format!("'{key}':"), format!("\"{key}\":")];
        let at = quoted.iter().find_map(|q| text.find(q.as_str()).map(|at| at + q.len()));
        at.map(|at| text[at..].trim_start()).ok_or(NpyProblem::Header(key))
    };
    let descr = value("descr")?;
    let quote = descr.chars().next().filter(|c| "'\"".contains(*c));
    let descr = quote.and_then(|q| descr[1..].split(q).next());
    let descr = descr.ok_or(NpyProblem::Header("descr"))?;
    let order = value("fortran_order")?;
    let fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(NpyProblem::Header("fortran_order")),
    };
    let shape = value("shape")?;
    let inside = shape.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(inside, _)| inside);
    let sizes = inside.ok_or(NpyProblem::Header("shape"))?.split(',').map(str::trim);
    let shape: Result<Vec<usize>, _> = sizes.filter(|s| !s.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| NpyProblem::Header("shape"))?;
    // NumPy has at most 64 axes.
    if shape.len() > 64 {
        return Err(NpyProblem::Header("shape"));
    }
    let (read, bytes) = number(descr).ok_or_else(|| NpyProblem::Type(descr.into()))?;
    Ok(Header { read, bytes, fortran, shape })
}

/// Reads one number.
type Decode = fn(&[u8]) -> f64;

/// How to read a number of this type, and its length.
fn number(descr: &str) -> Option<(Decode, usize)> {
    macro_rules! from {
        ($t:ty, $convert:ident) => {{
            const N: usize = size_of::<$t>();
            let read: Decode = |b| {
                let mut bytes = [0; N];
                bytes.copy_from_slice(b);
                <$t>::$convert(bytes) as f64
            };
            Some((read, N))
        }};
    }
    match descr {
        "<f4" => from!(f32, from_le_bytes),
        ">f4" => from!(f32, from_be_bytes),
        "<f8" => from!(f64, from_le_bytes),
        ">f8" => from!(f64, from_be_bytes),
        "|u1" => from!(u8, from_le_bytes),
        "|i1" => from!(i8, from_le_bytes),
        "<u2" => from!(u16, from_le_bytes),
        "<i2" => from!(i16, from_le_bytes),
        "<u4" => from!(u32, from_le_bytes),
        "<i4" => from!(i32, from_le_bytes),
        "<u8" => from!(u64, from_le_bytes),
        "<i8" => from!(i64, from_le_bytes),
        ">u2" => from!(u16, from_be_bytes),
        ">i2" => from!(i16, from_be_bytes),
        ">u4" => from!(u32, from_be_bytes),
        ">i4" => from!(i32, from_be_bytes),
        ">u8" => from!(u64, from_be_bytes),
        ">i8" => from!(i64, from_be_bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
