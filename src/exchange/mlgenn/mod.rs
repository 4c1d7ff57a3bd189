//! Checkpoints of mlGeNN: one `.npy` file per variable of a connection.
//!
//! A checkpoint holds the weights and the delays, pre x post and in time steps, and where a connection is sparse
//! the source and the target of each synapse. It holds no neurons and does not say how long a step is: the network
//! is built here as ever, and each [`Connection`] of the checkpoint becomes the synapses of a projection.
//!
//! ```
//! use eventprop::exchange::mlgenn::MlGenn;
//! use eventprop::{Lif, NetworkBuilder};
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//! # use eventprop::Dense;
//! # let dir = std::env::temp_dir().join(format!("eventprop-doc-mlgenn-{}", std::process::id()));
//! # let mut net = NetworkBuilder::<f64>::new();
//! # let (input, hidden) = (net.input("input", 3), net.layer("hidden", Lif::new(2)));
//! # net.connect(input, hidden, Dense::weights(0.5).delays(2.0));
//! # let _ = MlGenn::new(1.0).export(&net.build(&mut ChaCha8Rng::seed_from_u64(1))?, &dir, 7)?;
//!
//! let mlgenn = MlGenn::new(1.0); // time steps of 1 ms
//! let mut net = NetworkBuilder::<f64>::new();
//! let input = net.input("input", 3);
//! let hidden = net.layer("hidden", Lif::new(2).tau_mem(20.0).tau_syn(5.0));
//! let connection = mlgenn.read(&dir, 7, "Conn_Pop0_Pop1")?; // of epoch 7
//! net.connect(input, hidden, connection.synapses(2, 3)?.max_delay(62.0));
//! let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
//!
//! let report = mlgenn.export(&net, &dir, 8)?;
//! println!("{report}");
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;

pub use connection::Connection;

use super::Report;
use super::npy::{self, NpyError, Precision};
use crate::network::{Origin, Projection};
use crate::{DelayPer, Network, Real, SpikingNetwork, SynapseError};
use ndarray::{Array1, ArrayD};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a checkpoint was not read or written.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MlGennError {
    /// A file.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// A time step that is none.
    #[error("the time step is {dt} ms, but must be finite and above 0")]
    TimeStep {
        /// The time step in ms.
        dt: f64,
    },
    /// A connection without weights.
    #[error("there is neither {} nor {}", .paths[0].display(), .paths[1].display())]
    NoWeights {
        /// The files that were looked for.
        paths: [PathBuf; 2],
    },
    /// A variable with another number of values than there are synapses.
    #[error(
        "`{variable}` of `{connection}` has {found} values, but the connection needs {expected}"
    )]
    Count {
        /// The connection.
        connection: String,
        /// The variable.
        variable: &'static str,
        /// How many values it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A source or a target that is no number of a neuron.
    #[error("`{variable}` of `{connection}` has {value}, which is no number of a neuron")]
    Index {
        /// The connection.
        connection: String,
        /// `pre_ind` or `post_ind`.
        variable: &'static str,
        /// The value.
        value: f64,
    },
    /// Two projections would be written to the same files.
    #[error(
        "the projections `{}` and `{}` would both be written as `{connection}`; name one of them with `connection`",
        .projections[0], .projections[1]
    )]
    SameConnection {
        /// The connection.
        connection: String,
        /// The projections.
        projections: [String; 2],
    },
    /// A connection was named for a projection that the network does not have.
    #[error("there is no projection `{projection}` to write to a connection; there are {known:?}")]
    NoSuchProjection {
        /// The name given.
        projection: String,
        /// The names of all projections.
        known: Vec<String>,
    },
    /// More synapses than can be numbered.
    #[error(transparent)]
    Synapses(#[from] SynapseError),
}

/// The names that mlGeNN gives to weights and delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// `g` and `d`, as of mlGeNN 2.
    #[default]
    Short,
    /// `weight` and `delay`, as of mlGeNN 3.
    Long,
}

/// How to read and write checkpoints of mlGeNN.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct MlGenn {
    dt: f64,
    names: Names,
    precision: Precision,
    connections: Vec<(String, String)>,
}

impl MlGenn {
    /// With time steps of `dt` ms. Weights and delays are written as `g` and `d`, with 4 bytes each.
    pub fn new(dt: f64) -> Self {
        Self { dt, names: Names::Short, precision: Precision::Single, connections: Vec::new() }
    }

