//! The spike-count regulariser.

use super::{RemedyError, check, check_layer};
use crate::{BatchSummary, LayerSensitivity, Network, Real, Trace};

/// Holds the number of spikes per neuron and trial between two counts (Mészáros et al. 2025).
///
/// A heuristic, since a count has no gradient. At each spike of a neuron that fires N times, where the
/// upper count is less,
///
/// ```text
/// dL/dV(just before the spike) += strength (N - count)
/// ```
///
/// and with the lower count likewise where N is less, which only helps neurons that fire at all. So it is
/// the gradient of sum over spikes of strength (N - count) V, with the factor and the time at which V is
/// taken held constant: the same as dL/dt -= slope strength (N - count) for the spike, with the slope that
/// the backward pass divides by. A trainable threshold is V at the spike, so its gradient gets -strength (N - count): where
/// spikes are too many it rises.
///
/// N is the mean of the batch, as in the paper. [`backward_batch_with`](crate::backward_batch_with) finds it
/// by simulating the batch once before, which costs another forward pass;
/// [`SpikeCountRegularizer::per_trial`] takes each trial's own count instead, at no cost. A single trial is a
/// batch of one.
///
/// The paper subtracts (k / B) (mean - count) from lambda_V = -(dL/dV) / tau_mem, for B samples of a batch; gradients here
/// are means over those, so strength = k tau_mem. Its regulariser acts on both sides of one count of 14: `.upper(14.0, s).lower(14.0, s)`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct SpikeCountRegularizer {
    layer: usize,
    upper: Option<(f64, f64)>,
    lower: Option<(f64, f64)>,
    per_trial: bool,
}

impl SpikeCountRegularizer {
    /// For a layer, by number; without a bound it does nothing.
    pub fn new(layer: usize) -> Self {
        Self { layer, upper: None, lower: None, per_trial: false }
    }

    /// Acts on neurons that fire more than `count` times a trial.
    pub fn upper(mut self, count: f64, strength: f64) -> Self {
        self.upper = Some((count, strength));
        self
    }

    /// Acts on neurons that fire less than `count` times a trial.
    pub fn lower(mut self, count: f64, strength: f64) -> Self {
        self.lower = Some((count, strength));
        self
    }

    /// Takes each trial's own count, not the mean of the batch.
    pub fn per_trial(mut self) -> Self {
        self.per_trial = true;
        self
    }

    pub(super) fn check<F: Real>(&self, network: &dyn Network<F>) -> Result<(), RemedyError> {
        check_layer(network, self.layer)?;
        for (count, strength) in [self.upper, self.lower].into_iter().flatten() {
            let positive = |x: f64| x >= 0.0;
            check::<F>("the spike count", count, positive, "finite and not negative")?;
            let what = "the strength of the spike-count regulariser";
            check::<F>(what, strength, positive, "finite and not negative")?;
        }
        if let (Some((upper, _)), Some((lower, _))) = (self.upper, self.lower) {
            let rule = "no more than the upper one";
            check::<f64>("the lower spike count", lower, |l| l <= upper, rule)?;
        }
        Ok(())
    }

    pub(super) fn needs_batch(&self) -> bool {
        !self.per_trial
    }

    pub(super) fn layer(&self) -> usize {
        self.layer
    }

    /// dL/dV at each spike of a neuron that fires so often.
    fn push(&self, count: f64) -> f64 {
        let above = self.upper.filter(|(most, _)| count > *most);
        let below = self.lower.filter(|(least, _)| count < *least);
        above.or(below).map_or(0.0, |(target, strength)| strength * (count - target))
    }

    /// Adds to the sensitivity of its layer; returns to how many spikes.
    pub(super) fn apply<F: Real>(
        &self,
        trace: &Trace<F>,
        batch: Option<&BatchSummary<F>>,
        sensitivity: &mut LayerSensitivity<F>,
    ) -> usize {
        let fired = &trace.layers[self.layer];
        let batch = batch.filter(|_| !self.per_trial);
        let mut regularized = 0;
        for (neuron, w) in fired.spikes.offsets().windows(2).enumerate() {
            let count = match batch {
                Some(batch) => batch.spikes[self.layer][neuron] as f64 / batch.samples as f64,
                None => (w[1] - w[0]) as f64,
            };
            let push = F::of(self.push(count));
            if push == F::zero() {
                continue;
            }
            for place in w[0]..w[1] {
                let slope = fired.slopes[place].max(sensitivity.slope_floor);
                sensitivity.spike_times[place] -= slope * push;
            }
            regularized += w[1] - w[0];
        }
        regularized
    }
}
