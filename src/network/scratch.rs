//! The working memory of the passes through a network.

use crate::{Real, adjoint, fast, health, light, readout, simulate};

/// What a pass through a network needs besides its arguments. Each takes one from the network's pool
/// and sets up what it uses.
#[derive(Default)]
pub(crate) struct Scratch<F: Real> {
    pub simulation: simulate::Memory<F>,
    pub adjoint: adjoint::Memory<F>,
    pub recording: readout::Memory<F>,
    pub light: light::Scratch<F>,
    pub fast: fast::Scratch<F>,
    pub health: health::Memory,
}
