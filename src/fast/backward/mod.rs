//! The backward passes of groups of neurons.
//!
//! [`shared`] is for neurons that share their constants, [`own`] for those with constants of their own.

mod course;
mod gather;
mod own;
mod seen;
mod shared;

pub(super) use course::{Course, decay};
pub(super) use own::Space as OwnSpace;
pub(crate) use seen::Seen;
pub(super) use shared::Space as SharedSpace;
