//! Exact, event-driven training of spiking neural networks with learnable delays.
//!
//! Do not use it for surrogate gradients, for convolutions, or for neurons without a closed form
//! between events.
//!
//! Every spike time is the root of a closed-form equation, and every gradient is the exact derivative
//! of the loss: EventProp (Wunderlich and Pehle 2021) with delays (Mészáros, Knight and Nowotny 2025),
//! without a time grid.
//!
//! ```text
//!  data ──▶ SpikeTrains ──▶ Network::forward ──▶ Trace ──▶ Readout ──▶ Loss ──▶ value
//!                               ▲                  │          y          │ dL/dy
//!                               │                  ▼                     ▼
//!                           Optimizer ◀─────── Gradients ◀── adjoint ◀── Sensitivity
//! ```
//!
//! | step | items |
//! |---|---|
//! | input | [`SpikeTrains`], [`data`] |
//! | network | [`NetworkBuilder`], [`SpikingNetwork`]; [`Lif`], [`LeakyIntegrator`], [`Constant`]; [`Dense`], [`Sparse`], [`Delays`] |
//! | simulation | [`Network::forward`], [`Trace`] |
//! | objective | [`Objective`], alone or added up ([`Goal`]) |
//! | read-outs | [`FirstSpikeTime`], [`SpikeTimes`], [`SpikeCount`]; [`MeanVoltage`], [`ExpWeightedMeanVoltage`], [`MaxVoltage`], [`VoltageAt`] |
//! | losses | [`CrossEntropy`], [`TimeInvariant`], [`ClassWeights`]; [`MeanSquaredError`]; [`SpikeTimeSquares`], [`VanRossum`]; [`ClassTargets`] |
//! | gradients | [`Network::backward`], [`Gradients`]; whole batches [`backward_batch`]; the checker [`check::GradientCheck`] |
//! | gradient health | [`Health`], of [`BatchSummary::health`] or [`Network::backward_with`]; [`remedy`], [`BackwardOptions`] |
//! | inference without end | [`Simulator`], [`Spike`] |
//! | pictures | `plot`, with the feature of this name |
//! | other programs | `exchange`, with the features `nir` and `mlgenn` |
//! | training | [`train`], [`Sgd`], [`Adam`], [`Rates`], [`DelayPenalty`]; [`SpikingNetwork::rewire`] |
//! | several processes | `distributed`, with the feature of this name; over MPI with `mpi` |
//! | hardware | [`Quantization`]: delays on a grid, weights of a few bits, fine-tuning |
//!
//! | feature | default | what for |
//! |---|---|---|
//! | `serde` | yes | store and load spike trains, networks, gradients, reports and optimisers |
//! | `rayon` | yes | all cores: samples of a batch, steps, reading samples, gradient checks |
//! | `files` | yes | event files, checkpoints, saved networks |
//! | `hdf5` | no | SHD and SSC files |
//! | `plot` | no | pictures as SVG |
//! | `progress` | no | a progress bar for training |
//! | `distributed`, `mpi` | no | training by several processes; the second with an MPI of the system |
//! | `nir`, `mlgenn` | no | files of other programs |
//!
//! Extend it by implementing [`Layer`] (or only [`LinearLayer`]), [`DelayedSynapses`] and [`Connectivity`] that makes them,
//! [`Readout`], [`Loss`] or [`Optimizer`]. A [`Network`] of your own wraps a [`SpikingNetwork`].
//!
//! Units: times, delays and time constants are in ms; potentials, weights and currents have no
//! dimension; gradients by times are per ms. Matrices are post x pre.
//!
//! A guide, a cookbook, a comparison with other libraries, the derivation and the design are pages of this documentation, in
//! [`guide`], and files in the folder `docs` of the package.
//!
//! ```
//! use eventprop::rand::{SeedableRng, rngs::ChaCha8Rng}; // the crate `rand`
//! use eventprop::{CrossEntropy, Dense, LeakyIntegrator, Lif, MeanVoltage, Network, NetworkBuilder, Objective, SpikeTrains};
//!
//! let mut net = NetworkBuilder::new();
//! let input = net.input("input", 2);
//! let hidden = net.layer("hidden", Lif::new(3));
//! let output = net.layer("output", LeakyIntegrator::new(2));
//! net.connect(input, hidden, Dense::weights(4.0).delays(1.5));
//! net.connect(hidden, output, Dense::weights(0.3).delays(0.0));
//! let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
//!
//! let trace = net.forward(&SpikeTrains::from_channels([[1.0, 4.0], [2.0, 3.0]])?, 50.0)?;
//! let objective = Objective::new(MeanVoltage, CrossEntropy::new());
//! let (evaluation, gradients) = net.backward(&trace, &objective, &0)?;
//! assert_eq!(evaluation.readout.len(), 2);
//! assert_eq!(gradients.get("input->hidden", eventprop::ParameterKind::Delay).unwrap().len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is computed
//!
//! Each formula also stands below as plain text, for readers without a network to fetch KaTeX. V and I are the potential and the
//! current of a neuron, t_k the times at which the source of a synapse of weight w and delay d fires.
//!
//! $$\tau_m \dot V = -V + I \qquad \tau_s \dot I = -I \qquad I(t_k + d) \gets I + w \qquad V = \vartheta : V \gets V_r$$
//!
//! ```text
//! tau_mem V' = -V + I    tau_syn I' = -I    at t_k + d: I += w    where V reaches the threshold: V = reset
//! ```
//!
//! Backwards in time from p = 0 at the end of the trial, with p the derivative of the loss L by the state and p+ its value
//! just after an event:
//!
//! $$\tau_m \dot p_V = p_V \qquad \tau_s \dot p_I = p_I - \frac{\tau_s}{\tau_m} p_V \qquad
//! p_V = p_V^{+} - \frac{1}{\dot V} \Big( \frac{dL}{dt} + p_V^{+} \frac{V_r - \vartheta}{\tau_m} \Big) \text{ at a spike}$$
//!
//! ```text
//! tau_mem p_V' = p_V    tau_syn p_I' = p_I - (tau_syn / tau_mem) p_V
//! at a spike: p_V = p_V+ - (dL/dt + p_V+ (reset - threshold) / tau_mem) / V'
//! ```
//!
//! V' is that before the spike, and dL/dt all that depends on its time: the loss, and what it does where it arrives. The
//! gradients are sums over arrivals:
//!
//! $$\frac{dL}{dw} = \sum_k p_I(t_k + d) \qquad
//! \frac{dL}{dd} = w \sum_k \Big( \frac{p_I}{\tau_s} - \frac{p_V}{\tau_m} \Big)(t_k + d) \qquad
//! \frac{dL}{dt_k} \text{ gains term } k \text{ of } dL/dd \text{ of each synapse that the spike passes}$$
//!
//! ```text
//! dL/dw = sum_k p_I(t_k + d)
//! dL/dd = w sum_k (p_I / tau_syn - p_V / tau_mem)(t_k + d)
//! dL/dt_k gains term k of dL/dd of each synapse that the spike passes
//! ```
//!
//! The [derivation](guide::derivation) has all models, and the tests that hold the formulas.

