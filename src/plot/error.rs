//! Why a picture could not be drawn.

use crate::{AdjointError, ReadoutError};
use plotters::drawing::DrawingAreaErrorKind;
use std::fmt::Display;
use std::path::PathBuf;
use thiserror::Error;

/// Why a picture could not be drawn.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("a picture of {picture} needs at least one {what}")]
    Empty {
        /// The picture.
        picture: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A list has the wrong length.
    #[error("{what}: there are {found}, but there must be {expected}")]
    Count {
        /// What is counted.
        what: String,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// More than anybody could tell apart.
    #[error("a picture of {picture} has room for {most} of {what}, but there are {found}")]
    TooMany {
        /// The picture.
        picture: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The length of a trial has no meaning.
    #[error("the trial takes {duration} ms, but must take a finite time above 0")]
    Duration {
        /// The length in ms.
        duration: f64,
    },
    /// A class that does not exist.
    #[error("{what} {index} is of class {class}, but there are {classes} classes (0-based)")]
    Class {
        /// What has the class.
        what: &'static str,
        /// Its position.
        index: usize,
        /// The class.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// There is no such layer.
    #[error("layer {layer} is to be drawn, but the network has {layers} (0-based)")]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// The number of layers.
        layers: usize,
    },
    /// No trial has a layer of that name.
    #[error("channels of the layer `{name}` are named, but no trial has such a layer")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// A layer without a place among those of the other trials.
    #[error(
        "a trial has a layer `{name}`, which the trial with the most layers lacks or has less often"
    )]
    OtherLayer {
        /// The name.
        name: String,
    },
    /// The trace does not fit the network.
    #[error(transparent)]
    Trace(#[from] AdjointError),
    /// A potential could not be read.
    #[error(transparent)]
    Readout(#[from] ReadoutError),
    /// The file could not be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The drawing library failed.
    #[error("the picture could not be drawn: {0}")]
    Drawing(String),
}

impl<E: std::error::Error + Send + Sync + Display> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Drawing(error.to_string())
    }
}
