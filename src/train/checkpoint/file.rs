//! The form of a checkpoint in memory and in bytes.

use super::CheckpointError;
use crate::hash::fnv1a;
use crate::train::History;
use crate::{DelayKind, Real};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

const FORMAT: &str = "eventprop checkpoint";
const VERSION: u64 = 4;
/// The key of the metadata: one, because the order of several would be left to chance.
const KEY: &str = "eventprop";
/// Tensors are sorted by size of element, then by name: of the two of bytes this one comes last.
const CHECKSUM: &str = "checksum";
/// No metadata, whose length is limited: it grows from epoch to epoch.
const HISTORY: &str = "_history";

/// Parameters, and what else training needs to go on.
///
/// A safetensors file. Parameters have the names of [`StorageLayout`](crate::StorageLayout), those of the best
/// epoch `best.` before it, and each list of the optimiser `optimizer.LIST.`. All are as they are trained: kinds
/// such as `tau_mem` are logarithms. The metadata `eventprop` is JSON; `delays` in it says what each block of
/// delays is, `fixed` has a hash of what each projection and layer has that is not trained. Tensor `_history` is
/// the JSON of the [`History`]. The last 8 bytes, tensor `checksum`, are the 64-bit FNV-1a hash of all before.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) delays: BTreeMap<String, DelayKind>,
    pub(super) fixed: BTreeMap<String, u64>,
    pub(super) training: Option<Training>,
}

/// A list of numbers with a shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// All of the state of training that is no list of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Training {
    /// For readers; as many as the history has.
    pub epochs: usize,
    pub batches: u64,
    pub settings: BTreeMap<String, String>,
    pub optimizer_steps: Option<u64>,
    /// The bits of what each series of bumps has grown to, as `f64`.
    pub bumps: Vec<Option<u64>>,
    /// In a tensor of its own.
    #[serde(skip)]
    pub history: History,
}

#[derive(Serialize, Deserialize)]
struct Metadata<'a> {
    format: Cow<'a, str>,
    version: u64,
    crate_version: Cow<'a, str>,
    units: Cow<'a, str>,
    delays: Cow<'a, BTreeMap<String, DelayKind>>,
    fixed: Cow<'a, BTreeMap<String, u64>>,
    training: Option<Cow<'a, Training>>,
}

/// What tells the version, whatever else that version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

impl Tensor {
    pub fn of<F: Real>(values: &[F], shape: Vec<usize>) -> Self {
        let dtype = Self::dtype::<F>();
        let single = |x: &F| (x.as_f64() as f32).to_le_bytes();
        let data = match dtype {
            Dtype::F32 => values.iter().flat_map(single).collect(),
            _ => values.iter().flat_map(|x| x.as_f64().to_le_bytes()).collect(),
        };
        Self { dtype, shape, data }
    }

    pub fn of_neurons(neurons: &[u32]) -> Self {
        let data = neurons.iter().flat_map(|&n| i64::from(n).to_le_bytes()).collect();
        Self { dtype: Dtype::I64, shape: vec![neurons.len()], data }
    }

    /// A type is as precise as it is long.
    fn dtype<F: Real>() -> Dtype {
        if size_of::<F>() == 4 { Dtype::F32 } else { Dtype::F64 }
    }

    /// The values, if they have this type and shape and are all finite.
    pub fn values<F: Real>(&self, name: &str, shape: &[usize]) -> Result<Vec<F>, CheckpointError> {
        let dtype = Self::dtype::<F>();
        if self.dtype != dtype || self.shape != shape {
            return Err(CheckpointError::Tensor {
                name: name.to_owned(),
                found: format!("is {:?} of shape {:?}", self.dtype, self.shape),
                expected: format!("this network has {dtype:?} of shape {shape:?}"),
            });
        }
        Ok(self.finite(name)?.into_iter().map(F::of).collect())
    }

    /// The values, if they are all finite; none of a type that parameters do not have.
    fn finite(&self, name: &str) -> Result<Vec<f64>, CheckpointError> {
        let single = |b: &[u8]| b.try_into().map_or(f64::NAN, |b| f64::from(f32::from_le_bytes(b)));
        let double = |b: &[u8]| b.try_into().map_or(f64::NAN, f64::from_le_bytes);
        let values: Vec<f64> = match self.dtype {
            Dtype::F32 => self.data.chunks_exact(4).map(single).collect(),
            Dtype::F64 => self.data.chunks_exact(8).map(double).collect(),
            _ => Vec::new(),
        };
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(values),
            Some(index) => Err(CheckpointError::Tensor {
                name: name.to_owned(),
                found: format!("has {} at position {index}", values[index]),
                expected: "all values must be finite".to_owned(),
            }),
        }
    }
}

