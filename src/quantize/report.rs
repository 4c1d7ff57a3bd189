//! What quantising changed.

use crate::Real;
use crate::network::Projection;
use std::fmt;

/// What [`Quantization::apply`](crate::Quantization::apply) changed, projection by projection.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QuantizationReport {
    /// In the order of [`SpikingNetwork::projections`](crate::SpikingNetwork::projections).
    pub projections: Vec<QuantizedProjection>,
}

/// What was changed in one projection.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct QuantizedProjection {
    /// Its name, `pre->post`.
    pub name: String,
    /// Every weight is this times an integer; `None` if weights were left alone.
    pub scale: Option<f64>,
    /// The weights of the synapses.
    pub weights: Rounding,
    /// The delays of the synapses in ms; where delays add, their sums.
    pub delays: Rounding,
}

/// How a list of values, one per synapse, was rounded.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rounding {
    /// The largest change.
    pub largest: f64,
    /// The mean of the changes without sign.
    pub mean: f64,
    /// How many stored values (of shared delays, there are fewer than synapses) lay half a step or more
    /// beyond the end of what can be represented.
    pub clipped: usize,
    /// How many different values there are now.
    pub distinct: usize,
    /// The synapses that were changed most, the most changed first.
    pub most_moved: Vec<MovedSynapse>,
}

/// A synapse before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MovedSynapse {
    /// Its number in its projection, as [`Synapse::index`](crate::Synapse::index).
    pub index: usize,
    /// The target neuron.
    pub post: usize,
    /// The source neuron.
    pub pre: usize,
    /// The exact value.
    pub before: f64,
    /// The value now.
    pub after: f64,
}

impl fmt::Display for QuantizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, projection) in self.projections.iter().enumerate() {
            let QuantizedProjection { name, weights, delays, .. } = projection;
            let end = if k == 0 { "" } else { "\n" };
            write!(f, "{end}{name}: weights {weights}; delays {delays} (ms)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { largest, mean, clipped, distinct, .. } = self;
        write!(f, "moved by {largest:.3} at most, {mean:.3} on average, {distinct} different now")?;
        if *clipped > 0 {
            write!(f, ", {clipped} clipped")?;
        }
        Ok(())
    }
}

impl MovedSynapse {
    fn change(&self) -> f64 {
        (self.after - self.before).abs()
    }
}

impl Rounding {
    fn new(mut moved: Vec<MovedSynapse>, clipped: usize, listed: usize) -> Self {
        let mean = moved.iter().map(MovedSynapse::change).sum::<f64>() / moved.len().max(1) as f64;
        let mut values: Vec<f64> = moved.iter().map(|m| m.after).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        // Stable, so equal changes stay in the order of the synapses.
        moved.sort_by(|a, b| b.change().total_cmp(&a.change()));
        let largest = moved.first().map_or(0.0, MovedSynapse::change);
        moved.truncate(listed);
        moved.retain(|m| m.change() > 0.0);
        moved.shrink_to_fit();
        Self { largest, mean, clipped, distinct: values.len(), most_moved: moved }
    }
}

/// The report of one projection. `clipped` counts weights and delays.
pub(super) fn compare<F: Real>(
    exact: &Projection<F>,
    rounded: &Projection<F>,
    clipped: (usize, usize),
    scale: Option<f64>,
    listed: usize,
) -> QuantizedProjection {
    let (mut weights, mut delays) = (Vec::new(), Vec::new());
    for post in 0..exact.synapses.shape().0 {
        let rows = exact.synapses.row(post).iter().zip(rounded.synapses.row(post).iter());
        for (old, new) in rows {
            let moved = |before: F, after: F| {
                let (before, after) = (before.as_f64(), after.as_f64());
                MovedSynapse { index: old.index, post, pre: old.pre, before, after }
            };
            weights.push(moved(old.weight, new.weight));
            delays.push(moved(old.delay, new.delay));
        }
    }
    QuantizedProjection {
        name: exact.name.clone(),
        scale,
        weights: Rounding::new(weights, clipped.0, listed),
        delays: Rounding::new(delays, clipped.1, listed),
    }
}

impl QuantizationReport {
    /// The report of one projection, by its name.
    pub fn projection(&self, name: &str) -> Option<&QuantizedProjection> {
        self.projections.iter().find(|p| p.name == name)
    }
}
