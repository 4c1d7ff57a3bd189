//! What a backward pass does besides the exact gradient.

use super::{GradientClip, RemedyError, SlopeLimiter, SpikeCountRegularizer, check};
use crate::{AdjointError, BatchSummary, Gradients, Health, Network, Real, Sensitivity, Trace};

/// What a backward pass does besides the exact gradient: nothing unless it is named.
///
/// ```
/// use eventprop::remedy::{GradientClip, SlopeLimiter, SpikeCountRegularizer};
/// use eventprop::{BackwardOptions, ParameterKind};
///
/// let options = BackwardOptions::new()
///     .limit_slopes(SlopeLimiter::Absolute(0.001))
///     .regularize(SpikeCountRegularizer::new(0).upper(14.0, 1e-9))
///     .clip(GradientClip::norm(ParameterKind::Delay, 1.0));
/// # let _ = options;
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct BackwardOptions {
    limiter: Option<SlopeLimiter>,
    regularizers: Vec<SpikeCountRegularizer>,
    clips: Vec<GradientClip>,
    near: Option<f64>,
}

impl BackwardOptions {
    /// The exact gradient.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the gradient through grazing spikes of all layers.
    pub fn limit_slopes(mut self, limiter: SlopeLimiter) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Adds a regulariser; each acts by itself.
    pub fn regularize(mut self, regularizer: SpikeCountRegularizer) -> Self {
        self.regularizers.push(regularizer);
        self
    }

    /// Clips the gradients in the end; in this order, if there are several.
    pub fn clip(mut self, clip: GradientClip) -> Self {
        self.clips.push(clip);
        self
    }

    /// Counts arrivals within `tolerance` ms of a spike of their target, or of the end of its refractory period, in
    /// [`Health::near_ties`]. It has to
    /// look at every arrival, which the rest of the report does not.
    pub fn near_ties(mut self, tolerance: f64) -> Self {
        self.near = Some(tolerance);
        self
    }

    /// The tolerance of near ties, if they are counted.
    pub(crate) fn near(&self) -> Option<f64> {
        self.near
    }

    pub(crate) fn check<F: Real>(&self, network: &dyn Network<F>) -> Result<(), RemedyError> {
        self.limiter.iter().try_for_each(SlopeLimiter::check::<F>)?;
        self.regularizers.iter().try_for_each(|r| r.check(network))?;
        self.clips.iter().try_for_each(GradientClip::check::<F>)?;
        let near = self.near.unwrap_or(0.0);
        check::<f64>("the tolerance of near ties", near, |t| t >= 0.0, "finite and not negative")
    }

    /// Whether the spikes of all of a batch have to be counted first.
    pub(crate) fn needs_batch(&self) -> bool {
        self.regularizers.iter().any(SpikeCountRegularizer::needs_batch)
    }

    /// Adds the remedies that act in the adjoint pass to the sensitivity of a loss, if that fits the trace.
    pub(crate) fn prepare<F: Real>(
        &self,
        trace: &Trace<F>,
        batch: Option<&BatchSummary<F>>,
        sensitivity: &mut Sensitivity<F>,
        health: &mut Health<F>,
    ) -> Result<(), AdjointError> {
        sensitivity.check(trace)?;
        if let Some(limiter) = &self.limiter {
            for (layer, terms) in sensitivity.layers.iter_mut().enumerate() {
                terms.slope_floor = limiter.floor(trace, layer);
            }
        }
        for regularizer in &self.regularizers {
            let layer = regularizer.layer();
            // A trace of another network may have fewer; the adjoint pass refuses it.
            let Some(terms) = sensitivity.layers.get_mut(layer) else { continue };
            health.layers[layer].regularized += regularizer.apply(trace, batch, terms);
        }
        Ok(())
    }

    /// Clips complete gradients.
    pub(crate) fn finish<F: Real>(
        &self,
        gradients: &mut Gradients<F>,
        health: &mut Health<F>,
    ) -> Result<(), RemedyError> {
        self.clips.iter().try_for_each(|clip| clip.apply(gradients, health))
    }
}
