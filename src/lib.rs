//! Exact, event-driven training of spiking neural networks with learnable delays.

mod adjoint;
mod arrivals;
mod batch;
pub mod check;
pub mod data;
mod error;
mod layer;
mod loss;
mod network;
pub mod optimize;
mod parameter;
mod readout;
mod real;
pub mod remedy;
mod replay;
mod sensitivity;
mod simulate;
mod spikes;
mod synapse;
mod trace;

pub use adjoint::AdjointError;
pub use batch::{BatchSummary, Sample, backward_batch, evaluate_batch};
pub use error::Error;
pub use layer::*;
pub use loss::*;
pub use network::{BuildError, Evaluation, Network, NetworkBuilder, PopulationId, SpikingNetwork};
pub use optimize::{Adam, OptimizeError, Optimizer, Sgd};
pub use parameter::*;
pub use readout::*;
pub use real::Real;
pub use sensitivity::*;
pub use simulate::SimulationError;
pub use spikes::{SpikeTrains, SpikeTrainsError};
pub use synapse::*;
pub use trace::Trace;
