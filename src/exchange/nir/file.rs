//! Graphs in HDF5 files.

use super::{Graph, NirError, Node, Value};
use hdf5_pure::{FileBuilder, GroupBuilder};
use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Datatype, Hdf5File, OpenOptions};
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Deflate cannot do better than this.
const MOST_COMPRESSION: u64 = 1032;

/// Arrays from this length on are compressed.
const LONG: usize = 1024;

/// The version of the format that is written.
const VERSION: &str = "1.0.8";

impl Graph {
    /// Reads a file.
    ///
    /// No more memory is asked for than such a file can hold when it is unpacked.
    ///
    /// # Errors
    /// A file that is missing, damaged, or holds something else.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, NirError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        Self::from_bytes(bytes).map_err(|cause| NirError::File {
            path: path.display().to_string(),
            cause: Box::new(cause),
        })
    }

    /// Reads the bytes of a file.
    ///
    /// The reader of HDF5 beneath panics at some damaged files, which is caught: not where panics abort.
    ///
    /// # Errors
    /// See [`Graph::read`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, NirError> {
        // Whatever the reader of HDF5 makes of damaged files, an error comes out.
        catch_unwind(AssertUnwindSafe(|| parse(bytes)))
            .unwrap_or_else(|_| Err(damaged("/", "the file is damaged")))
    }

    /// Writes a file, with numbers of 8 bytes, beside and then in its place. Its folder is made.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), NirError> {
        let path = path.as_ref();
        let bytes = self.to_bytes()?;
        crate::beside::write(path, |file| file.write_all(&bytes)).map_err(|e| io(path, &e))
    }

    /// The bytes of a file, with numbers of 8 bytes.
    ///
    /// # Errors
    /// Names that HDF5 cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NirError> {
        let mut file = FileBuilder::new();
        file.create_dataset("version").with_vlen_strings(&[VERSION]).with_shape(&[]);
        let mut root = file.create_group("node");
        text(&mut root, "type", "NIRGraph");
        put_metadata(&mut root, &self.metadata);
        let names: Vec<&str> =
            self.edges.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
        let edges = root.create_dataset("edges");
        edges.with_vlen_strings(&names).with_shape(&[self.edges.len() as u64, 2]);
        let mut nodes = root.create_group("nodes");
        for (name, node) in &self.nodes {
            let mut group = nodes.create_group(name);
            text(&mut group, "type", &node.kind);
            node.fields.iter().for_each(|(field, value)| put(&mut group, field, value));
            put_metadata(&mut group, &node.metadata);
            nodes.add_group(group.finish());
        }
        root.add_group(nodes.finish());
        file.add_group(root.finish());
        file.finish().map_err(|e| damaged("/", &e.to_string()))
    }
}

fn io(path: &Path, error: &std::io::Error) -> NirError {
    NirError::Io { path: path.display().to_string(), problem: error.to_string() }
}

fn damaged(place: &str, problem: &str) -> NirError {
    NirError::Hdf5 { place: place.into(), problem: problem.into() }
}

fn text(group: &mut GroupBuilder, name: &str, value: &str) {
    group.create_dataset(name).with_vlen_strings(&[value]).with_shape(&[]);
}

fn put_metadata(group: &mut GroupBuilder, metadata: &BTreeMap<String, Value>) {
    if metadata.is_empty() {
        return;
    }
    let mut inside = group.create_group("metadata");
    metadata.iter().for_each(|(key, value)| put(&mut inside, key, value));
    group.add_group(inside.finish());
}

fn put(group: &mut GroupBuilder, name: &str, value: &Value) {
    let shape: Vec<u64> = value.shape().iter().map(|&n| n as u64).collect();
    let (dataset, len) = match value {
        Value::Text(value) => return text(group, name, value),
        Value::Floats(values) => {
            let list: Vec<f64> = values.iter().copied().collect();
            let dataset = group.create_dataset(name);
            (dataset.with_f64_data(&list), list.len())
        }
        Value::Integers(values) => {
            let list: Vec<i64> = values.iter().copied().collect();
            let dataset = group.create_dataset(name);
            (dataset.with_i64_data(&list), list.len())
        }
    };
    dataset.with_shape(&shape);
    if len >= LONG {
        dataset.with_shuffle().with_deflate(4);
    }
}

/// The memory that a file may still ask for.
struct Budget {
    file: u64,
    left: u64,
}

impl Budget {
    fn take(&mut self, place: &str, wanted: u64) -> Result<(), NirError> {
        let file = self.file;
        let bad = NirError::TooLarge { place: place.into(), wanted, file };
        self.left = self.left.checked_sub(wanted).ok_or(bad)?;
        Ok(())
    }
}