impl Checkpoint {
    /// The reports of the epochs so far; `None` if it holds parameters alone.
    pub fn history(&self) -> Option<&History> {
        self.training.as_ref().map(|training| &training.history)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        // What could not be read is not written.
        self.tensors.iter().try_for_each(|(name, tensor)| tensor.finite(name).map(drop))?;
        let metadata = Metadata {
            format: FORMAT.into(),
            version: VERSION,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            units: "times in ms, delays too; weights and potentials without dimension; matrices post x pre"
                .into(),
            delays: Cow::Borrowed(&self.delays),
            fixed: Cow::Borrowed(&self.fixed),
            training: self.training.as_ref().map(Cow::Borrowed),
        };
        let metadata = serde_json::to_string(&metadata).map_err(|e| damaged(&e))?;
        let bytes = |data: Vec<u8>| Tensor { dtype: Dtype::U8, shape: vec![data.len()], data };
        let none = bytes(vec![0; 8]);
        let history = self.history().map(serde_json::to_vec).transpose();
        let history = history.map_err(|e| damaged(&e))?.map(bytes);
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        let history = history.iter().map(|history| (HISTORY, history));
        let views = tensors.chain(history).chain([(CHECKSUM, &none)]).map(|(name, tensor)| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data);
            Ok((name, view.map_err(|e| format(&e))?))
        });
        let views = views.collect::<Result<Vec<_>, CheckpointError>>()?;
        let metadata = HashMap::from([(KEY.to_owned(), metadata)]);
        let mut bytes = serialize(views, Some(metadata)).map_err(|e| format(&e))?;
        let content = bytes.len().saturating_sub(8);
        let checksum = fnv1a(bytes[..content].iter().copied());
        bytes[content..].copy_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| format(&e))?;
        let metadata = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let metadata =
            metadata.ok_or(CheckpointError::Foreign { what: "no metadata `eventprop`" })?;
        let head: Head = serde_json::from_str(metadata).map_err(|e| damaged(&e))?;
        if head.format != FORMAT {
            return Err(CheckpointError::Foreign { what: "another `format` in its metadata" });
        }
        if head.version != VERSION {
            return Err(CheckpointError::Version { found: head.version, expected: VERSION });
        }
        let (content, checksum) = bytes.split_at(bytes.len().saturating_sub(8));
        let found = checksum.try_into().map_or(0, u64::from_le_bytes);
        let expected = fnv1a(content.iter().copied());
        if found != expected {
            return Err(CheckpointError::Checksum { found, expected });
        }
        let Metadata { delays, fixed, training, .. } =
            serde_json::from_str(metadata).map_err(|e| damaged(&e))?;
        let mut training = training.map(Cow::into_owned);
        let file = SafeTensors::deserialize(bytes).map_err(|e| format(&e))?;
        if let Some(Training { epochs, history, .. }) = &mut training {
            let stored = file.tensor(HISTORY).map_err(|e| format(&e))?;
            *history = serde_json::from_slice(stored.data()).map_err(|e| damaged(&e))?;
            let numbers = history.epochs.iter().map(|report| report.epoch);
            if !numbers.eq(0..*epochs) {
                let what = "the epochs of the history are not in order".to_owned();
                return Err(CheckpointError::Metadata { what });
            }
        }
        let own = [CHECKSUM, HISTORY];
        let tensors = file.iter().filter(|(name, _)| !own.contains(name)).map(|(name, view)| {
            let (dtype, shape, data) = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
            (name.to_owned(), Tensor { dtype, shape, data })
        });
        Ok(Self {
            tensors: tensors.collect(),
            delays: delays.into_owned(),
            fixed: fixed.into_owned(),
            training,
        })
    }
}

fn damaged(error: &serde_json::Error) -> CheckpointError {
    CheckpointError::Metadata { what: error.to_string() }
}

fn format(error: &safetensors::SafeTensorError) -> CheckpointError {
    CheckpointError::Format { what: error.to_string() }
}
