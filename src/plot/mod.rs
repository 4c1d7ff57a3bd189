//! Pictures: rasters, membrane traces, histograms, curves, confusion matrices and comparisons, as SVG.
//!
//! A picture is described by a value ([`Raster`], [`Membranes`], [`Histograms`], [`TrainingCurves`],
//! [`Chart`], [`Comparison`], [`Confusion`], [`DecisionMap`]), whose `draw` gives a [`Picture`]: SVG, to be kept as text or saved. All share
//! one style, whose colours readers with any colour vision can tell apart.
//!
//! ```
//! use eventprop::plot::Comparison;
//! let picture = Comparison::new("hidden neurons", "test accuracy (%)")
//!     .title("Learned delays help small networks most")
//!     .series("learned delays", [(16, vec![93.1, 94.0, 93.5]), (64, vec![95.8, 95.2, 96.0])])
//!     .series("no delays", [(16, vec![71.0, 69.5, 73.2]), (64, vec![84.0, 83.1, 85.2])])
//!     .draw()?;
//! assert!(picture.svg().starts_with("<svg"));
//! # let folder = std::env::temp_dir();
//! picture.save(folder.join("comparison.svg"))?;
//! # std::fs::remove_file(folder.join("comparison.svg"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Numbers that are not finite leave a gap; nothing to draw at all is a [`PlotError`] or axes without content, as
//! each picture says.

mod chart;
mod comparison;
mod confusion;
mod curves;
mod decision_map;
mod error;
mod histogram;
mod membrane;
mod raster;
mod scale;
mod style;
#[cfg(test)]
mod tests;

pub use chart::{Axis, Chart, Line, Panel};
pub use comparison::Comparison;
pub use confusion::Confusion;
pub use curves::{TrainingCurves, TrainingRun};
pub use decision_map::DecisionMap;
pub use error::PlotError;
pub use histogram::Histograms;
pub use membrane::Membranes;
pub use raster::{Raster, Trial};

use std::path::Path;

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    svg: String,
}

impl Picture {
    /// The picture as SVG.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The picture as SVG, without a copy.
    pub fn into_svg(self) -> String {
        self.svg
    }

    /// Writes the picture to a file, over what was there. Its folder is made.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        crate::beside::make_folder_of(path)
            .and_then(|()| std::fs::write(path, &self.svg))
            .map_err(|e| PlotError::Write { path: path.into(), reason: e.to_string() })
    }
}