fn parse(bytes: Vec<u8>) -> Result<Graph, NirError> {
    let file = bytes.len() as u64;
    let left = file.saturating_mul(MOST_COMPRESSION);
    let most = usize::try_from(left).unwrap_or(usize::MAX);
    let options = OpenOptions::default()
        .with_max_chunk_bytes(most)
        .with_max_read_bytes(most)
        .with_max_object_header_bytes(bytes.len());
    let mut budget = Budget { file, left };
    let wrong = |place: &str| {
        let place = place.to_owned();
        move |e: Error| damaged(&place, &e.to_string())
    };
    let file = Hdf5File::from_vec_with_options(bytes, options).map_err(wrong("/"))?;
    let root = file.root_group().and_then(|root| root.group("node")).map_err(wrong("/node"))?;
    match get(&root, "/node", "type", &mut budget)? {
        Some(Value::Text(kind)) if kind == "NIRGraph" => {}
        _ => return Err(damaged("/node/type", "the root of a graph must be a NIRGraph")),
    }
    let metadata = get_metadata(&root, "/node", &mut budget)?;
    let mut nodes = BTreeMap::new();
    let groups = root.group("nodes").and_then(|nodes| nodes.groups());
    for group in groups.map_err(wrong("/node/nodes"))? {
        let name = group.name().to_owned();
        let place = format!("/node/nodes/{name}");
        let mut fields = get_all(&group, &place, &mut budget)?;
        let kind = match fields.remove("type") {
            Some(Value::Text(kind)) => kind,
            _ => return Err(damaged(&place, "the node has no type")),
        };
        let metadata = get_metadata(&group, &place, &mut budget)?;
        nodes.insert(name, Node { kind, fields, metadata });
    }
    let place = "/node/edges";
    let edges = root.dataset("edges").map_err(wrong(place))?;
    if !matches!(edges.shape(), [0, ..] | [_, 2]) {
        return Err(damaged(place, "edges must be pairs of names"));
    }
    let names = if edges.shape()[0] == 0 {
        Vec::new()
    } else {
        let count = edges.num_elements().map_err(wrong(place))?;
        budget.take(place, count.saturating_mul(size_of::<String>() as u64))?;
        edges.read_strings().map_err(wrong(place))?
    };
    let edges = names.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    Ok(Graph { nodes, edges, metadata })
}

fn get_metadata(
    group: &Group,
    place: &str,
    budget: &mut Budget,
) -> Result<BTreeMap<String, Value>, NirError> {
    let (groups, _) = group.member_names().map_err(|e| damaged(place, &e.to_string()))?;
    if !groups.iter().any(|name| name == "metadata") {
        return Ok(BTreeMap::new());
    }
    let place = format!("{place}/metadata");
    let inside = group.group("metadata").map_err(|e| damaged(&place, &e.to_string()))?;
    get_all(&inside, &place, budget)
}

fn get_all(
    group: &Group,
    place: &str,
    budget: &mut Budget,
) -> Result<BTreeMap<String, Value>, NirError> {
    let (_, datasets) = group.member_names().map_err(|e| damaged(place, &e.to_string()))?;
    let mut fields = BTreeMap::new();
    for name in datasets {
        if let Some(value) = get(group, place, &name, budget)? {
            fields.insert(name, value);
        }
    }
    Ok(fields)
}

/// A field; `None` if it is of another type than there is here.
fn get(
    group: &Group,
    place: &str,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Value>, NirError> {
    let place = format!("{place}/{name}");
    let wrong = |e: Error| damaged(&place, &e.to_string());
    let dataset = group.dataset(name).map_err(wrong)?;
    let count = dataset.num_elements().map_err(wrong)?;
    // Numbers of 8 bytes are kept, and once more while they are read.
    budget.take(&place, count.saturating_mul(16))?;
    let sizes = dataset.shape().iter().map(|&n| usize::try_from(n));
    let shape: Vec<usize> =
        sizes.collect::<Result<_, _>>().map_err(|e| damaged(&place, &e.to_string()))?;
    macro_rules! numbers {
        ($t:ty, $to:ty) => {{
            let values = dataset.read_array::<$t>().map_err(wrong)?;
            let values: Vec<$to> = values.iter().map(|&x| x as $to).collect();
            let bad = |_| damaged(&place, "the array has not the shape that it should have");
            ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(bad)?
        }};
    }
    Ok(match dataset.dtype() {
        Datatype::FloatingPoint { size: 4, .. } => Some(Value::Floats(numbers!(f32, f64))),
        Datatype::FloatingPoint { size: 8, .. } => Some(Value::Floats(numbers!(f64, f64))),
        Datatype::FixedPoint { size: 1, signed: true, .. } => {
            Some(Value::Integers(numbers!(i8, i64)))
        }
        Datatype::FixedPoint { size: 2, signed: true, .. } => {
            Some(Value::Integers(numbers!(i16, i64)))
        }
        Datatype::FixedPoint { size: 4, signed: true, .. } => {
            Some(Value::Integers(numbers!(i32, i64)))
        }
        Datatype::FixedPoint { size: 8, signed: true, .. } => {
            Some(Value::Integers(numbers!(i64, i64)))
        }
        Datatype::FixedPoint { size: 1, .. } => Some(Value::Integers(numbers!(u8, i64))),
        Datatype::FixedPoint { size: 2, .. } => Some(Value::Integers(numbers!(u16, i64))),
        Datatype::FixedPoint { size: 4, .. } => Some(Value::Integers(numbers!(u32, i64))),
        Datatype::String { .. } | Datatype::VarLen { .. } if count == 1 => {
            Some(Value::Text(dataset.read_string().map_err(wrong)?))
        }
        _ => None,
    })
}
