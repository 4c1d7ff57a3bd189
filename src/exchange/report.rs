//! What was lost on the way.

use crate::{DelayPer, DelayedSynapses, Parameter, ParameterKind, Real};
use std::{fmt, iter};

/// What a format could not hold, or did not say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// Numbers come back changed, by rounding.
    Rounded {
        /// What they are.
        what: &'static str,
        /// The greatest relative change.
        most: f64,
    },
    /// Delays were moved to a few levels.
    Quantised {
        /// How many there are.
        levels: usize,
        /// How many delays are not where they were.
        moved: usize,
        /// The greatest change in ms.
        most: f64,
        /// The root of the mean squared change in ms.
        rms: f64,
    },
    /// Something stands in the metadata only: it comes back here, but other programs do not see it.
    OnlyInMetadata {
        /// What it is.
        what: &'static str,
    },
    /// Something does not come back.
    Dropped {
        /// What it is.
        what: String,
    },
    /// The file does not say, so this was taken for granted.
    Assumed {
        /// What it is.
        what: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounded { what, most } => write!(f, "{what} are rounded, by up to {most:.1e}"),
            Self::Quantised { levels, moved, most, rms } => write!(
                f,
                "delays are moved to {levels} levels: {moved} of them, by up to {most} ms, rms {rms} ms"
            ),
            Self::OnlyInMetadata { what } => write!(f, "{what}: in the metadata only"),
            Self::Dropped { what } => write!(f, "{what}: lost"),
            Self::Assumed { what } => write!(f, "assumed: {what}"),
        }
    }
}

/// A loss, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The layer, the projection or the node.
    pub place: String,
    /// What is lost.
    pub loss: Loss,
}

/// All that an export or an import lost or took for granted.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use = "it tells what the format could not hold"]
pub struct Report {
    /// One after the other; empty if nothing was lost.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&mut self, place: impl Into<String>, loss: Loss) {
        self.findings.push(Finding { place: place.into(), loss });
    }

    pub(super) fn drop(&mut self, place: &str, what: impl Into<String>) {
        self.add(place, Loss::Dropped { what: what.into() });
    }

    #[cfg(feature = "nir")]
    pub(super) fn assume(&mut self, place: &str, what: impl Into<String>) {
        self.add(place, Loss::Assumed { what: what.into() });
    }

    /// Names what is trained of a projection, if that is not each weight, and delays of these kinds, without bounds but
    /// that they are not negative.
    pub(super) fn trained_synapses<F: Real>(
        &mut self,
        place: &str,
        synapses: &dyn DelayedSynapses<F>,
        delays: &[DelayPer],
    ) {
        let (all, shape) = (synapses.synapses(), synapses.shape());
        let counts = delays.iter().map(|per| per.members(all, shape));
        if !self.trained(place, &synapses.parameters(), iter::once(all).chain(counts)) {
            return;
        }
        // Synapses from outside the crate need not tell.
        let kinds = synapses.delay_kinds();
        let found = kinds.iter().map(|kind| (kind.per, kind.smooth));
        if !kinds.is_empty() && found.ne(delays.iter().map(|&per| (per, false))) {
            self.drop(place, "what learned delays belong to, and their longest");
        }
    }

    /// Names what is trained, if that is not these numbers of parameters, without bounds but that delays are not
    /// negative. Whether it is.
    pub(super) fn trained<F: Real>(
        &mut self,
        place: &str,
        parameters: &[Parameter<'_, F>],
        expected: impl IntoIterator<Item = usize>,
    ) -> bool {
        let free = parameters.iter().all(|p| {
            let lowest = match p.kind {
                ParameterKind::Delay => F::zero(),
                _ => F::neg_infinity(),
            };
            p.bounds.upper == F::infinity() && p.bounds.lower <= lowest
        });
        let as_expected = free && parameters.iter().map(|p| p.values.len()).eq(expected);
        if !as_expected {
            self.drop(place, "which parameters are trained, and within which bounds");
        }
        as_expected
    }

    /// Names numbers that are not the same after the way out and back.
    pub(super) fn round(
        &mut self,
        place: &str,
        what: &'static str,
        pairs: impl IntoIterator<Item = (f64, f64)>,
    ) {
        let change = |(before, after): (f64, f64)| {
            if before == after { 0.0 } else { ((after - before) / before).abs() }
        };
        let most = pairs.into_iter().map(change).fold(0.0, f64::max);
        if most > 0.0 {
            self.add(place, Loss::Rounded { what, most });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return f.write_str("nothing was lost");
        }
        for (k, Finding { place, loss }) in self.findings.iter().enumerate() {
            let end = if k == 0 { "" } else { "\n" };
            write!(f, "{end}`{place}`: {loss}")?;
        }
        Ok(())
    }
}