    /// The names of weights and delays to write. Both are read.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// How numbers are written.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The connection that a projection is written to. Without it that is `Conn_Pop0_Pop1` and so on, as mlGeNN
    /// names it, where populations are numbered from 0, inputs first.
    pub fn connection(mut self, projection: &str, connection: &str) -> Self {
        self.connections.retain(|(named, _)| named != projection);
        self.connections.push((projection.into(), connection.into()));
        self
    }

    fn check(&self) -> Result<(), MlGennError> {
        let dt = self.dt;
        if dt.is_finite() && dt > 0.0 { Ok(()) } else { Err(MlGennError::TimeStep { dt }) }
    }

    fn path(dir: &Path, epoch: usize, connection: &str, variable: &str) -> PathBuf {
        dir.join(format!("{epoch}-{connection}-{variable}.npy"))
    }

    /// Reads one connection of the checkpoint of an epoch.
    ///
    /// # Errors
    /// A time step without meaning, files that are missing, no arrays, or do not fit each other, and neurons that are not
    /// there. Weights must be there; delays and lists of synapses need not.
    pub fn read(
        &self,
        dir: impl AsRef<Path>,
        epoch: usize,
        connection: &str,
    ) -> Result<Connection, MlGennError> {
        self.check()?;
        let dir = dir.as_ref();
        let load = |variable: &str| -> Result<Option<ArrayD<f64>>, NpyError> {
            let path = Self::path(dir, epoch, connection, variable);
            path.exists().then(|| npy::read(path)).transpose()
        };
        let either = |short: &str, long: &str| load(short).transpose().or(load(long).transpose());
        let weights = either("g", "weight").transpose()?;
        let paths = ["g", "weight"].map(|v| Self::path(dir, epoch, connection, v));
        let weights = flat(weights.ok_or(MlGennError::NoWeights { paths })?);
        let delays = either("d", "delay").transpose()?.map(flat);
        let indices = |variable: &'static str| -> Result<Option<Vec<usize>>, MlGennError> {
            let Some(list) = load(variable)? else { return Ok(None) };
            let number = |value: f64| {
                let whole = value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0;
                let connection = connection.into();
                let bad = MlGennError::Index { connection, variable, value };
                if whole { Ok(value as usize) } else { Err(bad) }
            };
            flat(list).into_iter().map(number).collect::<Result<_, _>>().map(Some)
        };
        let missing = |variable| {
            let (connection, expected) = (connection.into(), weights.len());
            MlGennError::Count { connection, variable, found: 0, expected }
        };
        let count = |variable, found, expected| {
            let connection = connection.into();
            let bad = MlGennError::Count { connection, variable, found, expected };
            if found == expected { Ok(()) } else { Err(bad) }
        };
        let edges = match (indices("pre_ind")?, indices("post_ind")?) {
            (Some(pre), Some(post)) => {
                count("pre_ind", pre.len(), weights.len())?;
                count("post_ind", post.len(), weights.len())?;
                Some(pre.into_iter().zip(post).collect())
            }
            (None, None) => None,
            (Some(_), None) => return Err(missing("post_ind")),
            (None, Some(_)) => return Err(missing("pre_ind")),
        };
        if let Some(delays) = &delays {
            count("delay", delays.len(), weights.len())?;
        }
        Ok(Connection { name: connection.into(), dt: self.dt, weights, delays, edges })
    }

    /// Writes all projections of a network as the checkpoint of an epoch, into a folder that is made. Files of an earlier one
    /// that would be read with it are removed: those of the other [`Names`], and lists of synapses.
    ///
    /// # Errors
    /// A time step without meaning, a folder that cannot be written to, a connection for a projection that is not there, or
    /// one for two of them.
    pub fn export<F: Real>(
        &self,
        network: &SpikingNetwork<F>,
        dir: impl AsRef<Path>,
        epoch: usize,
    ) -> Result<Report, MlGennError> {
        self.check()?;
        let dir = dir.as_ref();
        let projections = || network.projections.iter();
        let unknown = |(name, _): &&(String, String)| projections().all(|p| p.name != *name);
        if let Some((name, _)) = self.connections.iter().find(unknown) {
            let known = projections().map(|p| p.name.clone()).collect();
            let projection = name.clone();
            return Err(MlGennError::NoSuchProjection { projection, known });
        }
        let mut named: Vec<(String, &Projection<F>)> = Vec::new();
        for projection in &network.projections {
            let connection = self.name(network, &projection.name);
            if let Some((_, other)) = named.iter().find(|(c, _)| *c == connection) {
                let projections = [&other.name, &projection.name].map(String::clone);
                return Err(MlGennError::SameConnection { connection, projections });
            }
            named.push((connection, projection));
        }
        let mut report = Report::default();
        let (short, long) = (["g", "d"], ["weight", "delay"]);
        let ([weight, delay], others) = match self.names {
            Names::Short => (short, long),
            Names::Long => (long, short),
        };
        for (connection, projection) in &named {
            let path = |variable| Self::path(dir, epoch, connection, variable);
            for variable in others.into_iter().chain(["pre_ind", "post_ind"]) {
                npy::remove(&path(variable))?;
            }
            let (post, pre) = projection.synapses.shape();
            let mut edges: Vec<(usize, usize, f64, f64)> = (0..post)
                .flat_map(|j| {
                    let row = projection.synapses.row(j);
                    row.iter().map(move |s| (s.pre, j, s.weight.as_f64(), s.delay.as_f64()))
                })
                .collect();
            // Pre x post; parallel synapses stay in order.
            edges.sort_by_key(|&(pre, post, ..)| (pre, post));
            let all = (0..pre).flat_map(|i| (0..post).map(move |j| (i, j)));
            if !edges.iter().map(|e| (e.0, e.1)).eq(all) {
                let index = |pick: fn(&(usize, usize, f64, f64)) -> usize| -> Vec<u32> {
                    edges.iter().map(|e| pick(e) as u32).collect()
                };
                npy::write_indices(&path("pre_ind"), &index(|e| e.0))?;
                npy::write_indices(&path("post_ind"), &index(|e| e.1))?;
            }
            let weights: Vec<f64> = edges.iter().map(|e| e.2).collect();
            let delays: Vec<f64> = edges.iter().map(|e| e.3).collect();
            let steps: Vec<f64> = delays.iter().map(|d| d / self.dt).collect();
            let place = &projection.name;
            let stored = |x: f64| match self.precision {
                Precision::Single => f64::from(x as f32),
                Precision::Double => x,
            };
            let back = |x: f64| F::of(x).as_f64();
            report.round(place, "weights", weights.iter().map(|&w| (w, back(stored(w)))));
            let returned = steps.iter().map(|&s| back(stored(s) * self.dt));
            report.round(place, "delays", delays.iter().copied().zip(returned));
            npy::write(path(weight), &Array1::from(weights).into_dyn(), self.precision)?;
            npy::write(path(delay), &Array1::from(steps).into_dyn(), self.precision)?;
            report.trained_synapses(place, projection.synapses.as_ref(), &[DelayPer::Synapse]);
            if projection.receptor > 0 {
                report.drop(place, "the synaptic time constant of its own");
            }
        }
        for layer in 0..network.layers() {
            report.drop(network.layer_info(layer).0, "the constants of the neurons");
        }
        Ok(report)
    }

    /// The connection of a projection.
    fn name<F: Real>(&self, network: &SpikingNetwork<F>, projection: &str) -> String {
        if let Some((_, name)) = self.connections.iter().find(|(p, _)| p == projection) {
            return name.clone();
        }
        let Some(p) = network.projections.iter().find(|p| p.name == projection) else {
            return projection.into();
        };
        let inputs = &network.inputs;
        let pre = match p.origin {
            Origin::Layer(layer) => inputs.len() + layer,
            Origin::Input { first } => {
                let mut channels = 0;
                let starts = inputs.iter().map(|(_, size)| {
                    channels += size;
                    channels - size
                });
                starts.take_while(|&start| start < first).count()
            }
        };
        let base = format!("Conn_Pop{pre}_Pop{}", inputs.len() + p.target);
        // Further ones between the same populations.
        let from = match p.origin {
            Origin::Layer(layer) => network.layers[layer].name.as_str(),
            Origin::Input { .. } => network.inputs.get(pre).map_or("", |(name, _)| name),
        };
        let usual = format!("{from}->{}", network.layers[p.target].name);
        match projection.strip_prefix(&usual).and_then(|rest| rest.strip_prefix('#')) {
            Some(number) => format!("{base}_{number}"),
            None => base,
        }
    }
}

/// The numbers in the order of C.
fn flat(array: ArrayD<f64>) -> Vec<f64> {
    array.iter().copied().collect()
}
