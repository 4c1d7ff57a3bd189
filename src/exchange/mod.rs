//! Networks for other programs, and from them: NIR graphs and mlGeNN checkpoints.
//!
//! Every export and import returns a [`Report`] that names what the format could not hold. Without
//! findings in it, a network that goes out and comes back is the same to the last bit in all that it computes; but
//! constants that each neuron has of its own, all equal, come back as one for all, and the fast engine may round otherwise.
//! What is trained, and within which bounds, is no part of any format here.
//!
//! The guide is [here](crate::guide::interchange).

#[cfg(feature = "mlgenn")]
pub mod mlgenn;
#[cfg(feature = "nir")]
pub mod nir;
#[cfg(feature = "mlgenn")]
pub mod npy;
mod report;

pub use report::{Finding, Loss, Report};
