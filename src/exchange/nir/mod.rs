//! NIR, the Neuromorphic Intermediate Representation: graphs of neurons, weights and delays in HDF5 files.
//!
//! [`Export`] turns a network into a [`Graph`] and [`Import`] a graph into a network; both are options first, since
//! NIR leaves the unit of time and the height of a current's jump to convention. What was chosen is written to the
//! metadata, so a file of ours says it by itself.
//!
//! ```
//! use eventprop::exchange::nir::{Delayed, Export, Import};
//! use eventprop::{Dense, LeakyIntegrator, Lif, NetworkBuilder};
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//! use rand_distr::Uniform;
//! # let path = std::env::temp_dir().join(format!("eventprop-doc-{}.nir", std::process::id()));
//!
//! let mut net = NetworkBuilder::<f64>::new();
//! let input = net.input("input", 4);
//! let hidden = net.layer("hidden", Lif::new(3));
//! let output = net.layer("output", LeakyIntegrator::new(2));
//! net.connect(input, hidden, Dense::weights(0.5).delays(Uniform::new(0.0, 20.0)?));
//! net.connect(hidden, output, Dense::weights(0.5).delays(1.0));
//! let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
//!
//! // Delays per synapse have no node: here as eight branches of one delay each.
//! let report = Export::new().delays(Delayed::Branches(8)).write(&net, &path)?;
//! println!("{report}");
//! let (again, report) = Import::new().read::<f64>(&path)?;
//! # let _ = (again, report);
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod convention;
mod delays;
mod error;
mod export;
mod file;
mod import;
mod neurons;
mod paths;
mod projections;
mod synapses;

pub use convention::{Jump, TimeUnit};
pub use error::NirError;
pub use export::{Delayed, Export, Resistance};
pub use import::Import;

use ndarray::ArrayD;
use std::collections::BTreeMap;

/// What a field of a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Floats, of any shape.
    Floats(ArrayD<f64>),
    /// Integers, of any shape.
    Integers(ArrayD<i64>),
    /// A text.
    Text(String),
}

/// A node of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its type, such as `CubaLIF`.
    pub kind: String,
    /// Its parameters by name.
    pub fields: BTreeMap<String, Value>,
    /// What stands beside them.
    pub metadata: BTreeMap<String, Value>,
}

/// A NIR graph, as it is in a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// From one node to another, each by name.
    pub edges: Vec<(String, String)>,
    /// What stands beside them.
    pub metadata: BTreeMap<String, Value>,
}

impl Node {
    fn new(kind: &str) -> Self {
        Self { kind: kind.into(), fields: BTreeMap::new(), metadata: BTreeMap::new() }
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.into(), value);
        self
    }

    fn note(mut self, key: &str, value: Value) -> Self {
        self.metadata.insert(key.into(), value);
        self
    }
}

impl Value {
    fn list(values: Vec<f64>) -> Self {
        Self::Floats(ndarray::Array1::from(values).into_dyn())
    }

    fn number(value: f64) -> Self {
        Self::Floats(ndarray::arr0(value).into_dyn())
    }

    fn count(value: usize) -> Self {
        Self::Integers(ndarray::arr0(value as i64).into_dyn())
    }

    fn sizes(values: impl IntoIterator<Item = usize>) -> Self {
        let values: Vec<i64> = values.into_iter().map(|n| n as i64).collect();
        Self::Integers(ndarray::Array1::from(values).into_dyn())
    }

    /// The numbers in the order of C.
    fn numbers(&self) -> Option<Vec<f64>> {
        match self {
            Self::Floats(values) => Some(values.iter().copied().collect()),
            Self::Integers(values) => Some(values.iter().map(|&n| n as f64).collect()),
            Self::Text(_) => None,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(values) => values.shape(),
            Self::Integers(values) => values.shape(),
            Self::Text(_) => &[],
        }
    }

    /// The number, if there is one.
    fn single(&self) -> Option<f64> {
        self.numbers().filter(|values| values.len() == 1).map(|values| values[0])
    }

    /// The numbers as places in lists, if they are.
    fn places(&self) -> Option<Vec<usize>> {
        let place = |x: &f64| {
            let whole = *x >= 0.0 && *x <= f64::from(u32::MAX) && x.fract() == 0.0;
            whole.then_some(*x as usize)
        };
        self.numbers()?.iter().map(place).collect()
    }
}