mod adjoint;
mod arrivals;
mod assessment;
mod batch;
mod beside;
pub mod check;
pub mod data;
#[cfg(feature = "distributed")]
pub mod distributed;
mod error;
#[cfg(any(feature = "mlgenn", feature = "nir"))]
pub mod exchange;
mod fast;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hash;
mod health;
mod layer;
mod light;
mod loss;
mod memory;
mod network;
#[cfg(feature = "serde")]
mod number;
mod objective;
mod optimize;
mod parallel;
mod parameter;
#[cfg(feature = "plot")]
pub mod plot;
mod pool;
mod quantize;
mod random;
mod readout;
mod real;
pub mod remedy;
mod replay;
mod sensitivity;
#[cfg(all(debug_assertions, not(test)))]
mod shared;
mod simulate;
mod simulator;
mod spikes;
mod synapse;
mod trace;
pub mod train;

pub use adjoint::{AdjointError, Deferred};
pub use assessment::{Assessment, Evaluation};
pub use batch::{BatchSummary, Sample, backward_batch, backward_batch_with, evaluate_batch};
pub use error::Error;
pub use health::{ArrivalCounts, AtSpike, Health, LayerHealth};
pub use layer::*;
pub use loss::*;
#[cfg(feature = "files")]
pub use network::NetworkFileError;
pub use network::{
    BuildError, Engine, Network, NetworkBuilder, Source, SpikingNetwork, StorageLayout,
};
pub use objective::*;
pub use optimize::{Adam, OptimizeError, Optimizer, OptimizerState, ParameterGroup, Rates, Sgd};
pub use parameter::*;
pub use quantize::*;
pub use readout::*;
pub use real::Real;
pub use remedy::options::BackwardOptions;
pub use sensitivity::*;
pub use simulate::SimulationError;
pub use simulator::{Simulator, Spike};
pub use spikes::{SpikeTrains, SpikeTrainsError};
pub use synapse::*;
pub use trace::Trace;

/// The versions whose types are in this interface, for users who want no dependency of their own on them. `rand` has its
/// features `std` and `chacha`.
pub use {ndarray, rand, rand_distr};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
